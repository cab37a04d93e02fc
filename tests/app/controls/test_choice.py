"""The controls make configurations; A is published or pinned, and a pin is parsed from any text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES, PRESETS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from app.controls.choice import Choice, baseline_of, choose, default_choice, from_pin, pin_text
from app.controls.registry import CONTROL_OF, CONTROLS
from tests.app.conftest import assert_one_line

each_baseline = pytest.mark.parametrize("baseline", BASELINES)


def test_what_nobody_has_touched() -> None:
    choice = default_choice()
    assert (choice.b.dataset, choice.b.baseline, choice.b.lambda_n, choice.seeds) == ("digits_3", "DeepSAD", 0.0, 5)
    assert choice.b == make_config(lambda_n=0.0)
    assert [config.seed for config in choice.seeded(choice.b)] == [0, 1, 2, 3, 4]


def test_seeds_begin_at_the_first_one() -> None:
    choice = Choice(make_config(seed=7), 3)
    assert [config.seed for config in choice.seeded(make_config())] == [7, 8, 9]


def touched(**values: Any) -> Choice:
    return choose({**{control.name: control.default for control in CONTROLS}, **values})


@each_baseline
def test_what_a_baseline_lacks_is_not_in_its_run(baseline: str) -> None:
    settings = {"lambda_n": 0.01, "norm": "layer", "batch_size": 64, "epochs": 7, "learning_rate": 1e-3}
    b = touched(baseline=baseline, preset="published_code", **settings).b
    has = BASELINES[baseline].has
    assert b.baseline == baseline
    assert {name: getattr(b, name) for name in settings} == {
        name: value if has(name) else None for name, value in settings.items()
    }
    settings = BASELINES[baseline].settings
    assert b.preset == ("published_code" if "published_code" in settings else next(iter(settings)))


@each_baseline
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_that_a_baseline_lacks_is_neither_offered_nor_trained(baseline: str, preset: str) -> None:
    has_it = preset in BASELINES[baseline].settings
    waits = not BASELINES[baseline].has("preset")  # in a disabled control
    assert (preset in CONTROL_OF["preset"].offered_for(BASELINES[baseline])) is (has_it or waits)
    assert touched(baseline=baseline, preset=preset).b.preset == (
        preset if has_it else next(iter(BASELINES[baseline].settings))
    )


@each_baseline
def test_a_batch_too_small_is_one_sentence(baseline: str) -> None:
    smallest = BASELINES[baseline].smallest_batch
    if not BASELINES[baseline].has("batch_size"):
        assert touched(baseline=baseline, batch_size=1).b.batch_size is None
    elif smallest == 1:
        assert touched(baseline=baseline, batch_size=1).b.batch_size == 1
    else:
        with pytest.raises(InvalidConfig, match=f"batch_size must be {smallest} or more for {baseline}") as caught:
            touched(baseline=baseline, batch_size=smallest - 1)
        assert_one_line(str(caught.value))
        assert touched(baseline=baseline, batch_size=smallest).b.batch_size == smallest


@given(st.data())
def test_a_is_what_is_published_on_the_same_rows(data: st.DataObject) -> None:
    b = draw_config(data)
    a = baseline_of(b)
    same = ("dataset", "labeled_ratio", "normal_ratio", "contamination", "protocol", "seed")
    assert all(getattr(a, name) == getattr(b, name) for name in same)
    published = BASELINES[a.baseline]
    if BASELINES[b.baseline].has("lambda_n"):
        assert (a.baseline, a.lambda_n, a.preset) == (b.baseline, 1.0, b.preset)
    else:
        assert (a.baseline, a.lambda_n) == ("DeepSAD", 0.0), "a comparator is compared with AnoOnly"
    assert published.norms is not None
    assert a.norm == published.norms[a.preset][0 if a.lambda_n == 1 else 1]
    settings = published.settings[a.preset]
    assert all(getattr(a, name) == getattr(settings, name) for name in ("batch_size", "epochs", "learning_rate"))


def test_a_keeps_the_pairing_of_its_preset() -> None:
    assert baseline_of(make_config(baseline="FEAWAD", lambda_n=0.0)).norm == "none"
    assert baseline_of(make_config(baseline="FEAWAD", lambda_n=0.0, preset="published_code")).norm == "batch"


def draw_config(data: st.DataObject) -> RunConfig:
    values: dict[str, Any] = {
        control.name: data.draw(st.sampled_from(control.options), control.name) for control in CONTROLS
    }
    smallest = BASELINES[values["baseline"]].smallest_batch
    assume(values["batch_size"] == "published" or values["batch_size"] >= smallest)
    return choose(values).b


@given(st.data())
def test_a_pinned_run_comes_back_from_its_link(data: st.DataObject) -> None:
    pinned, b = draw_config(data), draw_config(data)
    read_back = from_pin(pin_text(pinned), b)
    assert read_back == pinned.with_(dataset=b.dataset, protocol=b.protocol, seed=b.seed)


MAY_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate")


@each_baseline
def test_a_pin_names_only_what_its_baseline_has(baseline: str) -> None:
    text = pin_text(touched(baseline=baseline).b)
    named = {part.partition("=")[0] for part in text.split(",")}
    assert {name for name in MAY_LACK if not BASELINES[baseline].has(name)}.isdisjoint(named)
    assert "None" not in text
    assert from_pin(text, make_config(dataset="digits_8")) == touched(baseline=baseline, dataset="digits_8").b


@given(st.floats(0, 1), st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_a_pinned_run_keeps_every_digit(lambda_n: float, rate: float, ratio: float) -> None:
    pinned = make_config(lambda_n=lambda_n, learning_rate=rate, labeled_ratio=ratio)
    assert from_pin(pin_text(pinned), make_config()) == pinned


@pytest.mark.parametrize(
    "text",
    [
        "zzz",
        "lambda_n",
        "lambda_n=abc",
        "lambda_n=nan",
        "lambda_n=None",
        "baseline=XGBOD,lambda_n=0",
        "baseline=PReNet,batch_size=3",
        "baseline=REPEN,preset=published_code",
        "dataset=digits_4",
        "seed=3",
        "norm=",
        "=",
        ",",
        "a=b=c",
        "x" * 9999,
    ],
)
def test_a_bad_pinned_run_is_one_sentence(text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        from_pin(text, make_config())
    assert_one_line(str(caught.value))


@given(st.text(max_size=200))
def test_any_pinned_text_is_a_run_or_one_sentence(text: str) -> None:
    try:
        assert isinstance(from_pin(text, make_config()), RunConfig)
    except InvalidConfig as error:
        assert_one_line(str(error))
