"""Tests of app.text.verdict: paired differences and the headline of a comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from app.controls.choice import baseline_of, choose
from app.controls.registry import CONTROLS
from app.text.verdict import (
    PairedDifference,
    conditions_line,
    describe_run,
    format_difference,
    paired_difference,
    verdict,
)

BASELINE = make_config(lambda_n=1.0)
ANOONLY = make_config(lambda_n=0.0)
MINUS = "\N{MINUS SIGN}"
metric = st.floats(0, 1, allow_nan=False, width=32)


@given(st.lists(st.tuples(metric, metric), min_size=2, max_size=10))
def test_difference_is_the_paired_t_interval(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(values) for values in zip(*pairs, strict=True))
    difference = paired_difference(a, b)
    assert (difference.a, difference.b) == (pytest.approx(a.mean()), pytest.approx(b.mean()))
    assert difference.delta == pytest.approx(b.mean() - a.mean(), abs=1e-12)
    assert difference.margin is not None
    spread = (b - a).std(ddof=1)
    if spread > 1e-9:
        interval = stats.ttest_rel(b, a).confidence_interval(0.95)
        assert difference.delta - difference.margin == pytest.approx(interval.low, abs=1e-9)
        assert difference.delta + difference.margin == pytest.approx(interval.high, abs=1e-9)
        assert difference.is_clear == (interval.low > 0 or interval.high < 0)


def test_one_seed_has_no_margin_and_is_never_clear() -> None:
    difference = paired_difference([0.2], [0.9])
    assert difference.margin is None
    assert not difference.is_clear
    assert format_difference(difference) == "+0.70"


def test_a_negative_difference_has_a_minus_sign() -> None:
    text = format_difference(paired_difference([0.9, 0.8], [0.4, 0.5]))
    assert text == f"{MINUS}0.40 ± 1.27"
    assert "-" not in text


def sentence(a: list[float], b: list[float], config_a: RunConfig = BASELINE, config_b: RunConfig = ANOONLY) -> str:
    return verdict(config_a, config_b, paired_difference(a, b), len(a))


def test_a_clearly_better_b_is_called_better() -> None:
    text = sentence([0.45, 0.46, 0.47], [0.86, 0.87, 0.88])
    assert text.startswith("Over 3 seeds **DeepSAD + AnoOnly** finds the anomalies better than **DeepSAD**: ")
    assert "AUCPR 0.87 against 0.46 (+0.41 ± 0.00)" in text


def test_a_clearly_worse_anoonly_hurts() -> None:
    text = sentence([0.86, 0.87, 0.88], [0.45, 0.46, 0.47])
    assert text.startswith("AnoOnly hurts here. Over 3 seeds **DeepSAD + AnoOnly** finds the anomalies worse ")
    assert f"({MINUS}0.41 ± 0.00)" in text


@pytest.mark.parametrize("a", [{"baseline": "DevNet"}, {"baseline": "XGBOD"}, {"baseline": "DeepSAD", "lambda_n": 0.0}])
def test_worse_than_another_system_does_not_blame_anoonly(a: dict[str, object]) -> None:
    b = make_config(baseline="FEAWAD", lambda_n=0.0)
    text = sentence([0.86, 0.87, 0.88], [0.45, 0.46, 0.47], make_config(**a), b)
    assert "hurts" not in text
    assert "**FEAWAD + AnoOnly** finds the anomalies worse than" in text


@pytest.mark.parametrize("baseline", [name for name in BASELINES if BASELINES[name].has("lambda_n")])
def test_worse_than_its_own_baseline_blames_anoonly_only_where_the_norm_is_the_same(baseline: str) -> None:
    b = make_config(baseline=baseline, lambda_n=0.0)
    text = sentence([0.86, 0.87, 0.88], [0.45, 0.46, 0.47], b.with_(lambda_n=1.0), b)
    assert text.startswith(f"AnoOnly hurts here. Over 3 seeds **{baseline} + AnoOnly")
    published = baseline_of(b)
    text = sentence([0.86, 0.87, 0.88], [0.45, 0.46, 0.47], published, b)
    assert ("hurts" in text) == (published.norm == b.norm)


def test_the_pair_as_printed_for_devnet_is_not_blamed_on_anoonly() -> None:
    """DevNet is published without a norm, and with batch norm beside AnoOnly."""
    b = make_config(baseline="DevNet", lambda_n=0.0, contamination=0.0)
    text = sentence([0.84, 0.85, 0.83], [0.77, 0.78, 0.76], baseline_of(b), b)
    assert "hurts" not in text
    assert text.endswith(
        "Two things differ, λₙ (1 → 0) and the norm (no norm → batch norm): the gap may come from either."
    )


@pytest.mark.parametrize(("chance", "doubted"), [(0.9, True), (0.47, True), (0.1, False), (None, False)])
def test_better_is_doubted_where_the_interval_holds_chance(chance: float | None, doubted: bool) -> None:
    difference = paired_difference([0.35, 0.36, 0.37], [0.46, 0.47, 0.48])
    assert difference.is_clear
    text = verdict(BASELINE, ANOONLY, difference, 3, chance)
    assert ("the interval of B holds chance" in text) == doubted


COUNTS = {"pool_normal": 950, "pool_anomalies": 50, "labelled_anomalies": 6, "labelled_anomalies_distinct": 6}


@pytest.mark.parametrize(
    ("changes", "seeds", "words"),
    [
        (
            {},
            range(5),
            "pool of 1,000 rows, 5.0% of them hidden anomalies, as found · 6 labeled anomalies (10% of those in "
            "training) · seeds 0 to 4",
        ),
        ({"contamination": 0.05}, [3], "hidden anomalies, as set"),
        ({"labeled_ratio": 0.5}, [3], "(50% of those in training) · seed 3"),
        ({"protocol": "published"}, [1, 2], "seeds 1 to 2 · published split"),
    ],
)
def test_the_conditions_of_a_comparison_fit_on_one_line(
    changes: dict[str, object], seeds: list[int], words: str
) -> None:
    b = ANOONLY.with_(**changes)
    line = conditions_line(baseline_of(b), b, COUNTS, list(seeds))
    assert line.startswith("digits_3 · ") and words in line


def test_conditions_in_which_a_and_b_differ_are_left_to_the_headline() -> None:
    line = conditions_line(BASELINE, ANOONLY.with_(contamination=0.0, labeled_ratio=0.5), COUNTS, [0])
    assert line == "digits_3 · seed 0"
    clean = {**COUNTS, "pool_anomalies": 0}
    assert "pool of 950 rows, clean" in conditions_line(BASELINE, ANOONLY, clean, [0])


def test_worse_by_another_setting_does_not_blame_anoonly() -> None:
    text = sentence([0.86, 0.87, 0.88], [0.45, 0.46, 0.47], ANOONLY, ANOONLY.with_(norm="none"))
    assert "hurts" not in text
    assert "worse" in text
    assert "no norm" in text


@pytest.mark.parametrize("b", [[0.1, 0.9, 0.8], [0.9, 0.1, 0.2], [0.4, 0.5, 0.6]])
def test_within_the_spread_there_is_no_clear_difference(b: list[float]) -> None:
    text = sentence([0.4, 0.5, 0.6], b)
    assert text.startswith("No clear difference. Over 3 seeds ")
    assert not any(word in text for word in ("better", "worse", "hurts"))


@pytest.mark.parametrize(("b", "word"), [(0.9, "more"), (0.1, "less"), (0.5, "no more")])
def test_one_seed_claims_little(b: float, word: str) -> None:
    text = sentence([0.5], [b])
    assert f"finds {word} of the anomalies" in text
    assert "One seed shows no spread" in text
    assert not any(claim in text for claim in ("better", "worse", "hurts", "±"))


def test_two_equal_runs_are_called_the_same_run() -> None:
    text = verdict(BASELINE, BASELINE, PairedDifference(0.5, 0.5, 0.0, 0.0), 5)
    assert text == "A and B are the same run: change a setting to compare."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lambda_n": 1.0}, "DeepSAD"),
        ({}, "DeepSAD + AnoOnly"),
        ({"lambda_n": 1e-5}, "DeepSAD, λₙ = 1e-05"),
        ({"norm": "layer"}, "layer norm"),
        ({"batch_size": 8}, "batch 8"),
        ({"epochs": 7}, "7 epochs"),
        ({"learning_rate": 3e-4}, "learning rate 0.0003"),
        ({"labeled_ratio": 0.05}, "5% labeled"),
        ({"normal_ratio": 0.5}, "50% of the normal rows"),
        ({"contamination": 0.2}, "contamination 0.2"),
        ({"preset": "published_code"}, "preset of the authors' code"),
        ({"labeled_anomalies": 5}, "5 labels"),
        ({"labeled_normals": 5}, "5 known normal rows"),
        ({"labeled_normal_ratio": 0.5}, "0.5 known normal rows per label"),
        ({"unlabeled_ratio": 0.25}, "25% of the unlabeled rows"),
        ({"flipped_anomalies": 0.2}, "20% of the anomalies labeled normal"),
        ({"flipped_normals": 0.005}, "0.5% of the normal rows labeled anomalous"),
        ({"unseen_types": 3}, "3 unseen types"),
    ],
)
def test_describe_run_names_the_distinctive_setting(changes: dict[str, object], words: str) -> None:
    assert words in describe_run(ANOONLY.with_(**changes), ANOONLY)


@pytest.mark.parametrize("name", BASELINES)
def test_two_systems_as_published_have_short_names(name: str) -> None:
    """Published settings are not named."""
    for other in BASELINES.keys() - {name}:
        for lambda_n in (1.0, 0.0) if BASELINES[name].has("lambda_n") else (None,):
            difference = describe_run(make_config(baseline=name, lambda_n=lambda_n), make_config(baseline=other))
            assert difference == (f"{name} + AnoOnly" if lambda_n == 0 else name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norm": "layer"}, ", layer norm"),
        ({"batch_size": 64}, ""),
        ({"batch_size": 128}, ", batch 128"),
        ({"epochs": 7}, ", 7 epochs"),
        ({"labeled_ratio": 0.05}, ", 5% labeled"),
        ({"contamination": 0.2}, ", contamination 0.2"),
        ({"preset": "published_code"}, ", preset of the authors' code"),
    ],
)
def test_beside_another_system_only_unpublished_settings_are_named(changes: dict[str, object], words: str) -> None:
    """128 is DeepSAD's batch size, but not DevNet's."""
    assert describe_run(make_config(baseline="DevNet", lambda_n=0.0, **changes), ANOONLY) == f"DevNet + AnoOnly{words}"


def test_the_two_norms_of_a_published_pair_are_named() -> None:
    b = make_config(baseline="DevNet", lambda_n=0.0)
    assert describe_run(b, baseline_of(b)) == "DevNet + AnoOnly, batch norm"
    assert describe_run(baseline_of(b), b) == "DevNet, no norm"


_OPTIONS = {c.name: [None if option == "published" else option for option in c.options] for c in CONTROLS}
_SHARED_BY_A_AND_B = ("dataset", "protocol", "seed", "seeds")


@given(st.data())
def test_two_different_runs_never_have_the_same_name(data: st.DataObject) -> None:
    def draw() -> RunConfig:
        names = [name for name in _OPTIONS if name not in _SHARED_BY_A_AND_B]
        values = {name: data.draw(st.sampled_from(_OPTIONS[name]), name) for name in names}
        baseline = BASELINES[values["baseline"]]
        assume((values["batch_size"] or 512) >= baseline.smallest_batch or not baseline.has("batch_size"))
        return choose({**values, "seeds": 1}).b

    a, b = draw(), draw()
    assert (describe_run(a, b) == describe_run(b, a)) == (a == b)
