"""Gains of AnoOnly, compared with SciPy and computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.significance import gain, gains, gains_grid, margin_of_error
from anoonly_core.reproduction.tables import ALL
from tests.core.reproduction.made import has, runs_of

FILES = ("CIFAR10_0", "CIFAR10_4", "SVHN_0")
RNG = np.random.default_rng(0)
CHANGES = {(name, seed): float(RNG.normal(0.02, 0.02)) for name in FILES for seed in range(5)}


def value(run: PlannedRun) -> float:
    change = CHANGES[run.config.dataset, run.config.seed] if has(run, lambda_n=0.0) else 0.0
    return 0.5 + 0.03 * run.config.seed + change  # the level of each seed cancels in the pairs


def test_a_gain_is_paired_by_file_and_seed() -> None:
    runs = runs_of("table1", value, FILES)
    measured = gain(runs[runs["source"] == "text"], "DeepSAD", "aucroc", ["CIFAR10", "SVHN"], ALL)
    assert measured is not None and (measured.pairs, measured.files, measured.total_files) == (15, 3, 20)
    means_by_seed = [
        100 * np.mean([np.mean([CHANGES["CIFAR10_0", s], CHANGES["CIFAR10_4", s]]), CHANGES["SVHN_0", s]])
        for s in range(5)
    ]
    assert measured.mean == pytest.approx(np.mean(means_by_seed))
    interval = stats.t.interval(0.95, 4, loc=np.mean(means_by_seed), scale=stats.sem(means_by_seed))
    assert measured.margin == pytest.approx((interval[1] - interval[0]) / 2)
    assert measured.p_pairs == pytest.approx(stats.wilcoxon(list(CHANGES.values())).pvalue)
    assert measured.better == sum(change > 0 for change in CHANGES.values())
    assert measured.is_clear == (abs(measured.mean) > measured.margin)


def test_one_pair_has_no_margin_and_no_p() -> None:
    runs = runs_of("table1", lambda run: 0.5, ["SVHN_0"], seeds=1)
    measured = gain(runs[runs["source"] == "text"], "DevNet", "aucroc", ["SVHN"], "SVHN")
    assert measured is not None and (measured.margin, measured.p_pairs, measured.p_files, measured.is_clear) == (
        None,
        None,
        None,
        False,
    )
    assert gain(runs.iloc[:0], "DevNet", "aucroc", ["SVHN"], "SVHN") is None
    assert margin_of_error([1.0]) is None


def test_every_head_has_a_gain_on_each_family_and_on_all() -> None:
    results = gains(runs_of("table1", value, FILES), "code", "aucroc")
    assert [(each.head, each.scope) for each in results[:3]] == [
        (results[0].head, scope) for scope in ("CIFAR10", "SVHN", ALL)
    ]
    grid = gains_grid(results, "aucroc")
    assert len(grid.rows) == len(results) == 12 and "12 tests" in grid.notes[1]
