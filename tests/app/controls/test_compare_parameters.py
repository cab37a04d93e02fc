"""A link into Compare gives the runs that it was made of, and says nothing that goes without saying."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from app.controls.choice import Choice, baseline_of, choose, compare_parameters, from_pin
from app.controls.registry import CONTROLS
from app.views.compare.url import ADDRESS

DEFAULTS = {control.name: control.default for control in CONTROLS}


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """A run as the controls can set it, or with values between their stops."""
    values: dict[str, Any] = {control.name: draw(st.sampled_from(control.options)) for control in CONTROLS}
    baseline = BASELINES[values["baseline"]]
    between = {
        "lambda_n": st.floats(0, 1),
        "batch_size": st.integers(baseline.smallest_batch, 65536),
        "learning_rate": st.floats(1e-12, 1),
        "labeled_ratio": st.floats(1e-9, 1),
        "contamination": st.floats(0, 0.8),
        "seed": st.integers(0, 2**31 - 11),
    }
    for name, value in between.items():
        if draw(st.booleans()):
            values[name] = draw(value)
    assume(values["batch_size"] == "published" or values["batch_size"] >= baseline.smallest_batch)
    return choose(values).b


def opened(parameters: dict[str, str]) -> tuple[RunConfig, Choice]:
    """A and what the controls say, once the Compare page has read this link."""
    pinned = parameters.get("a")
    values, notices = ADDRESS.read({name: [text] for name, text in parameters.items()})
    assert notices == []
    values.pop("a", None)
    choice = choose({**DEFAULTS, **values})
    return from_pin(pinned, choice.b) if pinned else baseline_of(choice.b), choice


@settings(deadline=None)
@given(configs(), st.none() | configs(), st.integers(1, 10))
def test_a_link_opens_the_runs_it_was_made_of(b: RunConfig, a: RunConfig | None, seeds: int) -> None:
    a = a and a.with_(dataset=b.dataset, protocol=b.protocol)
    parameters = compare_parameters(b, a, seeds)
    a_opened, choice = opened(parameters)
    assert (choice.b, choice.seeds) == (b, seeds)
    assert a_opened == (baseline_of(b) if a is None else a.with_(seed=b.seed))


@settings(deadline=None)
@given(configs())
def test_what_the_controls_say_anyway_is_left_out(b: RunConfig) -> None:
    parameters = compare_parameters(b, baseline_of(b), seeds=5)
    assert "a" not in parameters
    for name in parameters:
        shorter = {other: text for other, text in parameters.items() if other != name}
        assert opened(shorter)[1].b != b, name


def test_the_page_as_it_starts_needs_no_parameters() -> None:
    assert compare_parameters(make_config(lambda_n=0.0), None, seeds=5) == {}


def test_published_settings_are_left_to_the_page() -> None:
    b = make_config(baseline="FEAWAD", lambda_n=0.01, preset="published_code", epochs=7)
    assert compare_parameters(b, None, 1) == {
        "baseline": "FEAWAD",
        "lambda_n": "0.01",
        "seeds": "1",
        "epochs": "7",
        "preset": "published_code",
    }


@pytest.mark.parametrize(
    ("b", "a", "words"),
    [
        (make_config(dataset="my folder/table.csv"), None, "not 'my folder/table.csv'"),
        (make_config(), make_config(dataset="digits_8"), "different data sets"),
        (make_config(), make_config(protocol="published"), "different protocols"),
    ],
)
def test_what_compare_cannot_show_is_one_sentence(b: RunConfig, a: RunConfig | None, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words) as caught:
        compare_parameters(b, a, 1)
    assert str(caught.value).count(".") - words.count(".") == 1 and str(caught.value).endswith(".")


def test_more_seeds_than_the_page_has_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="seeds must be"):
        compare_parameters(make_config(), None, 11)
