"""The page Label without a browser: rank the rows of a table, label some, and train on the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema, make_schema
from app.views.label.page import _other_weight
from app.views.label.reasons import NEEDS_LABELS, SELECT_ONE
from app.views.label.source import load_source
from tests.app.conftest import opened
from tests.app.uploading import TABLE, add_table, errors, upload

pytestmark = pytest.mark.usefixtures("one_browser")


def test_marks_begin_with_a_ranking_without_labels_and_then_train() -> None:
    table = uploads.apply_schema(add_table(), TableSchema(label="", without=("target",)))[0]
    page = opened("label", table=table.name, epochs="2")
    assert "Isolation forest puts the strangest of 569 rows on top" in page.markdown[0].value
    assert errors(page) == []
    assert NEEDS_LABELS in [caption.value for caption in page.caption]
    first = int(page.dataframe[0].value["row"].iloc[0])
    uploads.save_labels(table, f"row,label\n{first},anomaly\n5,normal\n")
    page = opened("label", table=table.name)
    assert "Trained on 1 labeled anomaly, DeepSAD puts" in page.markdown[0].value
    assert first not in page.dataframe[0].value["row"].tolist()
    page.toggle(key="label_all").set_value(True).run()
    labels = page.dataframe[0].value.set_index("row")["label"]
    assert labels[first] == "★ anomaly"
    assert SELECT_ONE in [caption.value for caption in page.caption]
    page.session_state["label_list_0"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()
    assert errors(page) == []
    assert {"contributions", "deletion"} <= {chart.key for chart in page.get("plotly_chart")}


@pytest.mark.parametrize(("given", "other"), [({}, "1"), ({"lambda_n": "1"}, "0")])
def test_marks_train_with_and_without_the_loss_on_the_pool(given: dict[str, str], other: str) -> None:
    """Label begins at λ_n = 0 and shows the ranks of both weights; the list has either order, or both in turn."""
    table = uploads.apply_schema(add_table(), TableSchema(label="", without=("target",)))[0]
    rows = np.flatnonzero(TABLE["target"] == "malignant")[:3]
    uploads.save_labels(table, "\n".join(["row,label", *(f"{row},anomaly" for row in rows)]))
    page = opened("label", **{"table": table.name, "epochs": "2", "baseline": "DevNet", **given})
    assert errors(page) == []
    first, second = f"rank, λₙ = {given.get('lambda_n', '0')}", f"rank, λₙ = {other}"

    def listed(order: str) -> pd.DataFrame:
        page.segmented_control(key="label_order").set_value(order).run()
        frame: pd.DataFrame = page.dataframe[0].value
        return frame

    page.toggle(key="label_all").set_value(True).run()
    by_first, by_second, in_turn = (listed(order) for order in ("chosen", "other", "in turn"))
    assert by_first[first].tolist() == by_second[second].tolist() == [*range(1, 101)]
    assert {*by_first["row"][:10], *by_second["row"][:10]} <= {*in_turn["row"][:20]}
    shared = len({*by_first["row"][:20]} & {*by_second["row"][:20]})
    words = "have the same first 20 rows" if shared == 20 else f"share {shared} of their first 20 rows"
    assert [caption.value for caption in page.caption if words in caption.value]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"baseline": "DeepSAD", "lambda_n": 0.0}, {"lambda_n": 1.0}),
        ({"baseline": "DeepSAD", "lambda_n": 0.0, "grad_mean": 0.5}, {"lambda_n": 1.0}),
        ({"baseline": "DevNet", "lambda_n": 0.0}, {"lambda_n": 1.0, "norm": "none"}),
        (
            {"baseline": "DevNet", "lambda_n": 0.0, "grad_mean": 0.5},
            {"lambda_n": 1.0, "norm": "none", "grad_mean": 1.0},
        ),
        ({"baseline": "DevNet", "lambda_n": 0.1, "norm": "layer"}, {"lambda_n": 1.0}),
        ({"baseline": "PReNet", "lambda_n": 1.0}, {"lambda_n": 0.0, "norm": "batch"}),
        ({"baseline": "FEAWAD", "lambda_n": 1.0, "preset": "published_code"}, {"lambda_n": 0.0}),
    ],
)
def test_the_other_weight_has_its_published_norm(settings: dict[str, Any], changed: dict[str, Any]) -> None:
    config = make_config(**settings)
    assert _other_weight(config) == config.with_(**changed)


def test_a_comparator_has_no_other_weight() -> None:
    assert _other_weight(make_config(baseline="REPEN")) is None


def test_a_label_column_counts_as_marks_and_its_blanks_are_searched() -> None:
    known = TABLE["target"].where((np.arange(569) < 60) & (TABLE["target"] == "malignant"))
    page = upload(TABLE.assign(target=known).to_csv(index=False).encode())
    (table,) = uploads.list_uploads("me")
    assert "labeled anomalies and none labeled normal" in page.markdown[0].value
    page = opened("label", table=table.name, epochs="2")
    assert f"Trained on {known.notna().sum()} labeled anomalies" in page.markdown[0].value
    listed = page.dataframe[0].value["row"].tolist()
    assert not set(listed) & set(np.flatnonzero(known.notna()))


def test_without_a_table_the_page_says_where_to_bring_one() -> None:
    assert "Practise on an example" in opened("label").markdown[0].value


def test_a_column_of_the_file_never_stands_for_the_ranking() -> None:
    content = TABLE.assign(score=np.arange(len(TABLE)) + 1000.0).drop(columns="target").to_csv(index=False).encode()
    table, _ = uploads.apply_schema(add_table(content), make_schema({}))
    (listed,) = opened("label", table=table.name).dataframe
    assert (listed.value["score"] < 1000).all() and (listed.value["score (in the file)"] >= 1000).all()


def test_passages_of_novels_can_be_labeled_for_practice() -> None:
    source = load_source("novels")
    assert source.truth is not None and source.truth.sum() == 50
    assert source.dataset.previews is not None
    assert len(source.dataset.previews.text(0).split()) == 60
