"""The contract of every threshold rule, and the right value of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from anoonly_core.decision.calibration import Calibration, FoldScores, median_and_spread
from anoonly_core.decision.conformal import conformal_p_values, discoveries
from anoonly_core.decision.rules import RULES, ThresholdRule, find_rule
from anoonly_core.errors import InvalidInput

NUMBERS = dict.fromkeys(RULES, (0.02, 0.05, 0.2, 0.5)) | {"iqr": (0.5, 1.0, 2.0, 9.0), "cost": (0.5, 2.0, 10.0, 99.0)}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def made(rows: int = 400, **changes: Any) -> Calibration:
    """A calibration by split: the network that scored the pool scored the held-back rows, too."""
    random = np.random.default_rng(0)
    pool = random.normal(size=500)
    held_back, anomalies = random.normal(size=rows), random.normal(size=60) + 3
    fold = FoldScores(held_back, anomalies, np.zeros(rows, dtype=bool), *median_and_spread(pool))
    return Calibration(pool, (FoldScores(**{**vars(fold), **changes}),))


def new_rows(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores of new rows, and the mask of the anomalies among them."""
    anomalous = np.arange(300) < 60
    return np.random.default_rng(seed).normal(size=300) + 3 * anomalous, anomalous


@every_rule
def test_a_rule_describes_itself(rule: ThresholdRule) -> None:
    assert RULES[rule.name] is rule and find_rule(rule.name) is rule and rule.name.replace("_", "").isalpha()
    assert len(rule.label.split()) <= 4 and rule.label[0].isupper()
    assert rule.meaning and not rule.meaning.endswith(".") and rule.measured
    assert rule.check(rule.default) == rule.default


@every_rule
@pytest.mark.parametrize("number", [0.0, -1.0, math.nan, math.inf, 1e9, "0.1", None, True])
def test_a_number_that_is_none_is_refused(rule: ThresholdRule, number: Any) -> None:
    with pytest.raises(InvalidInput, match=f"{rule.name} must be a number above 0 and up to"):
        rule.cut(made(), number, np.empty(0), 0.1)


@every_rule
def test_a_cut_is_repeated_and_says_why(rule: ThresholdRule) -> None:
    scores, _ = new_rows()
    first, again = (rule.cut(made(), rule.default, scores, 0.2) for _ in range(2))
    assert first == again and first.rule == rule.name and math.isfinite(first.score)
    assert first.sentence.isprintable() and first.sentence.endswith(".") and len(first.sentence) < 400


@every_rule
def test_a_larger_number_moves_the_threshold_one_way(rule: ThresholdRule) -> None:
    scores, _ = new_rows()
    cuts = [rule.cut(made(), number, scores, 0.2).score for number in NUMBERS[rule.name]]
    assert cuts == sorted(cuts, reverse=rule.name != "iqr") and cuts[0] != cuts[-1]


@every_rule
def test_only_a_batchwise_rule_looks_at_the_rows(rule: ThresholdRule) -> None:
    scores, _ = new_rows()
    many, few = (rule.cut(made(), rule.default, rows, 0.2).score for rows in (scores, scores[60:]))
    assert (many != few) == rule.is_per_batch


@every_rule
def test_scores_on_another_scale_give_the_same_flags(rule: ThresholdRule) -> None:
    scores, _ = new_rows()
    calibration = made()
    (fold,) = calibration.folds
    pool = 1e4 * calibration.pool - 7
    moved = FoldScores(1e4 * fold.pool - 7, 1e4 * fold.anomalies - 7, fold.normal, *median_and_spread(pool))
    plain = scores > rule.cut(calibration, rule.default, scores, 0.2).score
    again = 1e4 * scores - 7 > rule.cut(Calibration(pool, (moved,)), rule.default, 1e4 * scores - 7, 0.2).score
    assert np.array_equal(plain, again)


@every_rule
@pytest.mark.parametrize("kind", ["constant", "one row", "no new row", "two values"])
def test_odd_scores_give_a_threshold_or_a_sentence(rule: ThresholdRule, kind: str) -> None:
    held_back = {"constant": np.zeros(400), "one row": np.zeros(1), "two values": np.arange(400) % 2.0}.get(kind)
    changes = {} if held_back is None else {"pool": held_back, "normal": np.zeros(len(held_back), dtype=bool)}
    scores = np.empty(0) if kind == "no new row" else new_rows()[0]
    try:
        assert math.isfinite(rule.cut(made(**changes), rule.default, scores, 0.2).score)
    except InvalidInput as error:
        assert kind == "one row" and "needs at least 19 held-back rows" in str(error)


@every_rule
def test_without_held_back_rows_the_sentence_says_so(rule: ThresholdRule) -> None:
    alone = Calibration(np.arange(100.0))
    if rule.name == "pool_share":  # PyOD's quantile of the training scores
        assert rule.cut(alone, 0.1, np.empty(0)).score == pytest.approx(89.1)
        return
    with pytest.raises(InvalidInput, match="held back"):
        rule.cut(alone, rule.default, np.arange(5.0), 0.1)


@every_rule
def test_the_measured_figure_is_that_of_the_flags(rule: ThresholdRule) -> None:
    flagged = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    anomalous = np.array([1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    expected = {"pool_share": 3 / 8, "fdr": 1 / 3, "fdr_storey": 1 / 3, "cost": 11 / 8}.get(rule.name, 1 / 5)
    assert rule.measure(flagged, anomalous, 10.0) == pytest.approx(expected)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InvalidInput, match="rule must be one of false_alarms, fdr"):
        find_rule("percentile")


# The right value of each


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.3, 0.5])
def test_false_alarms_are_the_rows_with_a_small_p_value(level: float) -> None:
    scores, _ = new_rows()
    calibration = made()
    cut = RULES["false_alarms"].cut(calibration, level, scores)
    assert np.array_equal(scores > cut.score, conformal_p_values(calibration.folds[0].pool, scores) <= level)
    assert f"At most {100 * level:g} % of new normal rows" in cut.sentence


@pytest.mark.parametrize("name", ["fdr", "fdr_storey"])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.3, 0.5])
def test_the_threshold_of_a_batch_gives_its_discoveries(name: str, level: float) -> None:
    scores, _ = new_rows()
    calibration = made()
    p = conformal_p_values(calibration.folds[0].pool, scores)
    cut = RULES[name].cut(calibration, level, scores)
    assert np.array_equal(scores > cut.score, discoveries(p, level, name == "fdr_storey"))


def test_a_batch_without_discoveries_flags_nothing_and_says_why() -> None:
    scores = np.full(300, 99.0)
    scores[1:] = 0
    cut = RULES["fdr"].cut(made(rows=100), 0.05, scores)
    assert not (scores > cut.score).any() and "no p-value is low enough" in cut.sentence and "0.0099" in cut.sentence


@pytest.mark.parametrize("number", [0.5, 1.0, 2.0, 3.0, 5.0])
def test_interquartile_ranges_are_those_of_the_held_back_rows(number: float) -> None:
    first, median, third = np.quantile(made().folds[0].pool, [0.25, 0.5, 0.75])
    assert RULES["iqr"].cut(made(), number, np.empty(0)).score == pytest.approx(median + number * (third - first))


@pytest.mark.parametrize(("cost", "prevalence"), [(1, 0.1), (10, 0.01), (10, 0.2), (200, 0.05), (1e5, 0.5)])
def test_no_other_threshold_costs_less(cost: float, prevalence: float) -> None:
    calibration = made()
    (fold,) = calibration.folds

    def price(threshold: float) -> float:
        missed, wrong = (fold.anomalies <= threshold).mean(), (fold.pool > threshold).mean()
        return float(prevalence * cost * missed + (1 - prevalence) * wrong)

    chosen = RULES["cost"].cut(calibration, cost, np.empty(0), prevalence)
    assert price(chosen.score) <= min(price(threshold) for threshold in np.linspace(-6, 9, 3000)) + 1e-12


@pytest.mark.parametrize(
    ("changes", "prevalence", "words"),
    [
        ({"anomalies": np.empty(0)}, 0.1, "No labeled anomaly was held back"),
        ({}, None, "needs the share of anomalies"),
    ],
)
def test_a_cost_without_labels_or_prevalence_is_refused(
    changes: dict[str, Any], prevalence: float | None, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        RULES["cost"].cut(made(**changes), 10.0, np.empty(0), prevalence)


# The rows that stand for normal ones


def test_rows_known_to_be_normal_stand_alone_if_they_are_thirty() -> None:
    for count, used in ((0, 400), (29, 400), (30, 30), (400, 400)):
        calibration = made(normal=np.arange(400) < count)
        assert len(calibration.reference.scores) == used
        assert calibration.reference.is_normal == (count >= 30)


@pytest.mark.parametrize("copies", [2, 3, 5, 10, 40])
def test_copies_of_a_row_count_once(copies: int) -> None:
    random = np.random.default_rng(copies)
    rows = random.normal(size=400 // copies)
    pool, is_first = np.repeat(rows, copies), np.tile(np.arange(copies) == 0, len(rows))
    calibration = made(pool=pool, normal=np.zeros(len(pool), dtype=bool), is_first=is_first)
    assert np.array_equal(calibration.reference.scores, rows)
    again = Calibration.from_arrays(calibration.arrays())
    assert np.array_equal(again.reference.scores, rows)
    plain = made()
    assert not any("is_first" in name for name in plain.arrays())
    assert Calibration.from_arrays(plain.arrays()).folds[0].is_first is None


def test_hidden_anomalies_are_spoken_of_only_where_they_can_be() -> None:
    rule = RULES["false_alarms"]
    assert "Anomalies among them lower it" in rule.cut(made(), 0.1, np.empty(0)).sentence
    known = rule.cut(made(), 0.1, np.empty(0), 0.05).sentence
    assert "If 5 % of them are anomalies, it is 5.25 %" in known and "never above 10.5 % on average" in known
    clean = rule.cut(made(normal=np.ones(400, dtype=bool)), 0.1, np.empty(0), 0.05).sentence
    assert "nomalies" not in clean


def test_folds_are_put_on_the_scale_of_the_detector() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=300)
    folds = tuple(
        FoldScores(
            scale * part + shift, np.empty(0), np.zeros(100, dtype=bool), *(scale * np.array([0.0, 1.35]) + [shift, 0])
        )
        for part, scale, shift in zip(np.split(scores, 3), (1.0, 40.0, 0.01), (0.0, -3.0, 8.0), strict=True)
    )
    calibration = Calibration(np.quantile(random.normal(size=900) * 2 + 5, np.linspace(0, 1, 301)), folds)
    reference = calibration.reference
    assert not reference.is_split and "About 5 %" in RULES["false_alarms"].cut(calibration, 0.05, np.empty(0)).sentence
    median, spread = median_and_spread(calibration.pool)
    np.testing.assert_allclose(reference.scores, median + scores / 1.35 * spread)
