"""Controls, link and pinned run are three readings of one declaration, and no text breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from app.controls import (
    CONTROLS,
    OF_PAGES,
    Choice,
    Control,
    _choice,
    _with_stop,
    baseline_of,
    default_choice,
    from_pin,
    help_text,
    pin_text,
    read_link,
    shown,
)

each_control = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)


@each_control
def test_the_default_is_offered_and_survives_the_link(control: Control) -> None:
    assert control.default in control.options
    assert control.parse(shown(control.default)) == control.default


@each_control
def test_each_option_survives_the_link(control: Control) -> None:
    for option in control.options:
        parsed = control.parse(shown(option))
        assert parsed == option
        assert type(parsed) is type(option)


@each_control
def test_no_two_options_look_the_same(control: Control) -> None:
    assert len({shown(option) for option in control.options}) == len(control.options)


@each_control
def test_it_says_what_it_is(control: Control) -> None:
    assert control.label
    assert control.help.endswith((".", "?"))


@each_control
def test_each_option_reaches_the_run(control: Control) -> None:
    untouched = {one.name: one.default for one in CONTROLS}
    for option in control.options:
        choice = _choice({**untouched, control.name: option})
        if control.name == "seeds":
            assert choice.seeds == option
        elif control.default == option == "published":
            assert choice == default_choice()
        else:
            assert getattr(choice.b, control.name) == option


def test_every_field_of_the_config_has_a_control() -> None:
    assert {control.name for control in CONTROLS} == {*RunConfig.model_fields, "seeds"}


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


BAD = {
    "lambda_n": ["abc", "nan", "inf", "-1", "1.5", "", "published", "<script>alert(1)</script>", "9" * 5000],
    "batch_size": ["0", "-1", "1.5", "70000", "abc", "", "9" * 5000],
    "epochs": ["0", "10001", "abc"],
    "learning_rate": ["0", "2", "nan"],
    "labeled_ratio": ["0", "1.1", "nan"],
    "normal_ratio": ["0", "-0.5"],
    "contamination": ["0.81", "-0.1", "nan", "unnatural"],
    "norm": ["batchnorm", "", "PUBLISHED", "x" * 10_000],
    "baseline": ["deepsad", "", "<b>"],
    "preset": ["code"],
    "protocol": ["leaky"],
    "dataset": ["digits_99", "", "../../etc/passwd", "digits_3\n", "x" * 10_000],
    "seed": ["-1", "2147483648", "1.5"],
    "seeds": ["0", "11", "-1", "1.0", "", "²", "9" * 5000],
}


@pytest.mark.parametrize(
    ("name", "text"),
    [pytest.param(name, text, id=f"{name}={text[:20]}") for name, texts in BAD.items() for text in texts],
)
def test_a_bad_value_is_named_and_the_default_stands(name: str, text: str) -> None:
    values, notices = read_link({name: text})
    assert values == {}
    (notice,) = notices
    assert notice.startswith(f"The link's {name} must be ")
    assert "The default, " in notice
    assert_one_line(notice)


@pytest.mark.parametrize("name", ["lambda", "<script>", "x" * 10_000, "line\nbreak", ""])
def test_an_unknown_name_is_named(name: str) -> None:
    values, notices = read_link({name: "1"})
    assert values == {}
    (notice,) = notices
    assert "does not know" in notice
    assert_one_line(notice)


def assert_one_line(notice: str) -> None:
    assert len(notice.splitlines()) == 1
    assert len(notice) < 400


name_in_a_link = st.one_of(st.sampled_from([control.name for control in CONTROLS]), st.text(max_size=60))
text_in_a_link = st.one_of(
    st.text(max_size=80),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from([shown(option) for control in CONTROLS for option in control.options]),
)


@given(st.dictionaries(name_in_a_link, text_in_a_link, max_size=6))
@example({"seeds": "9" * 5000})
@example({"lambda_n": "0.5", "norm": "layer", "a": "anything"})
def test_any_link_can_be_read(parameters: Mapping[str, str]) -> None:
    values, notices = read_link(parameters)
    others = OF_PAGES - {control.name for control in CONTROLS}
    assert len(values) + len(notices) == len(parameters.keys() - others)
    for notice in notices:
        assert_one_line(notice)
    for name, value in values.items():
        if name != "seeds":
            make_config(**{name: as_setting(name, value)})


def as_setting(name: str, value: Any) -> Any:
    """None where the control leaves the choice to what is published."""
    return None if value == "published" and name != "protocol" else value


def test_what_nobody_has_touched() -> None:
    choice = default_choice()
    assert (choice.b.dataset, choice.b.baseline, choice.b.lambda_n, choice.seeds) == ("digits_3", "DeepSAD", 0.0, 5)
    assert choice.b == make_config(lambda_n=0.0)
    assert [config.seed for config in choice.seeded(choice.b)] == [0, 1, 2, 3, 4]


def test_seeds_begin_at_the_first_one() -> None:
    choice = Choice(make_config(seed=7), 3)
    assert [config.seed for config in choice.seeded(make_config())] == [7, 8, 9]


each_baseline = pytest.mark.parametrize("baseline", BASELINES)
MAY_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset")


def touched(**values: Any) -> Choice:
    return _choice({**{control.name: control.default for control in CONTROLS}, **values})


@each_baseline
def test_what_a_baseline_lacks_is_not_in_its_run(baseline: str) -> None:
    settings = {"lambda_n": 0.01, "norm": "layer", "batch_size": 64, "epochs": 7, "learning_rate": 1e-3}
    b = touched(baseline=baseline, preset="published_code", **settings).b
    has = BASELINES[baseline].has
    assert b.baseline == baseline
    assert {name: getattr(b, name) for name in settings} == {
        name: value if has(name) else None for name, value in settings.items()
    }
    assert b.preset == ("published_code" if has("preset") else "paper")


@each_baseline
@each_control
def test_a_control_says_why_it_lies_idle(control: Control, baseline: str) -> None:
    said = help_text(control, BASELINES[baseline], "paper")
    assert said.endswith(".") or said == control.help
    if BASELINES[baseline].has(control.name):
        assert said.startswith(control.help)
    else:
        assert control.name in MAY_LACK
        assert said == f"{baseline} has no {control.noun}."
        assert control.noun


@each_baseline
@pytest.mark.parametrize("preset", ["paper", "published_code"])
def test_help_says_what_published_means(baseline: str, preset: str) -> None:
    published = BASELINES[baseline]
    settings = published.settings.get(preset, published.settings["paper"])
    for name in ("batch_size", "epochs", "learning_rate"):
        control = next(control for control in CONTROLS if control.name == name)
        if published.has(name):
            words = f"Published for {baseline}: {shown(getattr(settings, name))}."
            assert help_text(control, published, preset).endswith(words)


@each_baseline
def test_the_baselines_help_tells_of_it(baseline: str) -> None:
    (control,) = (control for control in CONTROLS if control.name == "baseline")
    assert control.options == tuple(BASELINES)
    assert BASELINES[baseline].summary in help_text(control, BASELINES[baseline], "paper")


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
    same = ("dataset", "labeled_ratio", "normal_ratio", "contamination", "protocol", "seed", "preset")
    assert all(getattr(a, name) == getattr(b, name) for name in same)
    published = BASELINES[a.baseline]
    if BASELINES[b.baseline].has("lambda_n"):
        assert (a.baseline, a.lambda_n) == (b.baseline, 1.0)
    else:
        assert (a.baseline, a.lambda_n) == ("DeepSAD", 0.0), "a comparator stands beside AnoOnly"
    assert published.norms is not None
    assert a.norm == published.norms[b.preset][0 if a.lambda_n == 1 else 1]
    settings = published.settings[b.preset]
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
    return _choice(values).b


@given(st.data())
def test_a_pinned_run_comes_back_from_its_link(data: st.DataObject) -> None:
    pinned, b = draw_config(data), draw_config(data)
    found = from_pin(pin_text(pinned), b)
    assert found == pinned.with_(dataset=b.dataset, protocol=b.protocol, seed=b.seed)


@each_baseline
def test_a_pin_names_only_what_its_baseline_has(baseline: str) -> None:
    text = pin_text(touched(baseline=baseline).b)
    named = {part.partition("=")[0] for part in text.split(",")}
    assert {name for name in MAY_LACK[:-1] if not BASELINES[baseline].has(name)}.isdisjoint(named)
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
