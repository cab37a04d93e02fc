"""Independent units of zero-shot runs, and the classes of a test batch that training has seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.config import make_zero_shot_config
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, ZeroShotResult
from anoonly_core.zero_shot.summary import describe_test_batches, independent_values

POINT = RATIOS.index(0.05)


def results(seeds: int, classes: int, by_class: np.ndarray) -> list[ZeroShotResult]:
    """Runs whose AUCROC has an effect of the class, and a hundredth of it of the seed."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(seeds):
        areas = by_class[None, None, :, None] + rng.normal(0, 0.001, (len(SCORER_LABELS), len(RATIOS), classes, 4))
        made.append(cast("ZeroShotResult", SimpleNamespace(by_ratio=areas)))
    return made


@pytest.mark.parametrize("classes", [2, 3, 5, 7, 10])
@pytest.mark.parametrize("seeds", [1, 5])
def test_the_unit_is_the_class_however_many_the_seeds(seeds: int, classes: int) -> None:
    by_class = np.linspace(0.5, 0.9, classes)
    values, unit = independent_values(results(seeds, classes, by_class), "by_ratio", POINT)
    assert unit == "classes" and set(values) == set(SCORER_LABELS)
    np.testing.assert_allclose(values["batch"], by_class, atol=0.003)
    wanted = stats.t.ppf(0.975, classes - 1) * stats.sem(by_class)
    assert margin_of_error(values["batch"]) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_with_one_class_the_unit_is_the_seed(seeds: int) -> None:
    made = results(seeds, 1, np.array([0.7]))
    values, unit = independent_values(made, "by_ratio", POINT)
    assert unit == "seeds"
    np.testing.assert_allclose(values["mean"], [run.by_ratio[-1, POINT, 0].mean() for run in made])


@pytest.mark.parametrize(
    ("held_out", "meta", "own_anomalies", "words"),
    [
        ("56789", "01234", False, "among classes never seen"),
        ("89", "012", False, "among classes never seen"),
        ("9", "012345678", False, "one class never seen, where the anomalies are further rows of classes that were"),
        ("9", "012", False, "further rows of 9 other classes, 3 of them trained on"),
        ("9", "012", True, "defects of products never seen"),
        ("56", "0123", True, "defects of products never seen"),
    ],
)
def test_what_training_has_seen_of_a_batch(held_out: str, meta: str, own_anomalies: bool, words: str) -> None:
    table: Any = SimpleNamespace(names=tuple("0123456789"), has_class_anomalies=own_anomalies)
    config = make_zero_shot_config(held_out=tuple(held_out), meta=tuple(meta))
    assert words in describe_test_batches(config, cast("ClassTable", table))
