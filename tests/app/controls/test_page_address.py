"""An address is read parameter by parameter; what cannot be used is one sentence, and no text breaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import streamlit as st
from hypothesis import example, given, strategies

from anoonly_core.config import make_config
from app.controls import page_address
from app.controls.page_address import Link, PageAddress, current_link, enter_page, names_of_all_pages
from app.controls.parameters import any_text
from app.controls.registry import CONTROLS
from app.navigation import PAGES
from app.text.labels import format_value
from app.views.clean import page as clean
from app.views.compare.url import ADDRESS as COMPARE
from app.views.datasets import page as datasets
from app.views.drift import controls as drift
from app.views.label import page as label
from app.views.lessons import lessons
from app.views.microscope import page as microscope
from app.views.reproduce import controls as reproduce
from app.views.runs import page as runs
from app.views.start import page as start
from app.views.sweep import url as sweep
from app.views.weak_supervision import page as weak_supervision
from app.views.which import url as which
from app.views.why import page as why
from app.views.your_table import page as your_table
from app.views.zero_shot import controls as zero_shot
from tests.app.conftest import assert_one_line

VIEWS = (
    *(clean, datasets, drift, label, lessons, microscope, reproduce, runs, start, sweep),
    *(weak_supervision, which, why, your_table, zero_shot),
)
BAD = {
    "lambda_n": ["abc", "nan", "inf", "-1", "1.5", "", "published", "<script>alert(1)</script>", "9" * 5000],
    "batch_size": ["0", "-1", "1.5", "70000", "abc", "", "9" * 5000],
    "epochs": ["0", "10001", "abc"],
    "learning_rate": ["0", "2", "nan"],
    "labeled_ratio": ["0", "1.1", "nan"],
    "normal_ratio": ["0", "-0.5"],
    "contamination": ["0.81", "-0.1", "nan", "unnatural"],
    "labeled_anomalies": ["0", "1.5", "share"],
    "labeled_normals": ["-1", "0.5"],
    "labeled_normal_ratio": ["-1", "inf"],
    "unlabeled_ratio": ["1.1", "nan"],
    "flipped_anomalies": ["-0.1", "all"],
    "flipped_normals": ["2", ""],
    "unseen_types": ["-1", "some"],
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
            make_config(**{name: as_setting(name, value)}, **({"norm": "bn_loss"} if name == "norm_strength" else {}))


def as_setting(name: str, value: Any) -> Any:
    """None where the control leaves the choice to what is published."""
    return None if value == "published" and name != "protocol" else value


# All pages


def test_each_page_declares_its_address() -> None:
    addresses = (COMPARE, *(view.ADDRESS for view in VIEWS))
    assert sorted(address.page for address in addresses) == sorted(PAGES)
    assert names_of_all_pages() == frozenset().union(*(address.names for address in addresses))


every_address = pytest.mark.parametrize(
    "address", (COMPARE, *(view.ADDRESS for view in VIEWS)), ids=lambda address: address.page
)


@every_address
def test_each_default_and_option_survives_the_address(address: PageAddress) -> None:
    names = [parameter.name for parameter in address.parameters]
    assert len(set(names)) == len(names)
    for parameter in address.parameters:
        for value in (*parameter.options, *([] if parameter.default is None else [parameter.default])):
            wanted = [value] if parameter.many else value
            back, notices = parameter.read(parameter.texts(wanted))
            assert (back, notices) == (wanted, []), parameter.name
            assert type(back) is type(wanted), parameter.name


@every_address
def test_each_bad_text_is_one_sentence(address: PageAddress) -> None:
    for parameter in address.parameters:
        values, notices = address.read({parameter.name: ["no such thing"]})
        if parameter.parser is any_text:
            assert values and not notices, parameter.name
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


# Ways to come to a page


class Query(dict[str, list[str]]):
    """Stand in for st.query_params."""

    def get_all(self, name: str) -> list[str]:
        return self.get(name, [])

    def from_dict(self, texts: Mapping[str, str | list[str]]) -> None:
        self.clear()
        self.update({name: [each] if isinstance(each, str) else each for name, each in texts.items()})


class Tab:
    """A browser tab that sends an address at each run of the script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        monkeypatch.setattr(st, "session_state", State())
        monkeypatch.setattr(st, "rerun", lambda: None)

    def come(self, address: PageAddress, query: str = "", back: bool = False) -> dict[str, Any]:
        """Come to a page and return the values that it begins with."""
        left = st.session_state.get(page_address.PAGE)
        names = page_address._registered[left].names if left not in (None, address.page) else frozenset()
        kept = {name: texts for name, texts in parse_qs(query).items() if name not in names}  # as Streamlit does
        self.patch.setattr(st, "query_params", Query(kept))
        context = SimpleNamespace(query_string=query, is_history_navigation=back)
        self.patch.setattr(page_address, "get_script_run_ctx", lambda: context)
        enter_page(address.page)
        address.arrive()
        if address.bound:
            address.remember()
        else:
            address.write(current_link().values)
        return current_link().values

    @property
    def query(self) -> str:
        return urlencode(st.query_params, doseq=True)


class State(dict[str, Any]):
    """Stand in for st.session_state."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(monkeypatch)


VISITS = {
    "compare": (COMPARE, "dataset=digits_7&baseline=DevNet&seeds=2&tab=Training"),
    "microscope": (microscope.ADDRESS, "dataset=digits_5&labeled_ratio=0.5"),
    "sweep": (sweep.ADDRESS, "dataset=digits_4&vary=batch_size&values_batch_size=8&values_batch_size=64"),
    "which": (which.ADDRESS, "dataset=digits_4&labeled_anomalies=20&systems=KNN&systems=DevNet+%2B+AnoOnly"),
    "zero_shot": (zero_shot.ADDRESS, "seeds=1&held_out=7%2C8%2C9"),
    "clean": (clean.ADDRESS, "dataset=digits_8&seeds=3&parts=2"),
    "drift": (drift.ADDRESS, "dataset=digits_8&rows=16&alpha=0.25"),
    "reproduce": (reproduce.ADDRESS, "show=table2"),
    "label": (label.ADDRESS, "lambda_n=0.1&epochs=5"),
}
SHARED = ({"compare", "microscope"},)
STALE = ("", "lesson=imbalance&step=1", "dataset=digits_1&seeds=4", "seeds=2", "show=fig5&a=x")
every_first_page = pytest.mark.parametrize("first", VISITS)


def others(first: str) -> list[str]:
    return [then for then in VISITS if then != first]


@every_first_page
def test_back_keeps_the_settings_whatever_address_the_browser_sends(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    left, link = VISITS[first]
    for then, stale in product(others(first), STALE):
        tab = Tab(monkeypatch)
        settings = dict(tab.come(left, link))
        assert settings == left.read(parse_qs(link))[0]
        tab.come(VISITS[then][0], link)
        assert tab.come(left, stale, back=True) == settings, (then, stale)
        assert parse_qs(tab.query) == parse_qs(link), (then, stale)


@every_first_page
def test_a_page_does_not_begin_with_the_settings_of_the_page_left(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    left, link = VISITS[first]
    for then in others(first):
        tab, other = Tab(monkeypatch), VISITS[then][0]
        settings = tab.come(left, link)
        begun = tab.come(other, link)
        shared = {name: settings[name] for name in settings if name in other.names}
        assert begun == (shared if {first, then} in SHARED else {}), then


@pytest.mark.parametrize("back", [False, True])
@every_first_page
def test_back_and_the_menu_keep_what_each_page_was_left_with(
    monkeypatch: pytest.MonkeyPatch, first: str, back: bool
) -> None:
    left, link = VISITS[first]
    for then in others(first):
        tab, (other, other_link) = Tab(monkeypatch), VISITS[then]
        tab.come(left, link)
        tab.come(other, "")
        other.remember(other.read(parse_qs(other_link))[0])
        if back or {first, then} not in SHARED:
            assert tab.come(left, link if back else "", back) == left.read(parse_qs(link))[0], then
        assert tab.come(other, other_link if back else "", back), then
        if back:
            assert current_link().values == other.read(parse_qs(other_link))[0], then


@pytest.mark.parametrize("name", VISITS)
def test_back_shows_each_address_that_the_page_had(tab: Tab, name: str) -> None:
    address, link = VISITS[name]
    other = COMPARE if name != "compare" else clean.ADDRESS
    tab.come(address, link)
    address.remember({})  # a control was moved
    tab.come(other, "")
    for query in (link, "", link):
        assert tab.come(address, query, back=True) == address.read(parse_qs(query))[0]
        tab.come(other, "", back=True)


@pytest.mark.parametrize("name", VISITS)
def test_back_within_a_page_shows_the_address(tab: Tab, name: str) -> None:
    address, link = VISITS[name]
    tab.come(address, "")
    for query in (link, "", link):
        st.session_state |= {address.key(parameter): "moved since" for parameter in address.names}
        assert tab.come(address, query, back=True) == address.read(parse_qs(query))[0]
        assert parse_qs(tab.query) == parse_qs(query)
        assert not address.drawn(), "the widgets begin anew"


def test_a_change_is_written_before_the_page_is_drawn(tab: Tab) -> None:
    address = sweep.ADDRESS
    tab.come(address, "dataset=digits_4&vary=batch_size")
    st.session_state |= {"sweep_seeds": 5, "vary": "batch_size"}
    address.write(current_link().values)
    st.session_state["sweep_seeds"] = 3
    enter_page("sweep")
    assert parse_qs(tab.query) == {"dataset": ["digits_4"], "vary": ["batch_size"], "sweep_seeds": ["3"]}
    tab.come(COMPARE, "")
    assert tab.come(address, "")["sweep_seeds"] == 3


@pytest.mark.parametrize("name", VISITS)
def test_a_link_outdoes_what_the_page_was_left_with(tab: Tab, name: str) -> None:
    address, link = VISITS[name]
    other = COMPARE if name != "compare" else clean.ADDRESS
    tab.come(address, "")
    tab.come(other, "")
    st.session_state.pop("page")  # as `app.navigation.open_page` does
    assert tab.come(address, link) == address.read(parse_qs(link))[0]


@pytest.mark.parametrize("name", [name for name, (address, _) in VISITS.items() if address.bound])
def test_a_link_is_not_written_again(tab: Tab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each write before assets/history.js runs is an entry of the browser's history."""
    written: list[object] = []
    monkeypatch.setattr(page_address, "_write_address", written.append)
    address, link = VISITS[name]
    values, _ = address.read(parse_qs(link))
    texts = {each: address[each].widget_texts(value) for each, value in values.items()}  # as Streamlit has been given
    tab.come(address, urlencode(texts, doseq=True))
    assert written == []
    tab.come(reproduce.ADDRESS, "")
    del written[:]
    tab.come(address, "")
    assert len(written) == 1


@pytest.mark.parametrize("name", VISITS)
def test_back_after_a_reload_has_the_address_alone(tab: Tab, name: str) -> None:
    address, link = VISITS[name]
    tab.come(COMPARE if name != "compare" else microscope.ADDRESS, "")
    assert tab.come(address, f"{link}&lesson=imbalance", back=True) == address.read(parse_qs(link))[0]
    assert parse_qs(tab.query) == parse_qs(link)


@pytest.mark.parametrize("name", [name for name, (address, _) in VISITS.items() if address.bound])
def test_a_change_just_before_the_menu_is_kept(tab: Tab, name: str) -> None:
    address, link = VISITS[name]
    tab.come(address, link)
    tab.come(reproduce.ADDRESS, "seed=3&lesson=imbalance")  # the browser sends the controls' changes with the click
    assert tab.come(address, "", back=True) == {**address.read(parse_qs(link))[0], "seed": 3}


@pytest.mark.parametrize(
    "texts",
    [
        {f"name{number}": ["x"] for number in range(400)},
        {"fix": [",".join(f"name{number}" for number in range(2000))]},
        {"fix": [",".join(f"f{number}" for number in range(30))], "hide": [",".join(f"h{n}" for n in range(30))]},
        {name: ["\x00"] for name in ("lambda_n", "epochs", "seed")} | {f"name{number}": ["x"] for number in range(90)},
        {"fix": ["x" * 60 + str(number) for number in range(3)] + [",".join(map(str, range(60)))]},
    ],
)
def test_many_faults_of_an_address_are_few_notices(texts: dict[str, list[str]]) -> None:
    _, notices = COMPARE.read(texts)
    assert len(notices) == page_address.MAX_NOTICES
    wrong = sum(len(parameter.split(",")) for given in texts.values() for parameter in given[-1:])
    assert notices[-1] == f"The link has {wrong - len(notices) + 1:,} further parts that cannot be used."
    for notice in notices:
        assert_one_line(notice)


def test_as_many_faults_as_there_are_notices_are_all_told() -> None:
    _, notices = COMPARE.read({f"name{number}": ["x"] for number in range(page_address.MAX_NOTICES)})
    assert len(notices) == page_address.MAX_NOTICES and "name49" in notices[-1]
