"""Widgets <-> ZeroShotConfig <-> the Zero-shot page's URL, which is read on arrival and written after each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anoonly_core.errors import InvalidConfig
from anoonly_core.lru import LRU
from anoonly_core.zero_shot.class_table import CLASS_TABLES, ClassTable, class_table_identity, load_class_table
from anoonly_core.zero_shot.config import RULES, SMALL_BATCH, ZeroShotConfig, make_zero_shot_config
from app.controls.link_parser import OF_PAGES, not_known
from app.server.table_owners import visible_uploads
from app.text.labels import format_value

__all__ = ["Asked", "draw_sidebar", "read_link", "take_in_link", "write_link"]


@dataclass(frozen=True)
class Control:
    """One setting: what it offers, what stands there at first, whether it is kept under "More"."""

    label: str
    options: tuple[Any, ...]
    default: Any
    help: str
    more: bool = False


CONTROLS: dict[str, Control] = {
    "objective": Control(
        "Objective",
        ("svdd", "bce"),
        "svdd",
        "svdd: a row's distance to a learned center is small if it is normal. bce: a logit with cross-entropy.",
    ),
    "test_rows": Control(
        "Rows in a test batch",
        (8, 16, 25, 50, 100, 150),
        100,
        f"The batch lends its statistics to all its rows; under {SMALL_BATCH} they say little.",
    ),
    "seeds": Control("Seeds", (1, 2, 3, 4, 5), 3, "How many meta-trainings each figure stands on."),
    "steps": Control("Steps", (25, 50, 100, 200, 400, 800), 200, "How long to meta-train.", more=True),
    "tasks": Control("Tasks in a step", (4, 8, 16, 32), 16, "Each is normalized by its own rows.", more=True),
    "rows": Control("Rows in a task", (20, 30, 60, 120), 60, "What a task's statistics are taken from.", more=True),
    "normal_share": Control(
        "π, normal share of a task", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 0.8, "The others are of other classes.", more=True
    ),
    "learning_rate": Control("Learning rate", (1e-4, 3e-4, 1e-3, 3e-3), 1e-3, "Adam's.", more=True),
}
CLASSES = ("held_out", "meta")
KEY = "zero_shot_{}"  # a session keeps these apart from other pages' controls of the same name


@dataclass(frozen=True)
class Asked:
    """What the controls say: a config a seed, all of one table."""

    table: ClassTable
    configs: tuple[ZeroShotConfig, ...]


def read_link(parameters: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """What a link's parameters set, by control, and a sentence about each that cannot be used."""
    values: dict[str, Any] = {}
    notices = []
    for name, text in parameters.items():
        if name in CLASSES:
            values[name] = [part for part in text.split(",") if part]
        elif name == "table" and text in _tables():
            values[name] = text
        elif name == "table":
            notices.append(
                f"The link's table must be {' or '.join(CLASS_TABLES)}, or one that your browser brought and that has "
                f"three classes or more, not {text[:60]!r}."
            )
        elif name in CONTROLS:
            by_text = {format_value(option): option for option in CONTROLS[name].options}
            if text in by_text:
                values[name] = by_text[text]
            else:
                rule = f"one of {', '.join(by_text)}"
                notices.append(f"The link's {name} must be {rule}, not {text[:60]!r}. The default stands instead.")
        elif name not in OF_PAGES:
            notices.append(not_known(name))
    return values, notices


def take_in_link() -> None:
    """Whenever the session comes to this page: read the link, or else keep what the page was left with."""
    if "link_values" in st.session_state:
        return
    given = st.query_params.to_dict()
    values, notices = read_link(given or st.session_state.get("zero_shot_address", {}))
    for name in ("table", *CLASSES, *CONTROLS):
        st.session_state.pop(KEY.format(name), None)
    st.session_state.link_values = values
    st.session_state.notices = notices


def write_link(asked: Asked) -> None:
    """Write what the controls say into the URL, as far as it is not what stands there at first."""
    said = {name: format_value(_said(name)) for name, control in CONTROLS.items() if _said(name) != control.default}
    if asked.configs[0].table != next(iter(CLASS_TABLES)):
        said["table"] = asked.configs[0].table
    first = asked.configs[0]
    if list(first.held_out) != _last_half(asked.table):
        said["held_out"] = ",".join(first.held_out)
    if list(first.meta) != _others(asked.table, first.held_out):
        said["meta"] = ",".join(first.meta)
    st.session_state.zero_shot_address = said
    st.query_params.from_dict(said)


def _said(name: str) -> Any:
    return st.session_state.get(KEY.format(name), CONTROLS[name].default)


def _begin(name: str, value: Any) -> str:
    """The control's key; where the session has nothing under it, it begins with the link's value, or this one."""
    key = KEY.format(name)
    if key not in st.session_state:
        st.session_state[key] = st.session_state.link_values.pop(name, value)
    return key


def draw_sidebar() -> Asked:
    """Draw the controls and read them; raises InvalidConfig and DatasetUnavailable with one sentence."""
    with st.sidebar:
        if st.session_state.get(KEY.format("table"), "digits") not in _tables():
            st.session_state.pop(KEY.format("table"))  # a table that went meanwhile
        name = st.selectbox(
            "Table of classes",
            _tables(),
            key=_begin("table", next(iter(CLASS_TABLES))),
            on_change=_forget_classes,
            help="digits: each digit is a class. MVTec-AD: each product at hand is one, with its own defects. "
            "own_…: a table of yours from the page Your table, whose label column names the classes.",
        )
        table = _table(name)
        held_out = _classes("held_out", "Held out: tested, never trained on", table, _last_half(table))
        meta = _classes("meta", "Meta-trained on", table, _others(table, held_out))
        values = {own: _draw(own, control) for own, control in CONTROLS.items() if not control.more}
        with st.expander("More"):
            values |= {own: _draw(own, control) for own, control in CONTROLS.items() if control.more}
    seeds = values.pop("seeds")
    meta = [own for own in meta if own not in held_out]
    if not held_out or len(meta) < 2:
        raise InvalidConfig("Choose one class or more to hold out, and two or more others to train on.")
    first = make_zero_shot_config(table=name, held_out=held_out, meta=meta, **values)
    return Asked(table, tuple(first.with_(seed=seed) for seed in range(seeds)))


def _table(name: str) -> ClassTable:
    """The table, remembered while its rows are the same: MVTec-AD's are many files."""
    key = class_table_identity(name)
    found = _read.get(key)
    if found is None:
        found = load_class_table(name)
        _read.put(key, found)
    return found


_read = LRU[ClassTable](4)


def _tables() -> list[str]:
    """What is offered: the catalogue's, and the tables of one's own whose label column has three values or more."""
    return [*CLASS_TABLES, *(table.name for table in visible_uploads() if table.label_values)]


def _forget_classes() -> None:
    for name in CLASSES:
        st.session_state.pop(KEY.format(name), None)


def _last_half(table: ClassTable) -> list[str]:
    return list(table.names[(len(table.names) + 1) // 2 :])


def _others(table: ClassTable, held_out: tuple[str, ...] | list[str]) -> list[str]:
    return [name for name in table.names if name not in held_out]


def _classes(name: str, label: str, table: ClassTable, first: list[str]) -> list[str]:
    """Some of the table's classes, in its order. Those trained on follow what is held out until they are chosen."""
    linked = st.session_state.link_values.get(name, first)
    if unknown := [own for own in linked if own not in table.names]:
        st.session_state.notices.append(f"The link's {name} names {unknown[0][:40]!r}, no class of {table.name}.")
        st.session_state.link_values[name] = [own for own in linked if own in table.names] or first
    key = _begin(name, first)
    if name == "meta" and st.session_state.get("zero_shot_meta_at_first") == st.session_state[key]:
        st.session_state[key] = first
    chosen = st.multiselect(label, table.names, key=key, help=f"{RULES[name][0].upper()}{RULES[name][1:]}.")
    if name == "meta":
        st.session_state.zero_shot_meta_at_first = first
    return [own for own in table.names if own in chosen]


def _draw(name: str, control: Control) -> Any:
    key = _begin(name, control.default)
    if len(control.options) == 2:
        return st.segmented_control(control.label, control.options, required=True, key=key, help=control.help)
    return st.selectbox(control.label, control.options, format_func=format_value, key=key, help=control.help)
