"""Scores of streams: equal to those of a run, of zero-shot batches and of a plain loop; store, speed and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.decision.conformal import conformal_threshold
from anoonly_core.drift import run as drift
from anoonly_core.drift.config import DriftConfig, drift_key, make_drift_config
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.run import run_absorption, run_drift, trained_networks
from anoonly_core.drift.scoring import newest_thresholds, scaled_batches, score_way
from anoonly_core.drift.stream import make_stream
from anoonly_core.drift.ways import NORMS_THAT_FOLLOW, WAYS
from anoonly_core.errors import TrainingDiverged
from anoonly_core.models import METHODS, Head
from anoonly_core.models.norms import BatchNorm
from anoonly_core.results.store import default_store
from anoonly_core.runs.run import run
from anoonly_core.training.stack import Stack
from anoonly_core.zero_shot.network import TaskBatchNorm

RUNNING, BATCH, MIXED, MOVING, GUARDED, RETRAINED = range(len(WAYS))


def short(seed: int = 0, run: dict[str, Any] | None = None, **settings: Any) -> DriftConfig:
    config = make_config(**{"epochs": 3, "seed": seed, **(run or {})})
    return make_drift_config(config, **{"batches": 6, "start": 3, "rows": 32, **settings})


def networks(*configs: DriftConfig) -> tuple[Stack, list[Any], Tensor]:
    """Train the networks of configs as one stack; return it with their streams and scaled rows."""
    dataset = load_cached(configs[0].run.dataset)
    splits = [make_split(dataset, config.run) for config in configs]
    [(_, stack)] = trained_networks([config.run for config in configs], dataset, splits)
    streams = [make_stream(dataset, *each) for each in zip(splits, configs, strict=True)]
    return stack, streams, scaled_batches(stack, streams)


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


Guard = Callable[[Tensor], Tensor]  # scores of a batch [n] to the mask of the rows that count


def plain_loop(stack: Stack, x: Tensor, rate: float, guard: Guard, shrinks: bool) -> np.ndarray:
    """Score batches [B, n, columns]; batch norm in training mode follows the rows that count.

    With `shrinks` the rate is multiplied by their share.
    """
    norms, scores = list(stack.head.norms()), []
    before = [(norm.momentum, [statistic.clone() for statistic in norm.running()]) for norm in norms]
    with torch.no_grad():
        for batch in x:
            stack.head.eval()
            scores.append(stack.head.score(batch[None])[0])
            counts = guard(scores[-1])
            for norm in norms:
                norm.momentum = rate * float(counts.float().mean()) if shrinks else rate
            stack.head.train()
            if counts.any():
                stack.head.hidden(batch[None, counts])
        for norm, (momentum, statistics) in zip(norms, before, strict=True):
            norm.momentum = momentum
            for statistic, value in zip(norm.running(), statistics, strict=True):
                statistic.copy_(value)
    stack.head.eval()
    return torch.stack(scores).numpy()


@pytest.mark.parametrize("rows", [32, 256])
@pytest.mark.parametrize("guard", ["none", "threshold", "trimmed"])
@pytest.mark.parametrize(
    ("baseline", "norm"), [("DeepSAD", "batch_no_affine"), ("DevNet", "batch"), ("DeepSAD", "whiten")]
)
def test_moving_statistics_are_those_of_a_plain_loop(baseline: str, norm: str, guard: str, rows: int) -> None:
    config = short(run={"baseline": baseline, "norm": norm}, rows=rows, rate=0.3, guard=guard, amount=0.3)
    stack, streams, x = networks(config)
    ours = score_way(stack, config, "guarded", streams, x)
    guards: dict[str, Guard] = {
        "none": lambda scores: scores == scores,
        "threshold": lambda scores: scores <= float(ours.promised[0]),
        "trimmed": lambda scores: scores.argsort().argsort() < rows - math.ceil(rows / 10),
    }
    theirs = plain_loop(stack, x[0], 0.3, guards[guard], shrinks=guard == "threshold")
    np.testing.assert_allclose(ours.scores[0], theirs, rtol=2e-3 if norm == "whiten" else 1e-4, atol=1e-5)
    assert not np.allclose(ours.scores, score_way(stack, config, "running", streams, x).scores, rtol=1e-2)


def test_scores_in_a_stack_are_those_alone_to_the_bit() -> None:
    configs = [short(seed, guard="threshold", retrain_every=3, run={"epochs": 1}) for seed in range(2)]
    together = run_drift(configs)
    for config, result in zip(configs, together, strict=True):
        [alone] = run_drift([config])
        for name, values in result.arrays().items():
            assert values.tobytes() == alone.arrays()[name].tobytes(), name


@pytest.mark.parametrize("norm", sorted(NORMS_THAT_FOLLOW))
def test_batch_statistics_with_weights_are_those_of_the_rows_that_count(norm: str) -> None:
    stack, _, _ = networks(short(run={"norm": norm, "epochs": 1}))
    first = next(stack.head.norms())
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(1, 40, 128, generator=generator)
    weight = torch.zeros(1, 40, 1)
    weight[:, :25] = 1
    for unbiased in (False, True):
        weighted, alone = first.batch_statistics(h, weight, unbiased), first.batch_statistics(h[:, :25], None, unbiased)
        for ours, theirs in zip(weighted, alone, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)
    none = first.batch_statistics(h, torch.zeros(1, 40, 1))
    for ours, theirs in zip(none, first.batch_statistics(h), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)


# Ways


def test_the_path_is_the_distance_from_the_running_mean_in_deviations() -> None:
    config = short(amount=2, guard="none")
    stack, _, x = networks(config)
    [result] = run_drift([config])
    norm = next(stack.head.norms())
    h = x[0, 4] @ stack.head.parts["features"].steps[0].weight[0].detach()
    away = (h.mean(dim=0) - norm.running_mean[0, 0]) / norm.running_variance[0, 0].sqrt()
    assert result.path[BATCH, 4] == pytest.approx(float(away.square().mean().sqrt()), rel=1e-4)
    assert result.path[MIXED, 4] == pytest.approx(result.path[BATCH, 4] / 2, rel=1e-4)
    assert (result.path[RUNNING] == 0).all() and result.path[MOVING, 0] == 0
    assert (result.path[GUARDED] == result.path[MOVING]).all()


def test_a_threshold_that_flags_all_rows_stops_the_guard() -> None:
    [result] = run_drift([short(amount=5, guard="threshold", rate=0.5)])
    flagged = result.scores[GUARDED, 3:] > result.promised[GUARDED]
    assert flagged.all() and (result.path[GUARDED, 3] == result.path[GUARDED, 3:]).all()
    assert result.path[MOVING, -1] > 2 * result.path[GUARDED, -1]


def test_the_promise_holds_before_the_shift() -> None:
    configs = [short(seed, schedule="none", batches=12, level=0.1) for seed in range(5)]
    results = run_drift(configs)
    for way in (RUNNING, BATCH, MIXED):
        rates = [(result.scores[way] > result.promised[way])[~result.anomalous].mean() for result in results]
        assert 0.04 < np.mean(rates) < 0.17


def test_thresholds_follow_the_newest_normal_scores() -> None:
    rng = np.random.default_rng(0)
    calibration, scores, normal = rng.random(30), rng.random((5, 20)) + 3, rng.random((5, 20)) < 0.9
    thresholds = newest_thresholds(calibration, scores, normal, 0.1)
    assert thresholds[0] == np.float32(conformal_threshold(calibration, 0.1))
    newest = np.concatenate([calibration, *(row[mask] for row, mask in zip(scores, normal, strict=True))])
    until = len(calibration) + normal[:4].sum()
    assert thresholds[4] == np.float32(conformal_threshold(newest[until - 30 : until], 0.1))
    assert thresholds[4] > 3


def test_standardized_scores_have_mean_0_and_deviation_1_in_each_batch() -> None:
    [result] = run_drift([short(standardize=True)])
    np.testing.assert_allclose(result.scores.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(result.scores.std(axis=2, ddof=1), 1, rtol=1e-4)
    [plain] = run_drift([short()])
    assert (np.argsort(result.scores[0, 0]) == np.argsort(plain.scores[0, 0])).all()


def test_a_retrained_network_learns_the_shift() -> None:
    config = short(amount=2, retrain_every=3, batches=9, start=3, rows=64, run={"epochs": 10})
    [result] = run_drift([config])
    assert (result.scores[RETRAINED, :3] == result.scores[RUNNING, :3]).all()
    assert (result.scores[RETRAINED, 3:] != result.scores[RUNNING, 3:]).any(axis=1).all()
    limit = result.thresholds(recalibrated=False)
    assert (limit[RETRAINED] == result.recalibrated[RETRAINED]).all() and (limit[RUNNING] == result.promised[0]).all()
    alarms = (result.scores > limit[:, :, None])[:, 6:][:, ~result.anomalous[6:]].mean(axis=1)
    assert alarms[RETRAINED] < alarms[RUNNING] / 2


def test_ways_coincide_under_a_norm_that_cannot_follow() -> None:
    [result] = run_drift([short(run={"norm": "layer"})])
    assert (result.scores == result.scores[:1]).all() and (result.path == 0).all()


def test_the_plane_is_fixed_and_that_of_the_training_rows() -> None:
    config = short(schedule="none")
    [result] = run_drift([config])
    stack, streams, _ = networks(config)
    [hidden] = stack.hidden([streams[0].rows[2]])
    from sklearn.decomposition import PCA

    [training] = stack.hidden([np.unique(stack.splits[0].train)])
    expected = PCA(2, svd_solver="full").fit(training).transform(hidden)
    np.testing.assert_allclose(abs(result.plane[RUNNING, 2]), abs(expected), rtol=1e-2, atol=1e-3)
    assert result.training_plane.shape == (200, 2)


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
