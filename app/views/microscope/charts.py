"""Animation of the Microscope page: the gradient of each row in three parts, and the batch statistics over steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.microscope.result import PART_NAMES, Observation, RowKind

from ...charts.animation import Animation, TraceChange
from ...charts.panels import Panels
from ...charts.style import ANOMALY, NEUTRAL, NORMAL

__all__ = ["KIND_MARKS", "observation_animation", "two_norms_animation"]

BATCH, STEADY = "#CC79A7", "#009E73"
KIND_MARKS = {
    RowKind.NORMAL: ("normal, in the pool", NORMAL, "circle", 6),
    RowKind.HIDDEN_ANOMALY: ("anomaly, hidden in the pool", ANOMALY, "diamond", 8),
    RowKind.LABELED_ANOMALY: ("labeled anomaly", ANOMALY, "star", 10),
}
KIND_WORDS = {RowKind.NORMAL: "normal", RowKind.HIDDEN_ANOMALY: "hidden", RowKind.LABELED_ANOMALY: "labeled anomaly"}
DASHES = {RowKind.NORMAL: "solid", RowKind.HIDDEN_ANOMALY: "dash", RowKind.LABELED_ANOMALY: "dot"}
JITTER = 0.09  # horizontal scatter of the dots of one column
COLUMN_OFFSET = 0.27  # between two kinds of rows
SMALL = 12
HEIGHT, HEIGHT_OF_TWO = 470, 440
LEGEND_LINE = 0.038  # height of a line of a panel's legend, in shares of the plot
GAP = 0.34  # between the upper and the lower row, as a share of the plot: labels, a title and two lines of a legend
TITLE_SHIFT = 36  # pixels of two such lines


@dataclass(frozen=True)
class _LengthAxis:
    """Logarithmic axis of gradient lengths, which all panels of a figure share.

    Attributes
    ----------
    longest : float
        The longest gradient of a row in all records; 1 if there is none.
    low, top : float
        Decadic logarithms of the ends of the axis.
    """

    longest: float
    low: float
    top: float

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> _LengthAxis:
        """Fit the axis to the records, over six powers of ten at most."""
        lengths = np.concatenate([observation.lengths.ravel() for observation in observations])
        longest = float(lengths.max()) or 1.0
        some = np.log10(lengths[lengths > longest * 1e-9])
        top = float(np.log10(longest))
        return cls(longest, max(float(some.min()), top - 6) if some.size else top - 2, top)

    @property
    def none(self) -> float:
        """Position of rows without a gradient, below the axis."""
        return self.low - max(0.35, 0.12 * (self.top - self.low))

    def positions(self, lengths: np.ndarray) -> np.ndarray:
        """Convert lengths to positions on the axis, same shape."""
        with np.errstate(divide="ignore"):
            positions: np.ndarray = np.maximum(np.log10(lengths), self.low)
        return np.where(lengths <= self.longest * 1e-9, self.none, positions)


def observation_animation(observation: Observation, feature: int | None = None) -> Animation:
    """Draw the animation of a training run at one norm layer, with one moment for each training step.

    It shows the gradient of each row in three parts, the composition of the batch, and curves over all steps: batch
    statistics, distances, L_BN and the error against autograd.

    Parameters
    ----------
    observation : Observation
        Gradients and statistics recorded at the norm layer.
    feature : int, optional
        Index of the feature whose mean and deviation are drawn; by default their root mean square over the features.
    """
    figure = Panels(2, 4, spacing=(0.055, GAP), heights=[0.56, 0.44], spans={(1, 1): 3})
    changes = _gradients(figure, observation, _LengthAxis.of([observation]), 1)
    changes += _batch(figure, observation)
    _statistics(figure, observation, feature, 1)
    _distances(figure, observation, 2)
    _losses(figure, observation, 3)
    _agreement(figure, observation, 4)
    return _animation(figure, changes, observation, is_double=False)


def two_norms_animation(
    observations: Sequence[Observation], names: Sequence[str], feature: int | None = None, is_stacked: bool = False
) -> Animation:
    """Draw the animation of two runs that differ in their norm, side by side, on common axes.

    Each half has the gradient of each row in three parts, the statistics of the batch and the distances.

    Parameters
    ----------
    observations : sequence of Observation
        The records of the two runs, with the same batches.
    names : sequence of str
        Names of the two norms.
    feature : int, optional
        As in `observation_animation`.
    is_stacked : bool
        True if the panels will stand one below another, so that each needs the name of its norm.
    """
    figure = Panels(2, 4, spacing=(0.055, GAP), heights=[0.56, 0.44], spans={(1, 1): 2, (1, 3): 2})
    axis = _LengthAxis.of(observations)
    changes: list[TraceChange] = []
    for number, (observation, name) in enumerate(zip(observations, names, strict=True)):
        first = 1 + 2 * number
        changes += _gradients(figure, observation, axis, first, is_first=number == 0)
        figure.add_title(f"<b>{name}</b>", 1, first, SMALL)
        owner = f"<b>{name}</b><br>" if is_stacked else ""
        _statistics(figure, observation, feature, first, owner)
        _distances(figure, observation, first + 1, owner)
    for col in (1, 2):
        values = [trace["y"] for each in (col, col + 2) for trace in figure.traces(2, each)]
        high = float(np.nanmax(np.concatenate(values)))
        for each in (col, col + 2):
            figure.update_yaxes(range=[0, 1.05 * high], row=2, col=each)
    return _animation(figure, changes, observations[0], is_double=True)


def _animation(figure: Panels, changes: list[TraceChange], observation: Observation, is_double: bool) -> Animation:
    """Complete the figure, of one norm or with `is_double` of two, with its clock and layout, and make the animation.

    Play shows only steps with a gradient, if there are any: the others would make all marks flash.
    """
    steps = len(observation.epoch)
    clock = len(figure.data)
    changes += _clock(figure, steps)
    figure.update_layout(
        height=HEIGHT_OF_TWO if is_double else HEIGHT,
        margin={"l": 8, "r": 8, "t": 52 if is_double else 40, "b": 4},
        # At the upper edge: the names of two norms stand below it.
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "top", "yref": "container"},
        hovermode="closest",
        bargap=0.25,
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    labeled = (observation.kind == RowKind.LABELED_ANOMALY).any(axis=1)
    return Animation(
        figure=figure.figure(),
        changes=tuple(changes),
        captions=tuple(_caption(observation, step) for step in range(steps)),
        clock=clock,
        times=tuple(float(step) for step in range(1, steps + 1)),
        start=0,
        played=tuple(np.flatnonzero(observation.lengths.any(axis=(1, 2))).tolist()),
        targets=() if labeled.all() else tuple(np.flatnonzero(labeled).tolist()),
    )


def _caption(observation: Observation, step: int) -> str:
    within = step % observation.steps_an_epoch + 1
    kinds = observation.kind[step]
    counts = [int((kinds == kind).sum()) for kind in KIND_MARKS]
    labeled = "1 labeled anomaly" if counts[2] == 1 else f"{counts[2]} labeled anomalies"
    batch = f"epoch {observation.epoch[step]}, batch {within} of {observation.steps_an_epoch}"
    return (
        f"Step {step + 1} of {len(observation.epoch)} · {batch} · "
        f"{len(kinds)} row{'' if len(kinds) == 1 else 's'}: {counts[0]} normal and {counts[1]} anomalous in the pool, "
        f"{labeled}"
        f"{'' if observation.lengths[step].any() else ' · no gradient in this batch'}"
    )


def _gradients(
    figure: Panels, observation: Observation, axis: _LengthAxis, col: int, is_first: bool = True
) -> list[TraceChange]:
    """Add the length of each row's gradient, in three parts, as dots on a log axis; return the changes.

    Rows without a gradient lie on a separate line below.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its upper row.
    observation : Observation
        The record at the norm layer.
    axis : _LengthAxis
        The axis of the lengths.
    col : int
        Column of the panel, from 1.
    is_first : bool
        False if the legend already has the kinds of rows.

    Returns
    -------
    list of TraceChange
        At each step, x, y and row ids of each kind of rows, and the texts of `_shares`.
    """
    height = axis.positions(observation.lengths)
    scatter = np.random.default_rng(0).uniform(-JITTER, JITTER, size=(observation.kind.shape[1],))
    changes = []
    for number, (kind, (name, color, symbol, size)) in enumerate(KIND_MARKS.items()):
        xs, ys, row_ids = [], [], []
        for step in range(len(observation.epoch)):
            rows = np.flatnonzero(observation.kind[step] == kind)
            columns = np.arange(len(PART_NAMES))[:, None] + COLUMN_OFFSET * (number - 1)
            xs.append((columns + scatter[rows]).ravel().astype(np.float32))
            ys.append(height[step][:, rows].ravel().astype(np.float32))
            row_ids.append(np.tile(observation.row_ids[step][rows], len(PART_NAMES)).astype(np.int32))
        trace = len(figure.data)
        figure.add_scatter(
            x=xs[0],
            y=ys[0],
            customdata=row_ids[0],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=is_first,
            marker={"color": color, "symbol": symbol, "size": size, "opacity": 0.75, "line": {"width": 0}},
            hovertemplate=f"row %{{customdata}}, {name}<br>length 10^%{{y:.1f}}<extra></extra>",
            row=1,
            col=col,
        )
        changes += [TraceChange(trace, "x", xs), TraceChange(trace, "y", ys), TraceChange(trace, "customdata", row_ids)]
    changes.append(_shares(figure, observation, axis.top + 0.36 * (axis.top - axis.none), col))
    _length_axes(figure, axis, col)
    return changes


def _length_axes(figure: Panels, axis: _LengthAxis, col: int) -> None:
    """Set the axes of a panel of gradient lengths in the column `col`: three parts across, powers of ten upwards."""
    ticks = list(range(int(np.ceil(axis.low)), int(np.floor(axis.top)) + 1))
    ticks = ticks[:: max(1, -(-len(ticks) // 4))]
    extent = axis.top - axis.none
    figure.update_yaxes(
        tickvals=[axis.none, *ticks],
        ticktext=["none", *(f"10<sup>{power}</sup>".replace("-", "−") for power in ticks)],
        range=[axis.none - 0.12 * extent, axis.top + 0.5 * extent],
        title={"text": "length of the gradient" if col == 1 else "", "font": {"size": 12}},
        zeroline=False,
        row=1,
        col=col,
    )
    figure.update_xaxes(
        tickvals=[0, 1, 2],
        ticktext=[f"<b>{name}</b>" for name in PART_NAMES],
        range=[-0.5, 2.5],
        showgrid=False,
        zeroline=False,
        row=1,
        col=col,
    )
    for position in (0.5, 1.5):
        figure.add_vline(x=position, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=col)


def _shares(figure: Panels, observation: Observation, y: float, col: int) -> TraceChange:
    """Add three texts with the share of each part in the gradient lengths of the batch's normal rows.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its upper row.
    observation : Observation
        The record at the norm layer.
    y : float
        Height of the texts, in units of the axis.
    col : int
        Column of the panel, from 1.

    Returns
    -------
    TraceChange
        The texts at each step.
    """
    words = []
    for step in range(len(observation.epoch)):
        lengths = observation.lengths[step][:, observation.kind[step] == RowKind.NORMAL].sum(axis=1, dtype=np.float64)
        total = lengths.sum()
        shares = ["none"] * 3 if total == 0 else [f"{share:.0%}" for share in lengths / total]
        words.append([f"normal rows:<br>{share}" for share in shares])  # two lines, so that three fit on a phone
    figure.add_scatter(
        x=[0, 1, 2],
        y=[y] * 3,
        mode="text",
        text=words[0],
        textposition="bottom center",
        textfont={"size": 14},
        showlegend=False,
        hoverinfo="skip",
        row=1,
        col=col,
    )
    return TraceChange(len(figure.data) - 1, "text", words)


def _batch(figure: Panels, observation: Observation) -> list[TraceChange]:
    """Add a bar for each kind of rows in the batch (normal, hidden anomaly, labeled anomaly), in percent of its rows.

    `observation` is the record at the norm layer. Returns one change, the heights of the bars at each step, in a list.
    """
    counts = [np.array([(values == kind).sum() for kind in KIND_MARKS]) for values in observation.kind]
    shares = [(100 * values / values.sum()).astype(np.float32) for values in counts]
    figure.add_bar(
        x=["normal", "hidden", "labeled"],
        y=shares[0],
        marker={
            "color": [color for _, color, _, _ in KIND_MARKS.values()],
            "opacity": 0.8,
            "pattern": {"shape": ["", "/", ""], "fillmode": "overlay", "fgcolor": "white", "solidity": 0.25},
        },
        showlegend=False,
        hovertemplate="%{y:.1f} % of the batch<extra></extra>",
        row=1,
        col=4,
    )
    trace = len(figure.data) - 1
    figure.update_yaxes(range=[0, 100], row=1, col=4)
    figure.add_title("Rows of the batch, %", 1, 4, SMALL)
    return [TraceChange(trace, "y", shares)]


def _statistics(figure: Panels, observation: Observation, feature: int | None, col: int, owner: str = "") -> None:
    """Add curves of the batch's mean and deviation over the steps, and of the running ones if the norm has them.

    `feature` is the index of a feature; with None, each curve is the root mean square over all features. `col` is the
    column of the panel, from 1. `owner` stands in front of its title.
    """

    def curve(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((values**2).mean(axis=1)) if feature is None else values[:, feature])

    groups = [("batch", observation.mean, observation.deviation, BATCH, 1.2)]
    if not np.isnan(observation.running_mean).any():
        groups.append(("running", observation.running_mean, observation.running_deviation, STEADY, 2.5))
    for line, (of, mean, deviation, color, width) in enumerate(reversed(groups)):
        legend = figure.add_legend(2, col, above=line * LEGEND_LINE, title=of)
        _line(figure, col, f"{of} mean", curve(mean), color, "solid", width, legend, "mean")
        _line(figure, col, f"{of} deviation", curve(deviation), color, "dot", width, legend, "deviation")
    which = "root mean square" if feature is None else f"feature {feature + 1}"
    _title(figure, f"{owner}Statistics, {which}", col)


def _distances(figure: Panels, observation: Observation, col: int, owner: str = "") -> None:
    """Add curves of the median distance of each kind of rows from the center of the pool.

    `col` and `owner` are as in `_statistics`.
    """
    upper, lower = _two_lines(figure, col)
    for kind, (name, color, _, _) in reversed(KIND_MARKS.items()):  # the normal rows on top
        chosen = np.where(observation.kind == kind, observation.distance, np.nan)
        some = (observation.kind == kind).any(axis=1)
        median = np.full(len(chosen), np.nan)
        median[some] = np.nanmedian(chosen[some], axis=1)
        legend = upper if kind == RowKind.LABELED_ANOMALY else lower
        _line(figure, col, name, median, color, DASHES[kind], 1.6, legend, KIND_WORDS[kind])
    _title(figure, f"{owner}Distance to the center", col)


def _losses(figure: Panels, observation: Observation, col: int) -> None:
    """Add curves of L_BN (paper eq. 5) before and after the norm; `col` as in `_statistics`."""
    upper, lower = _two_lines(figure, col)
    _line(figure, col, "before the norm", observation.loss_before, NEUTRAL, "dash", 1.8, upper)
    _line(figure, col, "after the norm", observation.loss_after, STEADY, "solid", 1.8, lower)
    figure.update_yaxes(rangemode="tozero", row=2, col=col)
    _title(figure, "L_BN of eq. 5", col)


def _agreement(figure: Panels, observation: Observation, col: int) -> None:
    """Add curves of the relative error of the sum of the three parts against autograd's gradient.

    The second curve has eq. 13 as printed in the sum. Errors of exactly 0 are left out; if none is left, the panel says
    "exactly 0". `col` is the column of the panel, from 1.
    """
    curves = (
        ("eq. 13 as printed", observation.error_printed, NEUTRAL, "dash"),
        ("sum of the parts", observation.error, STEADY, "solid"),
    )
    for legend, (name, values, color, dash) in zip(_two_lines(figure, col), curves, strict=True):
        _line(figure, col, name, np.where(values > 0, values, np.nan), color, dash, 1.8, legend)
    if not observation.error.any() and not (observation.error_printed > 0).any():
        figure.add_text("exactly 0", 2, col, x=0.5, y=0.5)
    figure.update_yaxes(type="log", exponentformat="power", dtick=4, range=[-9, 3], row=2, col=col)
    _title(figure, "Difference from autograd", col)


def _two_lines(figure: Panels, col: int) -> tuple[str, str]:
    """Add two legends of a line each to a panel in the lower row, and return their names, the upper one first."""
    return figure.add_legend(2, col, above=LEGEND_LINE), figure.add_legend(2, col)


def _title(figure: Panels, text: str, col: int) -> None:
    """Write the title of a panel in the lower row above its legend of two lines."""
    figure.add_title(text, 2, col, SMALL, yshift=TITLE_SHIFT)


def _line(
    figure: Panels,
    col: int,
    name: str,
    y: np.ndarray,
    color: str,
    dash: str,
    width: float,
    legend: str,
    short: str = "",
) -> None:
    """Add a curve over the training steps to a panel in the lower row of the figure.

    Parameters
    ----------
    figure : Panels
        The figure.
    col : int
        Column of the panel, 1 to 4.
    name : str
        Name of the curve, shown on hover.
    y : np.ndarray
        Value at each step, float [steps]; NaN is a gap.
    color, dash, width
        Plotly attributes of the line.
    legend : str
        The legend of the panel, as `Panels.add_legend` returns it.
    short : str
        Name in the legend; by default `name`.
    """
    figure.add_scatter(
        x=np.arange(1, len(y) + 1),
        y=y.astype(np.float32),
        mode="lines+markers" if np.isnan(y).any() else "lines",  # markers: a single step between two gaps has no line
        name=short or name,
        marker={"color": color, "size": 3},
        line={"color": color, "dash": dash, "width": width},
        legend=legend,
        hovertemplate=f"step %{{x}}: %{{y:.3g}}<extra>{name}</extra>",
        row=2,
        col=col,
    )


def _clock(figure: Panels, steps: int) -> list[TraceChange]:
    """Add vertical lines at the step on show to the four panels of the lower row; return the changes of their x.

    There is one change per panel, with the two x positions of its line at each of the `steps` training steps.
    """
    changes = []
    times = [np.array([step, step], dtype=np.float32) for step in range(1, steps + 1)]
    for col in range(1, 5):
        axis = figure.yaxis(2, col)
        if axis.get("type") == "log":
            low, high = (10.0**end for end in axis["range"])
        else:
            values = np.concatenate([trace["y"] for trace in figure.traces(2, col)])
            low, high = axis.get("range", (float(np.nanmin(values)), float(np.nanmax(values))))
        if axis.get("rangemode") == "tozero":
            low = 0.0
        figure.add_scatter(
            x=times[0],
            y=[low, high],
            mode="lines",
            line={"color": NEUTRAL, "width": 1.5},
            showlegend=False,
            hoverinfo="skip",
            row=2,
            col=col,
        )
        changes.append(TraceChange(len(figure.data) - 1, "x", times))
        figure.update_xaxes(range=[0, steps + 1], title={"text": "step", "standoff": 10}, row=2, col=col)
    return changes
