"""The Zero-shot page's figures, its sentence, its link and the page itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import stats

from anoonly_core.zero_shot.class_table import load_class_table
from anoonly_core.zero_shot.config import make_zero_shot_config
from anoonly_core.zero_shot.references import batch_aucrocs
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SIZES, ZeroShotResult
from app.views.zero_shot import charts
from app.views.zero_shot.controls import ADDRESS, CONTROLS
from tests.app.conftest import opened

SEEDS, CLASSES, DRAWS, NORMALS, ADDED = 2, 3, 4, 10, 40


def a_result(seed: int = 0, **at_5_percent: float) -> ZeroShotResult:
    """A result whose scorers reach these areas at 5 %, up to a little noise."""
    rng = np.random.default_rng(seed)
    by_ratio = rng.uniform(0.4, 1, size=(len(SCORER_LABELS), len(RATIOS), CLASSES, DRAWS)).astype(np.float32)
    for name, area in at_5_percent.items():
        by_ratio[list(SCORER_LABELS).index(name), RATIOS.index(0.05)] = area + rng.normal(
            0, 0.002, size=(CLASSES, DRAWS)
        )
    counts = np.array([0, 1, 5, 10, 40])
    scores = rng.normal(size=(len(counts), CLASSES, NORMALS + ADDED)).astype(np.float32)
    for step, count in enumerate(counts):
        scores[step, :, NORMALS + count :] = np.nan
    return ZeroShotResult(
        by_ratio=by_ratio,
        ratio_rows=np.full(len(RATIOS), 100),
        by_size=rng.uniform(0.4, 1, size=(len(SCORER_LABELS), len(SIZES), CLASSES, DRAWS)).astype(np.float32),
        size_rows=np.array(SIZES),
        losses=np.ones(5, dtype=np.float32),
        shift_rows=np.arange(CLASSES * (NORMALS + ADDED)).reshape(CLASSES, -1),
        shift_normals=np.array([NORMALS]),
        shift_counts=counts,
        shift_scores=scores,
        shift_away=np.arange(len(counts) * CLASSES, dtype=np.float32).reshape(-1, CLASSES),
    )


def said(**areas: float) -> str:
    return charts.zero_shot_sentence([a_result(seed, **areas) for seed in range(SEEDS)])


def test_the_sentence_says_what_the_figures_say() -> None:
    words = said(batch=0.93, running=0.52, untrained=0.92, neighbors=0.99, mean=0.95)
    assert "batch statistics beat running ones: AUCROC 0.93 against 0.52 (+0.41 ±" in words
    assert "adds to an untrained network (+0.01" in words and "k-nearest neighbors do better (0.99, −0.06 ±" in words
    assert "± is over the 3 classes held out. Here clear means: after Holm's correction for 4 comparisons." in words
    words = said(batch=0.6, running=0.7, untrained=0.7, neighbors=0.3, mean=0.5)
    assert "batch statistics lose to running ones" in words and "takes from an untrained network (−0.10" in words
    assert "distance to the batch mean does worse (0.50, +0.10 ±" in words


def test_no_clear_difference_is_said() -> None:
    words = said(batch=0.8, running=0.8, untrained=0.8, neighbors=0.8, mean=0.1)
    assert "no clear difference between batch statistics and running ones" in words
    assert "nothing clear to an untrained network" in words and "do not clearly better or worse" in words


@pytest.mark.parametrize(
    ("seeds", "classes", "words"),
    [
        (5, 3, "± is over the 3 classes held out"),
        (1, 5, "± is over the 5 classes held out"),
        (5, 1, "± is over 5 seeds of one class and says nothing of other classes"),
        (1, 1, "One seed of one class shows no spread"),
        (2, 2, "± is over the 2 classes held out"),
    ],
)
def test_the_interval_is_over_what_is_independent(seeds: int, classes: int, words: str) -> None:
    """Effects of the class alone: more seeds make the interval no narrower."""
    results = [a_result(seed, batch=0.8, running=0.5) for seed in range(seeds)]
    lead = np.array([0.1, 0.3, 0.2, 0.4, 0.5])[:classes]
    made = []
    for result in results:
        areas = np.repeat(result.by_ratio[:, :, :1], classes, axis=2)
        areas[:, RATIOS.index(0.05)] = 0.5
        areas[0, RATIOS.index(0.05)] += lead[:, None]
        made.append(replace(result, by_ratio=areas))
    sentence = charts.zero_shot_sentence(made, "among classes never seen")
    assert words in sentence
    if classes > 1:
        half = stats.t.ppf(0.975, classes - 1) * stats.sem(lead)
        assert f"({lead.mean():+.2f} ± {half:.2f}" in sentence


def test_lines_are_the_means_of_what_was_measured() -> None:
    results = [a_result(seed) for seed in range(SEEDS)]
    figure = charts.scorers_figure(results)
    for name, words in SCORER_LABELS.items():
        lines = [trace for trace in figure.data if trace.name == words]
        assert len(lines) == 2 and lines[0].showlegend and not lines[1].showlegend
        place = list(SCORER_LABELS).index(name)
        for line, kept in zip(lines, ("by_ratio", "by_size"), strict=True):
            values = np.stack([getattr(result, kept)[place] for result in results])
            np.testing.assert_allclose(line.y, values.mean(axis=(0, 2, 3)), rtol=1e-6)
    assert len({(t.line.dash, t.marker.symbol) for t in figure.data if t.name}) == len(SCORER_LABELS), (
        "not by color alone"
    )
    table = charts.scorers_table(results)
    assert len(table) == len(SCORER_LABELS) * (len(RATIOS) + len(SIZES)) and table.notna().all(axis=None)


@pytest.mark.parametrize("step", range(5))
def test_a_moment_shows_the_rows_that_are_in_the_batch(step: int) -> None:
    result = a_result()
    figure = charts.batch_figure(result, step, 1)
    counted = {trace.name: int(np.sum(trace.customdata)) for trace in figure.data if trace.type == "bar"}
    assert counted == {"normal": NORMALS, "anomaly": result.shift_counts[step]}
    area = charts.aucroc_at_step(result, step, 1)
    if step == 0:
        assert np.isnan(area)
    else:
        own = result.shift_scores[step, 1]
        count = int(result.shift_counts[step])
        anomalies_first = np.concatenate([own[NORMALS : NORMALS + count], own[:NORMALS]])
        assert area == pytest.approx(float(batch_aucrocs(anomalies_first, count)))


def test_pictures_stand_in_order_and_anomalies_are_framed() -> None:
    table = load_class_table("digits")
    canvas = charts.image_mosaic(table, np.array([3, 7, 5]), np.array([False, True, False]), across=2)
    assert canvas.shape == (56, 56, 3)
    assert canvas[0, 0].tolist() == [200] * 3 and canvas[0, 30].tolist() == [0xD5, 0x5E, 0x00]
    shown = canvas[2:26:3, 30:54:3, 0]
    np.testing.assert_array_equal(shown, (255 * table.X[7].reshape(8, 8) / 16).astype(np.uint8))
    assert (canvas[28:, 28:] == 255).all(), "no fourth picture"


def test_more_classes_are_a_point_each() -> None:
    by_count = {count: [a_result(seed, batch=0.1 * count) for seed in range(SEEDS)] for count in (2, 3, 5)}
    lines = [trace for trace in charts.class_counts_figure(by_count).data if trace.name]
    assert list(lines[0].x) == [2, 3, 5] and lines[0].y == pytest.approx([0.2, 0.3, 0.5], abs=0.01)


def test_every_option_can_be_trained() -> None:
    for control in CONTROLS:
        assert control.default in control.options
        for option in control.options if control.name != "seeds" else ():
            make_zero_shot_config(meta=("0", "1"), held_out=("2",), **{control.name: option})


@pytest.mark.parametrize(
    ("parameters", "values", "words"),
    [
        ({"objective": "bce", "held_out": "1,2"}, {"objective": "bce", "held_out": ["1", "2"]}, []),
        ({"learning_rate": "0.001", "test_rows": "16"}, {"learning_rate": 1e-3, "test_rows": 16}, []),
        ({"steps": "7"}, {}, ["The link's steps must be one of 25, 50"]),
        ({"table": "/etc/passwd"}, {}, ["The link's table must be digits or MVTec-AD"]),
        ({"color": "red", "lambda_n": "0"}, {}, ["The link sets 'color'"]),
    ],
)
def test_a_link_is_read_as_far_as_it_can_be(
    parameters: dict[str, str], values: dict[str, Any], words: list[str]
) -> None:
    read, notices = ADDRESS.read({name: [text] for name, text in parameters.items()})
    assert read == values and len(notices) == len(words)
    assert all(notice.startswith(word) for notice, word in zip(notices, words, strict=True))


@pytest.mark.usefixtures("server")
class TestPage:
    quick: ClassVar = {"steps": "25", "seeds": "1", "tasks": "4", "test_rows": "25"}

    def test_it_opens_on_a_link_and_answers_the_slider(self) -> None:
        page = opened("zero-shot", **self.quick, held_out="8,9", meta="0,1,2")
        assert "At 5% anomalies among classes never seen" in page.markdown[0].value
        slider = next(own for own in page.select_slider if own.label == "Add anomalies to the batch")
        before = page.markdown[1].value
        page = slider.set_value(len(slider.options) - 1).run()
        assert page.markdown[1].value != before and "are the anomalies' now" in page.markdown[1].value
        assert page.query_params["held_out"] == "8,9" and page.query_params["meta"] == "0,1,2"
        assert not page.exception

    def test_classes_that_are_held_out_are_no_longer_trained_on(self) -> None:
        page = opened("zero-shot", **self.quick)
        assert [own.value for own in page.multiselect] == [list("56789"), list("01234")]
        page = page.multiselect[0].set_value(list("789")).run()
        assert [own.value for own in page.multiselect] == [list("789"), list("0123456")]
        assert not page.exception and not page.error

    def test_too_few_classes_are_one_sentence(self) -> None:
        page = opened("zero-shot", **self.quick, meta="3", held_out="4")
        assert [own.value for own in page.error] == [
            "Choose one class or more to hold out, and two or more others to train on\\."
        ]

    def test_a_bad_link_is_said_and_the_page_is_there(self) -> None:
        page = opened("zero-shot", **{**self.quick, "seeds": "99"}, held_out="eleven", meta="0,1,2,3")
        said = [own.value.replace("\\", "") for own in page.warning]
        assert (
            "seeds must be one of 1, 2" in said[0]
            and "held_out must be one of 0, 1, 2" in said[1]
            and "eleven" in said[1]
        )
        assert page.multiselect[0].value == list("56789")
