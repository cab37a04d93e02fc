"""The figures of Drift against arrays: curves, the batch on show, pictures, absorption and the notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from anoonly_core.config import make_config
from anoonly_core.drift.config import make_drift_config
from anoonly_core.drift.result import Absorption, DriftResult
from anoonly_core.drift.summary import breaking_share, stream_figures
from anoonly_core.drift.ways import WAYS
from app.charts.animation import Animation, TraceChange
from app.views.drift.absorption_chart import absorption_animation
from app.views.drift.batch_chart import score_positions
from app.views.drift.charts import drift_animation
from app.views.drift.curves import axis_limits, means_and_margins
from app.views.drift.pictures import batch_pictures, batch_previews
from app.views.drift.text import explanation, stream_note
from app.views.drift.view import MEASURES, WAY_STYLES, StreamView, stream_curves, way_index
from tests.core.drift.made import made_absorption, made_result
from tests.previews import previews_of, write_texts

SEEDS, BATCHES, ROWS, START = 3, 12, 20, 4
FOUR = ("running", "batch", "moving", "guarded")
VIEW = StreamView(ways=FOUR, way="guarded", window=3, level=0.05, start=START, unit="deviations")


def a_stream(seed: int = 0) -> DriftResult:
    """Return a stream whose scores rise from the start on by another amount for each way."""
    rng = np.random.default_rng(seed)
    anomalous = rng.random((BATCHES, ROWS)) < 0.2
    anomalous[:, 0], anomalous[:, 1] = True, False
    intensity = (np.arange(BATCHES) >= START).astype(np.float32)
    rise = np.linspace(4, 0, len(WAYS))[:, None, None] * intensity[None, :, None]
    scores = rng.normal(size=(len(WAYS), BATCHES, ROWS)) + 2 * anomalous + rise
    made = made_result(scores, anomalous, promised=1.5)
    return replace(
        made,
        intensity=intensity,
        path=rng.random((len(WAYS), BATCHES)).astype(np.float32),
        plane=rng.normal(size=(*scores.shape, 2)).astype(np.float32),
    )


STREAMS = [a_stream(seed) for seed in range(SEEDS)]


def drawn(view: StreamView = VIEW) -> Animation:
    return drift_animation(STREAMS[0], stream_curves(STREAMS, view), view, STREAMS[0].rows + 1000)


def traces(animation: Animation, name: str) -> list[Any]:
    return [trace for trace in animation.figure.data if trace.name == name]


def changes_of(animation: Animation, trace: Any) -> dict[str, TraceChange]:
    number = next(at for at, other in enumerate(animation.figure.data) if other is trace)
    return {change.attribute: change for change in animation.changes if change.trace == number}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("recalibrated", [False, True])
def test_curves_are_moving_means_over_batches_and_means_over_seeds(measure: str, recalibrated: bool) -> None:
    view = replace(VIEW, measure=measure, recalibrated=recalibrated)
    animation = drawn(view)
    figures = [stream_figures(stream, recalibrated) for stream in STREAMS]
    for way in FOUR:
        curves = traces(animation, way)
        assert len(curves) == 4 and [curve.showlegend for curve in curves] == [True, False, False, False]
        for curve, figure in zip(curves[:3], (measure, "false_alarms", "missed"), strict=True):
            values = np.stack([each.of(figure)[way_index(way)] for each in figures])
            wanted = [values[:, max(0, b - 2) : b + 1].mean() for b in range(BATCHES)]
            np.testing.assert_allclose(curve.y, wanted)
        np.testing.assert_allclose(curves[3].y, np.mean([s.path[way_index(way)] for s in STREAMS], axis=0), rtol=1e-6)
    assert not traces(animation, "mixed"), "a way that is not drawn"


def test_the_interval_is_students_over_the_seeds() -> None:
    values = np.random.default_rng(1).random((5, 2, 3))
    means, margins = means_and_margins(values)
    np.testing.assert_allclose(means, values.mean(axis=0))
    np.testing.assert_allclose(margins, stats.t.ppf(0.975, 4) * stats.sem(values, axis=0))
    assert not means_and_margins(values[:1])[1].any(), "one seed has no interval"


def test_ways_differ_not_by_color_alone() -> None:
    assert tuple(WAY_STYLES) == tuple(WAYS)
    assert len({style[0] for style in WAY_STYLES.values()}) == len(WAYS)
    assert len({style[1:] for style in WAY_STYLES.values()}) == len(WAYS)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_moment_shows_the_rows_of_its_batch(batch: int) -> None:
    animation, stream = drawn(), STREAMS[0]
    positions, promised, recalibrated = score_positions(stream, START)
    for is_anomaly, label in ((False, "normal"), (True, "anomaly")):
        scores, plane = traces(animation, label)
        at = np.flatnonzero(stream.anomalous[batch] == is_anomaly)
        changes = changes_of(animation, scores)
        assert changes["customdata"].values[batch].tolist() == [*(stream.rows[batch, at] + 1000)] * len(FOUR)
        assert np.rint(changes["y"].values[batch]).tolist() == np.repeat(range(len(FOUR)), len(at)).tolist()
        of_ways = positions[[way_index(way) for way in FOUR]]
        wanted = of_ways[:, batch, at].clip(*np.percentile(of_ways, [0.2, 99.8])).ravel()
        np.testing.assert_allclose(changes["x"].values[batch], wanted)
        assert changes_of(animation, plane)["x"].values[batch].shape == (len(at),)
        assert changes_of(animation, plane)["customdata"].values[batch].tolist() == [*(stream.rows[batch, at] + 1000)]
    assert animation.captions[batch].startswith(f"Batch {batch + 1} of {BATCHES} · {ROWS} rows, ")
    assert ("shift 1 (deviations)" in animation.captions[batch]) == (batch >= START)
    first, second = (trace for trace in animation.figure.data if "threshold" in (trace.hovertemplate or ""))
    for trace, values, width in ((first, promised, 3), (second, recalibrated, 1)):
        wanted = values[[way_index(way) for way in FOUR], batch].clip(*np.percentile(of_ways, [0.2, 99.8]))
        np.testing.assert_allclose(changes_of(animation, trace)["x"].values[batch][::3], wanted)
        assert trace.line.width == width, "the one that the curves count with is thick"


def test_a_unit_of_scores_is_that_of_a_way_before_the_shift() -> None:
    stream = STREAMS[0]
    positions, promised, _ = score_positions(stream, START)
    before = np.sinh(positions[:, :START].reshape(len(WAYS), -1))
    low, middle, high = np.percentile(before, [25, 50, 75], axis=1)
    np.testing.assert_allclose(middle, 0, atol=1e-6)
    np.testing.assert_allclose(high - low, 1, rtol=1e-6)
    flagged = stream.scores > stream.thresholds(recalibrated=False)[..., None]
    np.testing.assert_array_equal(positions > promised[..., None], flagged)


def test_the_animation_begins_where_the_shift_fills_a_window() -> None:
    animation = drawn()
    assert animation.start == START + VIEW.window - 1 and animation.times == tuple(range(1, BATCHES + 1))
    clock = animation.figure.data[animation.clock]
    assert list(clock.x) == [animation.start + 1] * 2
    assert len(traces(animation, "shift")) == 4
    still = [replace(stream, intensity=np.zeros(BATCHES, np.float32)) for stream in STREAMS]
    view = replace(VIEW, start=None)
    animation = drift_animation(still[0], stream_curves(still, view), view, still[0].rows)
    assert animation.start == VIEW.window - 1 and not traces(animation, "shift")
    assert "no shift" in animation.captions[-1]


def test_changes_that_were_found_are_marked_on_their_curve() -> None:
    animation = drawn(replace(VIEW, changes={"running": [5, 8], "batch": [], "guarded": [9]}))
    running, guarded = traces(animation, "change found")
    assert list(running.x) == [6, 9] and list(guarded.x) == [10]
    assert [running.showlegend, guarded.showlegend] == [True, False]
    np.testing.assert_allclose(running.y, traces(animation, "running")[0].y[[5, 8]])
    assert not traces(drawn(), "change found")


def test_gaps_of_a_curve_do_not_break_the_axes() -> None:
    values = np.full((2, len(WAYS), 3), np.nan)
    assert axis_limits("measure", values) == (0.95, 1.03) and axis_limits("path", values)[0] < 0
    values[:, :, 0] = 0.7
    assert axis_limits("measure", values) == (pytest.approx(0.65), 1.03)
    assert axis_limits("missed", values) == (-0.03, 1.03) and axis_limits("path", 10 * values)[1] > 7


# Pictures


@pytest.mark.parametrize("recalibrated", [False, True])
def test_pictures_stand_in_the_order_of_the_scores(recalibrated: bool) -> None:
    stream, view = STREAMS[0], replace(VIEW, recalibrated=recalibrated)
    features = np.tile(np.arange(ROWS, dtype=np.float32)[None, :, None], (BATCHES, 1, 4))
    made = batch_pictures(stream, view, features, (2, 2), (0.0, float(ROWS - 1)))
    threshold = 3.0 if recalibrated else 1.5
    assert made.pixels.shape == (BATCHES, ROWS, 2, 2)
    for batch in range(BATCHES):
        scores = stream.scores[way_index("guarded"), batch]
        order = np.argsort(-scores)
        np.testing.assert_array_equal(made.pixels[batch, :, 0, 0], (255 * order / (ROWS - 1)).astype(np.uint8))
        np.testing.assert_array_equal(made.framed[batch], stream.anomalous[batch, order])
        np.testing.assert_array_equal(made.pale[batch], scores[order] <= threshold)
        ranks = ", ".join(map(str, np.flatnonzero(stream.anomalous[batch, order]) + 1))
        assert made.texts[batch].endswith(f"ranks of anomalies: {ranks}.")


def test_large_pictures_are_fewer() -> None:
    features = np.zeros((BATCHES, ROWS, 100 * 100), dtype=np.float32)
    made = batch_pictures(STREAMS[0], VIEW, features, (100, 100), (0.0, 1.0))
    assert made.pixels.shape == (BATCHES, 5, 100, 100)


def test_previews_stand_in_the_order_of_the_scores(tmp_path: Path) -> None:
    stream = STREAMS[0]
    ids = np.arange(BATCHES * ROWS).reshape(BATCHES, ROWS)
    previews = previews_of(write_texts(tmp_path / "mails.npz", [f"text {row}" for row in range(ids.size - 1)]), "text")
    made = batch_previews(stream, VIEW, ids, previews)
    assert made.kind == "text" and made.moments.shape == (BATCHES, 5)
    for batch in range(BATCHES):
        order = np.argsort(-stream.scores[way_index("guarded"), batch])[:5]
        np.testing.assert_array_equal(made.moments[batch], ids[batch, order])
        np.testing.assert_array_equal(made.framed[batch], stream.anomalous[batch, order])
    assert all(made.rows[row] == f"text {row}" for row in made.rows)
    assert {*made.rows} == {*made.moments.ravel().tolist()} - {ids.size - 1}, "a row of a test file shows nothing"


# Absorption


def absorptions(seeds: int = 3) -> list[Absorption]:
    shares = [0.1, 0.2, 0.4]
    areas = {"running": [0.9, 0.9, 0.9], "batch": [0.9, 0.7, 0.5], "moving": [0.9, 0.89, 0.6]}
    return [
        made_absorption({way: [area + 0.001 * seed for area in of_way] for way, of_way in areas.items()}, shares)
        for seed in range(seeds)
    ]


def test_absorption_marks_where_each_way_is_broken() -> None:
    made = absorptions()
    animation = absorption_animation(made, VIEW)
    marks = traces(animation, "broken from here")
    assert [list(mark.x) for mark in marks] == [[20], [40]], "batch, then moving"
    assert [breaking_share(made, way) for way in FOUR] == [None, 0.2, 0.4, None]
    assert animation.start == 1, "the first share at which a way is broken"
    assert "20% anomalies · AUCROC: running 0.90, batch 0.70 (broken), moving 0.89, " in animation.captions[1]
    assert animation.captions[2].count("(broken)") == 2
    np.testing.assert_allclose(traces(animation, "batch")[0].y, [0.901, 0.701, 0.501], rtol=1e-5)
    assert list(traces(animation, "batch")[0].x) == [10, 20, 40]
    assert list(animation.figure.data[animation.clock].x) == [20, 20] and animation.times == (10, 20, 40)


def test_absorption_without_a_break_begins_at_the_largest_share() -> None:
    flat = [made_absorption({"running": [0.9, 0.9]}, [0.1, 0.5])]
    animation = absorption_animation(flat, VIEW)
    assert animation.start == 1 and not traces(animation, "broken from here")


# The texts


def test_the_note_says_where_the_rows_come_from() -> None:
    config = make_drift_config(make_config())
    note = stream_note(config, STREAMS[0], 5)
    assert f"{BATCHES} batches of {ROWS} test rows" in note and "means over 5 seeds" in note
    assert "rows return" not in note and "coincide" not in note
    few = replace(STREAMS[0], distinct_rows=np.array([100]))
    assert "drawn from 100 distinct ones, so that rows return" in stream_note(config, few, 1)
    assert "of one seed, without an interval" in stream_note(config, few, 1)
    assert "the ways coincide" in stream_note(make_drift_config(make_config(norm="layer")), few, 1)
    assert all(f"**{way}**" in explanation(config) for way in WAYS)
