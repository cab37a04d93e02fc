"""Why it works: its figures, its story, its page, and the records that ship with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.microscope.result import RowKind
from anoonly_core.results.keys import supervision_key
from anoonly_core.results.result import Role
from anoonly_core.supervision.columns import COLUMNS, Column, column_configs
from anoonly_core.supervision.result import SupervisionRecord, from_bytes
from anoonly_core.supervision.run import record_columns
from app.bundled_results import recorded_configs
from app.charts.animation import Animation
from app.controls.choice import compare_parameters, default_choice, from_pin
from app.server.jobs import Jobs
from app.server.result_cache import SHIPPED_RECORDS
from app.views.why.charts import (
    ARROW,
    ARROW_NAMES,
    EDGE_X,
    EDGE_Y,
    KEPT,
    AbsoluteScale,
    arrow_lines,
    column_panels,
    supervision_animation,
)
from app.views.why.outcomes import outcomes, shipped_values
from app.views.why.text import format_outcome, outcome_note, story
from tests.app.conftest import opened

Open = Callable[..., AppTest]
STALE = "the shipped records are not those of the page: run `make first-light`"
DIRECT, VARIANCE, MEAN = range(3)
NAMES = [column.name for column in COLUMNS]
MAX_SHIPPED = 1_500_000  # bytes of both records


@cache
def shipped(lambda_n: float = 0.0) -> SupervisionRecord:
    (config,) = (config for config in recorded_configs() if config.lambda_n == lambda_n)
    return from_bytes((SHIPPED_RECORDS / f"{supervision_key(column_configs(config))}.npz").read_bytes())


def published(**settings: Any) -> RunConfig:
    return make_config(**{"dataset": "digits_3", "lambda_n": 0.0, **settings})


def made_up(**values: list[float]) -> dict[str, list[float]]:
    """Return AUCPR by column: high everywhere, but for the columns given."""
    return {name: values.get(name, [0.9, 0.91, 0.92, 0.9, 0.91]) for name in NAMES}


def result(record: SupervisionRecord) -> dict[str, Any]:
    return outcomes({name: one.aucpr[-1:] for name, one in zip(NAMES, record.columns, strict=True)})


@cache
def animated(lambda_n: float = 0.0) -> Animation:
    return supervision_animation(shipped(lambda_n), result(shipped(lambda_n)), 0)


# The records that ship


def test_the_shipped_records_are_those_of_the_page() -> None:
    keys = {supervision_key(column_configs(config)) for config in recorded_configs()}
    assert {path.stem for path in SHIPPED_RECORDS.iterdir()} == keys, STALE
    assert sum(path.stat().st_size for path in SHIPPED_RECORDS.iterdir()) < MAX_SHIPPED
    for lambda_n in (0.0, 1.0):
        assert shipped(lambda_n).key in keys


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_a_shipped_record_begins_as_one_recorded_today(column: int) -> None:
    before, again = shipped(), recorded_again()
    np.testing.assert_array_equal(again.rows, before.rows, STALE)
    np.testing.assert_array_equal(again.batch_rows, before.batch_rows, STALE)
    one, other = before.columns[column], again.columns[column]
    np.testing.assert_allclose(other.scores[0], one.scores[0], rtol=1e-3, atol=1e-6, err_msg=STALE)
    np.testing.assert_allclose(other.lengths[0], one.lengths[0], rtol=1e-3, atol=1e-9, err_msg=STALE)


@cache
def recorded_again() -> SupervisionRecord:
    return record_columns(recorded_configs()[0].with_(epochs=1))


@pytest.mark.parametrize("lambda_n", [0.0, 1.0])
def test_the_shipped_record_agrees_with_the_shipped_experiment(lambda_n: float) -> None:
    values = shipped_values(published(lambda_n=lambda_n))
    assert values is not None
    for name, one in zip(NAMES, shipped(lambda_n).columns, strict=True):
        assert one.aucpr[-1] == pytest.approx(values[name][0], abs=0.02)


# Outcomes


def test_the_shipped_experiment_holds_five_seeds_of_each_column() -> None:
    values = shipped_values(published())
    assert values is not None and list(values) == NAMES
    assert {len(each) for each in values.values()} == {5}


@pytest.mark.parametrize("baseline", ["DeepSAD", "DevNet", "PReNet", "FEAWAD"])
def test_the_norm_of_the_page_is_that_of_the_experiment(baseline: str) -> None:
    assert shipped_values(published(baseline=baseline)) is not None


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 10},
        {"labeled_ratio": 0.5},
        {"contamination": 0.1},
        {"preset": "published_code"},
        {"protocol": "published"},
        {"dataset": "30_satellite"},
        {"lambda_n": 0.1},
    ],
)
def test_other_settings_have_no_shipped_values(settings: dict[str, Any]) -> None:
    assert shipped_values(published(**settings)) is None


def test_the_seed_on_show_does_not_change_the_shipped_values() -> None:
    first, second = shipped_values(published()), shipped_values(published(seed=3))
    assert first is not None and second is not None
    for name in NAMES:
        np.testing.assert_array_equal(first[name], second[name])


def test_differences_are_paired_and_corrected_together() -> None:
    values = made_up(none=[0.1, 0.11, 0.13, 0.1, 0.12], layer=[0.89, 0.92, 0.91, 0.91, 0.9])
    result = outcomes(values)
    assert result["none"].is_clear and not result["layer"].is_clear and not result["whole"].is_clear
    assert result["none"].difference.delta == pytest.approx(np.mean(values["none"]) - np.mean(values["whole"]))
    assert result["none"].margin is not None and result["none"].seeds == 5


def test_one_seed_has_no_interval() -> None:
    result = outcomes({name: [0.5] for name in NAMES})
    assert {one.margin for one in result.values()} == {None}
    assert not any(one.is_clear for one in result.values())
    assert format_outcome(result["whole"]) == "0.50"
    assert "one seed" in outcome_note(result)


# Story

SINGLE_CUTS = (["without_variance"], ["without_mean"])


def test_the_story_says_the_figures_of_its_columns() -> None:
    values = shipped_values(published())
    assert values is not None
    result = outcomes(values)
    sentences = story(result, 0.0, "DeepSAD")
    assert len(sentences) == 5
    assert sentences[0].columns == tuple(NAMES)
    for sentence, new in zip(sentences, (["whole"], ["none"], ["layer", "without_both"], *SINGLE_CUTS), strict=True):
        for name in NAMES:
            said = f"{result[name].mean:.2f} ± {result[name].margin:.2f}" in sentence.text
            assert said is (name in new)
            assert name in sentence.columns or name not in new
    assert "no row of the pool has a loss" in sentences[0].text
    assert "every row of the pool has a loss, with weight λₙ = 1" in story(result, 1.0, "DeepSAD")[0].text
    assert "no pair of pool rows" in story(result, 0.0, "PReNet")[0].text


LOW = [0.3, 0.31, 0.29, 0.3, 0.32]
LOWER = [0.1, 0.11, 0.09, 0.1, 0.12]
UNSURE = [0.2, 0.95, 0.91, 0.9, 0.93]


@pytest.mark.parametrize(
    ("values", "conclusion"),
    [
        ({"without_mean": LOW}, "mostly through the mean of the batch"),
        ({"without_variance": LOW}, "mostly through the variance of the batch"),
        ({"without_mean": LOWER, "without_variance": LOW}, "both parts supervise, and the mean more"),
        ({"without_mean": LOW, "without_variance": LOWER}, "both parts supervise, and the variance more"),
        ({"without_mean": UNSURE}, "neither part alone makes a clear difference"),
        ({}, "neither part alone makes a clear difference"),
    ],
)
def test_the_conclusion_follows_from_clear_differences(values: dict[str, list[float]], conclusion: str) -> None:
    assert conclusion in story(outcomes(made_up(**values)), 0.0, "DeepSAD")[-1].text


def test_an_unclear_difference_is_called_so() -> None:
    texts = [sentence.text for sentence in story(outcomes(made_up(without_variance=UNSURE, none=LOW)), 0.0, "DeepSAD")]
    assert "not clear" in texts[3] and "not clear" not in texts[1]


def test_one_seed_supports_no_conclusion() -> None:
    assert "One seed shows no spread" in story(outcomes({name: [0.5] for name in NAMES}), 0.0, "DeepSAD")[-1].text


# Chart


@pytest.mark.parametrize("lambda_n", [0.0, 1.0])
def test_every_change_has_a_value_per_epoch(lambda_n: float) -> None:
    record, animation = shipped(lambda_n), animated(lambda_n)
    assert len(animation.captions) == len(animation.times) == len(record.epochs) == 26
    assert {len(change.values) for change in animation.changes} == {26}
    assert animation.figure.data[animation.clock].x.tolist() == [50]
    assert animation.start == 25


def test_each_column_has_every_row_of_its_maps() -> None:
    record, figure = shipped(), animated().figure
    for number in range(len(COLUMNS)):
        for row, count in ((0, len(record.plotted)), (1, len(record.batch_rows))):
            panel = row * len(COLUMNS) + number + 1
            axis = "x" if panel == 1 else f"x{panel}"
            drawn = [trace for trace in figure.data if trace.xaxis == axis and trace.customdata is not None]
            assert sum(len(trace.x) for trace in drawn) == count


def test_labeled_anomalies_are_stars() -> None:
    names = {trace.name: trace.marker.symbol for trace in animated().figure.data if trace.customdata is not None}
    assert names == {"normal": "circle", "anomaly": "diamond", "labeled anomaly": "star"}


def test_all_columns_have_one_scale() -> None:
    layout = animated().figure.layout
    for first in (1, 2 * len(COLUMNS) + 1):  # hidden features and scores
        for axis in "xy":
            names = [f"{axis}axis{number if number > 1 else ''}" for number in range(first, first + len(COLUMNS))]
            assert len({tuple(layout[name].range) for name in names}) == 1


@pytest.mark.parametrize("moment", [0, 5, 25])
@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_arrows_point_as_the_parts_of_the_gradient(column: int, moment: int) -> None:
    record = shipped()
    one = record.columns[column]
    lines = arrow_lines(one, record.batch_kind, record.pushed, moment)
    labeled = record.batch_kind[record.pushed] == RowKind.LABELED_ANOMALY
    begins = np.clip(one.batch[moment][record.pushed], [EDGE_X[0], EDGE_Y[0]], [EDGE_X[1], EDGE_Y[1]])
    for part, line in enumerate(lines):
        for begin, end, gap in line.reshape(-1, 3, 2):
            assert np.isnan(gap).all()
            (row,) = np.flatnonzero((np.abs(begins - begin) < 1e-5).all(axis=1))[:1]
            assert not (labeled[row] and part != DIRECT)
            step, push = end - begin, one.pushes[moment, row, part]
            length = float(np.linalg.norm(step))
            assert KEPT * ARROW * 0.99 < length <= ARROW * 1.001
            assert step @ push == pytest.approx(length * np.linalg.norm(push), rel=1e-2)


def test_a_column_without_a_push_has_no_arrow() -> None:
    record = shipped()
    for name, one in zip(NAMES, record.columns, strict=True):
        lines = arrow_lines(one, record.batch_kind, record.pushed, 5)
        assert len(lines[DIRECT]) > 0
        assert bool(len(lines[VARIANCE])) is (name in ("whole", "without_mean"))
        assert bool(len(lines[MEAN])) is (name in ("whole", "without_variance"))
    nothing = arrow_lines(
        type(record.columns[0])(**{**vars(record.columns[0]), "pushes": np.zeros_like(record.columns[0].pushes)}),
        record.batch_kind,
        record.pushed,
        0,
    )
    assert [len(line) for line in nothing] == [0] * len(ARROW_NAMES)


@pytest.mark.parametrize(
    ("scores", "is_logarithm"),
    [([0.01, 1.0, 300.0], True), ([-3.0, 0.0, 5.0], False), ([0.0, 2.0], False), ([1e-8, 1e6], True), ([4.0], True)],
)
def test_a_scale_keeps_the_order_of_scores_and_names_its_ticks(scores: list[float], is_logarithm: bool) -> None:
    scale = AbsoluteScale.of([np.array(scores, dtype=np.float32)])
    assert scale.is_logarithm is is_logarithm
    places = scale.positions(np.array(scores))
    assert (np.diff(places) > 0).all() and scale.low <= places.min() and places.max() <= scale.high
    ticks, texts = scale.ticks()
    assert len(ticks) == len(texts) <= 7
    assert all(scale.low <= tick <= scale.high for tick in ticks)


def test_scores_are_not_divided_by_the_spread_of_a_run() -> None:
    """The collapse without a norm must be seen: all of its scores lie above most scores with batch norm."""
    record = shipped()
    scale = AbsoluteScale.of([one.scores for one in record.columns])
    normal = record.role == Role.TEST_NORMAL
    with_norm, without = (scale.positions(record.columns[index].scores[-1][normal]) for index in (0, -1))
    assert np.median(without) - np.median(with_norm) > 1  # a factor of ten


def test_the_story_dims_the_panels_of_a_column() -> None:
    layout, panels = animated().figure.layout, column_panels()
    assert len({number for column in panels for number in column}) == 3 * len(COLUMNS)
    for column in panels:
        assert len({tuple(layout[f"xaxis{number}"].domain) for number in column}) == 1
    titles = [note for note in layout.annotations if "AUCPR" in note.text]
    assert [note.xref for note in titles] == [f"x{column[0]} domain" for column in panels]


def test_each_panel_of_a_stack_names_its_column() -> None:
    figure = supervision_animation(shipped(), result(shipped()), 0, is_stacked=True).figure
    named = {note.xref for note in figure.layout.annotations if note.text.startswith("<b>")}
    assert named == {f"x{number} domain" for column in column_panels() for number in column}


# Page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened("why", **parameters)


def caption(page: AppTest) -> str:
    return " ".join(str(text.value) for text in page.caption)


def test_the_page_is_full_without_training(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Jobs, "_submit", lambda *arguments, **options: pytest.fail("a job was queued"))
    page = open_page()
    assert len(page.get("plotly_chart")) == 1 and not page.error and not page.warning
    assert "mean over 5 seeds" in caption(page)
    page.button_group(key="lambda_n").set_value(1.0).run()
    assert len(page.get("plotly_chart")) == 1 and not page.exception


def test_a_system_without_a_norm_is_refused(open_page: Open) -> None:
    assert "XGBOD has no norm to compare" in open_page(baseline="XGBOD").error[0].value


def test_other_settings_are_trained_in_a_worker(open_page: Open) -> None:
    page = open_page(epochs="1", dataset="digits_8", lambda_n="0.1")
    assert not page.error and not page.warning
    assert "one seed, without an interval" in caption(page)
    assert page.button_group(key="lambda_n").value == 0.1


@pytest.mark.parametrize("column", COLUMNS, ids=NAMES)
def test_each_column_opens_in_compare_beside_batch_norm(column: Column) -> None:
    configs = column_configs(default_choice().b)
    one = configs[COLUMNS.index(column)]
    parameters = compare_parameters(one, None if one == configs[0] else configs[0], 5)
    assert parameters.get("norm", configs[0].norm) == one.norm
    assert [name for name in GRADIENT_SHARES if float(parameters.get(name, 1)) == 0] == list(column.cut)
    if one != configs[0]:
        assert from_pin(parameters["a"], one) == configs[0]
