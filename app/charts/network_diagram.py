"""A network as a picture: the description that the core builds it from, as DOT for Graphviz."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["NORM", "network_dot"]

# Boxes are light sheets with dark words, in the light and the dark theme alike.
NORM = "#CC79A7"
SHEET, LAYER, INK, FAINT, LINE = "#FAFAFA", "#D9D9D9", "#1A1A1A", "#6B6B6B", "#808080"
WRAP = 18
NBSP = "\N{NO-BREAK SPACE}"

# The norms that leave the features as they are, as their empty place is called.
NOT_THERE = {"none": "no norm", "bn_loss": "batch-norm loss"}


@dataclass(frozen=True)
class Wire:
    """What flows from one box to another; a box that is no part of the network shows its name."""

    start: str
    end: str
    label: str = ""


def network_dot(baseline: str, columns: int, preset: str, norm: str | None) -> str | None:
    """The network of a baseline for rows of so many columns, in DOT; None where it has none.

    Rows flow from left to right, and through each part from top to bottom.
    """
    network = BASELINES[baseline].network
    if network is None:
        return None
    parts = network(columns, preset)
    wires = _WIRES.get(baseline, _chain)(parts, f"{columns}{NBSP}columns")
    boxes = dict.fromkeys(name for wire in wires for name in (wire.start, wire.end))
    return "\n".join(
        [
            "digraph {",
            'graph [rankdir=LR bgcolor="transparent" nodesep=0.15 ranksep=0.3 pad=0.05]',
            f'node [shape=plain fontname="Helvetica" fontsize=11 fontcolor="{INK}"]',
            f'edge [fontname="Helvetica" fontsize=11 fontcolor="{LINE}" color="{LINE}" arrowsize=0.7]',
            *(f'"{name}" [label=<{_box(name, parts, norm)}>]' for name in boxes),
            *(f'"{wire.start}" -> "{wire.end}" [label="{wire.label}"]' for wire in wires),
            "}",
        ]
    )


def _box(name: str, parts: dict[str, Subnetwork], norm: str | None) -> str:
    """A part of the network, a cell for each step; or words alone, in a rounded box."""
    if name not in parts:
        return _table(_lines(name), "STYLE='rounded'")
    part = parts[name]
    steps = [_step(step, width, part, norm) for step, width in zip(part.steps, part.widths()[1:], strict=True)]
    return _table(
        [_line(f"<B>{escape(name)}</B>"), *_lines(f"{part.input_label}, {part.input_width}{NBSP}in"), *steps], ""
    )


def _step(step: Linear | Operation, width: int, part: Subnetwork, norm: str | None) -> str:
    if isinstance(step, Linear):
        return _cell(f"linear, {width}" + ("" if step.bias else ", no bias"), f"BGCOLOR='{LAYER}'")
    if step is Operation.JOIN:
        return _cell(f"{escape(part.joined_label)} beside it, {width}", f"BGCOLOR='{LAYER}'")
    if step is Operation.NORM:
        return _norm(norm or "none")
    return _cell(step.value, "")


def _norm(norm: str) -> str:
    """Where the norm stands, or would stand: dashed where nothing stands there."""
    if norm == "none":
        return _cell(f"<FONT COLOR='{FAINT}'>{NOT_THERE[norm]}</FONT>", f"STYLE='dashed' COLOR='{FAINT}'")
    if norm in NOT_THERE:
        return _cell(f"<B>{NOT_THERE[norm]}</B>", f"STYLE='dashed' COLOR='{NORM}' BORDER='2'")
    words = NORM_LABELS[norm].replace(" without", "<BR/>without")
    return _cell(f"<B>{words}</B>", f"BGCOLOR='{NORM}' COLOR='{INK}' BORDER='2'")


def _table(cells: list[str], look: str) -> str:
    return f"<TABLE {look} BGCOLOR='{SHEET}' COLOR='{LINE}' CELLSPACING='4' CELLPADDING='3'>{''.join(cells)}</TABLE>"


def _cell(words: str, look: str) -> str:
    return f"<TR><TD {look}>{words}</TD></TR>"


def _lines(words: str) -> list[str]:
    """Words without a border, a row for each line: within one row lines touch in the browser's letters."""
    return [_line(escape(line)) for line in textwrap.wrap(words, WRAP)]


def _line(words: str) -> str:
    return _cell(words, "BORDER='0' CELLPADDING='0'")


def _chain(parts: dict[str, Subnetwork], columns: str) -> list[Wire]:
    """Part after part, and what the last one gives."""
    boxes = [f"row x, {columns}", *parts, list(parts.values())[-1].output_label]
    return [Wire(start, end) for start, end in pairwise(boxes)]


def _feawad(parts: dict[str, Subnetwork], columns: str) -> list[Wire]:
    row, residual = f"row x, {columns}", f"residual r = x{NBSP}−{NBSP}reconstruction"
    return [
        Wire(row, "encoder"),
        Wire("encoder", "decoder", "h"),
        Wire("decoder", residual),
        Wire(row, residual),
        Wire("encoder", "features", "h"),
        Wire(residual, "features", "r/‖r‖, ‖r‖"),
        Wire("features", "score"),
        Wire("score", parts["score"].output_label),
    ]


def _prenet(parts: dict[str, Subnetwork], columns: str) -> list[Wire]:
    rows = [f"one row of a pair, {columns}", f"the other row, {columns}"]
    return [
        *(Wire(row, "features") for row in rows),
        *(Wire("features", "score", label) for label in ("one row's", "the other's")),
        Wire("score", parts["score"].output_label),
    ]


def _ganomaly(parts: dict[str, Subnetwork], columns: str) -> list[Wire]:
    row, scored = f"row x, {columns}", parts["second encoder"].output_label
    return [
        Wire(row, "encoder"),
        Wire("encoder", "decoder", "z"),
        Wire("decoder", "second encoder"),
        Wire("second encoder", scored),
        Wire("encoder", scored, "z"),
        Wire(row, "judge's features"),
        Wire("decoder", "judge's features", "reconstruction"),
        Wire("judge's features", "judge"),
        Wire("judge", parts["judge"].output_label),
    ]


# How the parts hang together where they are no chain.
_WIRES: dict[str, Callable[[dict[str, Subnetwork], str], list[Wire]]] = {
    "FEAWAD": _feawad,
    "PReNet": _prenet,
    "GANomaly": _ganomaly,
}
