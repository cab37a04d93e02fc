"""Networks that train again on the stream so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split, min_max
from anoonly_core.drift import retraining
from anoonly_core.drift.run import run_drift
from anoonly_core.drift.stream import make_stream
from anoonly_core.runs.train_and_score import TrainingTask, trained_stacks
from anoonly_core.training.stack import Stack
from tests.core.drift.made import RETRAINED, RUNNING, networks, short


def test_a_retrained_network_learns_the_shift() -> None:
    config = short(amount=2, retrain_every=3, batches=9, start=3, rows=64, run={"epochs": 10})
    [result] = run_drift([config])
    assert (result.scores[RETRAINED, :3] == result.scores[RUNNING, :3]).all()
    assert (result.scores[RETRAINED, 3:] != result.scores[RUNNING, 3:]).any(axis=1).all()
    limit = result.thresholds(recalibrated=False)
    assert (limit[RETRAINED] == result.recalibrated[RETRAINED]).all() and (limit[RUNNING] == result.promised[0]).all()
    alarms = (result.scores > limit[:, :, None])[:, 6:][:, ~result.anomalous[6:]].mean(axis=1)
    assert alarms[RETRAINED] < alarms[RUNNING] / 2


def test_training_rows_are_those_of_the_split_and_the_stream_so_far() -> None:
    config = short(amount=2, retrain_every=2)
    stack, streams, _ = networks(config)
    [(indices, again)] = retraining._trained_again(stack, streams, 4)
    dataset, split = load_cached("digits_3"), make_split(load_cached("digits_3"), config.run)
    stream = make_stream(dataset, split, config)
    seen, marks = stream.X[:4].reshape(-1, 64), stream.anomalous[:4].ravel()
    X = np.concatenate([dataset.X[split.train], seen])
    new = again.splits[0]
    assert indices == [0] and (again.dataset.X[new.train] == X).all()
    assert (new.labeled == np.concatenate([split.labeled, marks])).all() and (new.test == split.test).all()
    minimum, scale = min_max(X, np.arange(len(X)))
    assert (new.minimum == minimum).all() and (new.scale == scale).all()


def test_seeds_of_several_stacks_are_scored_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [short(seed, retrain_every=3, run={"epochs": 1}) for seed in range(3)]
    together = run_drift(configs)

    def one_by_one(tasks: Sequence[TrainingTask]) -> Iterator[tuple[list[int], Stack]]:
        for index in (2, 0, 1):
            yield [index], next(iter(trained_stacks([tasks[index]])))[1]

    monkeypatch.setattr(retraining, "trained_stacks", one_by_one)
    for result, alone in zip(together, run_drift(configs), strict=True):
        assert alone.scores.tobytes() == result.scores.tobytes() and alone.plane.tobytes() == result.plane.tobytes()
    assert not np.allclose(together[0].scores[RETRAINED], together[1].scores[RETRAINED])
