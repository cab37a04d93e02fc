"""A drawn control: its stops stay in order, and its help tells of the baseline beside it."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_SHARES, MECHANISMS, NORM_LABELS, NORM_SETTINGS
from app.controls.registry import CONTROL_OF, CONTROLS, Control
from app.controls.sidebar import _with_stop, help_text
from app.text.labels import format_value

each_control = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
each_baseline = pytest.mark.parametrize("baseline", BASELINES)
MAY_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset", *NORM_SETTINGS)


@each_control
def test_a_value_between_the_stops_keeps_them_in_order(control: Control) -> None:
    numbers = [option for option in control.options if not isinstance(option, str)]
    if numbers and control.name != "seeds":
        between = (numbers[0] + numbers[1]) / 2
        stops = _with_stop(list(control.options), between)
        assert sorted(map(str, stops)) == sorted(map(str, [*control.options, between]))
        values = [stop for stop in stops if not isinstance(stop, str)]
        assert values in (sorted(values), sorted(values, reverse=True))
        assert (values[0] > values[-1]) == (numbers[0] > numbers[-1])


@each_control
def test_a_control_says_why_it_lies_idle(control: Control) -> None:
    norm = "bn_loss" if control.name == "norm_strength" else "batch"
    for name, baseline in BASELINES.items():
        text = help_text(control, baseline, "paper", norm)
        assert text.endswith(".") or text == control.help
        if baseline.has(control.name):
            assert text.startswith(control.help)
        else:
            assert control.name in MAY_LACK
            assert text == f"{name} has no {control.noun}."
            assert control.noun


@pytest.mark.parametrize("name", GRADIENT_SHARES)
def test_a_gradient_share_says_when_the_norm_leaves_it_without_effect(name: str) -> None:
    for norm in NORM_LABELS:
        text = help_text(CONTROL_OF[name], BASELINES["DeepSAD"], "paper", norm)
        assert text.startswith("No effect with") == (norm not in BATCH_NORMS), norm


@pytest.mark.parametrize("norm", NORM_LABELS)
def test_the_strength_of_a_norm_tells_its_meaning_and_offers_its_levels(norm: str) -> None:
    control, dial = CONTROL_OF["norm_strength"], MECHANISMS[norm].dial
    text = help_text(control, BASELINES["DeepSAD"], "paper", norm)
    if dial is None:
        assert text.startswith("No effect with")
        return
    assert dial.meaning in text and text.endswith(f"standard {dial.standard:g}.")
    word, *offered = control.offered_for(BASELINES["DeepSAD"], norm)
    assert word == "published" and sorted([*offered, dial.standard]) == list(dial.levels)


@each_baseline
@pytest.mark.parametrize("preset", ["paper", "published_code"])
def test_help_says_what_published_means(baseline: str, preset: str) -> None:
    published = BASELINES[baseline]
    settings = published.settings.get(preset, next(iter(published.settings.values())))
    for name in ("batch_size", "epochs", "learning_rate"):
        control = CONTROL_OF[name]
        if published.has(name):
            words = f"Published for {baseline}: {format_value(getattr(settings, name))}."
            assert help_text(control, published, preset).endswith(words)


@each_baseline
def test_the_baselines_help_tells_of_it(baseline: str) -> None:
    control = CONTROL_OF["baseline"]
    assert control.options == tuple(BASELINES)
    assert BASELINES[baseline].summary in help_text(control, BASELINES[baseline], "paper")
