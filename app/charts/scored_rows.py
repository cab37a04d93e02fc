"""Fig. 10 of the paper: a row per data set with score histograms and maps of hidden features of two systems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anoonly_core.reproduction.scored_rows import ScoredRows
from anoonly_core.results.result import Role

from .panels import Panels
from .style import ROLE_MARKS, ScoreScale, apply_layout

__all__ = ["scored_rows_figure"]

ROW, AROUND, TOP = 180, 60, 56  # pixels
BINS = 30


def scored_rows_figure(runs: Sequence[ScoredRows]) -> go.Figure:
    """Draw two panels per run: histograms of the scores of both classes, and the map of the hidden features.

    Parameters
    ----------
    runs : sequence of ScoredRows
        Runs of some data sets, each with as many systems. A data set is a row of panels: first the scores of all
        systems, then their maps.
    """
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    systems = list(dict.fromkeys(run.system for run in runs))
    figure = Panels(len(datasets), 2 * len(systems), spacing=(0.035, 0.09))
    for run in runs:
        row, column = datasets.index(run.dataset) + 1, systems.index(run.system) + 1
        _draw_scores(figure, run, row, column)
        _draw_map(figure, run, row, len(systems) + column, show_legend=(row, column) == (1, 1))
        figure.add_title(f"<b>{run.dataset}</b>, {run.system}: scores", row, column, 12)
        figure.add_title(f"<b>{run.dataset}</b>, {run.system}: features", row, len(systems) + column, 12)
    figure.update_xaxes(zeroline=False, showticklabels=False)
    figure.update_yaxes(zeroline=False, showticklabels=False)
    for column in range(1, len(systems) + 1):
        figure.update_xaxes(title={"text": "score, low to high", "font": {"size": 11}, "standoff": 2}, col=column)
    figure.update_layout(barmode="overlay", bargap=0)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.07, "yanchor": "bottom"}
    return apply_layout(figure, ROW * len(datasets) + AROUND, legend, top=TOP).update_layout(dragmode=False)


def _draw_scores(figure: Panels, run: ScoredRows, row: int, column: int) -> None:
    """Add the histograms of the scores of normal test rows and test anomalies, each in percent of its class."""
    is_test = run.role != Role.LABELED_ANOMALY
    units = np.arcsinh(ScoreScale.of(run.scores[is_test]).units(run.scores[is_test]))
    edges = np.linspace(units.min(), units.max() + 1e-9, BINS + 1)
    for role in (Role.TEST_NORMAL, Role.TEST_ANOMALY):
        name, color, *_ = ROLE_MARKS[role]
        counts, _ = np.histogram(units[run.role[is_test] == role], edges)
        figure.add_bar(
            row,
            column,
            x=(edges[:-1] + edges[1:]) / 2,
            y=100 * counts / max(counts.sum(), 1),
            customdata=counts,
            width=edges[1] - edges[0],
            marker={"color": color, "opacity": 0.65, "line": {"width": 0}},
            name=name,
            showlegend=False,
            hovertemplate=f"%{{customdata}} {name} rows, %{{y:.1f}} %<extra></extra>",
        )


def _draw_map(figure: Panels, run: ScoredRows, row: int, column: int, show_legend: bool) -> None:
    """Add the map of the hidden features, one trace per role."""
    for role, (name, color, symbol, size, opacity) in ROLE_MARKS.items():
        points = run.points[(run.role == role) & ~np.isnan(run.points[:, 0])]
        figure.add_scatter(
            row,
            column,
            x=points[:, 0],
            y=points[:, 1],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=show_legend,
            marker={"color": color, "symbol": symbol, "size": max(size - 2, 3), "opacity": opacity},
            hovertemplate=f"{name}<extra></extra>",
        )
