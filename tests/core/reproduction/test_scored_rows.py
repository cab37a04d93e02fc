"""Fig. 10: the shipped rows are those of the shipped results, and a file is read as it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.projection import project
from anoonly_core.reproduction.results import KEY_LETTERS, shipped_results
from anoonly_core.reproduction.scored_rows import (
    DATASETS,
    fig10_runs,
    read_scored_rows,
    scored_rows_grid,
    scored_rows_sentence,
    write_scored_rows,
)
from anoonly_core.results.result import Role
from anoonly_core.runs.run import run_many


def test_the_shipped_rows_have_the_metrics_of_the_shipped_results() -> None:
    runs = {(run.dataset, run.system): run for run in read_scored_rows()}
    planned = fig10_runs()
    assert {(each.config.dataset, each.variant.at["system"]) for each in planned} == set(runs) and len(runs) == 6
    for each in planned:
        found = runs[each.config.dataset, each.variant.at["system"]].metrics
        expected = shipped_results()[each.key[:KEY_LETTERS]].metrics
        assert found.as_dict() == pytest.approx(expected, abs=1e-5), each.config.dataset


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    results = run_many([make_config(lambda_n=weight, epochs=2) for weight in (1.0, 0.0)], "cpu", None)
    write_scored_rows(results, tmp_path / "rows.csv")
    runs = read_scored_rows(tmp_path / "rows.csv")
    assert [run.system for run in runs] == ["DeepSAD", "DeepSAD + AnoOnly"]
    for run, result in zip(runs, results, strict=True):
        assert run.metrics.as_dict() == pytest.approx(result.metrics.as_dict(), abs=1e-9)
        is_labeled = run.role == Role.LABELED_ANOMALY
        assert is_labeled.sum() == (result.sample.role == Role.LABELED_ANOMALY).sum() > 0
        assert np.isnan(run.scores[is_labeled]).all() and np.isfinite(run.scores[~is_labeled]).all()
        points = run.points[~np.isnan(run.points[:, 0])]
        assert sorted(points[:, 0]) == pytest.approx(sorted(project(result.sample.hidden, "pca")[:, 0]), rel=1e-3)


def test_the_sentence_and_the_table_have_the_figures_of_the_rows() -> None:
    runs = read_scored_rows()
    sentence = scored_rows_sentence(runs)
    values = {(run.dataset, run.system): 100 * run.metrics.aucpr_anomaly for run in runs}
    for name in DATASETS:
        assert f"{name} {values[name, 'DeepSAD']:.1f} → {values[name, 'DeepSAD + AnoOnly']:.1f} (+" in sentence
    assert "one seed" in sentence
    assert [row[5] for row in scored_rows_grid(runs).rows] == pytest.approx(list(values.values()))
    assert scored_rows_sentence([]) == "" == scored_rows_sentence(runs[:1])


def test_without_a_file_there_are_no_rows(tmp_path: Path) -> None:
    assert read_scored_rows(tmp_path / "rows.csv") == ()
