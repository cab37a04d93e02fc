"""The controls of Zero-shot and their URL parameters: drawn, and read as one ZeroShotConfig a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anoonly_core.errors import InvalidConfig
from anoonly_core.lru import LRU
from anoonly_core.zero_shot.class_table import CLASS_TABLES, ClassTable, class_table_identity, load_class_table
from anoonly_core.zero_shot.config import RULES, SMALL_BATCH, ZeroShotConfig, make_zero_shot_config

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...controls.registry import MORE, Control
from ...server.table_owners import visible_uploads

__all__ = ["ADDRESS", "CONTROLS", "ZeroShotChoice", "draw_sidebar", "write_address"]


def _tables() -> tuple[str, ...]:
    """Return the names of the tables that the page offers.

    They are the bundled ones, and the visitor's uploads whose label column has three values or more.
    """
    return (*CLASS_TABLES, *(table.name for table in visible_uploads() if table.label_values))


CONTROLS = (
    Control(
        "objective",
        ("svdd", "bce"),
        "svdd",
        label="Objective",
        help="svdd: a row's distance to a learned center is small if it is normal. bce: a logit with cross-entropy.",
    ),
    Control(
        "test_rows",
        (8, 16, 25, 50, 100, 150),
        100,
        label="Rows in a test batch",
        help=f"All rows of a batch share its statistics; under {SMALL_BATCH} rows these say little.",
    ),
    Control("seeds", (1, 2, 3, 4, 5), 3, label="Seeds", help="Meta-trainings behind each value."),
    Control("steps", (25, 50, 100, 200, 400, 800), 200, label="Steps", help="How long to meta-train.", expander=MORE),
    Control(
        "tasks", (4, 8, 16, 32), 16, label="Tasks in a step", help="Each is normalized by its own rows.", expander=MORE
    ),
    Control(
        "rows",
        (20, 30, 60, 120),
        60,
        label="Rows in a task",
        help="A task's statistics are those of its rows.",
        expander=MORE,
    ),
    Control(
        "normal_share",
        (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        0.8,
        label="π, normal share of a task",
        help="The others are of other classes.",
        expander=MORE,
    ),
    Control(
        "learning_rate",
        (1e-4, 3e-4, 1e-3, 3e-3),
        1e-3,
        label="Learning rate",
        help="The learning rate of Adam.",
        expander=MORE,
    ),
)
TABLE = Parameter(
    "table",
    tuple(CLASS_TABLES),
    next(iter(CLASS_TABLES)),
    offers=_tables,
    rule=f"{' or '.join(CLASS_TABLES)}, or one that your browser uploaded and that has three classes or more",
)
# By default half of the table's classes each; which classes there are is known once the table is read.
CLASSES = tuple(Parameter(name, parser=any_text, many="commas") for name in ("held_out", "meta"))
# With a prefix: the widgets of other pages have names such as "seeds" too.
ADDRESS = register(PageAddress("zero_shot", (*CONTROLS, TABLE, *CLASSES), bound=False, prefix="zero_shot_"))


@dataclass(frozen=True)
class ZeroShotChoice:
    """The table and the runs that the controls choose.

    Parameters
    ----------
    table : ClassTable
        The table; each of its rows belongs to a class.
    configs : tuple of ZeroShotConfig
        One configuration a seed, all of this table.
    """

    table: ClassTable
    configs: tuple[ZeroShotConfig, ...]


def write_address(choice: ZeroShotChoice) -> None:
    """Write the choice of the controls into the address; values and classes equal to the default are left out."""
    first = choice.configs[0]
    values = ADDRESS.drawn() | {"table": first.table, "held_out": first.held_out, "meta": first.meta}
    if list(first.held_out) == _last_half(choice.table):
        del values["held_out"]
    if list(first.meta) == _others(choice.table, first.held_out):
        del values["meta"]
    ADDRESS.write(values)


def draw_sidebar() -> ZeroShotChoice:
    """Draw the controls in the sidebar, read the chosen table, and return the choice.

    Raises
    ------
    InvalidConfig
        If the settings do not fit together.
    DatasetUnavailable
        If the table cannot be read.
    """
    with st.sidebar:
        tables = _tables()
        if st.session_state.get(ADDRESS.key("table"), TABLE.default) not in tables:
            ADDRESS.forget(["table"])  # an uploaded table that was deleted meanwhile
        name = st.selectbox(
            "Table of classes",
            tables,
            key=ADDRESS.begin("table"),
            on_change=lambda: ADDRESS.forget(parameter.name for parameter in CLASSES),
            help="digits: each digit is a class. MVTec-AD: each product on this machine is a class, with its own "
            "defects. own_…: a table that you uploaded on the page Your table; its label column names the classes.",
        )
        table = _table(name)
        held_out = _draw_classes("held_out", "Held out: tested, never trained on", table, _last_half(table))
        meta = _draw_classes("meta", "Meta-trained on", table, _others(table, held_out))
        values = {control.name: _draw_control(control) for control in CONTROLS if not control.expander}
        with st.expander(MORE):
            values |= {control.name: _draw_control(control) for control in CONTROLS if control.expander}
    seeds = values.pop("seeds")
    meta = [name for name in meta if name not in held_out]
    if not held_out or len(meta) < 2:
        raise InvalidConfig("Choose one class or more to hold out, and two or more others to train on.")
    first = make_zero_shot_config(table=name, held_out=held_out, meta=meta, **values)
    return ZeroShotChoice(table, tuple(first.with_(seed=seed) for seed in range(seeds)))


def _table(name: str) -> ClassTable:
    """Read the table of classes with this name; the four last used are kept in memory while their rows are the same.

    MVTec-AD is read from many files.
    """
    key = class_table_identity(name)
    table = _read_tables.get(key)
    if table is None:
        table = load_class_table(name)
        _read_tables.put(key, table)
    return table


_read_tables = LRU[ClassTable](4)


def _last_half(table: ClassTable) -> list[str]:
    return list(table.names[(len(table.names) + 1) // 2 :])


def _others(table: ClassTable, held_out: Sequence[str]) -> list[str]:
    return [name for name in table.names if name not in held_out]


def _draw_classes(name: str, label: str, table: ClassTable, default: list[str]) -> list[str]:
    """Draw a choice among the classes of a table, and return the chosen ones in the order of the table.

    Parameters
    ----------
    name : str
        The URL parameter: "held_out", or "meta" for the classes trained on.
    label : str
        Label of the widget.
    table : ClassTable
        The table.
    default : list of str
        Classes chosen at first. Those of "meta" follow a changed default until the user chooses some.
    """
    ADDRESS.among(name, table.names)
    key = ADDRESS.begin(name, default)
    if name == "meta" and st.session_state.get("zero_shot_meta_at_first") == st.session_state[key]:
        st.session_state[key] = default
    chosen = st.multiselect(label, table.names, key=key, help=f"{RULES[name][0].upper()}{RULES[name][1:]}.")
    if name == "meta":
        st.session_state.zero_shot_meta_at_first = default
    return [name for name in table.names if name in chosen]


def _draw_control(control: Control) -> Any:
    key = ADDRESS.begin(control.name)
    if len(control.options) == 2:
        return st.segmented_control(
            control.label,
            control.options,
            required=True,
            format_func=control.option_label,
            key=key,
            help=control.help,
        )
    return st.selectbox(control.label, control.options, format_func=control.option_label, key=key, help=control.help)
