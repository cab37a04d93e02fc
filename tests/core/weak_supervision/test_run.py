"""Measures of each mechanism: paired runs, paths of the gradient to the pool, collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.runs.run import run_many
from anoonly_core.training.stack import Stack
from anoonly_core.weak_supervision.points import mechanism_configs
from anoonly_core.weak_supervision.result import COLUMNS, Measures, measures_table
from anoonly_core.weak_supervision.run import effective_rank, measure_runs, probed_epochs, relative_spread


def config(**settings: object) -> RunConfig:
    return make_config(**{"dataset": "breast_cancer", "lambda_n": 0.0, "epochs": 3, **settings})


def measured(*configs: RunConfig) -> list[Measures]:
    found = measure_runs(configs)
    assert all(values is not None for values in found)
    return [values for values in found if values is not None]


@pytest.mark.parametrize("baseline", ["DeepSAD", "PReNet"])
def test_a_measured_run_is_the_run_of_the_other_commands(baseline: str) -> None:
    configs = mechanism_configs(config(baseline=baseline, epochs=2), 2, ["ghost"])["ghost"][:6]
    for ours, plain in zip(measured(*configs), run_many(configs, "cpu"), strict=True):
        assert (ours.aucroc, ours.aucpr_anomaly) == (plain.metrics.aucroc, plain.metrics.aucpr_anomaly)


def test_the_gradient_reaches_the_pool_through_shared_statistics_only() -> None:
    at_zero = {name: config(norm=name) for name in ("batch_no_affine", "group", "none", "running", "cluster")}
    batch, group, none, running, cluster = measured(*at_zero.values())
    for values in (batch, running):
        assert 0 < values.reach < 1 and values.direct == 0
        assert values.through_variance > 0 and values.through_mean > 0
        assert values.through_variance + values.through_mean == pytest.approx(1)
    for values in (group, none):
        assert values.reach == 0 and math.isnan(values.direct) and math.isnan(values.through_mean)
    assert cluster.reach > 0 and cluster.direct == 1
    (with_loss,) = measured(config(norm="none", lambda_n=0.01))
    assert with_loss.reach > 0 and with_loss.direct == 1


def test_a_run_that_diverges_has_no_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [config(norm="ghost", seed=seed) for seed in (0, 1)]
    scores = Stack.scores

    def infinite(stack: Stack, rows: list[np.ndarray]) -> list[np.ndarray]:
        first, *others = scores(stack, rows)
        return [np.full_like(first, np.inf), *others]

    monkeypatch.setattr(Stack, "scores", infinite)
    diverged, fine = measure_runs(configs)
    assert diverged is None and fine is not None
    table = measures_table(configs, [diverged, fine])
    assert list(table) == list(COLUMNS) and table["strength"].tolist() == [32, 32]
    assert math.isnan(table["aucpr_anomaly"][0]) and table["aucpr_anomaly"][1] == fine.aucpr_anomaly


def test_progress_counts_the_epochs_of_all_stacks() -> None:
    seen: list[tuple[int, int]] = []
    measure_runs([config(), config(norm="layer")], lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6) and [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(("epochs", "probed"), [(1, {1}), (3, {1, 2, 3}), (50, {1, 17, 34, 50})])
def test_the_gradient_is_measured_at_few_epochs(epochs: int, probed: set[int]) -> None:
    assert probed_epochs(epochs) == probed


def test_the_effective_rank_counts_equal_directions() -> None:
    random = np.random.default_rng(0)
    basis, _ = np.linalg.qr(random.normal(size=(9, 9)))
    for rank in (1, 3, 9):
        rows = np.concatenate([basis[:rank], -basis[:rank]]) + 5
        assert effective_rank(rows) == pytest.approx(rank)
    assert effective_rank(np.full((7, 4), 0.3, np.float32)) == 0
    uneven = np.diag([1.0, 1.0, 1e-6])
    assert effective_rank(np.concatenate([uneven, -uneven])) == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize(
    ("rows", "spread"), [([[2.0], [2.0]], 0), ([[-1.0], [1.0]], 1), ([[0.0], [2.0]], 0.5**0.5), ([[0.0], [0.0]], 0)]
)
def test_the_relative_spread_is_deviation_over_root_mean_square(rows: list[list[float]], spread: float) -> None:
    assert relative_spread(np.array(rows)) == pytest.approx(spread)
