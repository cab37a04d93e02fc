"""The file of rankings: written and read back, its points and scopes, and a file that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.errors import InvalidConfig
from anoonly_core.reproduction.which.runs import (
    COLUMNS,
    Point,
    points_of,
    pools_of,
    read_runs,
    runs_at,
    scopes_of_runs,
    series_of,
    write_runs,
)
from tests.core.reproduction.which.made import CLASSICAL, EMBEDDINGS, runs_of

RUNS = runs_of(("KNN", "ECOD"), lambda dataset, system, point, seed: len(dataset) / 100 + seed / 1000)


def test_a_file_holds_the_runs_with_four_decimals_and_gaps(tmp_path: Path) -> None:
    runs = RUNS[~((RUNS["system"] == "ECOD") & (RUNS["seed"] == 4))]
    write_runs(runs, tmp_path / "which.csv")
    found = read_runs(tmp_path / "which.csv")
    order = ["dataset", "system", "contamination", "labeled_ratio", "labeled_anomalies", "seed"]
    expected, found = (frame.sort_values(order, ignore_index=True)[[*COLUMNS]] for frame in (runs, found))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, atol=5e-5)


def test_without_a_file_there_are_no_runs_and_no_scopes(tmp_path: Path) -> None:
    runs = read_runs(tmp_path / "which.csv")
    assert runs.empty and tuple(runs.columns) == COLUMNS and scopes_of_runs(runs) == []


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "dataset,system\nKNN,1\n", "\0", '"'])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "which.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfig, match="cannot be read as a file of rankings"):
        read_runs(path)


@pytest.mark.parametrize(
    ("datasets", "scopes"),
    [
        (EMBEDDINGS, ["embeddings", "ResNet-18", "BERT"]),
        (CLASSICAL, ["classical"]),
        (("20news_3",), ["BERT"]),
        (("CIFAR10_0", "6_cardio"), ["ResNet-18", "classical"]),
        (("digits_3",), []),
    ],
)
def test_scopes_are_those_of_the_data_sets(datasets: tuple[str, ...], scopes: list[str]) -> None:
    runs = runs_of(("KNN",), lambda *_: 0.5, datasets)
    assert scopes_of_runs(runs) == scopes


def test_points_have_shares_then_numbers_and_hold_their_runs_only() -> None:
    assert pools_of(RUNS, "classical") == ["clean", "natural"]
    clean, natural = (points_of(RUNS, "classical", pool) for pool in ("clean", "natural"))
    assert [point.name for point in clean] == ["1 %", "10 %", "100 %"]
    assert [point.name for point in natural] == ["1 %", "10 %", "100 %", "1", "5"]
    assert [point.name for point in series_of(natural, natural[3])] == ["1", "5"]
    assert natural[3].words == "1 labeled anomaly" and natural[4].words == "5 labeled anomalies"
    for point in (*clean, *natural):  # 10 % and 5 labels share the labeled ratio
        at = runs_at(RUNS, "classical", point)
        assert len(at) == 2 * 5 * len(CLASSICAL) and set(at["dataset"]) == set(CLASSICAL)
        assert at["labeled_anomalies"].isna().all() == (point.count == 0)
    assert runs_at(RUNS, "BERT", Point("clean", 0.1))["dataset"].unique().tolist() == ["20news_3"]
    assert np.isclose(runs_at(RUNS, "BERT", Point("clean", 0.01))["labeled_ratio"].astype(float), 0.01).all()
