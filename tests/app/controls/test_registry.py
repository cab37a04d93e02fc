"""Each declared control survives its link and reaches the run."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from app.controls.choice import choose, default_choice
from app.controls.registry import CONTROLS, Control
from app.text.labels import format_value

each_control = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)


@each_control
def test_the_default_is_offered_and_survives_the_link(control: Control) -> None:
    assert control.default in control.options
    assert control.parse(format_value(control.default)) == control.default


@each_control
def test_each_option_survives_the_link(control: Control) -> None:
    for option in control.options:
        parsed = control.parse(format_value(option))
        assert parsed == option
        assert type(parsed) is type(option)


@each_control
def test_no_two_options_look_the_same(control: Control) -> None:
    assert len({format_value(option) for option in control.options}) == len(control.options)


@each_control
def test_it_has_a_label_and_a_help_text(control: Control) -> None:
    assert control.label
    assert control.help.endswith((".", "?"))


@each_control
def test_each_option_reaches_the_run(control: Control) -> None:
    untouched = {other.name: other.default for other in CONTROLS}
    for option in control.options:
        baseline = untouched["baseline"]
        if control.name == "norm_strength":  # the dial that takes any number; its standard is stored as None
            choice = choose({**untouched, "norm": "bn_loss", control.name: option})
            assert option == "published" or choice.b.strength == option
            continue
        if control.name == "preset":
            baseline = next(name for name, each in BASELINES.items() if option in each.settings)
        beside = {"grad_mean": 0.0} if control.name == "grad_place" else {}  # shares of 1 hold everywhere
        choice = choose({**untouched, **beside, "baseline": baseline, control.name: option})
        if control.name == "seeds":
            assert choice.seeds == option
        elif control.default == option == "published":
            assert choice == default_choice()
        else:
            assert getattr(choice.b, control.name) == option


def test_every_field_of_the_config_has_a_control() -> None:
    assert {control.name for control in CONTROLS} == {*RunConfig.model_fields, "seeds"}
