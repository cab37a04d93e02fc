"""Figures with larger type, for a lecture hall."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .stack import panel_legends

__all__ = ["enlarge"]

TYPE = 12  # pixels, where a figure states no size
MARGINS = frozenset("lrtb")


def enlarge(figure: go.Figure, scale: float) -> go.Figure:
    """Return a copy of a figure with larger text, markers, lines and margins for a lecture hall; its height stays.

    Text without a stated size gets `scale` times 12 pixels, since the theme of the page would set its size otherwise.

    Parameters
    ----------
    figure : go.Figure
        The figure; not changed.
    scale : float
        Factor of all sizes.
    """
    spec = figure.to_dict()
    _scale(spec["data"], scale)
    layout = spec["layout"]
    _scale(layout, scale)
    _set_type(layout, round(TYPE * scale))
    for trace in spec["data"]:
        if colorbar := trace.get("marker", {}).get("colorbar"):
            colorbar.setdefault("tickfont", {}).setdefault("size", round(TYPE * scale))
    enlarged = go.Figure(spec)
    for legend, (axis, above) in panel_legends(figure, 1.0).items():  # lines of text, that stand one above another
        enlarged.layout[legend].y = figure.layout[axis].domain[1] + above * scale
    return enlarged


def _set_type(layout: dict[str, Any], size: int) -> None:
    axes = [part for name, part in layout.items() if re.fullmatch(r"[xy]axis\d*", name)]
    for axis in [*axes, *(layout.setdefault(name, {}) for name in ("xaxis", "yaxis"))]:
        axis.setdefault("tickfont", {}).setdefault("size", size)
        if axis.get("exponentformat") == "power":
            axis["exponentformat"] = "e"  # superscripts would be small
        if isinstance(axis.get("title"), dict):
            axis["title"].setdefault("font", {}).setdefault("size", size)
    legends = [part for name, part in layout.items() if re.fullmatch(r"legend\d+", name)]
    for part in [layout, *legends, *(layout.setdefault(name, {}) for name in ("legend", "hoverlabel"))]:
        part.setdefault("font", {}).setdefault("size", size)
    for annotation in layout.get("annotations", ()):
        annotation.setdefault("font", {}).setdefault("size", size)


def _array(values: Any) -> np.ndarray:
    """Decode numbers as Plotly holds them, a list or a dictionary of base64 bytes and dtype, into an array."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.asarray(values)


def _scale(node: Any, scale: float, name: str = "") -> None:
    """Multiply the sizes of fonts, markers, lines and margins in a part of a figure's dictionary by `scale`, in place.

    `node` is that part: a dictionary, a list or a value; the function descends into it. `name` is the key under which
    its parent holds it, such as "marker". Templates are left alone.
    """
    if isinstance(node, list | tuple):
        for each in node:
            _scale(each, scale, name)
    elif isinstance(node, dict):
        for key, value in node.items():
            is_size = (
                (name.endswith("font") and key == "size")
                or (name == "marker" and key == "size")
                or (name == "line" and key == "width")
                or (name == "margin" and key in MARGINS)
                or key in ("standoff", "itemwidth")
                or (name in ("error_x", "error_y") and key in ("thickness", "width"))
            )
            if is_size and value is not None:
                node[key] = value * scale if isinstance(value, int | float) else _array(value) * scale
            elif key != "template":
                _scale(value, scale, key)
