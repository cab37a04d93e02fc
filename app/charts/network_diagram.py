"""Diagrams of the networks in DOT for Graphviz, made from the description that the core builds them from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["NORM", "network_dot"]

# Boxes are light with dark text in both themes.
NORM = "#CC79A7"
SHEET, LAYER, INK, FAINT, LINE = "#FAFAFA", "#D9D9D9", "#1A1A1A", "#6B6B6B", "#808080"
WRAP = 18
NBSP = "\N{NO-BREAK SPACE}"

# Labels of the norms that leave the features unchanged.
IDENTITY_NORMS = {
    name: label.removeprefix("no norm, ") for name, label in NORM_LABELS.items() if label.startswith("no norm")
}


@dataclass(frozen=True)
class Wire:
    """An arrow of the diagram from box `start` to box `end`, both by name, with an optional text along it.

    A name that is no subnetwork becomes a box with that text.
    """

    start: str
    end: str
    label: str = ""


def network_dot(baseline: str, columns: int, preset: str, norm: str | None) -> str | None:
    """Return the diagram of a system's network as Graphviz DOT source.

    Arrows run from left to right between the subnetworks; the layers of each are listed from top to bottom.

    Parameters
    ----------
    baseline : str
        Name of the system, a key of `BASELINES`.
    columns : int
        Number of input features.
    preset : str
        The preset of settings, such as "paper" or "published_code".
    norm : str or None
        Name of the norm of the run, such as "batch"; None for a system without a choice of norm.

    Returns
    -------
    str or None
        DOT source; None for a system without a network.
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
    """Return the HTML-like Graphviz label of one box of the diagram.

    Parameters
    ----------
    name : str
        A subnetwork in `parts`, drawn as a table of its layers; any other text is drawn with rounded corners.
    parts : dict of str to Subnetwork
        The subnetworks of the system by name.
    norm : str or None
        Name of the norm of the run.
    """
    if name not in parts:
        return _table(_text_rows(name), "STYLE='rounded'")
    part = parts[name]
    steps = [_layer_row(step, width, part, norm) for step, width in zip(part.layers, part.widths()[1:], strict=True)]
    return _table(
        [_line(f"<B>{escape(name)}</B>"), *_text_rows(f"{part.input_label}, {part.input_width}{NBSP}in"), *steps], ""
    )


def _layer_row(step: Linear | Operation, width: int, part: Subnetwork, norm: str | None) -> str:
    """Return the HTML table row of one layer of a subnetwork: linear, concatenation, norm or another operation.

    Parameters
    ----------
    step : Linear or Operation
        The layer.
    width : int
        Number of output features of the layer.
    part : Subnetwork
        The subnetwork, which names what a concatenation joins.
    norm : str or None
        Name of the norm of the run, for a norm layer.
    """
    if isinstance(step, Linear):
        return _cell(f"linear, {width}" + ("" if step.bias else ", no bias"), f"BGCOLOR='{LAYER}'")
    if step is Operation.JOIN:
        return _cell(f"concat {escape(part.joined_label)}, {width}", f"BGCOLOR='{LAYER}'")
    if step is Operation.NORM:
        return _norm_row(norm or "none")
    return _cell(step.value, "")


def _norm_row(norm: str) -> str:
    """Return the HTML table row of a norm layer; dashed for norms that leave the features unchanged, such as "none"."""
    if norm == "none":
        return _cell(f"<FONT COLOR='{FAINT}'>{IDENTITY_NORMS[norm]}</FONT>", f"STYLE='dashed' COLOR='{FAINT}'")
    if norm in IDENTITY_NORMS:
        return _cell(f"<B>{IDENTITY_NORMS[norm]}</B>", f"STYLE='dashed' COLOR='{NORM}' BORDER='2'")
    text = NORM_LABELS[norm].replace(" without", "<BR/>without")
    return _cell(f"<B>{text}</B>", f"BGCOLOR='{NORM}' COLOR='{INK}' BORDER='2'")


def _table(cells: list[str], attributes: str) -> str:
    rows = "".join(cells)
    return f"<TABLE {attributes} BGCOLOR='{SHEET}' COLOR='{LINE}' CELLSPACING='4' CELLPADDING='3'>{rows}</TABLE>"


def _cell(text: str, attributes: str) -> str:
    return f"<TR><TD {attributes}>{text}</TD></TR>"


def _text_rows(text: str) -> list[str]:
    """Wrap a text at `WRAP` characters and return one HTML table row for each line."""
    return [_line(escape(line)) for line in textwrap.wrap(text, WRAP)]


def _line(text: str) -> str:
    return _cell(text, "BORDER='0' CELLPADDING='0'")


def _chain(parts: dict[str, Subnetwork], columns: str) -> list[Wire]:
    """Return the arrows of a network whose subnetworks follow one another: from the input through each to the output.

    `parts` holds the subnetworks by name, in order. `columns` is the text for the number of input features.
    """
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


# The arrows of the networks whose parts are not a chain.
_WIRES: dict[str, Callable[[dict[str, Subnetwork], str], list[Wire]]] = {
    "FEAWAD": _feawad,
    "PReNet": _prenet,
    "GANomaly": _ganomaly,
}
