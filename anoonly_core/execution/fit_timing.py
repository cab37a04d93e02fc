"""Time fits of small samples to predict how long a system without epochs takes on all rows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from anoonly_core.config import make_config
from anoonly_core.data.split import Split
from anoonly_core.errors import AnoOnlyError
from anoonly_core.models import OTHERS
from anoonly_core.models.rivals import ESTIMATORS, FOLDS
from anoonly_core.runs.stacking import RunGroup

__all__ = ["seconds_per_run"]

SAMPLES = (128, 512)  # training rows of the two fits that are timed
LONG_S = 1.0  # after a first fit this long there is no second
LEAST_LABELED = 2


def seconds_per_run(group: RunGroup) -> float:
    """Predict the seconds of fitting and scoring one run of a system without epochs, by fitting two small samples.

    The time is taken to grow linearly with the training rows: through both times, or in proportion to the rows after a
    first fit of a second or more. Under the preset "tuned" all fits of the cross-validation count. 0 if the system
    cannot be fitted, such as without its package.
    """
    config, rows = group.runs[0].config, len(group.runs[0].split.train)
    first, second = (min(sample, rows) for sample in SAMPLES)
    try:
        _time_fit(group, first)  # which also loads modules
        first_s = _time_fit(group, first)
        second_s = _time_fit(group, second) if first < second and first_s < LONG_S else None
    except AnoOnlyError:
        return 0.0
    slope = first_s / first if second_s is None else max(second_s - first_s, 0.0) / (second - first)

    def seconds(of_rows: float) -> float:
        known_rows, known_s = (first, first_s) if second_s is None else (second, second_s)
        return max(known_s + slope * (of_rows - known_rows), 0.0)

    if config.preset != "tuned":
        return seconds(rows)
    return seconds(rows) + FOLDS * len(ESTIMATORS[config.baseline].candidates) * seconds(rows * (FOLDS - 1) / FOLDS)


def _time_fit(group: RunGroup, rows: int) -> float:
    """Return the seconds in which the system of a group fits `rows` training rows and scores their share of the test.

    The preset is the first one, which fits once.
    """
    run = group.runs[0]
    share = rows / len(run.split.train)
    split = _sample(run.split, share)
    config = make_config(dataset=run.config.dataset, baseline=run.config.baseline, seed=run.config.seed)
    begun = time.perf_counter()
    OTHERS[config.baseline](group.dataset, [config], [split]).scores([split.test])
    return time.perf_counter() - begun


def _sample(split: Split, share: float) -> Split:
    """Return a split with an evenly spaced share of the pool, of the labeled anomalies and of the test rows."""
    labeled, pool = (np.flatnonzero(mask) for mask in (split.labeled, ~split.labeled))
    kept = np.sort(np.concatenate([_spaced(labeled, share, LEAST_LABELED), _spaced(pool, share, 1)]))
    return replace(split.with_rows(kept), test=_spaced(split.test, share, 1))


def _spaced(values: np.ndarray, share: float, least: int) -> np.ndarray:
    """Return an evenly spaced share of values, at least `least` of them."""
    count = min(max(round(share * len(values)), least), len(values))
    return values[np.linspace(0, len(values) - 1, count).astype(np.int64)]
