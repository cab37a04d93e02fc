"""Metrics and curves against scikit-learn, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from anoonly_core.metrics.ranking import chance_levels, confusion, curves, metrics, threshold_of_share

tables = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < len(y)),
        st.lists(st.integers(-4, 4), min_size=n, max_size=n),  # few values: many ties
    )
)


@settings(max_examples=150, deadline=None)
@given(tables)
def test_metrics_equal_those_of_scikit_learn(table: tuple[list[int], list[int]]) -> None:
    y, score = np.array(table[0]), np.array(table[1], dtype=np.float32)
    found = metrics(y, score)
    assert found.aucroc == pytest.approx(sk.roc_auc_score(y, score), abs=1e-12)
    assert found.aucpr_anomaly == pytest.approx(sk.average_precision_score(y, score), abs=1e-12)
    assert found.aucpr_normal == pytest.approx(sk.average_precision_score(1 - y, -score), abs=1e-12)
    published = sk.average_precision_score(y, score, pos_label=0)
    assert found.aucpr_normal_published == pytest.approx(published, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(tables)
def test_curves_and_confusion_agree_with_scikit_learn_at_every_threshold(table: tuple[list[int], list[int]]) -> None:
    y, score = np.array(table[0]), np.array(table[1], dtype=np.float32)
    drawn = curves(y, score)
    false_positive, true_positive, thresholds = sk.roc_curve(y, score, drop_intermediate=False)
    np.testing.assert_allclose(drawn.false_positive_rate, false_positive[1:], atol=1e-12)
    np.testing.assert_allclose(drawn.true_positive_rate, true_positive[1:], atol=1e-12)
    np.testing.assert_array_equal(drawn.threshold, thresholds[1:])
    for place, threshold in enumerate(drawn.threshold):
        flagged = (score >= threshold).astype(int)
        (passed, normals), (missed, caught) = sk.confusion_matrix(y, flagged, labels=[0, 1])
        found = confusion(y, score, threshold)
        assert (found.normals_passed, found.normals_flagged) == (passed, normals)
        assert (found.anomalies_missed, found.anomalies_flagged) == (missed, caught)
        assert drawn.precision_anomaly[place] == pytest.approx(sk.precision_score(y, flagged))
        assert drawn.recall_normal[place] == pytest.approx(sk.recall_score(y, flagged, pos_label=0))
        precision = sk.precision_score(y, flagged, pos_label=0, zero_division=1)
        assert drawn.precision_normal[place] == pytest.approx(precision)


def five_percent(rows: int = 2000) -> np.ndarray:
    return (np.arange(rows) < rows // 20).astype(int)


def test_aucpr_normal_rises_with_detection_and_the_published_one_falls() -> None:
    """docs/methods.md § 4: 0.84 for perfect scores and 1.00 for inverted ones."""
    y = five_percent()
    perfect = y + np.linspace(0, 0.5, len(y))
    random = np.random.default_rng(0).random(len(y))
    best, chance, worst = metrics(y, perfect), metrics(y, random), metrics(y, -perfect)
    assert best.aucpr_normal == 1
    assert chance.aucpr_normal == pytest.approx(0.95, abs=0.01)  # the prevalence
    assert worst.aucpr_normal == pytest.approx(0.84, abs=0.01)
    assert best.aucpr_normal_published == pytest.approx(0.84, abs=0.01)
    assert best.aucpr_normal_published < chance.aucpr_normal_published < worst.aucpr_normal_published
    assert worst.aucpr_normal_published == 1


def test_aucpr_normal_increases_with_separation_and_the_published_one_decreases() -> None:
    """Anomalies are shifted away from noise by increasing amounts."""
    y, noise = five_percent(), np.random.default_rng(0).normal(size=2000)
    found = [metrics(y, noise + strength * y) for strength in (-4, -2, 0, 1, 2, 4)]
    for name, direction in (("aucroc", 1), ("aucpr_anomaly", 1), ("aucpr_normal", 1), ("aucpr_normal_published", -1)):
        assert (np.diff([getattr(one, name) for one in found]) * direction > 0).all(), name


def test_equal_scores_give_chance_levels_and_curves_of_one_point() -> None:
    y = five_percent(40)
    found = metrics(y, np.zeros(40, np.float32))
    assert found.as_dict() == pytest.approx(chance_levels(y) | {"aucpr_normal_published": 0.95})
    drawn = curves(y, np.zeros(40, np.float32))
    assert [drawn.true_positive_rate.tolist(), drawn.false_positive_rate.tolist()] == [[1], [1]]
    assert [drawn.recall_normal.tolist(), drawn.precision_normal.tolist()] == [[0], [1]]


def test_chance_levels_are_the_prevalences() -> None:
    assert chance_levels(five_percent()) == {"aucroc": 0.5, "aucpr_anomaly": 0.05, "aucpr_normal": 0.95}


@settings(max_examples=150, deadline=None)
@given(tables, st.sampled_from([0.0, 0.001, 0.05, 0.1, 0.25, 0.5, 0.99, 1.0]))
def test_a_threshold_flags_at_most_its_share_and_the_next_lower_one_more(
    table: tuple[list[int], list[int]], share: float
) -> None:
    score = np.array(table[1], dtype=np.float32)
    threshold, limit = threshold_of_share(score, share), share * len(score) + 1e-9
    assert (score >= threshold).sum() <= limit
    lower = score[score < threshold]
    if len(lower):
        assert (score >= lower.max()).sum() > limit


@pytest.mark.parametrize(
    ("scores", "share", "threshold"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.1, 10),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.3, 8),  # 0.3 * 10 is below 3 in floats
        ([1, 2, 3, 4, 5, 6, 7, 8, 10, 10], 0.1, np.inf),
        ([5, 5, 5, 5], 0.5, np.inf),
        ([5, 5, 5, 5], 1.0, 5),
        ([3, 1, 2], 0.0, np.inf),
    ],
)
def test_ties_are_flagged_together_or_not_at_all(scores: list[float], share: float, threshold: float) -> None:
    assert threshold_of_share(np.array(scores, dtype=np.float32), share) == threshold
