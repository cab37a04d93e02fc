"""Animated figures: a Plotly figure and its changes over time, which the player draws in the browser."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

__all__ = [
    "Animation",
    "Pictures",
    "RowPreviews",
    "TraceChange",
    "describe_epoch",
    "export_html",
    "histogram_outline",
    "pack_changes",
    "pack_pictures",
]

NO_POINTS = [None]  # Plotly ignores an empty list and would leave the old points in place


@dataclass(frozen=True, eq=False)
class TraceChange:
    """Values of one attribute of one trace at each moment.

    Attributes
    ----------
    trace : int
        Index of the trace in the figure.
    attribute : str
        Plotly name, such as "x", "y" or "text".
    values : sequence
        One numeric array or one list of strings a moment. Lengths may differ.
    """

    trace: int
    attribute: str
    values: Sequence[np.ndarray] | Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Small gray pictures below the slider of the player, others at each moment.

    Attributes
    ----------
    pixels : np.ndarray
        Brightness from 0 to 255, uint8 [moments, pictures, height, width].
    framed : np.ndarray
        True for a picture with an orange frame, bool [moments, pictures].
    pale : np.ndarray
        True for a picture that is drawn pale, bool [moments, pictures].
    texts : tuple of str
        One description a moment, for screen readers.
    """

    pixels: np.ndarray
    framed: np.ndarray
    pale: np.ndarray
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RowPreviews:
    """Pictures or words of rows below the slider of the player, others at each moment.

    Attributes
    ----------
    kind : "image" or "text"
        What the rows show.
    rows : dict of int to str
        Data URL or words of each row by its id; a row without is left out.
    moments : np.ndarray
        Row ids in order, int64 [moments, rows].
    framed, pale : np.ndarray
        True for a row with an orange frame, and for one that is drawn pale, bool [moments, rows].
    texts : tuple of str
        One description a moment, for screen readers.
    """

    kind: Literal["image", "text"]
    rows: Mapping[int, str]
    moments: np.ndarray
    framed: np.ndarray
    pale: np.ndarray
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Animation:
    """A figure and its changes over a sequence of moments.

    Attributes
    ----------
    figure : go.Figure
        The figure at the moment `start`.
    changes : tuple of TraceChange
        The attributes that change, with one entry a moment.
    captions : tuple of str
        One line a moment.
    clock : int
        Index of the trace whose first x identifies the moment on show.
    times : tuple of float
        The value of that x at each moment, such as the epoch.
    start : int
        Index of the moment that `figure` shows.
    played : tuple of int
        Indices of the moments that Play shows, ascending; empty for all.
    targets : tuple of int
        Indices of the moments that a further button of the player goes to, ascending; empty for no such button.
    pictures : Pictures or RowPreviews, optional
        Pictures or words that belong to the moments.
    """

    figure: go.Figure
    changes: tuple[TraceChange, ...]
    captions: tuple[str, ...]
    clock: int
    times: tuple[float, ...]
    start: int
    played: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    pictures: Pictures | RowPreviews | None = None

    @classmethod
    def over_epochs(
        cls,
        figure: go.Figure,
        changes: Iterable[TraceChange],
        captions: Iterable[str],
        clock: int,
        epochs: np.ndarray,
    ) -> Animation:
        """Return an animation with one moment for each recorded epoch.

        Parameters
        ----------
        figure : go.Figure
            The figure as it is at the last recorded epoch.
        changes : iterable of TraceChange
            The attributes that change, each with one entry per recorded epoch.
        captions : iterable of str
            One line per recorded epoch.
        clock : int
            Index of the trace whose first x is the epoch on show.
        epochs : np.ndarray
            The recorded epochs, int [moments].
        """
        times = tuple(float(epoch) for epoch in epochs)
        return cls(figure, tuple(changes), tuple(captions), clock, times, start=len(times) - 1)

    def frame(self, moment: int) -> dict[str, Any]:
        """Return the moment with this index as a Plotly frame: a dictionary with the changed attributes by trace."""
        traces: dict[int, dict[str, Any]] = {}
        for change in self.changes:
            values = change.values[moment]
            trace = traces.setdefault(change.trace, {"type": self.figure.data[change.trace].type})
            trace[change.attribute] = values if len(values) else NO_POINTS
        return {"name": str(moment), "data": list(traces.values()), "traces": list(traces)}


def describe_epoch(epochs: np.ndarray, moment: int) -> str:
    """Return a text for the epoch `epochs[moment]`, such as "Epoch 3 of 50", or "Before the first step" for epoch 0.

    `epochs` holds the recorded epochs in ascending order; the last one is taken for the number of epochs.
    """
    epoch = int(epochs[moment])
    return "Before the first step" if epoch == 0 else f"Epoch {epoch} of {epochs[-1]}"


def histogram_outline(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the heights of a histogram's outline, to be drawn as a line over `np.repeat(edges, 2)`.

    Parameters
    ----------
    values : np.ndarray
        The numbers to count, float [m].
    edges : np.ndarray
        The bin edges, ascending, float [n].

    Returns
    -------
    np.ndarray
        Height in percent of all values, float32 [2 n]: each bin twice, between a 0 at the begin and at the end.
    """
    counts, _ = np.histogram(values, edges)
    shares = np.repeat(100 * counts / max(len(values), 1), 2)
    return np.concatenate([[0], shares, [0]]).astype(np.float32)


def pack_changes(animation: Animation) -> list[dict[str, Any]]:
    """Return the changes of an animation in the form that the browser's player reads, as values for JSON.

    Returns
    -------
    list of dict
        One entry for each `TraceChange`, with "trace" and "attribute". Strings are under "words", one list a moment.
        Numbers are under "values", all moments in one array, and "offsets", the start of each moment in it; both are
        dictionaries of "dtype" and "base64".
    """
    packed: list[dict[str, Any]] = []
    for change in animation.changes:
        entry: dict[str, Any] = {"trace": change.trace, "attribute": change.attribute}
        first = change.values[0]
        if isinstance(first, np.ndarray):
            kind = "i4" if first.dtype.kind in "iu" else "f4"
            entry["values"] = _encode(np.concatenate(list(change.values)), kind)
            entry["offsets"] = _encode(np.cumsum([0, *map(len, change.values)]), "i4")
        else:
            entry["words"] = [list(values) for values in change.values]
        packed.append(entry)
    return packed


def pack_pictures(pictures: Pictures | RowPreviews | None) -> dict[str, Any] | None:
    """Return pictures in the form that the browser's player reads, as values for JSON; None for None.

    Returns
    -------
    dict or None
        "shape": pictures a moment, height and width. "pixels": one byte a pixel. "marks": one byte a picture, 1 if
        framed, plus 2 if pale. "texts": one description a moment. For previews "kind", "rows" by id and "moments", the
        ids at each moment, instead of "pixels".
    """
    if pictures is None:
        return None
    marks = pictures.framed.astype(np.uint8) + 2 * pictures.pale.astype(np.uint8)
    if isinstance(pictures, RowPreviews):
        return {
            "kind": pictures.kind,
            "rows": {str(row): content for row, content in pictures.rows.items()},
            "moments": pictures.moments.tolist(),
            "shape": [pictures.moments.shape[1], 0, 0],
            "marks": _encode(marks, "u1"),
            "texts": list(pictures.texts),
        }
    return {
        "shape": list(pictures.pixels.shape[1:]),
        "pixels": _encode(pictures.pixels, "u1"),
        "marks": _encode(marks, "u1"),
        "texts": list(pictures.texts),
    }


def _encode(values: np.ndarray, kind: str) -> dict[str, str]:
    return {"dtype": kind, "base64": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}


def export_html(animation: Animation) -> bytes:
    """Return the bytes of an HTML file that plays the animation offline, with the slider and buttons of Plotly."""
    figure = go.Figure(animation.figure)
    figure.frames = [animation.frame(moment) for moment in range(len(animation.captions))]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    steps = [
        {"method": "animate", "label": f"{time:g}", "args": [[str(moment)], at_once]}
        for moment, time in enumerate(animation.times)
    ]
    playing = at_once | {"frame": {"duration": 90, "redraw": False}}
    buttons = [
        {"method": "animate", "label": "Play", "args": [None, playing]},
        {"method": "animate", "label": "Pause", "args": [[None], at_once]},
    ]
    figure.update_layout(
        sliders=[{"active": animation.start, "steps": steps, "pad": {"t": 40}}],
        updatemenus=[{"type": "buttons", "buttons": buttons, "x": 0, "y": 0, "pad": {"t": 60}, "direction": "right"}],
        height=figure.layout.height + 140,
    )
    text: str = figure.to_html(include_plotlyjs=True, auto_play=False)
    return text.encode()
