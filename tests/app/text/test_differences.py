"""Tests of app.text.differences: what two runs differ in, and which of it a sentence may blame."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES, GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from app.controls.registry import CONTROLS, PUBLISHED
from app.text.differences import cause_sentence, differences, is_only_lambda_n
from app.text.verdict import describe_run, paired_difference, verdict

VALUES = {
    control.name: [None if option == PUBLISHED else option for option in control.options]
    for control in CONTROLS
    if control.name not in ("dataset", "protocol", "seed", "seeds")
}
CHANCES = st.sampled_from([0.05, 0.5, 0.95])
METRIC = st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5)


@st.composite
def runs(draw: st.DrawFn) -> RunConfig:
    """Draw a run that the controls can choose; half of them differ from a published run in few settings."""
    values = {
        "baseline": draw(st.sampled_from(VALUES["baseline"])),
        "lambda_n": draw(st.sampled_from([1.0, 0.0, 0.01])),
    }
    for name in draw(st.sets(st.sampled_from([*VALUES]), max_size=len(VALUES) if draw(st.booleans()) else 2)):
        values[name] = draw(st.sampled_from(VALUES[name]))
    has = BASELINES[values["baseline"]].has
    try:
        return make_config(**{name: value for name, value in values.items() if has(name)})
    except InvalidConfig:
        assume(False)
        raise


def apart(a: RunConfig, b: RunConfig) -> set[str]:
    """Return the fields with different values; two norms include the strength of each."""
    fields = {name for name in RunConfig.model_fields if getattr(a, name) != getattr(b, name)}
    belonging = {"norm_strength"} if "norm" in fields else set()
    return fields - belonging - ({"grad_place"} if fields & {*GRADIENT_SHARES} else set())


@settings(max_examples=400)
@given(runs(), runs(), METRIC, METRIC, CHANCES)
def test_no_sentence_blames_lambda_n_where_anything_else_differs(
    a: RunConfig, b: RunConfig, of_a: list[float], of_b: list[float], chance: float
) -> None:
    text = verdict(a, b, paired_difference(of_a, of_b), 5, chance)
    if apart(a, b) != {"lambda_n"}:
        assert "AnoOnly hurts" not in text and "Only λₙ" not in text
    found = differences(a, b)
    for difference in found:
        assert difference.text in text
    assert ("may come from" in text) == (len(found) > 1)


@settings(max_examples=400)
@given(runs(), runs())
def test_the_differences_of_two_runs_explain_all_their_settings(a: RunConfig, b: RunConfig) -> None:
    found = differences(a, b)
    named = {difference.setting for difference in found}
    assert named <= apart(a, b) and bool(found) == (a != b)
    if a.baseline == b.baseline:
        assert named == apart(a, b)
    for difference in found:
        assert (difference.a, difference.b) == (getattr(a, difference.setting), getattr(b, difference.setting))
        if difference.only is not None:
            assert [other.setting for other in differences(difference.only, b)] == [difference.setting]
    assert {difference.setting for difference in differences(b, a)} == named


@pytest.mark.parametrize(
    ("a", "b", "named"),
    [
        ({}, {"lambda_n": 0.0}, ["lambda_n"]),
        ({"baseline": "DevNet"}, {"baseline": "DevNet", "lambda_n": 0.0}, ["lambda_n", "norm"]),
        ({"baseline": "DevNet", "norm": "batch"}, {"baseline": "DevNet", "lambda_n": 0.0}, ["lambda_n"]),
        ({}, {"lambda_n": 0.0, "norm": "none"}, ["lambda_n", "norm"]),
        ({"norm": "layer"}, {"norm": "none"}, ["norm"]),
        ({}, {"baseline": "DevNet"}, ["baseline"]),  # with its batch size, epochs, learning rate and norm
        ({}, {"baseline": "DevNet", "batch_size": 256}, ["baseline", "batch_size"]),
        ({}, {"baseline": "DevNet", "batch_size": 128}, ["baseline"]),  # as DeepSAD publishes
        ({}, {"baseline": "DevNet", "lambda_n": 0.0}, ["baseline", "lambda_n", "norm"]),
        ({"baseline": "XGBOD"}, {"lambda_n": 0.0}, ["baseline"]),
        ({"baseline": "XGBOD"}, {"lambda_n": 0.0, "contamination": 0.0}, ["baseline", "contamination"]),
        ({"baseline": "LogisticRegression"}, {}, ["baseline"]),  # with its first preset
        ({"baseline": "LogisticRegression", "preset": "tuned"}, {}, ["baseline", "preset"]),
        ({"baseline": "LogisticRegression"}, {"preset": "published_code"}, ["baseline", "preset"]),
        ({"baseline": "LogisticRegression"}, {"baseline": "nnPU"}, ["baseline"]),
        ({"baseline": "RoSAS"}, {"baseline": "Classifier", "lambda_n": 0.0}, ["baseline"]),
        ({}, {"contamination": 0.0, "labeled_ratio": 0.5}, ["labeled_ratio", "contamination"]),
    ],
)
def test_each_thing_that_differs_is_named(a: dict[str, object], b: dict[str, object], named: list[str]) -> None:
    found = differences(make_config(**a), make_config(**b))
    assert [difference.setting for difference in found] == named
    assert is_only_lambda_n(make_config(**a), make_config(**b)) == (named == ["lambda_n"])


def test_one_difference_changes_one_thing_of_b() -> None:
    a, b = make_config(baseline="DevNet"), make_config(baseline="DevNet", lambda_n=0.0)
    assert [difference.only for difference in differences(a, b)] == [b.with_(lambda_n=1.0), b.with_(norm="none")]
    (system,) = differences(make_config(baseline="XGBOD"), b)
    assert system.only == make_config(baseline="XGBOD")
    small = make_config(baseline="DeepSAD", batch_size=1)
    only = {difference.setting: difference.only for difference in differences(small, b.with_(batch_size=2))}
    assert only["batch_size"] is None and only["lambda_n"] is not None  # DevNet needs two rows


@pytest.mark.parametrize(
    ("b", "is_clear", "words"),
    [
        ({}, True, ""),
        ({"lambda_n": 0.0}, True, "Only λₙ (1 → 0) differs."),
        ({"norm": "none"}, True, "Only the norm (batch norm without scale and shift → no norm) differs."),
        (
            {"lambda_n": 0.0, "norm": "none"},
            True,
            "Two things differ, λₙ (1 → 0) and the norm (batch norm without scale and shift → no norm): the gap may "
            "come from either.",
        ),
        (
            {"lambda_n": 0.0, "contamination": 0.0, "epochs": 5},
            False,
            "Three things differ, λₙ (1 → 0), the epochs (50 → 5) and contamination (natural → 0 %): a gap may come "
            "from any of them, and effects may cancel.",
        ),
    ],
)
def test_the_cause_in_words(b: dict[str, object], is_clear: bool, words: str) -> None:
    assert cause_sentence(make_config(), make_config(**b), is_clear) == words


def test_the_place_of_a_gradient_share_is_part_of_it() -> None:
    whole, last = make_config(lambda_n=0), make_config(lambda_n=0, grad_mean=0, grad_place="last")
    (difference,) = differences(whole, last)
    assert difference.setting == "grad_mean" and difference.only == whole
    (difference,) = differences(last.with_(grad_place="first"), last)
    assert difference.text == "the batch norms with these shares (the first alone → the last alone)"
    assert describe_run(last, whole) == "DeepSAD + AnoOnly, mean's part at 0%, shares in the last alone"
    assert describe_run(whole, last) == "DeepSAD + AnoOnly, mean's part at 100%"
