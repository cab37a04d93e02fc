"""An address is read parameter by parameter; what cannot be used is one sentence, and no text breaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import streamlit as st
from hypothesis import example, given, strategies

from anoonly_core.config import make_config
from app.controls.page_address import Link, PageAddress, current_link, names_of_all_pages
from app.controls.parameters import Parameter, any_text
from app.controls.registry import CONTROLS
from app.navigation import PAGES
from app.text.labels import format_value
from app.views.clean import page as clean
from app.views.compare.url import ADDRESS as COMPARE
from app.views.datasets import page as datasets
from app.views.label import page as label
from app.views.lessons import lessons
from app.views.microscope import page as microscope
from app.views.reproduce import controls as reproduce
from app.views.runs import page as runs
from app.views.sweep import url as sweep
from app.views.your_table import page as your_table
from app.views.zero_shot import controls as zero_shot
from tests.app.conftest import assert_one_line

VIEWS = (clean, datasets, label, lessons, microscope, reproduce, runs, sweep, your_table, zero_shot)
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


def read(parameters: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read an address of Compare that has each name once."""
    return COMPARE.read({name: [text] for name, text in parameters.items()})


@pytest.mark.parametrize(
    ("name", "text"),
    [pytest.param(name, text, id=f"{name}={text[:20]}") for name, texts in BAD.items() for text in texts],
)
def test_a_bad_value_is_named_and_the_default_is_used(name: str, text: str) -> None:
    values, notices = read({name: text})
    assert values == {}
    (notice,) = notices
    assert notice.startswith(f"The link's {name} must be ")
    assert notice.endswith(f"The default, {format_value(COMPARE[name].default)}, is used instead.")
    assert_one_line(notice)


@pytest.mark.parametrize("name", ["lambda", "<script>", "x" * 10_000, "line\nbreak", ""])
def test_an_unknown_name_is_named(name: str) -> None:
    values, notices = read({name: "1"})
    assert values == {}
    (notice,) = notices
    assert "does not know" in notice
    assert_one_line(notice)


name_in_a_link = strategies.one_of(
    strategies.sampled_from([control.name for control in CONTROLS]), strategies.text(max_size=60)
)
text_in_a_link = strategies.one_of(
    strategies.text(max_size=80),
    strategies.floats().map(repr),
    strategies.integers().map(str),
    strategies.sampled_from([format_value(option) for control in CONTROLS for option in control.options]),
)


@given(strategies.dictionaries(name_in_a_link, text_in_a_link, max_size=6))
@example({"seeds": "9" * 5000})
@example({"lambda_n": "0.5", "norm": "layer", "lesson": "anything"})
def test_any_link_can_be_read(parameters: Mapping[str, str]) -> None:
    values, notices = read(parameters)
    others = names_of_all_pages() - COMPARE.names
    for name in {"a", "fix", "hide"} & parameters.keys():
        values.pop(name, None)
    assert len(values) + len(notices) == len(parameters.keys() - others - {"a", "fix", "hide"})
    for notice in notices:
        assert_one_line(notice)
    for name, value in values.items():
        if name in {control.name for control in CONTROLS} - {"seeds"}:
            make_config(**{name: as_setting(name, value)})


def as_setting(name: str, value: Any) -> Any:
    """None where the control leaves the choice to what is published."""
    return None if value == "published" and name != "protocol" else value


# All pages


def test_each_page_declares_its_address() -> None:
    addresses = (COMPARE, *(view.ADDRESS for view in VIEWS))
    assert sorted(address.page for address in addresses) == sorted(PAGES)
    assert names_of_all_pages() == frozenset().union(*(address.names for address in addresses))


PARAMETERS = [
    pytest.param(address, parameter, id=f"{address.page} {parameter.name}")
    for address in (COMPARE, *(view.ADDRESS for view in VIEWS))
    for parameter in address.parameters
]


@pytest.mark.parametrize(("address", "parameter"), PARAMETERS)
def test_each_default_and_option_survives_the_address(address: PageAddress, parameter: Parameter) -> None:
    assert [other.name for other in address.parameters].count(parameter.name) == 1
    for value in (*parameter.options, *([] if parameter.default is None else [parameter.default])):
        wanted = [value] if parameter.many else value
        back, notices = parameter.read(parameter.texts(wanted))
        assert (back, notices) == (wanted, [])
        assert type(back) is type(wanted)


@pytest.mark.parametrize(("address", "parameter"), PARAMETERS)
def test_each_bad_text_is_one_sentence(address: PageAddress, parameter: Parameter) -> None:
    values, notices = address.read({parameter.name: ["no such thing"]})
    if parameter.parser is any_text:
        assert values and not notices
    else:
        (notice,) = notices
        assert values == {} and notice.startswith("The link's ") and "'no such thing'" in notice
        assert_one_line(notice)


def test_a_list_loses_only_its_bad_values() -> None:
    values, notices = sweep.ADDRESS.read({"values_epochs": ["5", "many", "20", "5"]})
    assert values == {"values_epochs": [5, 20]}
    assert len(notices) == 1 and "values of epochs must be" in notices[0] and notices[0].endswith("It is left out.")
    values, notices = read({"fix": "norm,nonsense,,epochs"})
    assert values == {"fix": ["norm", "epochs"]}
    assert notices == ["The link's fix must be a control of the sidebar, not 'nonsense'. It is left out."]


# Options that are known only while the page is drawn


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    values = {"held_out": ["8", "eleven"], "meta": ["x"]}
    session = {"link": Link(values=values, unchecked={"held_out"}), "zero_shot_meta": ["x"]}
    monkeypatch.setattr(st, "session_state", session)
    yield current_link()


def test_a_value_is_checked_when_its_options_are_known(link: Link) -> None:
    address = zero_shot.ADDRESS
    assert address.among("held_out", ["7", "8"]) == ["8"] == address.among("held_out", ["7", "8"])
    (notice,) = link.notices
    assert notice == "The link's held_out must be one of 7, 8, not 'eleven'. It is left out."
    assert address.among("meta", ["7", "8"]) is None
    assert len(link.notices) == 1, "a value that the link did not bring is dropped without a notice"
    assert address.among("table", ["digits"]) is None


def test_what_is_forgotten_begins_with_the_default(link: Link) -> None:
    address = zero_shot.ADDRESS
    address.forget(["meta"])
    assert address.begin("meta", ["0"]) == "zero_shot_meta" and st.session_state["zero_shot_meta"] == ["0"]
    assert address.begin("held_out", ["0"]) == "zero_shot_held_out"
    assert address.drawn() == {"meta": ["0"], "held_out": ["8", "eleven"]}
