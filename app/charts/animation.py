"""A figure that moves: a picture, and what differs from moment to moment, drawn in the browser by the player."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

__all__ = ["Animation", "TraceChange", "export_html", "pack_changes"]

NOWHERE = [None]  # Plotly leaves the marks of a trace where they are that has none any more


@dataclass(frozen=True, eq=False)
class TraceChange:
    """One attribute ("x", "y", "text" …) of one trace at each moment: numbers, or words."""

    trace: int
    attribute: str
    values: Sequence[np.ndarray] | Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Animation:
    """figure shows moment `start`; changes make it show the others, and captions says a line about each.

    clock: the trace whose first x tells which moment the figure shows; times: what it is at each.
    """

    figure: go.Figure
    changes: tuple[TraceChange, ...]
    captions: tuple[str, ...]
    clock: int
    times: tuple[float, ...]
    start: int

    def frame(self, moment: int) -> dict[str, Any]:
        """What Plotly changes to show this moment."""
        traces: dict[int, dict[str, Any]] = {}
        for change in self.changes:
            own = change.values[moment]
            trace = traces.setdefault(change.trace, {"type": self.figure.data[change.trace].type})
            trace[change.attribute] = own if len(own) else NOWHERE
        return {"name": str(moment), "data": list(traces.values()), "traces": list(traces)}


def pack_changes(film: Animation) -> list[dict[str, Any]]:
    """The changes as the player takes them: all moments of an attribute in one piece, as text."""
    found: list[dict[str, Any]] = []
    for change in film.changes:
        here: dict[str, Any] = {"trace": change.trace, "attribute": change.attribute}
        first = change.values[0]
        if isinstance(first, np.ndarray):
            kind = "i4" if first.dtype.kind in "iu" else "f4"
            here["values"] = _coded(np.concatenate(list(change.values)), kind)
            here["offsets"] = _coded(np.cumsum([0, *map(len, change.values)]), "i4")
        else:
            here["words"] = [list(own) for own in change.values]
        found.append(here)
    return found


def _coded(values: np.ndarray, kind: str) -> dict[str, str]:
    return {"dtype": kind, "base64": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}


def export_html(film: Animation) -> bytes:
    """The film as one file for any browser, offline: the figure with Plotly's own slider and buttons."""
    figure = go.Figure(film.figure)
    figure.frames = [film.frame(moment) for moment in range(len(film.captions))]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    steps = [
        {"method": "animate", "label": f"{time:g}", "args": [[str(moment)], at_once]}
        for moment, time in enumerate(film.times)
    ]
    moving = at_once | {"frame": {"duration": 90, "redraw": False}}  # from the beginning
    buttons = [
        {"method": "animate", "label": "Play", "args": [None, moving]},
        {"method": "animate", "label": "Pause", "args": [[None], at_once]},
    ]
    figure.update_layout(
        sliders=[{"active": film.start, "steps": steps, "pad": {"t": 40}}],
        updatemenus=[{"type": "buttons", "buttons": buttons, "x": 0, "y": 0, "pad": {"t": 60}, "direction": "right"}],
        height=figure.layout.height + 140,
    )
    text: str = figure.to_html(include_plotlyjs=True, auto_play=False)
    return text.encode()
