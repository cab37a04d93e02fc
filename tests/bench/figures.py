"""Time to build a figure of panels, from plain data and by single changes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.charts.panels import Panels

COLUMNS, KINDS, POINTS, TIMES = 3, 3, 170, 30
SPACING = 0.02


def gathered_against_changed() -> None:
    """Print the ratio: three panels of three scatters each, with titles and axes, as Compare's maps have them."""
    points = np.random.default_rng(0).normal(size=(POINTS, 2))
    changed, gathered = _median(lambda: _changed(points)), _median(lambda: _gathered(points))
    print(f"\nA figure of {COLUMNS} panels, {KINDS} scatters each: gathered and checked once {1000 * gathered:.1f} ms,")
    print(f"built change by change {1000 * changed:.1f} ms, {changed / gathered:.1f} times as long.")


def _median(make: Callable[[], go.Figure]) -> float:
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        make()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _gathered(points: np.ndarray) -> go.Figure:
    panels = Panels(1, COLUMNS, spacing=(SPACING, 0))
    for column in range(1, COLUMNS + 1):
        panels.add_title("a map", 1, column)
        for size in range(KINDS):
            panels.add_scatter(1, column, **_trace(points, size))
    panels.update_xaxes(showticklabels=False, zeroline=False)
    panels.update_yaxes(showticklabels=False, zeroline=False)
    panels.update_layout(height=300, hovermode="closest")
    return panels.figure()


def _changed(points: np.ndarray) -> go.Figure:
    figure = make_subplots(1, COLUMNS, horizontal_spacing=SPACING)
    for column in range(1, COLUMNS + 1):
        domain = "" if column == 1 else str(column)
        refs = {"xref": f"x{domain} domain", "yref": f"y{domain} domain"}
        figure.add_annotation(text="a map", showarrow=False, x=0, y=1.02, font={"size": 13}, **refs)
        for size in range(KINDS):
            figure.add_scatter(row=1, col=column, **_trace(points, size))
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
    figure.update_layout(height=300, hovermode="closest")
    return figure


def _trace(points: np.ndarray, size: int) -> dict[str, object]:
    marker = {"color": "#0072B2", "size": 5 + size, "line": {"color": "white", "width": 0.6}}
    return {"x": points[:, 0], "y": points[:, 1], "mode": "markers", "marker": marker, "hovertemplate": "%{x}"}
