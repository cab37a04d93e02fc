"""Tests of the view "watch it learn": the animation of two runs, and the Compare page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.config import make_config
from anoonly_core.replay.result import Replay
from anoonly_core.replay.run import record
from anoonly_core.results.result import Role, RunResult
from app.charts.animation import Animation
from app.charts.style import ScoreScale
from app.views.compare.replay_chart import replay_animation
from tests.app.conftest import opened

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def replay() -> Replay:
    b = make_config(dataset="digits_3", epochs=4, lambda_n=0.0)
    return record([b.with_(lambda_n=1.0), b], "pca")


@pytest.fixture(scope="module")
def animation(replay: Replay) -> Animation:
    return replay_animation(replay, ["plain", "AnoOnly"], [run.rows + 1000 for run in replay.runs])


def at(animation: Animation, trace: int, attribute: str, moment: int) -> Any:
    (change,) = (own for own in animation.changes if (own.trace, own.attribute) == (trace, attribute))
    return change.values[moment]


def traces(animation: Animation, **wanted: Any) -> list[int]:
    return [
        number
        for number, trace in enumerate(animation.figure.data)
        if all(getattr(trace, name) == value for name, value in wanted.items())
    ]


def test_the_animation_begins_before_the_first_step_and_shows_the_end(animation: Animation, replay: Replay) -> None:
    assert animation.times == (0, 1, 2, 3, 4) and animation.start == 4
    assert animation.captions[0].startswith("Before the first step")
    a, b = (run.metrics["aucpr_anomaly"][-1] for run in replay.runs)
    assert animation.captions[4].startswith(f"Epoch 4 of 4 · A → B: AUCPR anomaly {a:.2f} → {b:.2f} · AUCROC")
    assert at(animation, animation.clock, "x", 3).tolist() == [3, 3]


def test_the_figure_shows_the_last_moment(animation: Animation) -> None:
    for change in animation.changes:
        shown = animation.figure.data[change.trace][change.attribute]
        if isinstance(shown, dict):
            shown = np.frombuffer(base64.b64decode(shown["bdata"]), dtype=shown["dtype"])
        np.testing.assert_array_equal(np.asarray(shown), change.values[animation.start])


def test_maps_move_each_kind_of_row_and_scores_each_class(animation: Animation, replay: Replay) -> None:
    run = replay.runs[1]
    normal = run.role == Role.TEST_NORMAL
    points = traces(animation, mode="markers", name="normal", xaxis="x5")
    assert len(points) == 1
    np.testing.assert_array_equal(at(animation, points[0], "x", 2), run.points[2, normal, 0])
    np.testing.assert_array_equal(animation.figure.data[points[0]].customdata, run.rows[normal] + 1000)
    (heights,) = traces(animation, name="anomaly", fill="tozeroy", xaxis="x2")
    outline = np.asarray(at(animation, heights, "y", 0))
    assert outline[1:-1:2].sum() == pytest.approx(100, rel=1e-5)  # all test anomalies, in shares
    scores = run.scores[0][run.role == Role.TEST_ANOMALY]
    place = np.arcsinh(ScoreScale.of(run.scores[0][run.role != Role.LABELED_ANOMALY]).units(scores))
    edges = np.asarray(animation.figure.data[heights].x)[::2]
    counts, _ = np.histogram(place, edges)
    np.testing.assert_allclose(outline[1:-1:2], 100 * counts / len(scores), rtol=1e-5)


def test_runs_in_one_plane_share_their_axes(animation: Animation) -> None:
    layout = animation.figure.layout
    assert layout.xaxis4.range == layout.xaxis5.range and layout.yaxis4.range == layout.yaxis5.range
    assert any("same plane for A and B" in note.text for note in layout.annotations)


def test_curves_differ_without_color(animation: Animation) -> None:
    lines = [trace for trace in animation.figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 8 == len({(trace.xaxis, trace.line.dash, trace.marker.symbol) for trace in lines})


def test_the_caption_names_the_end_of_the_shorter_run() -> None:
    b = make_config(dataset="digits_3", epochs=1, lambda_n=0.0)
    made = record([b.with_(lambda_n=1.0, epochs=2), b], "pca")
    animation = replay_animation(made, ["plain", "AnoOnly"], [run.rows for run in made.runs])
    assert [text.endswith("· B ended at epoch 1") for text in animation.captions] == [False, False, True]
    (single,) = (trace for trace in animation.figure.data if trace.name and trace.name.startswith("B  L_A"))
    assert single.mode == "markers"  # a line of one point is invisible


# -- on the Compare page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened(**{"epochs": "2", "seeds": "1", **parameters})


def test_a_link_opens_the_replay_and_the_switch_closes_it(open_page: Open) -> None:
    page = open_page(view="watch it learn")
    assert len(page.get("plotly_chart")) == 1
    assert [one.label for one in page.get("download_button")] == ["Download replay"]
    page.get("button_group")[0].set_value("trained")
    page.run()
    assert not page.exception and len(page.get("plotly_chart")) > 1


def test_a_system_without_epochs_is_shown_as_trained(open_page: Open, xgbod: RunResult) -> None:
    page = open_page(view="watch it learn", a="baseline=REPEN,epochs=2", baseline="XGBOD")
    switch = page.get("button_group")[0]
    assert switch.disabled and "such as XGBOD, have no epochs to watch" in switch.help
    assert len(page.get("plotly_chart")) > 1 and not page.error


@pytest.mark.parametrize("baseline", ["REPEN", "GANomaly"])
def test_a_comparator_has_a_replay(open_page: Open, baseline: str) -> None:
    page = open_page(view="watch it learn", baseline=baseline)
    assert not page.error and len(page.get("plotly_chart")) == 1
