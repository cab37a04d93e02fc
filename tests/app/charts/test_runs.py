"""Tests of the figures of a comparison: numbers, marks and colors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from anoonly_core.metrics.ranking import (
    Confusion,
    Curves,
    chance_levels,
    confusion,
    curves,
    metrics,
    threshold_of_share,
)
from anoonly_core.results.result import NO_HISTORY, History, Role, RunResult
from app.charts import runs as charts
from app.charts.pair import _last_flagged, split_sentence
from app.charts.style import ANOMALY, DEFAULT_FLAGGED, FLAGGED, NEUTRAL, NORMAL, ScoreScale, Side
from app.text.verdict import describe_run

Pair = list[Side]


def side(letter: str, y: np.ndarray, scores: np.ndarray, name: str = "DeepSAD") -> Side:
    return Side(letter, name, y, scores, ScoreScale.of(scores), 0)


def made_up(anomalies: int = 6, normals: int = 40) -> Pair:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [normals, anomalies]).astype(np.int8)
    return [
        side("A", y, rng.normal(y, 1.0).astype(np.float32)),
        side("B", y, np.exp(rng.normal(5.0 * y, 0.5)).astype(np.float32), "DeepSAD + AnoOnly"),
    ]


def with_ties() -> Pair:
    rng = np.random.default_rng(1)
    y = (np.arange(50) % 7 == 0).astype(np.int8)
    return [side(letter, y, (rng.integers(0, 4, 50) + y).astype(np.float32)) for letter in "AB"]


def constant() -> Pair:
    y = np.repeat([0, 1], [9, 2]).astype(np.int8)
    return [side(letter, y, np.full(11, 0.25, dtype=np.float32)) for letter in "AB"]


def one_anomaly() -> Pair:
    return made_up(anomalies=1, normals=1)


@pytest.fixture(params=["made_up", "with_ties", "constant", "one_anomaly", "shipped"])
def pair(request: pytest.FixtureRequest, shipped: tuple[list[RunResult], list[RunResult]]) -> Pair:
    if request.param != "shipped":
        sides: Pair = globals()[request.param]()
        return sides
    a, b = shipped[0][0], shipped[1][0]
    return [
        side("A", a.y_test, a.scores, describe_run(a.config, b.config)),
        side("B", b.y_test, b.scores, describe_run(b.config, a.config)),
    ]


def flagging(pair: Pair, percent: float) -> tuple[list[float], list[Confusion]]:
    cuts = [threshold_of_share(run.scores, percent / 100) for run in pair]
    return cuts, [confusion(run.y, run.scores, cut) for run, cut in zip(pair, cuts, strict=True)]


def numbers(value: Any) -> Iterator[np.ndarray]:
    """Yield every number and array of numbers within a figure."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float | int):
        yield np.array([value])


def assert_sound(figure: go.Figure) -> None:
    """Assert that the figure holds finite numbers only and serializes to JSON."""
    parts = figure.to_dict()
    parts["layout"].pop("template", None)
    assert all(np.isfinite(array).all() for array in numbers(parts))
    json.loads(figure.to_json())


def column_of(trace: Any) -> int:
    return int((trace.xaxis or "x").removeprefix("x") or 1)


def texts(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


# -- scores


@pytest.mark.parametrize("percent", [FLAGGED[0], 5.0, DEFAULT_FLAGGED, FLAGGED[-1]])
def test_scores_hold_every_row_and_the_threshold(pair: Pair, percent: float) -> None:
    cuts, confusions = flagging(pair, percent)
    figure = charts.scores_figure(pair, cuts, confusions)
    assert_sound(figure)
    bars = {(column_of(trace), trace.name): trace for trace in figure.data}
    assert len(bars) == 4
    low, high = figure.layout.xaxis.range
    assert (low, high) == figure.layout.xaxis2.range
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    for column, run in enumerate(pair, start=1):
        for label, name, color in ((0, "normal", NORMAL), (1, "anomaly", ANOMALY)):
            bar = bars[column, name]
            assert sum(bar.customdata) == (run.y == label).sum()
            assert sum(bar.y) == pytest.approx(100)
            assert max(bar.y) <= figure.layout.yaxis.range[1]
            assert low <= min(bar.x) - bar.width / 2 + 1e-4
            assert max(bar.x) + bar.width / 2 <= high + 1e-4
            assert bar.marker.color == color
            assert bool(bar.marker.pattern.shape) == (label == 1), "anomalies are hatched: never color alone"
    lines = {line.xref: line for line in figure.layout.shapes}
    axes = {axis: (run, cut) for axis, run, cut in zip(("x", "x2"), pair, cuts, strict=True) if np.isfinite(cut)}
    assert lines.keys() == axes.keys()
    for axis, (run, cut) in axes.items():
        assert lines[axis].x0 == lines[axis].x1 == pytest.approx(np.arcsinh(run.scale.units(np.array(cut))))
        assert low <= lines[axis].x0 <= high, "the line of this threshold is outside the axis"


def test_a_bar_right_of_the_line_is_flagged() -> None:
    pair = made_up()
    cuts, confusions = flagging(pair, 20.0)
    figure = charts.scores_figure(pair, cuts, confusions)
    for column, (run, cut, matrix) in enumerate(zip(pair, cuts, confusions, strict=True), start=1):
        line = np.arcsinh(run.scale.units(np.array(cut)))
        bars = {trace.name: trace for trace in figure.data if column_of(trace) == column}
        for name, flagged in (("anomaly", matrix.anomalies_flagged), ("normal", matrix.normals_flagged)):
            bar = bars[name]
            counts, x, half = np.asarray(bar.customdata), np.asarray(bar.x), bar.width / 2
            right = counts[x - half >= line].sum()
            assert right <= flagged <= right + counts[np.abs(x - line) <= half].sum()


def test_scores_titles_count_what_is_flagged(pair: Pair) -> None:
    cuts, confusions = flagging(pair, DEFAULT_FLAGGED)
    written = texts(charts.scores_figure(pair, cuts, confusions))
    titles = [text for text in written if "flags" in text]
    for run, cut, matrix, title in zip(pair, cuts, confusions, titles, strict=True):
        assert title.startswith(f"<b>{run.letter}</b>  {run.name}, seed 0<br>")
        assert f" from {cut:.4g}" in written if np.isfinite(cut) else "share the highest score" in title
        assert f"flags {matrix.anomalies_flagged} of {(run.y == 1).sum()} anomalies" in title
        assert f"{matrix.normals_flagged} of {(run.y == 0).sum()} normal" in title


def test_score_scale_round_trips(pair: Pair) -> None:
    for run in pair:
        units = run.scale.units(run.scores.astype(np.float64))
        assert np.median(units) == pytest.approx(0, abs=1e-6)
        assert run.scale.median + run.scale.spread * units == pytest.approx(run.scores, rel=1e-6, abs=1e-6)


def test_rescaled_scores_give_the_same_figure() -> None:
    pair = made_up()
    larger = [side(run.letter, run.y, run.scores * 1000 + 7, run.name) for run in pair]
    figures = [charts.scores_figure(p, *flagging(p, 20.0)) for p in (pair, larger)]
    counts = [[text for text in texts(figure) if "flags" in text] for figure in figures]
    assert counts[0] == counts[1]
    for small, large in zip(figures[0].data, figures[1].data, strict=True):
        assert list(small.customdata) == list(large.customdata)


# -- curves


def drawn_curves(pair: Pair, percent: float) -> tuple[go.Figure, list[Curves], list[Confusion]]:
    cuts, confusions = flagging(pair, percent)
    run_curves = [curves(run.y, run.scores) for run in pair]
    threshold_points = [_last_flagged(curve, cut) for curve, cut in zip(run_curves, cuts, strict=True)]
    return charts.curves_figure(pair, run_curves, threshold_points, chance_levels(pair[1].y)), run_curves, confusions


@pytest.mark.parametrize("percent", [FLAGGED[0], 3.0, DEFAULT_FLAGGED, 50.0, FLAGGED[-1]])
def test_marks_lie_on_the_curves_at_the_rates_of_the_confusion_matrix(pair: Pair, percent: float) -> None:
    figure, _, confusions = drawn_curves(pair, percent)
    assert_sound(figure)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    expected = []
    for matrix in confusions:
        flagged = matrix.anomalies_flagged + matrix.normals_flagged
        if flagged:
            passed = matrix.anomalies_missed + matrix.normals_passed
            recall = matrix.anomalies_flagged / (matrix.anomalies_flagged + matrix.anomalies_missed)
            false_alarms = matrix.normals_flagged / (matrix.normals_flagged + matrix.normals_passed)
            expected.append((1, false_alarms, recall))
            expected.append((2, recall, matrix.anomalies_flagged / flagged))
            expected.append((3, 1 - false_alarms, matrix.normals_passed / passed if passed else 1.0))
    assert sorted((column_of(mark), mark.x[0], mark.y[0]) for mark in marks) == [
        pytest.approx(point) for point in sorted(expected)
    ]
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.name != "chance"]
    for mark in marks:
        curve = [line for line in lines if column_of(line) == column_of(mark) and line.line.color == mark.marker.color]
        points = [point for line in curve for point in zip(line.x, line.y, strict=True)]
        assert (mark.x[0], mark.y[0]) in points


def area(trace: Any) -> float:
    """The area under a line as the browser draws it: straight, or in steps "hv" or "vh" along its points."""
    x, y = np.asarray(trace.x, dtype=float), np.asarray(trace.y, dtype=float)
    width = np.abs(np.diff(x))
    heights = {"linear": (y[:-1] + y[1:]) / 2, "hv": y[:-1], "vh": y[1:]}
    return float((width * heights[trace.line.shape or "linear"]).sum())


def test_the_area_under_each_drawn_curve_is_its_metric(pair: Pair) -> None:
    figure, _, _ = drawn_curves(pair, DEFAULT_FLAGGED)
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.name != "chance"]
    for run in pair:
        expected = metrics(run.y, run.scores)
        expected_areas = {1: expected.aucroc, 2: expected.aucpr_anomaly, 3: expected.aucpr_normal}
        areas = {column_of(line): area(line) for line in lines if line.name.startswith(run.letter)}
        assert areas == pytest.approx(expected_areas, abs=1e-6)


def test_a_is_dashed_b_solid_and_chance_dotted(pair: Pair) -> None:
    figure, _, _ = drawn_curves(pair, 20.0)
    dashes = {(trace.name[:1], trace.line.dash) for trace in figure.data if trace.mode == "lines"}
    assert dashes == {("A", "dash"), ("B", "solid"), ("c", "dot")}
    chance = [trace for trace in figure.data if trace.name == "chance"]
    share = float((pair[1].y == 1).mean())
    assert [list(line.y) for line in chance] == [[0, 1], [share, share], [1 - share, 1 - share]]


# -- confusion


def test_confusion_shows_counts_and_shares(pair: Pair) -> None:
    _, confusions = flagging(pair, 30.0)
    figure = charts.confusion_figure(pair, confusions)
    assert_sound(figure)
    for matrix, trace in zip(confusions, figure.data, strict=True):
        counts = [
            [matrix.normals_passed, matrix.normals_flagged],
            [matrix.anomalies_missed, matrix.anomalies_flagged],
        ]
        assert (list(trace.x), list(trace.y)) == (["passed", "flagged"], ["normal", "anomaly"])
        for row, cells in zip(counts, trace.text, strict=True):
            for count, text in zip(row, cells, strict=True):
                assert text == f"<b>{count}</b><br>{count / sum(row):.0%}"
    assert texts(figure) == [matrix.title for matrix in pair]


# -- points


def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    role = np.repeat([Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELED_ANOMALY], [20, 4, 3]).astype(np.int8)
    return rng.normal(size=(27, 2)).astype(np.float32), role, np.arange(100, 127)


def panels(**points: np.ndarray | None) -> list[charts.RowMap]:
    _, role, row_ids = sample()
    return [charts.RowMap(title, values, role, row_ids) for title, values in points.items()]


def test_a_map_shows_its_rows_and_marks_the_selected_ones() -> None:
    points, role, row_ids = sample()
    fewer = charts.RowMap("fewer", points[5:], role[5:], row_ids[5:])
    figure = charts.points_figure([charts.RowMap("all", points, role, row_ids), fewer], selected=[101, 110])
    for column, ids, marked in ((1, row_ids, {101, 110}), (2, row_ids[5:], {110})):
        traces = [trace for trace in figure.data if column_of(trace) == column]
        assert sorted(int(row) for trace in traces for row in trace.customdata) == ids.tolist()
        assert {int(trace.customdata[index]) for trace in traces for index in trace.selectedpoints} == marked
    sent = json.loads(figure.to_json())["data"]
    assert all(isinstance(trace["selectedpoints"], list) for trace in sent), "Plotly needs lists here"


def test_points_keep_their_row_ids_and_roles() -> None:
    points, role, row_ids = sample()
    figure = charts.points_figure(panels(one=points, two=2 * points))
    assert_sound(figure)
    assert texts(figure) == ["one", "two"]
    colors = {Role.TEST_NORMAL: NORMAL, Role.TEST_ANOMALY: ANOMALY, Role.LABELED_ANOMALY: ANOMALY}
    for column, factor in ((1, 1), (2, 2)):
        traces = [trace for trace in figure.data if column_of(trace) == column]
        assert sorted(int(row) for trace in traces for row in trace.customdata) == row_ids.tolist()
        assert len({trace.marker.symbol for trace in traces}) == 3, "never color alone"
        for trace in traces:
            rows = np.asarray(trace.customdata) - 100
            (kind,) = set(role[rows].tolist())
            assert trace.marker.color == colors[kind]
            assert (trace.marker.symbol == "star") == (kind == Role.LABELED_ANOMALY)
            np.testing.assert_array_equal(np.column_stack([trace.x, trace.y]), factor * points[rows])


def test_selected_rows_are_marked_in_every_map() -> None:
    points, _, _ = sample()
    figure = charts.points_figure(panels(one=points, two=points), selected=[103, 121, 126, 999])
    for column in (1, 2):
        marked = {
            int(trace.customdata[index])
            for trace in figure.data
            if column_of(trace) == column
            for index in trace.selectedpoints
        }
        assert marked == {103, 121, 126}
    assert all(trace.selectedpoints is None for trace in charts.points_figure(panels(one=points)).data)


def test_a_waiting_panel_shows_only_its_text() -> None:
    points, _, _ = sample()
    figure = charts.points_figure(panels(one=points, two=None), waiting="t-SNE is being computed …")
    assert_sound(figure)
    (waiting,) = [trace for trace in figure.data if column_of(trace) == 2]
    assert (waiting.mode, list(waiting.text)) == ("text", ["t-SNE is being computed …"])


def test_the_legend_names_each_kind_once_even_while_a_panel_waits() -> None:
    points, _, _ = sample()
    for one, two in ((points, points), (points, None), (None, points)):
        names = [trace.name for trace in charts.points_figure(panels(one=one, two=two)).data if trace.showlegend]
        assert names == ["normal", "anomaly", "labeled anomaly (training)"]


def test_points_of_the_shipped_results(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    sample = shipped[1][0].sample
    figure = charts.points_figure([charts.RowMap("hidden", sample.hidden[:, :2], sample.role, sample.rows)])
    assert_sound(figure)
    assert sum(len(trace.x) for trace in figure.data) == len(sample.rows)


# -- training and split


def history(epochs: int) -> History:
    falling = np.linspace(1, 0, epochs, dtype=np.float32)  # ends at zero, which a log axis cannot show
    level = np.full(epochs, 0.5)
    return History(falling, falling, falling, falling, np.arange(1, epochs + 1), level, level, level)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_history_counts_epochs_from_one(epochs: int) -> None:
    figure = charts.history_figure({"A": history(epochs), "B": history(epochs)}, 0)
    json.loads(figure.to_json())
    assert len(figure.data) == 10
    for trace in figure.data:
        assert list(trace.x) == list(range(1, epochs + 1))
        assert trace.line.dash == ("dash" if trace.name.startswith("A") else "solid")
    styles = {(column_of(trace), trace.line.dash, trace.marker.symbol) for trace in figure.data}
    assert len(styles) == 10, "never by color alone"
    assert figure.layout.yaxis.type == "log"


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_system_with_one_loss_shows_one(letter: str) -> None:
    figure = charts.history_figure({"A": history(5), "B": history(5)}, 0, single_loss=[letter])
    losses = {trace.name: trace.line.color for trace in figure.data if column_of(trace) == 1}
    other = "B" if letter == "A" else "A"
    assert losses == {
        f"{letter}  single loss": NEUTRAL,
        f"{other}  L_N, pool (before λₙ)": NORMAL,
        f"{other}  L_A, labeled anomalies": ANOMALY,
    }
    assert len([trace for trace in figure.data if column_of(trace) == 2]) == 6


def test_a_system_without_epochs_draws_no_lines() -> None:
    figure = charts.history_figure({"A": history(5), "B": NO_HISTORY}, 0, single_loss=["B"])
    json.loads(figure.to_json())
    assert {trace.name[0] for trace in figure.data} == {"A"}
    assert len(figure.data) == 5


def test_history_of_the_shipped_results(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    figure = charts.history_figure({"A": shipped[0][0].history, "B": shipped[1][0].history}, 0)
    assert_sound(figure)
    assert {trace.line.color for trace in figure.data} == {NORMAL, ANOMALY, NEUTRAL}


def test_split_bars_hold_every_row(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    counts = shipped[1][0].counts
    figure = charts.split_figure(counts, 0)
    assert_sound(figure)
    rows = {bar: sum(trace.x[0] for trace in figure.data if trace.y[0] == bar) for bar in ("training", "test")}
    assert rows == {"training": counts["train"] + counts["dropped"], "test": counts["test"]}
    colors = {trace.name.split(": ")[1].split(",")[0]: trace.marker.color for trace in figure.data}
    assert colors["normal"] == NORMAL
    assert colors["anomalous"] == ANOMALY


@pytest.mark.parametrize("dropped", [0, 7])
def test_split_names_dropped_rows_only_if_there_are_any(
    shipped: tuple[list[RunResult], list[RunResult]], dropped: int
) -> None:
    figure = charts.split_figure({**shipped[1][0].counts, "dropped": dropped}, 0)
    assert [trace.x[0] for trace in figure.data if "dropped" in trace.name] == [dropped] * (dropped > 0)


@pytest.mark.parametrize("distinct", [2, 6, None])
def test_split_figure_and_sentence_name_copies_of_labeled_rows(
    shipped: tuple[list[RunResult], list[RunResult]], distinct: int | None
) -> None:
    counts = {**shipped[1][0].counts, "labelled_anomalies": 6, "labelled_anomalies_distinct": distinct}
    counts = {name: count for name, count in counts.items() if count is not None}
    are_copies = distinct == 2
    names = [trace.name for trace in charts.split_figure(counts, 0).data]
    expected = "training: labeled anomalies (distinct: 2), 6" if are_copies else "training: labeled anomalies, 6"
    assert expected in names
    sentence = split_sentence("B", replace(shipped[1][0], counts=counts), "digits_3")
    labeled = "6 labeled anomalies (copies of 2 distinct rows)" if are_copies else "6 labeled anomalies"
    assert f"Training sees {labeled} and a pool" in sentence


def test_the_class_colors_are_fixed() -> None:
    assert (NORMAL, ANOMALY) == ("#0072B2", "#D55E00")
