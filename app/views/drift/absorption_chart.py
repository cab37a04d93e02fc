"""The animation of absorption on Drift: figures of all ways over the share of anomalies, with a cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.drift.result import Absorption
from anoonly_core.drift.summary import BREAKING_LOSS, breaking_share

from ...charts.animation import Animation
from ...charts.panels import Panels
from ...charts.style import NEUTRAL
from .curves import SMALL, arrange, axis_limits, draw_cursor, draw_curves
from .view import WAY_STYLES, StreamView, way_index

__all__ = ["absorption_animation"]

HEIGHT = 250
PANELS = {"measure": (1, 1), "missed": (1, 2), "path": (1, 3)}


def absorption_animation(absorptions: Sequence[Absorption], view: StreamView) -> Animation:
    """Draw figures of all ways over the share of anomalies of a stream without a shift, a moment for each share.

    Triangles mark the share from which a way is broken, see `breaking_share`.

    Parameters
    ----------
    absorptions : sequence of Absorption
        One a seed, of the same shares.
    view : StreamView
        The ways to draw, and the chosen one.
    """
    shares = 100 * absorptions[0].shares
    curves = {
        name: np.stack([each.of(figure).T for each in absorptions]).astype(np.float64)
        for name, figure in (("measure", "aucroc"), ("missed", "missed"))
    } | {"path": np.stack([each.path.T for each in absorptions]).astype(np.float64)}
    drawn = [way_index(way) for way in view.ways]
    figure = Panels(1, 3, spacing=(0.07, 0), widths=[0.42, 0.29, 0.29])
    limits = {name: axis_limits(name, values[:, drawn]) for name, values in curves.items()}
    for name, panel in PANELS.items():
        draw_curves(figure, panel, shares, curves[name], view.ways, view.way, is_named=name == "measure")
    broken = {way: breaking_share(absorptions, way) for way in view.ways}
    _draw_breaks(figure, broken, shares, curves["measure"].mean(axis=0))
    first = _first_moment(broken, absorptions[0].shares)
    clock = len(figure.data)
    changes = draw_cursor(figure, shares, first, PANELS, limits)
    for name, title in (("measure", "AUCROC"), ("missed", "anomalies missed"), ("path", "distance of the mean, σ")):
        row, col = PANELS[name]
        figure.add_title(title, row, col, SMALL)
        figure.update_yaxes(range=list(limits[name]), zeroline=False, automargin=True, row=row, col=col)
        figure.update_xaxes(range=[0, float(shares[-1]) + 2], automargin=True, row=row, col=col)
    figure.update_yaxes(tickformat=".0%", row=1, col=PANELS["missed"][1])
    figure.update_xaxes(title={"text": "anomalies in the stream, %", "standoff": 2, "font": {"size": SMALL}})
    figure.add_hline(0.5, {"color": NEUTRAL, "width": 1, "dash": "dot"}, *PANELS["measure"])
    arrange(figure, HEIGHT)
    return Animation(
        figure=figure.figure(),
        changes=tuple(changes),
        captions=tuple(_captions(absorptions[0].shares, curves["measure"].mean(axis=0), broken)),
        clock=clock,
        times=tuple(float(share) for share in shares.astype(np.float32)),
        start=first,
    )


def _first_moment(broken: dict[str, float | None], shares: np.ndarray) -> int:
    """Return the index of the smallest share at which a way is broken; the last one if none is."""
    found = [share for share in broken.values() if share is not None]
    return int(np.searchsorted(shares, min(found))) if found else len(shares) - 1


def _captions(shares: np.ndarray, means: np.ndarray, broken: dict[str, float | None]) -> list[str]:
    """Return one line for each share: AUCROC of each way, `means` float [W, S], and which ways are broken there."""
    lines = []
    for number, share in enumerate(shares):
        figures = [
            f"{way} {means[way_index(way), number]:.2f}{' (broken)' if at is not None and share >= at else ''}"
            for way, at in broken.items()
        ]
        lines.append(f"{share:.0%} anomalies · AUCROC: {', '.join(figures)}")
    return lines


def _draw_breaks(figure: Panels, broken: dict[str, float | None], shares: np.ndarray, means: np.ndarray) -> None:
    """Mark on the curves of AUCROC, `means` float [W, S], the share in percent from which each way is broken."""
    marked = [way for way, share in broken.items() if share is not None]
    for way in marked:
        share = 100 * (broken[way] or 0.0)
        figure.add_scatter(
            x=[share],
            y=[means[way_index(way), int(np.argmin(abs(shares - share)))]],
            mode="markers",
            name="broken from here",
            legendgroup="broken",
            showlegend=way == marked[0],
            marker={"symbol": "triangle-down", "size": 14, "color": WAY_STYLES[way][0], "line": {"width": 1.5}},
            hovertemplate=f"from %{{x:.0f}} % on {BREAKING_LOSS:g} or more below running<extra>{way}</extra>",
            row=PANELS["measure"][0],
            col=PANELS["measure"][1],
        )
