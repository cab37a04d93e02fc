"""Parts of the line below a headline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.text.conditions import dataset_text, pool_text, seeds_text
from tests.tables import cancer


@pytest.mark.parametrize(
    ("contamination", "text"),
    [
        ("natural", "anomalies in the pool as found"),
        (0.0, "clean pool"),
        (0.05, "5 % of the pool anomalous"),
        (0.125, "12.5 % of the pool anomalous"),
    ],
)
def test_a_pool_is_named_by_its_contamination(contamination: float | str, text: str) -> None:
    assert pool_text(contamination) == text


@pytest.mark.parametrize(
    ("seeds", "text"), [([0], "seed 0"), ([7], "seed 7"), (range(5), "seeds 0 to 4"), ((3, 4), "seeds 3 to 4")]
)
def test_seeds_are_named_by_the_first_and_the_last(seeds: Sequence[int], text: str) -> None:
    assert seeds_text(seeds) == text


def test_a_data_set_is_named_by_its_file_if_it_has_one(tmp_path: Path) -> None:
    file = tmp_path / "cells.csv"
    cancer().to_csv(file, index=False)
    assert dataset_text(f"{file}?label=target&anomaly=malignant") == "cells.csv"
    assert dataset_text("digits_3") == "digits_3"
