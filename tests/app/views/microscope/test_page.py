"""The microscope's figures, sentence and page."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.microscope.result import Observation, RowKind
from anoonly_core.microscope.run import observe
from app.charts.animation import Animation
from app.views.microscope.charts import KIND_MARKS, observation_animation
from app.views.microscope.text import gradient_sentence, observation_note
from tests.app.conftest import opened

Open = Callable[..., AppTest]


@lru_cache
def observed(**settings: Any) -> tuple[RunConfig, list[Observation]]:
    config = make_config(**{"dataset": "digits_3", "epochs": 3, "lambda_n": 0.0, **settings})
    return config, observe(config)


def animated(**settings: Any) -> tuple[Observation, Animation]:
    seen = observed(**settings)[1][-1]
    return seen, observation_animation(seen)


def at(film: Animation, trace: int, attribute: str, moment: int) -> Any:
    (change,) = (own for own in film.changes if (own.trace, own.attribute) == (trace, attribute))
    return change.values[moment]


@pytest.mark.parametrize("norm", NORM_LABELS)
def test_every_moment_shows_every_row_of_its_batch(norm: str) -> None:
    seen, film = animated(norm=norm)
    assert len(film.captions) == len(film.times) == len(seen.epoch) == 27
    for moment in (0, 5, 26):
        rows = np.concatenate([at(film, trace, "customdata", moment) for trace in range(len(KIND_MARKS))])
        assert sorted(rows.tolist()) == sorted(seen.row_ids[moment].tolist() * 3)
        assert at(film, film.clock, "x", moment).tolist() == [moment + 1] * 2


def test_heights_are_the_lengths_and_what_gets_nothing_lies_on_a_line_of_its_own() -> None:
    seen, film = animated()
    moment = int(np.argmax((seen.kind == RowKind.LABELED_ANOMALY).any(axis=1)))
    axis = film.figure.layout.yaxis
    assert axis.ticktext[0] == "nothing"
    for trace, kind in enumerate(KIND_MARKS):
        mine = seen.kind[moment] == kind
        heights = at(film, trace, "y", moment).reshape(3, -1)
        lengths = seen.lengths[moment][:, mine]
        np.testing.assert_allclose(10.0 ** heights[lengths > 0], lengths[lengths > 0], rtol=1e-3)
        np.testing.assert_allclose(heights[lengths == 0], axis.tickvals[0], rtol=1e-5)
    assert at(film, 3, "text", moment)[0] == "normal rows: 0%"
    empty = int(np.argmin((seen.kind == RowKind.LABELED_ANOMALY).any(axis=1)))
    assert at(film, 3, "text", empty) == ["normal rows: nothing"] * 3
    assert "0 labeled anomalies" in film.captions[empty] and "epoch 1, batch" in film.captions[empty]


def test_one_feature_can_be_looked_at_by_itself() -> None:
    seen, film = animated()
    one = observation_animation(seen, 5).figure
    drawn = next(trace for trace in one.data if trace.name == "batch μ")
    assert np.array_equal(drawn.y, seen.mean[:, 5])
    assert any("feature 6" in note.text for note in one.layout.annotations)
    assert any("root mean square" in note.text for note in film.figure.layout.annotations)


def test_distances_are_told_apart_without_color() -> None:
    names = {name for name, *_ in KIND_MARKS.values()}
    lines = [own for own in animated()[1].figure.data if own.name in names and own.mode != "markers"]
    assert len(lines) == 3 == len({own.line.dash for own in lines})


def test_without_running_statistics_none_are_drawn() -> None:
    names = {trace.name for trace in animated(norm="layer")[1].figure.data}
    assert "batch μ" in names and "running μ" not in names
    assert "running σ" in {trace.name for trace in animated()[1].figure.data}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {},
            r"λₙ = 0, batch norm without affine: the normal rows have no loss of their own, and yet a gradient\. "
            r"Over 27 steps: \*\*\d+ % through the batch's variance, "
            r"\d+ % through the batch's mean\*\*, nothing directly\.",
        ),
        ({"norm": "none"}, r"no norm: \*\*no gradient reaches the normal rows\.\*\*"),
        ({"norm": "layer"}, r"layer norm: \*\*no gradient reaches the normal rows\.\*\*"),
        (
            {"norm": "bn_loss"},
            r"\d+ % through the loss on the batch's variance, \d+ % through the loss on the batch's mean",
        ),
        (
            {"lambda_n": 1.0},
            r"λₙ = 1, .*: over 27 steps the normal rows get \*\*\d+ % of their gradient directly\*\*, \d+ %",
        ),
        (
            {"lambda_n": 1.0, "norm": "none"},
            r"all that reaches the normal rows is their own loss, 100 % of it directly",
        ),
        ({"batch_size": 1, "epochs": 1, "norm": "batch"}, "A row alone is its own mean, and batch norm makes it 0"),
    ],
)
def test_the_sentence_says_where_the_gradient_comes_from(settings: dict[str, Any], said: str) -> None:
    config, seen = observed(**settings)
    assert re.search(said, gradient_sentence(config, seen[-1]))


def test_the_sentences_shares_are_those_of_the_lengths() -> None:
    config, (_, last) = observed()
    normal = last.kind == RowKind.NORMAL
    sums = [float(last.lengths[:, part][normal].sum(dtype=np.float64)) for part in range(3)]
    variance, mean = (f"{100 * own / sum(sums):.0f} %" for own in sums[1:])
    assert sums[0] == 0
    assert f"{variance} through the batch's variance, {mean} through the batch's mean" in gradient_sentence(
        config, last
    )


def test_notes_say_what_a_reader_must_know() -> None:
    config, seen = observed()
    assert "% of these batches hold no labeled anomaly." in observation_note(config, seen, 1)
    assert "What is direct here has come through the statistics of the norm behind it." in observation_note(
        config, seen, 0
    )
    config, seen = observed(baseline="PReNet")
    assert "A pool row beside a labeled anomaly has a loss even at λₙ = 0" in observation_note(config, seen, 1)
    assert "the paper's § 3.3 takes it to be mostly normal" in observation_note(config, seen, 1)
    config, seen = observed(epochs=60)
    assert "the first 400 of the 540 steps" in observation_note(config, seen, 1)


# -- the page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened("microscope", **parameters)


def sentence(page: AppTest) -> str:
    (only,) = (text.value for text in page.markdown if text.value.startswith("##### "))
    return str(only)


def test_the_page_leads_with_the_paper_s_point(open_page: Open) -> None:
    page = open_page(epochs="2")
    assert "the normal rows have no loss of their own, and yet a gradient" in sentence(page)
    assert len(page.get("plotly_chart")) == 1
    assert page.selectbox(key="place").value == "norm 2 of 2, 64 features"
    page.selectbox(key="norm").select("none").run()
    assert "no gradient reaches the normal rows" in sentence(page)
    page.selectbox(key="norm").select("batch").run()
    page.selectbox(key="place").select("norm 1 of 2, 128 features").run()
    assert "directly" in sentence(page) and not page.exception


def test_a_feature_that_another_place_has_not_gives_way_to_all(open_page: Open) -> None:
    page = open_page(epochs="2", place="norm 1 of 2, 128 features", feature="feature 100")
    assert page.selectbox(key="feature").value == "feature 100"
    page.selectbox(key="place").select("norm 2 of 2, 64 features").run()
    assert not page.exception and page.selectbox(key="feature").value == "all (root mean square)"
    page = open_page(epochs="2", feature="feature 100")
    assert not page.exception
    (notice,) = page.warning
    assert "feature must be one that the page offers" in notice.value and "not 'feature 100'" in notice.value


def test_a_system_without_a_norm_is_said_so(open_page: Open) -> None:
    page = open_page(baseline="XGBOD")
    assert "XGBOD has no norm to look at" in page.error[0].value
    page.selectbox(key="baseline").select("DevNet").run()
    assert not page.error and "gradient" in sentence(page)


def test_a_bad_link_is_read_as_far_as_it_goes(open_page: Open) -> None:
    page = open_page(epochs="2", lambda_n="7", place="nowhere", feature="feature 9999", norm="layer")
    assert any("lambda" in warning.value for warning in page.warning)
    assert "layer norm" in sentence(page)


def test_a_failure_is_one_sentence_and_can_be_tried_again(open_page: Open) -> None:
    page = open_page(epochs="2", contamination="0.8", labeled_ratio="1.0", lambda_n="0.1")
    assert len(page.error) == 1 and page.error[0].value.endswith(r"\.")
    assert "Try again" in [button.label for button in page.button]
    page.selectbox(key="contamination").select("natural").run()
    assert not page.error
