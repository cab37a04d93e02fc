"""A sweep from Python: its table is the one that the runs give one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core import make_config, run, sweep
from anoonly_core.errors import InvalidConfig, TrainingDiverged, UnknownDataset
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store, default_store
from anoonly_core.runs.run import RunProgress
from anoonly_core.sweeps.sweep import make_sweep, sweep_table


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))


def test_a_list_varies_and_a_value_is_fixed() -> None:
    table = sweep(dataset="digits_8", lambda_n=[1, 0], epochs=2, seeds=2)
    grid = make_sweep({"dataset": "digits_8", "epochs": 2}, [("lambda_n", [1, 0])], 2)
    expected = sweep_table(grid, default_store().runs(grid.configs), {})
    pd.testing.assert_frame_equal(table, expected)
    assert table["lambda_n"].tolist() == [1, 1, 0, 0]
    assert table["seed"].tolist() == [0, 1, 0, 1]
    assert table["failure"].tolist() == [""] * 4
    for number, config in enumerate(grid.configs.values()):
        metrics = run(config).metrics.as_dict()
        assert {name: table[name][number] for name in METRICS} == metrics


@pytest.mark.parametrize("values", [(1.0, 0.5), np.array([1.0, 0.5])])
def test_tuples_and_arrays_vary_too(values: object) -> None:
    table = sweep(dataset="digits_8", lambda_n=values, epochs=1, seeds=1, store=None)
    assert table["lambda_n"].tolist() == [1.0, 0.5]


def test_stored_runs_are_not_trained_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "other.sqlite")
    epochs: list[RunProgress] = []
    first = sweep(dataset="digits_8", epochs=1, seeds=2, store=store, on_progress=epochs.append)
    assert epochs[-1] == RunProgress(epoch=1, epochs=1, finished=0, runs=2)
    epochs.clear()
    again = sweep(dataset="digits_8", epochs=1, seeds=2, store=store, on_progress=epochs.append)
    pd.testing.assert_frame_equal(first, again)
    assert not epochs
    keys = {run_key(make_config(dataset="digits_8", epochs=1, seed=seed)) for seed in (0, 1)}
    assert store.keys() == set(first["key"]) == keys
    assert not default_store().keys()


def test_a_run_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(dataset="digits_8", epochs=1)

    def diverge(configs: dict[str, object], *_: object) -> object:
        return ((key, TrainingDiverged()) for key in configs)

    good = run(config, "cpu", default_store())
    monkeypatch.setattr("anoonly_core.runs.run.run_each", diverge)
    table = sweep(dataset="digits_8", epochs=1, seeds=2)
    assert table["failure"].tolist() == ["", str(TrainingDiverged())]
    assert table["aucroc"][0] == good.metrics.aucroc and np.isnan(table["aucroc"][1])


def test_what_cannot_be_trained_is_one_sentence() -> None:
    with pytest.raises(InvalidConfig, match="dataset cannot be varied in a sweep"):
        sweep(dataset=["digits_3", "digits_8"])
    with pytest.raises(InvalidConfig, match="There is no setting called 'lambda'"):
        sweep(**{"lambda": 1})
    with pytest.raises(InvalidConfig, match="lambda_n must be a number from 0"):
        sweep(lambda_n=[1, 2])
    with pytest.raises(UnknownDataset):
        sweep(dataset="digits_11")
