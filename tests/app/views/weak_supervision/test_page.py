"""Weak supervision: its ranking, its sentences, its chart and its page, from the runs that ship with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import MECHANISMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.runs.run import run
from anoonly_core.weak_supervision.across import SHIPPED_FILE
from anoonly_core.weak_supervision.points import LAMBDAS, mechanism_configs, reference_norm
from anoonly_core.weak_supervision.ranking import RankedPoint, best_of_each, ranked_points
from anoonly_core.weak_supervision.result import COLUMNS, MEASURES
from app.controls.choice import compare_parameters, default_choice
from app.server.jobs import Jobs
from app.views.weak_supervision import measurement
from app.views.weak_supervision.charts import ranking_figure
from app.views.weak_supervision.measurement import measurement_of, shipped_runs, shipped_tasks
from app.views.weak_supervision.text import describe_point, detail_line, headline, point_id, point_note
from tests.app.conftest import opened

Open = Callable[..., AppTest]
STALE = "the shipped runs are not those of the page: run `python -m tests.bench.mechanisms --only DeepSAD:digits_3`"
MAX_SHIPPED = 4_000_000  # bytes


def page_config() -> RunConfig:
    return default_choice().b.as_published("norm").with_(lambda_n=0.0, norm=None)


def shipped() -> pd.DataFrame:
    runs = shipped_runs(page_config())
    assert runs is not None, STALE
    return runs


def ranking(lambda_n: float = 0.0) -> list[RankedPoint]:
    return ranked_points(shipped(), "batch_no_affine", lambda_n)


def made(norm: str, aucpr: float, delta: float | None, is_clear: bool, reach: float = 0.5) -> RankedPoint:
    means = {**dict.fromkeys(MEASURES, 0.5), "aucpr_anomaly": aucpr, "reach": reach}
    margin = None if delta is None else 0.01
    dial = MECHANISMS[norm].dial
    strength = None if dial is None else dial.standard
    return RankedPoint(norm, strength, 0.0, 5, 0, means, 0.02, delta, margin, is_clear)


# Shipped runs


def test_the_shipped_runs_are_those_of_the_page() -> None:
    assert SHIPPED_FILE.stat().st_size < MAX_SHIPPED
    runs = shipped()
    assert list(runs) == list(COLUMNS)
    expected = {
        (name, config.strength, config.lambda_n, config.seed)
        for name, configs in mechanism_configs(page_config()).items()
        for config in configs
    }
    found = {
        (row.norm, None if row.strength != row.strength else row.strength, row.lambda_n, row.seed)
        for row in runs.itertuples()
    }
    assert found == expected, STALE


def test_a_shipped_task_opens_without_its_file(monkeypatch: pytest.MonkeyPatch, server: None) -> None:
    """The runs of a data set that is not on this machine are enough to rank them."""
    elsewhere = shipped().assign(dataset="SVHN_0")
    monkeypatch.setattr(measurement, "shipped_measures", lambda: elsewhere)
    shipped_tasks.cache_clear()
    try:
        assert shipped_tasks() == {"DeepSAD": ["SVHN_0"]}
        page = opened("weak-supervision", dataset="SVHN_0")
        assert any(text.value.startswith("**At λₙ = 0: ") for text in page.markdown) and not page.exception
        page = opened("weak-supervision", dataset="digits_3")
        assert any("ship for DeepSAD on SVHN_0" in text.value for text in page.caption)
    finally:
        shipped_tasks.cache_clear()


@pytest.mark.parametrize("norm", ["batch_no_affine", "group"])
def test_a_shipped_run_trained_again_agrees(norm: str) -> None:
    config = page_config().with_(norm=norm)
    again = run(config, "cpu").metrics
    row = shipped().query(f"norm == '{norm}' and lambda_n == 0 and seed == 0")
    row = row[row["strength"].isna() | (row["strength"] == config.strength)]
    assert len(row) == 1
    assert row["aucpr_anomaly"].iloc[0] == pytest.approx(again.aucpr_anomaly, abs=2e-3), STALE


@pytest.mark.parametrize(
    "changes", [{"dataset": "digits_4"}, {"epochs": 3}, {"contamination": 0.0}, {"seed": 1}, {"labeled_ratio": 0.2}]
)
def test_other_settings_do_not_ship(changes: dict[str, Any]) -> None:
    other = page_config().with_(**changes)
    if "dataset" not in changes:
        assert shipped_runs(other) is None
    measurement = measurement_of(other)
    assert next(iter(measurement.configs)) == "batch_no_affine"
    assert set(measurement.configs) == set(MECHANISMS)
    assert measurement.size == len(shipped()) and len(set(measurement.keys.values())) == len(MECHANISMS)


# Sentences


def test_the_headline_names_a_clear_winner_or_says_that_there_is_none() -> None:
    batch = made("batch", 0.8, None, False)
    winner, alike = made("ghost", 0.9, 0.1, True), made("renorm", 0.81, 0.01, False)
    cut = made("group", 0.3, -0.5, True, reach=0.0)
    text = headline([winner, alike, batch, cut], "batch", 0.0)
    assert "Ghost batch norm, 32 is clearly better than batch norm: AUCPR 0.90 ± 0.02 against 0.80 ± 0.02" in text
    assert "1 of 3 are clearly worse" in text and "The one that passes no gradient to the pool reaches 0.30." in text
    text = headline([alike, batch, cut], "batch", 0.0)
    assert "No mechanism is clearly better than batch norm, 0.80 ± 0.02" in text
    assert "The best of 2 others is batch renorm, 1, 0.81 ± 0.02" in text
    assert "no gradient" not in headline([alike, batch, cut], "batch", 0.01)
    without = made("none", 0.9, 0.1, True), made("cluster", 0.9, 0.1, True)
    starts = [headline([point, batch], "batch", 0.0) for point in without]
    assert "The network without a norm is clearly better" in starts[0]
    assert "Moving-center loss, 1, without a norm is clearly better" in starts[1]
    also_cut = made("rms", 0.4, -0.4, True, reach=0.0)
    assert "Of the 2 that pass no gradient to the pool, the best reaches 0.40." in headline(
        [alike, batch, also_cut, cut], "batch", 0.0
    )


@pytest.mark.parametrize("lambda_n", LAMBDAS)
def test_the_headline_of_what_ships_counts_the_mechanisms(lambda_n: float) -> None:
    points = ranking(lambda_n)
    text = headline(points, "batch_no_affine", lambda_n)
    best = [point for point in best_of_each(points) if point.norm != "batch_no_affine"]
    worse = sum(point.is_clear and (point.delta or 0) < 0 for point in best)
    assert f"{worse} of {len(MECHANISMS) - 1} are clearly worse" in text


def test_every_point_is_described_by_its_figures() -> None:
    points = ranking()
    assert len({point_id(point) for point in points}) == len(points)
    for point in points:
        text = detail_line(point, "batch_no_affine")
        assert MECHANISMS[point.norm].summary in text and MECHANISMS[point.norm].source in text
        assert describe_point(point)[1:] in text and f"AUCPR {point.aucpr:.2f}" in text
        assert ("No gradient reaches the pool" in text) == (point.means["reach"] < 0.005)
        assert "nan" not in text
    assert "after Holm's correction" in point_note(points, "batch_no_affine")
    diverged = replace(points[0], seeds=0, failures=5)
    assert "All its runs diverged" in detail_line(diverged, "batch_no_affine")
    assert "5 runs diverged" in point_note([*points, diverged], "batch_no_affine")


# Chart


def test_the_chart_has_a_row_for_each_mechanism_in_the_order_of_the_ranking() -> None:
    points = ranking()
    best = best_of_each(points)
    figure = ranking_figure(points, "batch_no_affine", point_id(points[-1]))
    marks = {trace.name: trace for trace in figure.data if trace.name}
    assert list(marks["best strength"].x) == [point.aucpr for point in best]
    assert list(marks["best strength"].y) == [-row for row in range(len(best))]
    assert len(marks["other strengths"].x) == len(points) - len(best)
    reached = [
        sum(marks[name].x[row] for name in ("direct", "through the variance", "through the mean"))
        for row in range(len(best))
    ]
    assert reached == pytest.approx([100 * point.means["reach"] for point in best])
    named = {mark[0] for trace in figure.data if trace.customdata is not None for mark in trace.customdata}
    assert named == {point_id(point) for point in points}
    assert figure.data[-1].marker.symbol == "circle-open" and figure.data[-1].x[0] == points[-1].aucpr


# Page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened("weak-supervision", **parameters)


def test_the_page_is_full_without_training_and_tells_of_the_chosen_point(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "_submit", lambda *arguments, **options: pytest.fail("a job was queued"))
    page = open_page()
    assert len(page.get("plotly_chart")) == 1 and not page.error and not page.warning and not page.exception
    assert any(text.value == headline(ranking(), "batch_no_affine", 0.0) for text in page.markdown)
    chosen = point_id(ranking()[-1])
    page.selectbox(key="weak_point").set_value(chosen).run()
    assert any(text.value == detail_line(ranking()[-1], "batch_no_affine") for text in page.markdown)
    page.button_group(key="lambda_n").set_value(0.01).run()
    assert any(text.value == headline(ranking(0.01), "batch_no_affine", 0.01) for text in page.markdown)
    assert page.selectbox(key="weak_point").value == chosen and not page.exception


def test_other_settings_wait_for_start(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[int] = []

    def request(jobs: Jobs, session: str, calls: dict[str, Any]) -> None:
        requested.append(len(calls))

    monkeypatch.setattr(Jobs, "request_worker_results", request)
    page = open_page(epochs="1", dataset="digits_8")
    assert not page.get("plotly_chart") and not requested
    page.button(key="weak_start").click().run()
    assert requested[-1] == len(MECHANISMS)
    page.button(key="weak_cancel").click().run()
    assert page.button(key="weak_start").label == "Start" and not page.exception


def test_a_system_without_a_norm_is_refused(open_page: Open) -> None:
    assert "XGBOD has no norm to choose" in open_page(baseline="XGBOD").error[0].value


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_each_point_opens_in_compare_and_microscope(name: str) -> None:
    for config in mechanism_configs(page_config(), 1, [name])[name]:
        base = page_config().with_(norm=reference_norm(config), lambda_n=config.lambda_n)
        parameters = compare_parameters(config, None if config == base else base, 5)
        assert make_config(**{key: text for key, text in parameters.items() if key not in ("a", "seeds")}).strength == (
            config.strength
        )
