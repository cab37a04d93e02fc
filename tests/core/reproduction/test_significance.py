"""What AnoOnly changes: paired by file and seed, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.significance import gain, gains, gains_grid, margin_of_error
from anoonly_core.reproduction.tables import ALL
from tests.core.reproduction.made import at, runs_of

FILES = ("CIFAR10_0", "CIFAR10_4", "SVHN_0")
STREAM = np.random.default_rng(0)
CHANGES = {(name, seed): float(STREAM.normal(0.02, 0.02)) for name in FILES for seed in range(5)}


def value(run: PlannedRun) -> float:
    change = CHANGES[run.config.dataset, run.config.seed] if at(run, lambda_n=0.0) else 0.0
    return 0.5 + 0.03 * run.config.seed + change  # the seeds' own level cancels in the pairs


def test_a_gain_is_paired() -> None:
    runs = runs_of("table1", value, FILES)
    found = gain(runs[runs["reading"] == "text"], "DeepSAD", "aucroc", ["CIFAR10", "SVHN"], ALL)
    assert found is not None and (found.pairs, found.files, found.of) == (15, 3, 20)
    means_by_seed = [
        100 * np.mean([np.mean([CHANGES["CIFAR10_0", s], CHANGES["CIFAR10_4", s]]), CHANGES["SVHN_0", s]])
        for s in range(5)
    ]
    assert found.mean == pytest.approx(np.mean(means_by_seed))
    interval = stats.t.interval(0.95, 4, loc=np.mean(means_by_seed), scale=stats.sem(means_by_seed))
    assert found.margin == pytest.approx((interval[1] - interval[0]) / 2)
    assert found.p_pairs == pytest.approx(stats.wilcoxon(list(CHANGES.values())).pvalue)
    assert found.better == sum(change > 0 for change in CHANGES.values())
    assert found.is_clear == (abs(found.mean) > found.margin)


def test_what_cannot_be_tested_has_no_p() -> None:
    runs = runs_of("table1", lambda run: 0.5, ["SVHN_0"], seeds=1)
    found = gain(runs[runs["reading"] == "text"], "DevNet", "aucroc", ["SVHN"], "SVHN")
    assert found is not None and (found.margin, found.p_pairs, found.p_files, found.is_clear) == (
        None,
        None,
        None,
        False,
    )
    assert gain(runs.iloc[:0], "DevNet", "aucroc", ["SVHN"], "SVHN") is None
    assert margin_of_error([1.0]) is None


def test_every_head_has_a_gain_on_every_family_and_on_all() -> None:
    found = gains(runs_of("table1", value, FILES), "code", "aucroc")
    assert [(one.head, one.scope) for one in found[:3]] == [
        (found[0].head, place) for place in ("CIFAR10", "SVHN", ALL)
    ]
    grid = gains_grid(found, "aucroc")
    assert len(grid.rows) == len(found) == 12 and "12 tests" in grid.notes[1]
