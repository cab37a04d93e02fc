"""The runs that a control moves, against what becomes of A and B when it is moved."""

from __future__ import annotations

from typing import Any

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.errors import InvalidConfig
from app.controls.choice import Choice, baseline_of, choose, from_pin, moved_runs, pin_text
from app.controls.registry import CONTROLS, Control

DEFAULTS = {control.name: control.default for control in CONTROLS}
PIN = pin_text(choose({**DEFAULTS, "norm": "layer", "labeled_ratio": 0.2}).b)
OTHERS: dict[str, list[Any]] = {"norm": ["layer", "batch", "none"]}
# Beside a control, the value of another one without which it has no effect.
BESIDE = {"norm_strength": {"norm": "ghost"}, "grad_place": {"grad_mean": 0.0}}


def sides(choice: Choice, pinned: bool) -> list[Any]:
    a = from_pin(PIN, choice.b) if pinned else baseline_of(choice.b)
    return [choice.seeded(a), choice.seeded(choice.b)]


def moved(control: Control, baseline: str) -> dict[bool, str]:
    """Return the letters of the runs that become others when a control is moved: with A as published, and pinned."""
    values = {**DEFAULTS, "baseline": baseline, **BESIDE.get(control.name, {})}
    before, letters = choose(values), {False: set[str](), True: set[str]()}
    for other in OTHERS.get(control.name, control.options):
        try:
            after = choose({**values, control.name: other})
        except InvalidConfig:
            continue
        for pinned, found in letters.items():
            changed = zip("AB", sides(before, pinned), sides(after, pinned), strict=True)
            found |= {letter for letter, old, new in changed if old != new}
    return {pinned: "".join(sorted(found)) for pinned, found in letters.items()}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_moves_the_runs_that_it_says(control: Control) -> None:
    for name, baseline in BASELINES.items():
        if baseline.has(control.name):  # else the control is disabled
            said = {pinned: moved_runs(control.name, pinned, name) for pinned in (False, True)}
            assert moved(control, name) == said, name
