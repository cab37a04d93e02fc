"""Watch it learn: the film of two runs, and how the Compare page shows it."""

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
from anoonly_core.results.result import Role
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
def film(replay: Replay) -> Animation:
    return replay_animation(replay, ["plain", "AnoOnly"], [reel.rows + 1000 for reel in replay.runs])


def at(film: Animation, trace: int, attribute: str, moment: int) -> Any:
    (change,) = (own for own in film.changes if (own.trace, own.attribute) == (trace, attribute))
    return change.values[moment]


def traces(film: Animation, **wanted: Any) -> list[int]:
    return [
        number
        for number, trace in enumerate(film.figure.data)
        if all(getattr(trace, name) == value for name, value in wanted.items())
    ]


def test_it_begins_before_the_first_step_and_shows_the_end(film: Animation, replay: Replay) -> None:
    assert film.times == (0, 1, 2, 3, 4) and film.start == 4
    assert film.captions[0].startswith("Before the first step")
    a, b = (reel.metrics["aucpr_anomaly"][-1] for reel in replay.runs)
    assert film.captions[4].startswith(f"Epoch 4 of 4 · A → B: AUCPR anomaly {a:.2f} → {b:.2f} · AUCROC")
    assert at(film, film.clock, "x", 3).tolist() == [3, 3]


def test_the_figure_is_its_own_last_moment(film: Animation) -> None:
    for change in film.changes:
        shown = film.figure.data[change.trace][change.attribute]
        if isinstance(shown, dict):
            shown = np.frombuffer(base64.b64decode(shown["bdata"]), dtype=shown["dtype"])
        np.testing.assert_array_equal(np.asarray(shown), change.values[film.start])


def test_maps_move_each_kind_of_row_and_scores_each_class(film: Animation, replay: Replay) -> None:
    reel = replay.runs[1]
    normal = reel.role == Role.TEST_NORMAL
    points = traces(film, mode="markers", name="normal", xaxis="x5")
    assert len(points) == 1
    np.testing.assert_array_equal(at(film, points[0], "x", 2), reel.points[2, normal, 0])
    np.testing.assert_array_equal(film.figure.data[points[0]].customdata, reel.rows[normal] + 1000)
    (heights,) = traces(film, name="anomaly", fill="tozeroy", xaxis="x2")
    outline = np.asarray(at(film, heights, "y", 0))
    assert outline[1:-1:2].sum() == pytest.approx(100, rel=1e-5)  # all test anomalies, in shares
    scores = reel.scores[0][reel.role == Role.TEST_ANOMALY]
    place = np.arcsinh(ScoreScale.of(reel.scores[0][reel.role != Role.LABELED_ANOMALY]).units(scores))
    edges = np.asarray(film.figure.data[heights].x)[::2]
    counts, _ = np.histogram(place, edges)
    np.testing.assert_allclose(outline[1:-1:2], 100 * counts / len(scores), rtol=1e-5)


def test_runs_in_one_plane_share_their_axes(film: Animation) -> None:
    layout = film.figure.layout
    assert layout.xaxis4.range == layout.xaxis5.range and layout.yaxis4.range == layout.yaxis5.range
    assert any("one plane for A and B" in note.text for note in layout.annotations)


def test_curves_are_told_apart_without_color(film: Animation) -> None:
    lines = [trace for trace in film.figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 8 == len({(trace.xaxis, trace.line.dash, trace.marker.symbol) for trace in lines})


def test_the_caption_says_where_the_shorter_run_has_ended() -> None:
    b = make_config(dataset="digits_3", epochs=1, lambda_n=0.0)
    made = record([b.with_(lambda_n=1.0, epochs=2), b], "pca")
    film = replay_animation(made, ["plain", "AnoOnly"], [reel.rows for reel in made.runs])
    assert [text.endswith("· B ended at epoch 1") for text in film.captions] == [False, False, True]
    (single,) = (trace for trace in film.figure.data if trace.name and trace.name.startswith("B  L_A"))
    assert single.mode == "markers"  # a line of one point would not be seen


# -- on the Compare page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened(**{"epochs": "2", "seeds": "1", **parameters})


def test_a_link_opens_the_replay_and_the_switch_leads_back(open_page: Open) -> None:
    page = open_page(view="watch it learn")
    assert len(page.get("plotly_chart")) == 1
    assert [one.label for one in page.get("download_button")] == ["Take the replay away, as HTML"]
    page.get("button_group")[0].set_value("trained")
    page.run()
    assert not page.exception and len(page.get("plotly_chart")) > 1


def test_a_system_without_epochs_is_shown_as_trained(open_page: Open) -> None:
    page = open_page(view="watch it learn", a="baseline=REPEN", baseline="XGBOD")
    switch = page.get("button_group")[0]
    assert switch.disabled and "XGBOD has no epochs to watch" in switch.help
    assert len(page.get("plotly_chart")) > 1 and not page.error


@pytest.mark.parametrize("baseline", ["REPEN", "GANomaly"])
def test_a_comparator_is_watched_beside_its_rival(open_page: Open, baseline: str) -> None:
    page = open_page(view="watch it learn", baseline=baseline)
    assert not page.error and len(page.get("plotly_chart")) == 1
