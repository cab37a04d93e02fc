"""The microscope's figures, sentence and page."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import MECHANISMS, PAPER_NORMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.microscope.result import Observation, RowKind
from anoonly_core.microscope.run import observe
from app.charts.animation import Animation
from app.views.microscope.charts import KIND_MARKS, observation_animation, two_norms_animation
from app.views.microscope.text import CARRIERS, gradient_sentence, observation_note
from tests.app.conftest import opened

Open = Callable[..., AppTest]


@lru_cache
def observed(**settings: Any) -> tuple[RunConfig, list[Observation]]:
    config = make_config(**{"dataset": "digits_3", "epochs": 3, "lambda_n": 0.0, **settings})
    return config, observe(config)


def animated(**settings: Any) -> tuple[Observation, Animation]:
    observation = observed(**settings)[1][-1]
    return observation, observation_animation(observation)


def at(animation: Animation, trace: int, attribute: str, moment: int) -> Any:
    (change,) = (own for own in animation.changes if (own.trace, own.attribute) == (trace, attribute))
    return change.values[moment]


def test_every_mechanism_has_words_for_its_statistics() -> None:
    assert {*CARRIERS, "none", "cluster"} == set(MECHANISMS)


@pytest.mark.parametrize("norm", [*PAPER_NORMS, "ghost", "cluster"])
def test_every_moment_shows_every_row_of_its_batch(norm: str) -> None:
    observation, animation = animated(norm=norm)
    assert len(animation.captions) == len(animation.times) == len(observation.epoch) == 27
    for moment in (0, 5, 26):
        rows = np.concatenate([at(animation, trace, "customdata", moment) for trace in range(len(KIND_MARKS))])
        assert sorted(rows.tolist()) == sorted(observation.row_ids[moment].tolist() * 3)
        assert at(animation, animation.clock, "x", moment).tolist() == [moment + 1] * 2


def test_heights_are_lengths_and_rows_without_gradient_lie_on_a_separate_line() -> None:
    observation, animation = animated()
    moment = int(np.argmax((observation.kind == RowKind.LABELED_ANOMALY).any(axis=1)))
    axis = animation.figure.layout.yaxis
    assert axis.ticktext[0] == "none"
    for trace, kind in enumerate(KIND_MARKS):
        mine = observation.kind[moment] == kind
        heights = at(animation, trace, "y", moment).reshape(3, -1)
        lengths = observation.lengths[moment][:, mine]
        np.testing.assert_allclose(10.0 ** heights[lengths > 0], lengths[lengths > 0], rtol=1e-3)
        np.testing.assert_allclose(heights[lengths == 0], axis.tickvals[0], rtol=1e-5)
    assert at(animation, 3, "text", moment)[0] == "normal rows:<br>0%"
    empty = int(np.argmin((observation.kind == RowKind.LABELED_ANOMALY).any(axis=1)))
    assert at(animation, 3, "text", empty) == ["normal rows:<br>none"] * 3
    assert "0 labeled anomalies" in animation.captions[empty] and "epoch 1, batch" in animation.captions[empty]


def test_one_feature_can_be_drawn_alone() -> None:
    observation, animation = animated()
    one = observation_animation(observation, 5).figure
    drawn = curves(one)["batch mean"]
    assert np.array_equal(drawn.y, observation.mean[:, 5])
    assert any("feature 6" in note.text for note in one.layout.annotations)
    assert any("root mean square" in note.text for note in animation.figure.layout.annotations)


def curves(figure: go.Figure) -> dict[str, go.Scatter]:
    """Return the curves over the steps by the name that shows on hover."""
    hovers = [(trace, re.fullmatch("step .*<extra>(.+)</extra>", trace.hovertemplate or "")) for trace in figure.data]
    return {found[1]: trace for trace, found in hovers if found}


def test_distances_differ_without_color() -> None:
    drawn = curves(animated()[1].figure)
    lines = [drawn[name] for name, *_ in KIND_MARKS.values()]
    assert len(lines) == 3 == len({own.line.dash for own in lines})


def test_without_running_statistics_none_are_drawn() -> None:
    names = curves(animated(norm="layer")[1].figure)
    assert "batch mean" in names and "running mean" not in names
    assert "running deviation" in curves(animated()[1].figure)


def test_each_curve_has_an_entry_in_the_legend_above_its_panel() -> None:
    figure = animated()[1].figure
    for name, trace in curves(figure).items():
        legend, axis = figure.layout[trace.legend], figure.layout[trace.yaxis.replace("y", "yaxis")]
        assert trace.showlegend is not False and trace.name.split()[-1] in name, name
        assert legend.x == figure.layout[trace.xaxis.replace("x", "xaxis")].domain[0]
        assert axis.domain[1] <= legend.y < axis.domain[1] + 0.05
    titles = [note.text for note in figure.layout.annotations]
    assert "Distance to the center" in titles and not any(mark in text for text in titles for mark in ("—", "--", "··"))


def test_play_skips_batches_without_a_gradient_and_a_button_finds_the_labeled() -> None:
    observation, animation = animated()
    labeled = np.flatnonzero((observation.kind == RowKind.LABELED_ANOMALY).any(axis=1)).tolist()
    assert 0 < len(labeled) < 27 and list(animation.played) == list(animation.targets) == labeled
    observation, animation = animated(lambda_n=1.0)
    assert list(animation.played) == list(range(27)) and list(animation.targets) == labeled
    assert animated(baseline="DevNet")[1].targets == (), "every batch has some"


def test_two_norms_share_batches_and_axes() -> None:
    records = [observed(norm=norm)[1][-1] for norm in ("batch", "none")]
    assert np.array_equal(records[0].row_ids, records[1].row_ids)
    animation = two_norms_animation(records, ["batch norm", "no norm"])
    layout = animation.figure.layout
    assert layout.yaxis.range == layout.yaxis2.range and layout.yaxis3.range == layout.yaxis5.range
    assert layout.yaxis4.range == layout.yaxis6.range
    for first, record in zip((0, 4 + 7), records, strict=True):
        lengths = 10.0 ** at(animation, first, "y", 0).astype(float)
        mine = record.lengths[0][:, record.kind[0] == RowKind.NORMAL].ravel()
        np.testing.assert_allclose(lengths[mine > 0], mine[mine > 0], rtol=1e-3)
    assert [note.text for note in layout.annotations if "norm</b>" in note.text] == [
        "<b>batch norm</b>",
        "<b>no norm</b>",
    ]
    assert at(animation, animation.clock, "x", 5).tolist() == [6, 6]


@pytest.mark.parametrize(
    ("settings", "pattern"),
    [
        (
            {},
            r"λₙ = 0, batch norm without scale and shift: the normal rows have no loss, but they get a gradient\. "
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
            r"the normal rows get gradient only from their own loss, 100 % of it directly",
        ),
        (
            {"batch_size": 1, "epochs": 1, "norm": "batch"},
            "A single row equals its batch mean, so batch norm maps it to 0",
        ),
    ],
)
def test_the_sentence_names_the_paths_of_the_gradient(settings: dict[str, Any], pattern: str) -> None:
    config, observation = observed(**settings)
    assert re.search(pattern, gradient_sentence(config, observation[-1]))


def test_the_shares_in_the_sentence_are_those_of_the_lengths() -> None:
    config, (_, last) = observed()
    normal = last.kind == RowKind.NORMAL
    sums = [float(last.lengths[:, part][normal].sum(dtype=np.float64)) for part in range(3)]
    variance, mean = (f"{100 * own / sum(sums):.0f} %" for own in sums[1:])
    assert sums[0] == 0
    assert f"{variance} through the batch's variance, {mean} through the batch's mean" in gradient_sentence(
        config, last
    )


def test_notes_name_the_limits_of_an_observation() -> None:
    config, observation = observed()
    assert "% of these batches hold no labeled anomaly." in observation_note(config, observation, 1)
    assert "The direct part here has passed through the statistics of the next norm." in observation_note(
        config, observation, 0
    )
    config, observation = observed(baseline="PReNet")
    assert "A pool row paired with a labeled anomaly has a loss even at λₙ = 0" in observation_note(
        config, observation, 1
    )
    assert "§ 3.3 of the paper assumes a mostly normal batch" in observation_note(config, observation, 1)
    config, observation = observed(epochs=60)
    assert "the first 400 of the 540 steps" in observation_note(config, observation, 1)


# -- the page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened("microscope", **parameters)


def sentence(page: AppTest) -> str:
    (only,) = (text.value for text in page.markdown if text.value.startswith("##### "))
    return str(only)


def test_the_headline_is_the_point_of_the_paper(open_page: Open) -> None:
    page = open_page(epochs="2")
    assert "the normal rows have no loss, but they get a gradient" in sentence(page)
    assert len(page.get("plotly_chart")) == 1
    assert page.selectbox(key="place").value == "norm 2 of 2, 64 features"
    page.selectbox(key="norm").select("none").run()
    assert "no gradient reaches the normal rows" in sentence(page)
    page.selectbox(key="norm").select("batch").run()
    page.selectbox(key="place").select("norm 1 of 2, 128 features").run()
    assert "directly" in sentence(page) and not page.exception


def test_a_second_norm_stands_beside_the_first(open_page: Open) -> None:
    page = open_page(epochs="2", second_norm="none", step="999")
    first, second = (text.value for text in page.markdown if text.value.startswith("##### "))
    assert "they get a gradient" in first and second.startswith("##### no norm: **no gradient reaches")
    assert ["'999'" in warning.value for warning in page.warning] == [True]
    page.selectbox(key="norm").select("none").run()
    assert "no gradient" in sentence(page) and page.selectbox(key="second_norm").value is None


def test_a_feature_that_another_norm_lacks_resets_to_all(open_page: Open) -> None:
    page = open_page(epochs="2", place="1", feature="100")
    assert page.selectbox(key="feature").value == "feature 100"
    page.selectbox(key="place").select("norm 2 of 2, 64 features").run()
    assert not page.exception and page.selectbox(key="feature").value == "all (root mean square)"
    page = open_page(epochs="2", feature="feature 100")  # as older links write it
    assert not page.exception
    (notice,) = page.warning
    assert "feature must be one that the page offers" in notice.value and "not '100'" in notice.value


def test_a_system_without_a_norm_is_refused(open_page: Open) -> None:
    page = open_page(baseline="XGBOD")
    assert "XGBOD has no norm to look at" in page.error[0].value
    page.selectbox(key="baseline").select("DevNet").run()
    assert not page.error and "gradient" in sentence(page)


def test_a_bad_link_keeps_its_valid_parts(open_page: Open) -> None:
    page = open_page(epochs="2", lambda_n="7", place="nowhere", feature="feature 9999", norm="layer")
    assert any("lambda" in warning.value for warning in page.warning)
    assert "layer norm" in sentence(page)


def test_a_failure_is_one_sentence_and_can_be_tried_again(open_page: Open) -> None:
    page = open_page(epochs="2", contamination="0.8", labeled_ratio="1.0", lambda_n="0.1")
    assert len(page.error) == 1 and page.error[0].value.endswith(r"\.")
    assert "Try again" in [button.label for button in page.button]
    page.selectbox(key="contamination").select("natural").run()
    assert not page.error
