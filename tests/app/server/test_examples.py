"""The example table to practise on."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from anoonly_core.data.tables import uploads
from app.server.examples import LABEL, add_example, example_csv
from tests.app.conftest import opened

pytestmark = pytest.mark.usefixtures("one_browser")


@pytest.mark.parametrize("labeled", [True, False])
def test_the_file_has_labels_only_if_asked_for(labeled: bool) -> None:
    table = pd.read_csv(io.BytesIO(example_csv(labeled)))
    assert len(table) == 569 and table.shape[1] == 30 + labeled
    assert not labeled or table[LABEL].value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_an_example_without_labels_can_be_labeled_at_once() -> None:
    table = add_example(labeled=False)
    assert table.owner == "me" and table.counts is not None and not table.can_be_tested
    assert uploads.load(table).X.shape == (569, 30)


def test_label_offers_the_example_and_ranks_it() -> None:
    page = opened("label")
    page.button(key="label_example").click().run()
    assert [caught.value for caught in page.exception] == []
    assert "569 rows" in page.markdown[0].value and not page.error


def test_your_table_offers_the_example_and_reads_its_labels() -> None:
    page = opened("your-table")
    page.button(key="own_example").click().run()
    assert [caught.value for caught in page.exception] == [] and not page.error
    assert "569 rows" in page.markdown[0].value and "212" in page.markdown[0].value
    assert LABEL in [box.value for box in page.selectbox if box.label == "Label column"]
    assert "own_example" not in {button.key for button in page.button}, "only where there is no table"
