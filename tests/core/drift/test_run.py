"""Scores of streams: equal to those of a run, and of zero-shot batches; absorption, store, progress and refusals."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.drift import run as drift
from anoonly_core.drift.config import drift_key, make_drift_config
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.run import run_absorption, run_drift
from anoonly_core.drift.scoring import score_way
from anoonly_core.drift.ways import NORMS_THAT_FOLLOW
from anoonly_core.errors import TrainingDiverged
from anoonly_core.models import METHODS, Head
from anoonly_core.models.norms import BatchNorm
from anoonly_core.results.store import default_store
from anoonly_core.runs.run import run
from anoonly_core.zero_shot.network import TaskBatchNorm
from tests.core.drift.made import BATCH, GUARDED, MIXED, MOVING, RETRAINED, RUNNING, networks, short

# Bits


@pytest.mark.parametrize("norm", [*sorted(NORMS_THAT_FOLLOW), "layer", "none"])
@pytest.mark.parametrize("baseline", ["DeepSAD", "DevNet"])
def test_without_a_shift_running_and_alpha_0_give_the_scores_of_the_run(baseline: str, norm: str) -> None:
    config = short(run={"baseline": baseline, "norm": norm, "epochs": 1}, schedule="none", alpha=0, rate=0)
    [result] = run_drift([config])
    alone = run(config.run, "cpu")
    of_row = dict(zip(alone.test_rows.tolist(), alone.scores.tolist(), strict=True))
    expected = np.vectorize(of_row.__getitem__)(result.rows).astype(np.float32)
    for way in (RUNNING, MIXED, MOVING, GUARDED, RETRAINED):
        assert result.scores[way].tobytes() == expected.tobytes()
    assert (result.path[[RUNNING, MIXED, MOVING, GUARDED]] == 0).all()


@pytest.mark.parametrize("baseline", [name for name in METHODS if name not in ("DeepSAD", "DevNet")])
@pytest.mark.usefixtures("short_pretraining")
def test_every_head_scores_a_stream_as_its_run_does(baseline: str) -> None:
    config = short(run={"baseline": baseline, "epochs": 1}, schedule="none", alpha=0, batches=3, start=1)
    [result] = run_drift([config])
    alone = run(config.run, "cpu")
    of_row = dict(zip(alone.test_rows.tolist(), alone.scores.tolist(), strict=True))
    expected = np.vectorize(of_row.__getitem__)(result.rows).astype(np.float32)
    assert result.scores[RUNNING].tobytes() == result.scores[MIXED].tobytes() == expected.tobytes()
    assert (result.scores[BATCH] != expected).any() == config.follows


@pytest.mark.parametrize("seeds", [1, 2])
def test_alpha_1_is_the_batch_scoring_of_zero_shot_on_the_same_network(
    seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [short(seed, {"norm": "batch"}, rows=256, alpha=1, batches=3, start=1) for seed in range(seeds)]
    stack, streams, x = networks(*configs)
    assert all(type(norm) is BatchNorm for norm in stack.head.norms())
    ours = {way: score_way(stack, configs[0], way, streams, x).scores for way in ("batch", "mixed")}
    # The norm of zero-shot in the place of the norm, over the rows of one task.
    monkeypatch.setattr(
        BatchNorm, "forward", lambda norm, h, labeled=None: TaskBatchNorm.of_tasks(norm, h, tasks=1, running=False)
    )
    stack.head.eval()
    with torch.no_grad():
        theirs = torch.stack([stack.head.score(x[:, batch]) for batch in range(3)], dim=1).numpy()
    assert ours["batch"].tobytes() == ours["mixed"].tobytes() == theirs.tobytes()


def test_scores_in_a_stack_are_those_alone_to_the_bit() -> None:
    configs = [short(seed, guard="threshold", retrain_every=3, run={"epochs": 1}) for seed in range(2)]
    together = run_drift(configs)
    for config, result in zip(configs, together, strict=True):
        [alone] = run_drift([config])
        for name, values in result.arrays().items():
            assert values.tobytes() == alone.arrays()[name].tobytes(), name


# Ways


def test_ways_coincide_under_a_norm_that_cannot_follow() -> None:
    [result] = run_drift([short(run={"norm": "layer"})])
    assert (result.scores == result.scores[:1]).all() and (result.path == 0).all()


# Absorption


def test_absorption_measures_streams_of_growing_shares() -> None:
    config = short(rows=64, shift="noise", amount=3)
    [absorbed] = run_absorption([config], (0.1, 0.5))
    [stream] = run_drift([drift.absorbing(config, 0.5)])
    assert absorbed.shares.tolist() == [0.1, 0.5]
    from sklearn.metrics import roc_auc_score

    areas = [
        [roc_auc_score(marks, scores) for marks, scores in zip(stream.anomalous[3:], of_way[3:], strict=True)]
        for of_way in stream.scores
    ]
    np.testing.assert_allclose(absorbed.of("aucroc")[1], np.mean(areas, axis=1), rtol=1e-5)
    np.testing.assert_allclose(absorbed.path[1], stream.path[:, -1])
    assert absorbed.of("aucroc")[1, BATCH] < absorbed.of("aucroc")[1, RUNNING]  # absorbed


# Store and progress


def test_results_come_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [short(7), short(8)]
    store = default_store()
    first = run_drift(configs[:1], store)
    assert DriftResult.from_arrays(store.get_arrays(drift_key(configs[0]), "drift")) is not None
    both = run_drift(configs, store)
    assert both[0].scores.tobytes() == first[0].scores.tobytes()
    monkeypatch.setattr(drift, "_score_streams", None)
    again = run_drift(configs[::-1], store)
    assert [result.scores.tobytes() for result in again] == [result.scores.tobytes() for result in both[::-1]]
    curves = run_absorption(configs[:1], (0.2,), store)
    monkeypatch.setattr(drift, "_absorb", None)
    assert (run_absorption(configs[:1], (0.2,), store)[0].figures == curves[0].figures).all()


def test_many_seeds_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [short(seed, batches=2, start=1, run={"epochs": 1}) for seed in range(50, 53)]
    whole = run_drift(configs)
    monkeypatch.setattr(drift, "STREAMS_AT_ONCE", 2)
    parts = run_drift(configs)
    assert [part.scores.tobytes() for part in parts] == [result.scores.tobytes() for result in whole]


def test_progress_counts_epochs_then_batches_and_can_stop() -> None:
    calls: list[tuple[int, int | None]] = []
    run_drift([short(21)], report=lambda done, total: calls.append((done, total)))
    assert calls == [*((epoch, 3) for epoch in (1, 2, 3)), *((done, 30) for done in range(1, 31))]

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_drift([short(22)], report=stop)


def test_the_networks_of_a_run_train_once_for_all_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    run_drift([short(31)])
    monkeypatch.setattr(drift, "trained_stacks", None)
    assert run_drift([short(31, alpha=0.2, shift="noise")])[0].intensity.max() == 1


def test_scores_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(head: Head, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        return head.hidden(x).mean(dim=2) + torch.inf

    monkeypatch.setattr(METHODS["DeepSAD"], "score", score)
    with pytest.raises(TrainingDiverged):
        run_drift([short(41)])


def test_an_upload_with_a_time_column_goes_the_same_way() -> None:
    rng = np.random.default_rng(0)
    day = rng.permutation(600)
    broken = rng.random(600) < 0.15
    sensors = rng.normal(size=(600, 4)) + 4 * broken[:, None] + 3 * (day >= 540)[:, None]
    table = pd.DataFrame(sensors, columns=list("abcd"))
    table["day"], table["state"] = day, np.where(broken, "broken", "fine")
    upload = uploads.add("days.csv", io.BytesIO(table.to_csv(index=False).encode()), "me", "here")
    uploads.apply_schema(upload, make_schema({"label": "state", "anomaly": ("broken",), "time": "day"}))
    config = make_drift_config(make_config(dataset=upload.name, protocol="by_time", epochs=10), shift="order", rows=20)
    [result] = run_drift([config])
    assert result.rows.shape == (6, 20)
    order = day[result.rows.ravel()]
    assert (np.diff(order) > 0).all() and order[0] >= 420 + 60
    late = order.reshape(6, 20)[:, 0] >= 540
    flagged = (result.scores[RUNNING] > result.promised[RUNNING]) & ~result.anomalous
    assert flagged[late].mean() > flagged[~late].mean() + 0.3
