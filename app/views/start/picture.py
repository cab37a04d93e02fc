"""The picture of the method: one batch on its score line, and the arrows of supervision that remain."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...charts.style import ANOMALY, NORMAL
from ...text.labels import format_value

__all__ = ["TIES", "explain", "method_picture"]

WIDTH, HEIGHT = 540, 372
TEXT = 18.5  # pixels of the drawing; 12 pixels on a phone, where the drawing is 350 pixels wide
AXIS = 268
NORM = "#CC79A7"
POOL = ((92, 212), (112, 244), (132, 196), (150, 228), (176, 206), (192, 240), (222, 218))
HIDDEN = ((250, 240), (272, 202))
LABELED = ((402, 206), (424, 238))
TIES = {True: "batch norm", False: "no norm"}
HEAD = 11
BOX = (108, 78, 324, 40)  # left, top, width, height of the batch statistics


@dataclass(frozen=True)
class _Arrow:
    """An arrow of the picture, from one point to another.

    Attributes
    ----------
    begin, end : tuple of float
        Its points in pixels of the drawing.
    color : str
        Its CSS color.
    width : float
        Width of its line in pixels.
    name : str
        Its CSS class: the part of the method that it stands for.
    visible : bool
        False to draw it transparent.
    """

    begin: tuple[float, float]
    end: tuple[float, float]
    color: str
    width: float
    name: str
    visible: bool

    def svg(self) -> str:
        """Return the arrow as SVG markup; an invisible one is transparent, so that it can fade in and out."""
        (x0, y0), (x1, y1) = self.begin, self.end
        angle = math.atan2(y1 - y0, x1 - x0)
        head = HEAD
        back = (x1 - head * math.cos(angle), y1 - head * math.sin(angle))
        side = 0.5 * head
        corners = [
            (x1, y1),
            (back[0] - side * math.sin(angle), back[1] + side * math.cos(angle)),
            (back[0] + side * math.sin(angle), back[1] - side * math.cos(angle)),
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        return (
            f'<g class="{self.name}" opacity="{int(self.visible)}">'
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{back[0]:.1f}" y2="{back[1]:.1f}" '
            f'stroke="{self.color}" stroke-width="{self.width:.1f}"/>'
            f'<polygon points="{points}" fill="{self.color}"/></g>'
        )


def method_picture(lambda_n: float, batch_norm: bool) -> str:
    """Return the picture of the method as SVG markup: a batch of rows on its score axis, and arrows of supervision.

    The elements are always the same, and transparent where they do not act, so that changes can fade.

    Parameters
    ----------
    lambda_n : float
        The weight of the pool's loss, 0 to 1: the width of its arrows on a logarithmic scale, none at 0.
    batch_norm : bool
        True for a network with batch norm, False for one without a norm.
    """
    parts = [
        _formula(lambda_n),
        *_statistics(batch_norm),
        f'<line x1="30" y1="{AXIS}" x2="512" y2="{AXIS}" stroke="currentColor"/>',
        f'<polygon points="520,{AXIS} 508,{AXIS - 5} 508,{AXIS + 5}" fill="currentColor"/>',
        _text(30, AXIS + 24, "score low: normal"),
        _text(514, AXIS + 24, "high: anomalous", "end"),
        _loss_name(22, 186, "N", lambda_n > 0),
        _loss_name(470, 190, "A", True),
        *(arrow.svg() for arrow in _arrows(lambda_n, batch_norm)),
        *(f'<circle cx="{x}" cy="{y}" r="8" fill="{NORMAL}"/>' for x, y in POOL),
        *(_diamond(x, y) for x, y in HIDDEN),
        *(_star(x, y) for x, y in LABELED),
        *_legend(),
    ]
    label = html.escape(_plain(explain(lambda_n, batch_norm)), quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        f'font-size="{TEXT}" fill="currentColor">{"".join(parts)}</svg>'
    )


def explain(lambda_n: float, batch_norm: bool) -> str:
    """Return Markdown on the picture: how the pool is supervised by its loss and by the norm.

    Parameters
    ----------
    lambda_n : float
        The weight of the pool's loss, 0 to 1.
    batch_norm : bool
        True for a network with batch norm, False for one without a norm.
    """
    if lambda_n == 1:
        loss = (
            "**The published baseline.** Its loss $L_N$ pulls every row of the pool in, hidden anomalies too. $L_A$ "
            "pushes the labeled anomalies out."
        )
    elif lambda_n:
        loss = (
            f"**In between, λₙ = {format_value(lambda_n)}.** The loss of the pool weighs less, but it still pulls "
            "every row of the pool in, hidden anomalies too."
        )
    else:
        loss = "**AnoOnly.** No row of the pool has a loss. Only $L_A$ remains: it pushes the labeled anomalies out."
    if batch_norm and lambda_n:
        tie = "Batch norm adds a second, weaker tie: each row is measured by the mean and variance of its batch."
    elif batch_norm:
        tie = (
            "**Why the pool still gets a gradient:** batch norm measures each row by the mean and variance of its "
            "batch. A labeled anomaly that moves changes both, and so the output of every row. That is a weak "
            "supervision, which keeps the bulk of the batch together."
        )
    elif lambda_n:
        tie = "Without a norm, only this loss holds the pool together."
    else:
        tie = (
            "**Without a norm, no arrow reaches the pool:** its rows get no gradient of their own, and the easiest way "
            "to push a few rows out is to push all of them out. The scores collapse."
        )
    return f"{loss}\n\n{tie}"


def _plain(markdown: str) -> str:
    return markdown.replace("**", "").replace("$", "").replace("\n\n", " ")


def _formula(lambda_n: float) -> str:
    """Return the formula of the loss as SVG markup; with a weight of 0 the pool's term is struck through."""
    faint = f'fill-opacity="{1 if lambda_n else 0.6}" text-decoration="{"none" if lambda_n else "line-through"}"'
    sub = 'dy="7" font-size="20"'
    return (
        f'<text x="{WIDTH / 2}" y="42" font-size="30" text-anchor="middle"><tspan>L = </tspan>'
        f"<tspan {faint}>{format_value(lambda_n)} · L</tspan><tspan {faint} {sub}>N</tspan>"
        f'<tspan dy="-7"> + L</tspan><tspan {sub}>A</tspan></text>'
    )


def _statistics(batch_norm: bool) -> Iterator[str]:
    """Yield the SVG markup of the box that stands for the batch statistics; dashed without batch norm."""
    left, top, width, height = BOX
    stroke, dashes = (NORM, "none") if batch_norm else ("currentColor", "5 5")
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="8" fill="none" stroke-width="2" '
        f'stroke="{stroke}" stroke-dasharray="{dashes}"/>'
    )
    words = "batch norm: mean and variance" if batch_norm else "no norm: rows stand alone"
    yield _text(left + width / 2, top + 26, words, "middle")


def _arrows(lambda_n: float, batch_norm: bool) -> Iterator[_Arrow]:
    """Yield all arrows of the picture: of the loss L_A, of the loss L_N, and of batch norm.

    Those of batch norm lead from the labeled rows to the box of statistics, and from there to the pool. `lambda_n` sets
    the width of the arrows of L_N; arrows that do not act are invisible.
    """
    bottom = BOX[1] + BOX[3]
    for x, y in LABELED:
        yield _Arrow((x, y - 14), (x - 8, bottom + 2), NORM, 2.5, "norm-in", batch_norm)
    for x, y in (*POOL[::2], HIDDEN[1]):
        yield _Arrow((x + (270 - x) * 0.35, bottom + 2), (x, y - 12), NORM, 2.5, "norm-out", batch_norm)
    # 5.5 pixels at 1, 1.3 at the smallest weight of the control, 1e-6.
    width = 5.5 + 0.7 * math.log10(lambda_n) if lambda_n else 1.3
    for x, y in (*POOL, *HIDDEN):
        yield _Arrow((x - 9, y), (x - 36, y), NORMAL, width, "pool-loss", lambda_n > 0)
    for x, y in LABELED:
        yield _Arrow((x + 14, y), (x + 74, y), ANOMALY, 5.5, "anomaly-loss", True)


def _legend() -> Iterator[str]:
    yield f'<circle cx="40" cy="{HEIGHT - 50}" r="8" fill="{NORMAL}"/>' + _text(56, HEIGHT - 44, "row of the pool")
    yield _diamond(40, HEIGHT - 18) + _text(56, HEIGHT - 12, "anomaly hidden in the pool")
    yield _star(340, HEIGHT - 50) + _text(358, HEIGHT - 44, "labeled anomaly")


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _loss_name(x: float, y: float, index: str, visible: bool) -> str:
    return f'<text x="{x}" y="{y}" opacity="{int(visible)}">L<tspan dy="5" font-size="13">{index}</tspan></text>'


def _diamond(x: float, y: float) -> str:
    corners = f"{x},{y - 10} {x + 10},{y} {x},{y + 10} {x - 10},{y}"
    return f'<polygon points="{corners}" fill="none" stroke="{ANOMALY}" stroke-width="3"/>'


def _star(x: float, y: float) -> str:
    corners = []
    for number in range(10):
        radius, angle = (13, 5.5)[number % 2], math.pi * (number / 5 - 0.5)
        corners.append(f"{x + radius * math.cos(angle):.1f},{y + radius * math.sin(angle):.1f}")
    return f'<polygon points="{" ".join(corners)}" fill="{ANOMALY}"/>'
