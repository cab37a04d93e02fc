"""The figure of a lesson about a stream: curves of A and B over its batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anoonly_core.drift.summary import moving_mean

from ...charts.panels import Panels
from ...charts.style import MAX_LINE_MARKERS, NEUTRAL, SIDE_LINES, apply_layout, horizontal_legend
from .streams import WAY, StreamRun, words_of

__all__ = ["stream_figure"]

HEIGHT = 170
WINDOW = 5  # batches behind each value
SYMBOLS = {"A": "square", "B": "circle"}
# Figure of each panel and its title.
PANELS = (
    ("aucroc", "AUCROC of a batch"),
    ("missed", "share of the anomalies missed"),
    ("false_alarms", "share of the normal rows flagged"),
)


def stream_figure(a: Sequence[StreamRun], b: Sequence[StreamRun]) -> go.Figure:
    """Draw figures of A and B over the batches of their streams, means over seeds, with a line where the shift begins.

    Parameters
    ----------
    a, b : sequence of StreamRun
        The streams of A and of B, seed by seed.
    """
    figure = Panels(1, len(PANELS), spacing=(0.06, 0))
    config = b[0].scoring.config
    for column, (name, title) in enumerate(PANELS, start=1):
        for letter, side in (("A", a), ("B", b)):
            dash, color = SIDE_LINES[letter]
            curves = moving_mean(np.stack([run.curve(name) for run in side]), WINDOW)
            figure.add_scatter(
                x=np.arange(1, curves.shape[1] + 1),
                y=curves.mean(axis=0),
                mode="lines+markers",
                name=f"{letter}  {words_of(side[0].scoring)[WAY]}",
                legendgroup=letter,
                showlegend=column == 1,
                line={"color": color, "dash": dash, "width": 2.5},
                marker={"color": color, "symbol": SYMBOLS[letter], "size": 7, "maxdisplayed": MAX_LINE_MARKERS},
                hovertemplate=f"{letter}, batch %{{x}}: %{{y:.3f}}<extra></extra>",
                row=1,
                col=column,
            )
        if config.schedule != "none":
            figure.add_vline(config.start + 1, {"color": NEUTRAL, "width": 1, "dash": "dot"}, 1, column)
            figure.add_mark_text("shift", config.start + 1, 1, column)
        figure.add_title(title, 1, column, 12)
    figure.update_xaxes(title={"text": f"batch (means of {WINDOW})", "standoff": 2, "font": {"size": 12}}, col=1)
    figure.update_yaxes(range=[-0.03, 1.03])
    return apply_layout(figure, HEIGHT, horizontal_legend(-0.27), top=24)
