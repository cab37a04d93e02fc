"""Every figure shows the numbers that it was given, in the colors that mean the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from anoonly_core.metrics.ranking import Confusion, Curves, chance_levels, confusion, curves, metrics
from anoonly_core.results.result import NO_HISTORY, History, Role, RunResult
from app.charts import runs as charts
from app.charts.pair import _last_flagged
from app.charts.style import ANOMALY, DEFAULT_THRESHOLD, NEUTRAL, NORMAL, THRESHOLDS, ScoreScale, Side
from app.text.verdict import describe_run

Pair = list[Side]


def side(letter: str, y: np.ndarray, scores: np.ndarray, name: str = "DeepSAD") -> Side:
    return Side(letter, name, y, scores, ScoreScale.of(scores))


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
        found: Pair = globals()[request.param]()
        return found
    a, b = shipped[0][0], shipped[1][0]
    return [
        side("A", a.y_test, a.scores, describe_run(a.config, b.config)),
        side("B", b.y_test, b.scores, describe_run(b.config, a.config)),
    ]


def at_threshold(pair: Pair, threshold: float) -> tuple[list[float], list[Confusion]]:
    cuts = [one.scale.score(threshold) for one in pair]
    return cuts, [confusion(one.y, one.scores, cut) for one, cut in zip(pair, cuts, strict=True)]


def numbers(value: Any) -> Iterator[np.ndarray]:
    """All arrays and lists of numbers within a figure."""
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
    """Finite numbers only, and the browser can read it."""
    parts = figure.to_dict()
    parts["layout"].pop("template", None)
    assert all(np.isfinite(array).all() for array in numbers(parts))
    json.loads(figure.to_json())


def column_of(trace: Any) -> int:
    return int((trace.xaxis or "x").removeprefix("x") or 1)


def texts(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


# -- scores


@pytest.mark.parametrize("threshold", [THRESHOLDS[0], 0.0, DEFAULT_THRESHOLD, THRESHOLDS[-1]])
def test_scores_hold_every_row_and_the_threshold(pair: Pair, threshold: float) -> None:
    _, found = at_threshold(pair, threshold)
    figure = charts.scores_figure(pair, threshold, found)
    assert_sound(figure)
    bars = {(column_of(trace), trace.name): trace for trace in figure.data}
    assert len(bars) == 4
    low, high = figure.layout.xaxis.range
    assert (low, high) == figure.layout.xaxis2.range
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    for column, one in enumerate(pair, start=1):
        for label, name, color in ((0, "normal", NORMAL), (1, "anomaly", ANOMALY)):
            bar = bars[column, name]
            assert sum(bar.customdata) == (one.y == label).sum()
            assert sum(bar.y) == pytest.approx(100)
            assert max(bar.y) <= figure.layout.yaxis.range[1]
            assert low <= min(bar.x) - bar.width / 2 + 1e-4
            assert max(bar.x) + bar.width / 2 <= high + 1e-4
            assert bar.marker.color == color
            assert bool(bar.marker.pattern.shape) == (label == 1), "anomalies are hatched: never color alone"
    lines = {line.xref: line for line in figure.layout.shapes}
    assert lines.keys() == {"x", "x2"}
    assert len({line.x0 for line in lines.values()} | {line.x1 for line in lines.values()}) == 1
    assert lines["x"].x0 == pytest.approx(np.arcsinh(threshold))
    assert low <= lines["x"].x0 <= high, "the line of this threshold is out of sight"


def test_a_bar_right_of_the_line_is_flagged() -> None:
    pair = made_up()
    _, found = at_threshold(pair, 1.0)
    figure = charts.scores_figure(pair, 1.0, found)
    for column, one in enumerate(found, start=1):
        bars = {trace.name: trace for trace in figure.data if column_of(trace) == column}
        for name, flagged in (("anomaly", one.anomalies_flagged), ("normal", one.normals_flagged)):
            bar = bars[name]
            counts, x, half = np.asarray(bar.customdata), np.asarray(bar.x), bar.width / 2
            right = counts[x - half >= np.arcsinh(1.0)].sum()
            assert right <= flagged <= right + counts[np.abs(x - np.arcsinh(1.0)) <= half].sum()


def test_scores_titles_count_what_is_flagged(pair: Pair) -> None:
    _, found = at_threshold(pair, DEFAULT_THRESHOLD)
    titles = texts(charts.scores_figure(pair, DEFAULT_THRESHOLD, found))
    for one, counted, title in zip(pair, found, titles, strict=True):
        assert title.startswith(f"<b>{one.letter}</b>  {one.name}<br>")
        assert f"flags {counted.anomalies_flagged} of {(one.y == 1).sum()} anomalies" in title
        assert f"{counted.normals_flagged} of {(one.y == 0).sum()} normal" in title


def test_score_scale_goes_there_and_back(pair: Pair) -> None:
    for one in pair:
        units = one.scale.units(one.scores.astype(np.float64))
        assert np.median(units) == pytest.approx(0, abs=1e-6)
        assert [one.scale.score(u) for u in units] == pytest.approx(one.scores.tolist(), rel=1e-6, abs=1e-6)


def test_the_same_scores_on_another_scale_give_the_same_picture() -> None:
    pair = made_up()
    larger = [side(one.letter, one.y, one.scores * 1000 + 7, one.name) for one in pair]
    drawn = [charts.scores_figure(p, 2.0, at_threshold(p, 2.0)[1]) for p in (pair, larger)]
    assert texts(drawn[0]) == texts(drawn[1])
    for small, large in zip(drawn[0].data, drawn[1].data, strict=True):
        assert list(small.customdata) == list(large.customdata)


# -- curves


def drawn_curves(pair: Pair, threshold: float) -> tuple[go.Figure, list[Curves], list[Confusion]]:
    cuts, found = at_threshold(pair, threshold)
    drawn = [curves(one.y, one.scores) for one in pair]
    at = [_last_flagged(curve, cut) for curve, cut in zip(drawn, cuts, strict=True)]
    return charts.curves_figure(pair, drawn, at, chance_levels(pair[1].y)), drawn, found


@pytest.mark.parametrize("threshold", [THRESHOLDS[0], 0.0, DEFAULT_THRESHOLD, 12.0, THRESHOLDS[-1]])
def test_marks_lie_on_the_curves_at_the_confusions_rates(pair: Pair, threshold: float) -> None:
    figure, _, found = drawn_curves(pair, threshold)
    assert_sound(figure)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    expected = []
    for one in found:
        flagged = one.anomalies_flagged + one.normals_flagged
        if flagged:
            passed = one.anomalies_missed + one.normals_passed
            recall = one.anomalies_flagged / (one.anomalies_flagged + one.anomalies_missed)
            false_alarms = one.normals_flagged / (one.normals_flagged + one.normals_passed)
            expected.append((1, false_alarms, recall))
            expected.append((2, recall, one.anomalies_flagged / flagged))
            expected.append((3, 1 - false_alarms, one.normals_passed / passed if passed else 1.0))
    assert sorted((column_of(mark), mark.x[0], mark.y[0]) for mark in marks) == [
        pytest.approx(point) for point in sorted(expected)
    ]
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.name != "chance"]
    for mark in marks:
        mine = [line for line in lines if column_of(line) == column_of(mark) and line.line.color == mark.marker.color]
        points = [point for line in mine for point in zip(line.x, line.y, strict=True)]
        assert (mark.x[0], mark.y[0]) in points


def area(trace: Any) -> float:
    """The area under a line as the browser draws it: straight, or in steps "hv" or "vh" along its points."""
    x, y = np.asarray(trace.x, dtype=float), np.asarray(trace.y, dtype=float)
    width = np.abs(np.diff(x))
    heights = {"linear": (y[:-1] + y[1:]) / 2, "hv": y[:-1], "vh": y[1:]}
    return float((width * heights[trace.line.shape or "linear"]).sum())


def test_the_area_under_each_drawn_curve_is_its_metric(pair: Pair) -> None:
    figure, _, _ = drawn_curves(pair, DEFAULT_THRESHOLD)
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.name != "chance"]
    for one in pair:
        found = metrics(one.y, one.scores)
        wanted = {1: found.aucroc, 2: found.aucpr_anomaly, 3: found.aucpr_normal}
        areas = {column_of(line): area(line) for line in lines if line.name.startswith(one.letter)}
        assert areas == pytest.approx(wanted, abs=1e-6)


def test_a_is_dashed_b_solid_and_chance_dotted(pair: Pair) -> None:
    figure, _, _ = drawn_curves(pair, 0.0)
    dashes = {(trace.name[:1], trace.line.dash) for trace in figure.data if trace.mode == "lines"}
    assert dashes == {("A", "dash"), ("B", "solid"), ("c", "dot")}
    chance = [trace for trace in figure.data if trace.name == "chance"]
    share = float((pair[1].y == 1).mean())
    assert [list(line.y) for line in chance] == [[0, 1], [share, share], [1 - share, 1 - share]]


# -- confusion


def test_confusion_shows_counts_and_shares(pair: Pair) -> None:
    _, found = at_threshold(pair, 0.5)
    figure = charts.confusion_figure(pair, found)
    assert_sound(figure)
    for one, drawn in zip(found, figure.data, strict=True):
        counts = [
            [one.normals_passed, one.normals_flagged],
            [one.anomalies_missed, one.anomalies_flagged],
        ]
        assert (list(drawn.x), list(drawn.y)) == (["passed", "flagged"], ["normal", "anomaly"])
        for row, cells in zip(counts, drawn.text, strict=True):
            for count, text in zip(row, cells, strict=True):
                assert text == f"<b>{count}</b><br>{count / sum(row):.0%}"
    assert texts(figure) == [one.title for one in pair]


# -- points


def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    role = np.repeat([Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELED_ANOMALY], [20, 4, 3]).astype(np.int8)
    return rng.normal(size=(27, 2)).astype(np.float32), role, np.arange(100, 127)


def panels(**points: np.ndarray | None) -> list[charts.RowMap]:
    _, role, row_ids = sample()
    return [charts.RowMap(title, own, role, row_ids) for title, own in points.items()]


def test_a_panel_shows_its_own_rows_and_a_selection_marks_those_it_has() -> None:
    points, role, row_ids = sample()
    fewer = charts.RowMap("fewer", points[5:], role[5:], row_ids[5:])
    figure = charts.points_figure([charts.RowMap("all", points, role, row_ids), fewer], selected=[101, 110])
    for column, ids, marked in ((1, row_ids, {101, 110}), (2, row_ids[5:], {110})):
        traces = [trace for trace in figure.data if column_of(trace) == column]
        assert sorted(int(row) for trace in traces for row in trace.customdata) == ids.tolist()
        assert {int(trace.customdata[place]) for trace in traces for place in trace.selectedpoints} == marked
    sent = json.loads(figure.to_json())["data"]
    assert all(isinstance(trace["selectedpoints"], list) for trace in sent), "the browser takes no packed array here"


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


def test_selected_rows_are_marked_in_every_panel() -> None:
    points, _, _ = sample()
    figure = charts.points_figure(panels(one=points, two=points), selected=[103, 121, 126, 999])
    for column in (1, 2):
        marked = {
            int(trace.customdata[place])
            for trace in figure.data
            if column_of(trace) == column
            for place in trace.selectedpoints
        }
        assert marked == {103, 121, 126}
    assert all(trace.selectedpoints is None for trace in charts.points_figure(panels(one=points)).data)


def test_a_waiting_panel_says_so_and_shows_nothing_else() -> None:
    points, _, _ = sample()
    figure = charts.points_figure(panels(one=points, two=None), waiting="t-SNE is being computed …")
    assert_sound(figure)
    (waiting,) = [trace for trace in figure.data if column_of(trace) == 2]
    assert (waiting.mode, list(waiting.text)) == ("text", ["t-SNE is being computed …"])


def test_the_legend_names_each_kind_once_even_while_a_panel_waits() -> None:
    points, _, _ = sample()
    for one, two in ((points, points), (points, None), (None, points)):
        shown = [trace.name for trace in charts.points_figure(panels(one=one, two=two)).data if trace.showlegend]
        assert shown == ["normal", "anomaly", "labeled anomaly (training)"]


def test_points_of_the_shipped_results(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    kept = shipped[1][0].sample
    figure = charts.points_figure([charts.RowMap("hidden", kept.hidden[:, :2], kept.role, kept.rows)])
    assert_sound(figure)
    assert sum(len(trace.x) for trace in figure.data) == len(kept.rows)


# -- training and split


def history(epochs: int) -> History:
    falling = np.linspace(1, 0, epochs, dtype=np.float32)  # ends at zero, which a log axis cannot show
    level = np.full(epochs, 0.5)
    return History(falling, falling, falling, falling, np.arange(1, epochs + 1), level, level, level)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_history_counts_epochs_from_one(epochs: int) -> None:
    figure = charts.history_figure({"A": history(epochs), "B": history(epochs)})
    json.loads(figure.to_json())
    assert len(figure.data) == 10
    for trace in figure.data:
        assert list(trace.x) == list(range(1, epochs + 1))
        assert trace.line.dash == ("dash" if trace.name.startswith("A") else "solid")
    looks = {(column_of(trace), trace.line.dash, trace.marker.symbol) for trace in figure.data}
    assert len(looks) == 10, "never by color alone"
    assert figure.layout.yaxis.type == "log"


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_system_with_one_loss_shows_one(letter: str) -> None:
    figure = charts.history_figure({"A": history(5), "B": history(5)}, one_loss=[letter])
    losses = {trace.name: trace.line.color for trace in figure.data if column_of(trace) == 1}
    other = "B" if letter == "A" else "A"
    assert losses == {
        f"{letter}  its one loss": NEUTRAL,
        f"{other}  L_N, pool (before λₙ)": NORMAL,
        f"{other}  L_A, labeled anomalies": ANOMALY,
    }
    assert len([trace for trace in figure.data if column_of(trace) == 2]) == 6


def test_a_system_without_epochs_draws_no_lines() -> None:
    figure = charts.history_figure({"A": history(5), "B": NO_HISTORY}, one_loss=["B"])
    json.loads(figure.to_json())
    assert {trace.name[0] for trace in figure.data} == {"A"}
    assert len(figure.data) == 5


def test_history_of_the_shipped_results(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    figure = charts.history_figure({"A": shipped[0][0].history, "B": shipped[1][0].history})
    assert_sound(figure)
    assert {trace.line.color for trace in figure.data} == {NORMAL, ANOMALY, NEUTRAL}


def test_split_bars_hold_every_row(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    counts = shipped[1][0].counts
    figure = charts.split_figure(counts)
    assert_sound(figure)
    rows = {bar: sum(trace.x[0] for trace in figure.data if trace.y[0] == bar) for bar in ("training", "test")}
    assert rows == {"training": counts["train"] + counts["dropped"], "test": counts["test"]}
    colors = {trace.name.split(": ")[1].split(",")[0]: trace.marker.color for trace in figure.data}
    assert colors["normal"] == NORMAL
    assert colors["anomalous"] == ANOMALY


@pytest.mark.parametrize("dropped", [0, 7])
def test_split_names_dropped_rows_only_where_there_are_some(
    shipped: tuple[list[RunResult], list[RunResult]], dropped: int
) -> None:
    figure = charts.split_figure({**shipped[1][0].counts, "dropped": dropped})
    assert [trace.x[0] for trace in figure.data if "dropped" in trace.name] == [dropped] * (dropped > 0)


def test_the_colors_are_the_projects() -> None:
    assert (NORMAL, ANOMALY) == ("#0072B2", "#D55E00")
