"""The first look at a large table: settings that Compare takes, for both runs."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES
from app.controls.choice import default_choice, from_pin, pin_text
from app.controls.registry import CONTROLS
from app.views.your_table.times import FIRST_LOOK, first_look


def test_both_runs_of_a_first_look_train_with_its_settings_and_differ_as_before() -> None:
    b = default_choice().b
    quick_a, quick_b = first_look(b)
    for name, value in FIRST_LOOK.items():
        assert getattr(quick_a, name) == getattr(quick_b, name) == value
    assert (quick_a.lambda_n, quick_b.lambda_n) == (1.0, b.lambda_n)
    assert from_pin(pin_text(quick_a), quick_b) == quick_a


@pytest.mark.parametrize("name", FIRST_LOOK)
def test_compare_offers_the_settings_of_a_first_look(name: str) -> None:
    (control,) = (control for control in CONTROLS if control.name == name)
    assert FIRST_LOOK[name] in control.options
    published = BASELINES[default_choice().b.baseline].settings["paper"]
    is_less = FIRST_LOOK[name] < getattr(published, name)
    assert is_less == (name == "epochs")
