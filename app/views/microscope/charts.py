"""Animation of the Microscope page: the gradient of each row in three parts, and the batch statistics over steps."""

from __future__ import annotations

import numpy as np

from anoonly_core.microscope.result import PART_NAMES, Observation, RowKind

from ...charts.animation import Animation, TraceChange
from ...charts.panels import Panels
from ...charts.style import ANOMALY, NEUTRAL, NORMAL

__all__ = ["KIND_MARKS", "observation_animation"]

BATCH, STEADY = "#CC79A7", "#009E73"
KIND_MARKS = {
    RowKind.NORMAL: ("normal, in the pool", NORMAL, "circle", 6),
    RowKind.HIDDEN_ANOMALY: ("anomaly, hidden in the pool", ANOMALY, "diamond", 8),
    RowKind.LABELED_ANOMALY: ("labeled anomaly", ANOMALY, "star", 10),
}
DASHES = {RowKind.NORMAL: "solid", RowKind.HIDDEN_ANOMALY: "dash", RowKind.LABELED_ANOMALY: "dot"}
JITTER = 0.09  # horizontal scatter of the dots of one column
COLUMN_OFFSET = 0.27  # between two kinds of rows
SMALL = 12
HEIGHT = 470


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
    steps = len(observation.epoch)
    figure = Panels(2, 4, spacing=(0.055, 0.2), heights=[0.56, 0.44], spans={(1, 1): 3})
    changes = [*_gradients(figure, observation), *_batch(figure, observation)]
    _statistics(figure, observation, feature)
    _distances(figure, observation)
    _losses(figure, observation)
    _agreement(figure, observation)
    clock = len(figure.data)
    changes += _clock(figure, steps)
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 40, "b": 4},
        legend={"orientation": "h", "x": 0, "y": 1.14, "yanchor": "top"},
        hovermode="closest",
        bargap=0.25,
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return Animation(
        figure=figure.figure(),
        changes=tuple(changes),
        captions=tuple(_caption(observation, step) for step in range(steps)),
        clock=clock,
        times=tuple(float(step) for step in range(1, steps + 1)),
        start=0,
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


def _gradients(figure: Panels, observation: Observation) -> list[TraceChange]:
    """Add the length of each row's gradient, in three parts, as dots on a log axis; return the changes.

    Rows without a gradient lie on a separate line below.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its first panel.
    observation : Observation
        The record at the norm layer.

    Returns
    -------
    list of TraceChange
        At each step, x, y and row ids of each kind of rows, and the texts of `_shares`.
    """
    longest = float(observation.lengths.max()) or 1.0
    some = np.log10(observation.lengths[observation.lengths > longest * 1e-9])
    top: float = np.log10(longest)
    low = max(float(some.min()), top - 6) if some.size else top - 2
    nothing = low - max(0.35, 0.12 * (top - low))
    with np.errstate(divide="ignore"):
        logarithm: np.ndarray = np.log10(observation.lengths)
    height = np.maximum(logarithm, low)
    height[observation.lengths <= longest * 1e-9] = nothing
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
            marker={"color": color, "symbol": symbol, "size": size, "opacity": 0.75, "line": {"width": 0}},
            hovertemplate=f"row %{{customdata}}, {name}<br>length 10^%{{y:.1f}}<extra></extra>",
            row=1,
            col=1,
        )
        changes += [TraceChange(trace, "x", xs), TraceChange(trace, "y", ys), TraceChange(trace, "customdata", row_ids)]
    changes.append(_shares(figure, observation, top + 0.26 * (top - nothing)))
    ticks = list(range(int(np.ceil(low)), int(np.floor(top)) + 1))
    ticks = ticks[:: max(1, len(ticks) // 4)]
    figure.update_yaxes(
        tickvals=[nothing, *ticks],
        ticktext=["none", *(f"10<sup>{power}</sup>".replace("-", "−") for power in ticks)],
        range=[nothing - 0.07 * (top - nothing), top + 0.4 * (top - nothing)],
        title={"text": "length of the gradient", "font": {"size": 12}},
        zeroline=False,
        row=1,
        col=1,
    )
    figure.update_xaxes(
        tickvals=[0, 1, 2],
        ticktext=[f"<b>{name}</b>" for name in PART_NAMES],
        range=[-0.5, 2.5],
        showgrid=False,
        zeroline=False,
        row=1,
        col=1,
    )
    for position in (0.5, 1.5):
        figure.add_vline(x=position, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=1)
    return changes


def _shares(figure: Panels, observation: Observation, y: float) -> TraceChange:
    """Add three texts with the share of each part in the gradient lengths of the batch's normal rows.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its first panel.
    observation : Observation
        The record at the norm layer.
    y : float
        Height of the texts, in units of the axis.

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
        col=1,
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
    figure.add_title("the batch, %", 1, 4, SMALL)
    return [TraceChange(trace, "y", shares)]


def _statistics(figure: Panels, observation: Observation, feature: int | None) -> None:
    """Add curves of the batch's mean and deviation over the steps, and of the running ones if the norm has them.

    `feature` is the index of a feature; with None, each curve is the root mean square over all features.
    """

    def curve(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((values**2).mean(axis=1)) if feature is None else values[:, feature])

    lines = [("batch μ", observation.mean, BATCH, "solid", 1.2), ("batch σ", observation.deviation, BATCH, "dot", 1.2)]
    if not np.isnan(observation.running_mean).any():
        lines += [
            ("running μ", observation.running_mean, STEADY, "solid", 2.5),
            ("running σ", observation.running_deviation, STEADY, "dot", 2.5),
        ]
    for name, values, color, dash, width in lines:
        _line(figure, 1, name, curve(values), color, dash, width)
    which = "root mean square" if feature is None else f"feature {feature + 1}"
    figure.add_title(f"μ —, σ ···, {which}", 2, 1, SMALL)


def _distances(figure: Panels, observation: Observation) -> None:
    for kind, (name, color, _, _) in reversed(KIND_MARKS.items()):  # the normal rows on top
        chosen = np.where(observation.kind == kind, observation.distance, np.nan)
        some = (observation.kind == kind).any(axis=1)
        median = np.full(len(chosen), np.nan)
        median[some] = np.nanmedian(chosen[some], axis=1)
        _line(figure, 2, name, median, color, DASHES[kind], 1.6)
    figure.add_title("distance to the center (normal —)", 2, 2, SMALL)


def _losses(figure: Panels, observation: Observation) -> None:
    _line(figure, 3, "before the norm", observation.loss_before, NEUTRAL, "dash", 1.8)
    _line(figure, 3, "after the norm", observation.loss_after, STEADY, "solid", 1.8)
    figure.update_yaxes(rangemode="tozero", row=2, col=3)
    figure.add_title("L_BN: before --, after —", 2, 3, SMALL)


def _agreement(figure: Panels, observation: Observation) -> None:
    """Add curves of the relative error of the sum of the three parts against autograd's gradient.

    The second curve has eq. 13 as printed in the sum. Errors of exactly 0 are left out; if none is left, the panel says
    "exactly 0".
    """
    for name, values, color, dash in (
        ("sum of the three parts", observation.error, STEADY, "solid"),
        ("with eq. 13 as printed", observation.error_printed, NEUTRAL, "dash"),
    ):
        _line(figure, 4, name, np.where(values > 0, values, np.nan), color, dash, 1.8)
    if not observation.error.any() and not (observation.error_printed > 0).any():
        figure.add_text("exactly 0", 2, 4, x=0.5, y=0.5)
    figure.update_yaxes(type="log", exponentformat="power", dtick=2, range=[-9, 3], row=2, col=4)
    figure.add_title("error: sum —, eq. 13 --", 2, 4, SMALL)


def _line(figure: Panels, col: int, name: str, y: np.ndarray, color: str, dash: str, width: float) -> None:
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
    """
    figure.add_scatter(
        x=np.arange(1, len(y) + 1),
        y=y.astype(np.float32),
        mode="lines+markers" if np.isnan(y).any() else "lines",  # markers: a single step between two gaps has no line
        name=name,
        marker={"color": color, "size": 3},
        line={"color": color, "dash": dash, "width": width},
        showlegend=False,
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
        if col == 4:
            low, high = 1e-9, 1e3
        else:
            values = np.concatenate([values["y"] for values in figure.traces(2, col)])
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if col == 3:
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
