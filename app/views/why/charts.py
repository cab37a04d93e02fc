"""Animation of the page Why it works: six columns of hidden features, arrows of the gradient, and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anoonly_core.microscope.result import PART_NAMES, RowKind
from anoonly_core.results.result import Role
from anoonly_core.supervision.columns import COLUMNS
from anoonly_core.supervision.result import ColumnRecord, SupervisionRecord

from ...charts.animation import Animation, TraceChange, describe_epoch, histogram_outline
from ...charts.panels import Panels
from ...charts.style import ANOMALY, NORMAL, PART_COLORS, AbsoluteScale
from .outcomes import Outcome
from .text import format_outcome

__all__ = ["arrow_lines", "column_panels", "supervision_animation"]

HEIGHT = 470
SMALL = 12
SPACING = 0.012
MAPS, ARROWS, SCORES = 1, 2, 3
BINS = 36
# The map in front of the norm: rows beyond the edge lie on it, so that arrows have room.
EDGE_X, EDGE_Y = (-2.6, 4.2), (-2.6, 2.6)
ARROW = 1.9  # length of the longest arrow of a panel, in units of the map
TYPICAL = 1.0  # length of the median one; arrows that would then be longer than ARROW are cut
KEPT = 0.05  # arrows shorter than this share of ARROW are left out: their heads would have no direction
ROLE_STYLES = {
    Role.TEST_NORMAL: ("normal", NORMAL, "circle", 3.5, 0.55),
    Role.TEST_ANOMALY: ("anomaly", ANOMALY, "diamond", 5.5, 0.9),
    Role.LABELED_ANOMALY: ("labeled anomaly", ANOMALY, "star", 9, 1.0),
}
KIND_ROLES = {
    RowKind.NORMAL: Role.TEST_NORMAL,
    RowKind.HIDDEN_ANOMALY: Role.TEST_ANOMALY,
    RowKind.LABELED_ANOMALY: Role.LABELED_ANOMALY,
}
# Names of the arrows of each part of the gradient, in the order of PART_NAMES.
ARROW_NAMES = ("push of a row's loss", "push through the variance", "push through the mean")


def column_panels() -> list[list[str]]:
    """Return the numbers of the Plotly axes ("", "2", "3" …) of the three panels in each column.

    One list for each of the six columns, from the left; panels from the top. "" is the first axis of the figure.
    """
    count = len(COLUMNS)
    return [
        ["" if (number := row * count + column + 1) == 1 else str(number) for row in range(SCORES)]
        for column in range(count)
    ]


def supervision_animation(
    record: SupervisionRecord, outcomes: Mapping[str, Outcome], seed: int, is_stacked: bool = False
) -> Animation:
    """Draw the animation of six runs, one a column, with one moment for each recorded epoch.

    A column has a map of hidden features, a batch before the norm with arrows for the push of the gradient, and score
    histograms. The figure shows the last epoch.

    Parameters
    ----------
    record : SupervisionRecord
        The six runs.
    outcomes : mapping of str to Outcome
        AUCPR by the name of the column, for the titles.
    seed : int
        Seed of the recorded runs.
    is_stacked : bool
        True if the panels will stand one below another, so that each needs the name of its column.
    """
    figure = Panels(3, len(COLUMNS), spacing=(SPACING, 0.055), heights=[0.37, 0.37, 0.26])
    changes: list[TraceChange] = []
    low, high = _axis_limits([column.points for column in record.columns])
    scale = AbsoluteScale.of([column.scores for column in record.columns])
    histograms = [_heights(record, one, scale) for one in record.columns]
    top = _common_limit(histograms)
    clock = len(figure.data)
    changes.append(_clock(figure, record))
    for number, (column, one) in enumerate(zip(COLUMNS, record.columns, strict=True), start=1):
        figure.add_text(
            f"<b>{column.label}</b><br>AUCPR {format_outcome(outcomes[column.name])}",
            *(MAPS, number),
            x=0,
            y=1,
            yshift=7,
            xanchor="left",
            yanchor="bottom",
            align="left",
            font={"size": SMALL},
        )
        if is_stacked:
            figure.add_title(f"<b>{column.label}</b>, before the norm", ARROWS, number, SMALL)
            figure.add_title(f"<b>{column.label}</b>, scores", SCORES, number, SMALL)
        changes += _features(figure, record, one, number, low, high)
        changes += _arrows(figure, record, one, number)
        changes += _scores(figure, one, number, scale, histograms[number - 1], top, seed)
    _axes(figure, scale, low, high, top)
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 58, "r": 4, "t": 44, "b": 54},
        legend={"orientation": "h", "x": 0, "y": -0.085, "yanchor": "top", "font": {"size": SMALL}},
        hovermode="closest",
        uirevision="keep",
    )
    captions = [describe_epoch(record.epochs, moment) for moment in range(len(record.epochs))]
    return Animation.over_epochs(figure.figure(), changes, captions, clock, record.epochs)


def arrow_lines(column: ColumnRecord, kind: np.ndarray, pushed: np.ndarray, moment: int) -> list[np.ndarray]:
    """Return the arrows of one panel at one moment: the push of each part of the gradient on rows of a batch.

    A labeled anomaly has only the arrow of its loss, at 1/b of its length in a batch of b rows, since through the mean
    all rows share it. Lengths are proportional within a panel; longer ones than ARROW are cut, very short ones left
    out.

    Parameters
    ----------
    column : ColumnRecord
        The recorded run of the column.
    kind : int8 [b]
        RowKind of the rows of the batch.
    pushed : int64 [q]
        Indices in the batch of the rows with arrows.
    moment : int
        Index of the recorded epoch.

    Returns
    -------
    list of ndarray
        For each part of the gradient, float32 [3 n, 2]: begin, end and a gap (NaN) of each of n arrows.
    """
    labeled = kind[pushed] == RowKind.LABELED_ANOMALY
    pushes = column.pushes[moment].astype(np.float64)
    pushes[labeled, 0] /= len(kind)
    pushes[labeled, 1:] = 0
    lengths = np.linalg.norm(pushes, axis=2)
    longest_of_row = lengths.max(axis=1)
    unit = float(np.median(longest_of_row[longest_of_row > 0])) / TYPICAL if longest_of_row.any() else 1.0
    drawn = np.minimum(lengths / unit, ARROW)
    directions = pushes / np.where(lengths > 0, lengths, 1.0)[..., None]
    begins = _within_edges(column.batch[moment][pushed])
    lines = []
    for part in range(len(PART_NAMES)):
        rows = np.flatnonzero(drawn[:, part] > KEPT * ARROW)
        arrows = np.full((len(rows), 3, 2), np.nan, dtype=np.float32)
        arrows[:, 0] = begins[rows]
        arrows[:, 1] = begins[rows] + directions[rows, part] * drawn[rows, part, None]
        lines.append(arrows.reshape(-1, 2))
    return lines


def _within_edges(points: np.ndarray) -> np.ndarray:
    return np.stack([np.clip(points[..., 0], *EDGE_X), np.clip(points[..., 1], *EDGE_Y)], axis=-1)


def _axis_limits(points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper axis limits [2] that all maps share.

    They hold 99 % of the points of all columns and epochs, with a margin. `points` holds float [epochs, rows, 2] for
    each column.
    """
    low, high = np.percentile(np.concatenate([each.reshape(-1, 2) for each in points]), [0.5, 99.5], axis=0)
    padding = 0.08 * np.maximum(high - low, 1e-6)
    return low - padding, high + padding


def _clock(figure: Panels, record: SupervisionRecord) -> TraceChange:
    """Add an invisible trace whose x is the epoch on show, by which the player knows the moment; return its change."""
    times = [np.array([epoch], dtype=np.float32) for epoch in record.epochs]
    figure.add_scatter(
        x=times[-1], y=[0], mode="markers", marker={"opacity": 0}, showlegend=False, hoverinfo="skip", row=1, col=1
    )
    return TraceChange(len(figure.data) - 1, "x", times)


def _marks(
    figure: Panels, points: np.ndarray, roles: np.ndarray, row_ids: np.ndarray, row: int, col: int
) -> list[TraceChange]:
    """Add rows as marks to a panel, a trace for each role, and return the changes of their positions.

    Parameters
    ----------
    figure : Panels
        The figure.
    points : np.ndarray
        Position of each row at each epoch, float [epochs, rows, 2].
    roles : np.ndarray
        `Role` of each row, int8 [rows].
    row_ids : np.ndarray
        Id of each row, for the hover text, int64 [rows].
    row, col : int
        The panel, counted from 1.
    """
    changes = []
    for role, (name, color, symbol, size, opacity) in ROLE_STYLES.items():
        rows = np.flatnonzero(roles == role)
        xs, ys = (list(points[:, rows, axis].astype(np.float32)) for axis in (0, 1))
        figure.add_scatter(
            x=xs[-1],
            y=ys[-1],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=(row, col) == (MAPS, 1),
            customdata=row_ids[rows],
            marker={
                "color": color,
                "symbol": symbol,
                "size": size,
                "opacity": opacity,
                "line": {"color": "white", "width": 0.5 if symbol != "circle" else 0},
            },
            hovertemplate=f"row %{{customdata}}, {name}<extra></extra>",
            row=row,
            col=col,
        )
        trace = len(figure.data) - 1
        changes += [TraceChange(trace, "x", xs), TraceChange(trace, "y", ys)]
    return changes


def _features(
    figure: Panels, record: SupervisionRecord, column: ColumnRecord, col: int, low: np.ndarray, high: np.ndarray
) -> list[TraceChange]:
    """Add the map of the hidden features of one run to its column of the figure.

    Parameters
    ----------
    figure : Panels
        The figure.
    record : SupervisionRecord
        The six runs, with their common rows.
    column : ColumnRecord
        The run.
    col : int
        Column of the panel, from 1.
    low, high : np.ndarray
        Limits of the axes, [2]; rows beyond them are drawn on the edge.

    Returns
    -------
    list of TraceChange
        Positions of the rows of each role at each recorded epoch.
    """
    points = np.clip(column.points, low, high)
    return _marks(figure, points, record.role[record.plotted], record.rows[record.plotted], MAPS, col)


def _arrows(figure: Panels, record: SupervisionRecord, column: ColumnRecord, col: int) -> list[TraceChange]:
    """Add one batch before the last norm to a column of the figure.

    Arrows show the push of each part of the gradient on some rows.

    Parameters
    ----------
    figure : Panels
        The figure.
    record : SupervisionRecord
        The six runs, with their common batch.
    column : ColumnRecord
        The run of the column.
    col : int
        Column of the panel, from 1.

    Returns
    -------
    list of TraceChange
        Positions of the rows, and of the arrows of each part, at each recorded epoch.
    """
    roles = np.array([KIND_ROLES[RowKind(kind)] for kind in record.batch_kind], dtype=np.int8)
    changes = _marks(figure, _within_edges(column.batch), roles, record.batch_rows, ARROWS, col)
    moments = range(len(record.epochs))
    lines = [arrow_lines(column, record.batch_kind, record.pushed, moment) for moment in moments]
    for part, (color, name) in enumerate(zip(PART_COLORS, ARROW_NAMES, strict=True)):
        figure.add_scatter(
            x=lines[-1][part][:, 0],
            y=lines[-1][part][:, 1],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=col == 1,
            line={"color": color, "width": 2},
            marker={"color": color, "symbol": "arrow", "size": _marker_sizes(lines), "angleref": "previous"},
            hoverinfo="skip",
            row=ARROWS,
            col=col,
        )
        trace = len(figure.data) - 1
        for axis, attribute in enumerate("xy"):
            changes.append(TraceChange(trace, attribute, [lines[moment][part][:, axis] for moment in moments]))
    return changes


def _marker_sizes(lines: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Return marker sizes for a trace of arrows, float32 [3 n].

    They are 0 at each begin, 9 at each end, and 0 at each gap. `lines` holds the results of `arrow_lines` at all
    moments; n is their largest number of arrows.
    """
    longest = max(len(part) for moment in lines for part in moment)
    return np.tile(np.array([0, 9, 0], dtype=np.float32), max(1, longest // 3))


def _heights(record: SupervisionRecord, column: ColumnRecord, scale: AbsoluteScale) -> dict[Role, list[np.ndarray]]:
    """Return the outline of the score histogram of one run at each epoch, by class, in percent of the class.

    Parameters
    ----------
    record : SupervisionRecord
        The six runs, with the roles of their rows.
    column : ColumnRecord
        The run.
    scale : AbsoluteScale
        The scale of the scores, whose ends bound the bins.

    Returns
    -------
    dict of Role to list of np.ndarray
        For TEST_NORMAL and TEST_ANOMALY, the outline at each epoch from `histogram_outline`.
    """
    edges = np.linspace(scale.low, scale.high, BINS + 1)
    positions = scale.positions(column.scores)
    heights: dict[Role, list[np.ndarray]] = {}
    for role in (Role.TEST_NORMAL, Role.TEST_ANOMALY):
        rows = np.flatnonzero(record.role == role)
        heights[role] = [histogram_outline(at_moment[rows], edges) for at_moment in positions]
    return heights


def _common_limit(histograms: Sequence[Mapping[Role, Sequence[np.ndarray]]]) -> float:
    """Return the upper limit of the y axis of all score histograms, in percent, from 5 to 100.

    It is 1.3 times the tallest bar at the last epoch, in the median column. Taller bars are cut off, so that wide
    distributions stay visible.

    Parameters
    ----------
    histograms : sequence of mapping
        For each column, the outlines at each epoch by class, from `_heights`.
    """
    tallest = [max(float(heights[-1].max()) for heights in roles.values()) for roles in histograms]
    return max(5.0, min(100.0, 1.3 * float(np.median(tallest))))


def _scores(
    figure: Panels,
    column: ColumnRecord,
    col: int,
    scale: AbsoluteScale,
    heights: Mapping[Role, list[np.ndarray]],
    top: float,
    seed: int,
) -> list[TraceChange]:
    """Add the score histograms of one run to a column, with its AUCPR as text, and return the changes of both.

    Parameters
    ----------
    figure : Panels
        The figure.
    column : ColumnRecord
        The recorded run of the column.
    col : int
        Column of the panel, from 1.
    scale : AbsoluteScale
        The scale of the x axis.
    heights : mapping
        Outlines at each epoch by class, from `_heights`.
    top : float
        Upper limit of the y axis, where the text is drawn.
    seed : int
        Seed of the run, for the text.
    """
    outline = np.repeat(np.linspace(scale.low, scale.high, BINS + 1), 2)
    changes = []
    for role, at_moments in heights.items():
        name, color, *_ = ROLE_STYLES[role]
        figure.add_scatter(
            x=outline,
            y=at_moments[-1],
            mode="lines",
            fill="tozeroy",
            line={"color": color, "width": 1.2, "dash": "solid" if role == Role.TEST_NORMAL else "dot"},
            showlegend=False,
            hovertemplate=f"%{{y:.1f}} % of the {name} rows<extra></extra>",
            row=SCORES,
            col=col,
        )
        changes.append(TraceChange(len(figure.data) - 1, "y", at_moments))
    texts = [[f"seed {seed}: {value:.2f}"] for value in column.aucpr]
    figure.add_scatter(
        x=[scale.low],
        y=[top],
        text=texts[-1],
        mode="text",
        textposition="bottom right",
        textfont={"size": SMALL},
        showlegend=False,
        hoverinfo="skip",
        row=SCORES,
        col=col,
    )
    changes.append(TraceChange(len(figure.data) - 1, "text", texts))
    return changes


def _axes(figure: Panels, scale: AbsoluteScale, low: np.ndarray, high: np.ndarray, top: float) -> None:
    hidden: dict[str, Any] = {"showticklabels": False, "zeroline": False, "showgrid": False, "ticks": ""}
    box: dict[str, Any] = {"showline": True, "mirror": True, "linewidth": 1, "linecolor": "rgba(128,128,128,0.5)"}
    figure.update_xaxes(range=[float(low[0]), float(high[0])], **hidden, **box, row=MAPS)
    figure.update_yaxes(range=[float(low[1]), float(high[1])], **hidden, **box, row=MAPS)
    room = ARROW * 1.05
    figure.update_xaxes(range=[EDGE_X[0] - room, EDGE_X[1] + room], **hidden, **box, row=ARROWS)
    figure.update_yaxes(range=[EDGE_Y[0] - 0.6, EDGE_Y[1] + 0.6], **hidden, **box, row=ARROWS)
    places, texts = scale.ticks()
    figure.update_xaxes(
        range=[scale.low, scale.high],
        tickvals=places,
        ticktext=texts,
        showgrid=False,
        zeroline=False,
        **box,
        row=SCORES,
    )
    figure.update_yaxes(range=[0, top], showgrid=False, zeroline=False, showticklabels=False, **box, row=SCORES)
    figure.update_yaxes(showticklabels=True, tickfont={"size": SMALL}, nticks=3, row=SCORES, col=1)
    for row, standoff, title in (
        (MAPS, 12, "hidden features<br>one PCA plane"),
        (ARROWS, 12, "before the norm<br>own plane each"),
        (SCORES, 4, "scores<br>% of class"),
    ):
        figure.update_yaxes(title={"text": title, "standoff": standoff, "font": {"size": SMALL}}, row=row, col=1)
