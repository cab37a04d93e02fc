"""Tests of the Clean page: figures, sentences, links and controls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.metrics.ranking import Metrics
from anoonly_core.purify.config import make_purify_config
from anoonly_core.purify.result import PoolScores, PurifyResult, removal_curve
from anoonly_core.purify.run import purify_many
from app.server import jobs as jobs_module
from app.views.clean import page as clean
from app.views.clean.charts import outcome_figure, suspicion_figure
from app.views.clean.page import DEFAULTS
from app.views.clean.text import clean_sentence, suspicion_sentence
from tests.app.conftest import opened

Open = Callable[..., AppTest]


@lru_cache
def purified(seeds: int = 2, parts: int = 3, remove: float | None = None, **run: Any) -> list[PurifyResult]:
    settings = {**DEFAULTS, "epochs": 3, **run}
    runs = [make_config(seed=seed, **settings) for seed in range(seeds)]
    return purify_many([make_purify_config(run, parts=parts, remove=remove) for run in runs])


def suspected(**settings: Any) -> list[PoolScores]:
    return [result.pool_scores for result in purified(**settings)]


def outcomes(before: Sequence[float], after: Sequence[float], random: Sequence[float]) -> list[PurifyResult]:
    """Return results with these AUCROCs, one a seed."""

    def of(value: float) -> Metrics:
        return Metrics(value, 0.5, 0.5, 0.5)

    (model,) = purified(seeds=1)
    results = []
    for triple in zip(before, after, random, strict=True):
        start, end, blind = map(of, triple)
        scores = model.pool_scores
        suspicion = PoolScores(scores.config, scores.rows, scores.is_contaminant, scores.score, start, None)
        results.append(PurifyResult(model.config, suspicion, end, blind))
    return results


# The figures


def test_the_histogram_holds_every_row_and_the_line_separates_the_removed() -> None:
    found = suspected()
    first, figure = found[0], suspicion_figure(found, 0.3)
    normal, contaminants = (trace for trace in figure.data if trace.type == "bar")
    assert (sum(normal.y), sum(contaminants.y)) == (128, 32)
    assert contaminants.marker.pattern.shape and not normal.marker.pattern.shape
    cut, *_ = (shape.x0 for shape in figure.layout.shapes)
    right = sum(y for trace in (normal, contaminants) for x, y in zip(trace.x, trace.y, strict=True) if x > cut)
    assert abs(right - len(first.rows_to_remove(0.3))) <= max(*normal.y, *contaminants.y)
    assert figure.layout.annotations[0].text == "<b>Suspicion</b>, seed 0: 48 of 160 removed"


def test_recall_and_precision_are_the_seeds_means_with_the_chosen_share_marked() -> None:
    found = suspected()
    figure = suspicion_figure(found, 0.3)
    marks = [trace for trace in figure.data[2:] if trace.mode == "markers+text"]
    curves = [removal_curve(own.is_contaminant, own.score) for own in found]
    for mark, name in zip(marks, ("recall", "precision"), strict=True):
        assert list(mark.x) == [0.3]
        assert mark.y[0] == pytest.approx(np.mean([getattr(curve, name)[48] for curve in curves]))
    lines = {trace.name: trace for trace in figure.data[2:] if trace.mode == "lines"}
    assert {trace.line.dash for trace in lines.values()} == {"dot", "solid", "dash"}
    assert lines["recall"].y[-1] == 1 and lines["precision"].y[-1] == pytest.approx(0.2)
    assert len([trace for trace in suspicion_figure(found, 0.0).data[2:] if trace.mode == "markers+text"]) == 0


def test_where_no_contaminant_is_known_the_histogram_stands_alone() -> None:
    found = suspected(contamination=0.0)
    figure = suspicion_figure(found, None)
    (bars,) = figure.data
    assert bars.name == "all rows of the pool" and sum(bars.y) == len(found[0].rows)
    names = [trace.name for trace in outcome_figure(purified(contamination=0.0)).data]
    assert "after, mean" in names and "oracle, mean" not in names


def test_each_seed_is_a_mark_and_each_kind_has_its_own() -> None:
    found = purified()
    figure = outcome_figure(found)
    assert list(figure.layout.xaxis.ticktext) == ["before", "after", "random", "oracle"]
    for name in ("before", "after", "random", "oracle"):
        dots = next(trace for trace in figure.data if trace.name == name)
        mean = next(trace for trace in figure.data if trace.name == f"{name}, mean")
        assert list(dots.y) == [own.variants[name].aucroc for own in found]
        assert mean.y[0] == pytest.approx(np.mean(dots.y)) and mean.error_y.array[0] > 0
    assert len({trace.marker.symbol for trace in figure.data if trace.mode == "markers"}) == 4


# The sentences


@pytest.mark.parametrize(
    ("before", "after", "random", "pattern"),
    [
        ([0.90, 0.91, 0.90], [0.95, 0.96, 0.94], [0.90, 0.91, 0.91], "Over 3 seeds, **DeepSAD** is better without"),
        ([0.90, 0.91, 0.90], [0.95, 0.96, 0.94], [0.95, 0.96, 0.95], r"but against .*, no clear difference\.$"),
        ([0.90, 0.91, 0.90], [0.95, 0.86, 0.90], [0.90, 0.91, 0.91], "^No clear difference. Over 3 seeds"),
        ([0.95, 0.96, 0.94], [0.90, 0.91, 0.90], [0.95, 0.96, 0.94], "^Cleaning hurts here. Over 3 seeds"),
        ([0.90], [0.95], [0.91], "One seed shows no spread"),
    ],
)
def test_the_sentence_is_made_from_the_figures(
    before: list[float], after: list[float], random: list[float], pattern: str
) -> None:
    text = clean_sentence(outcomes(before, after, random))
    assert re.search(pattern.replace("*", r"\*") if "**" in pattern else pattern, text), text
    assert f"{np.mean(before):.3f} → {np.mean(after):.3f}" in text


def test_the_sentences_say_if_no_row_is_removed() -> None:
    assert clean_sentence(purified(remove=0.0)).startswith("No row is removed, so **DeepSAD** is unchanged")
    assert suspicion_sentence(suspected(), 0.0).endswith("No row is removed.")


def test_the_suspicion_sentence_counts_the_removal() -> None:
    suspicions = suspected()
    caught = np.mean([scores.is_contaminant[scores.rows_to_remove(None)].sum() / 32 for scores in suspicions])
    assert f"Removing 20% of the pool removes **{caught:.0%}** of its contaminants" in suspicion_sentence(
        suspicions, None
    )
    assert "scores its own training rows" in suspicion_sentence(suspected(parts=1), None)
    assert "No contaminant of this pool is known" in suspicion_sentence(suspected(contamination=0.0), None)


# The page


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened("clean", **{"seeds": "2", "epochs": "2", **parameters})


def sentence(page: AppTest) -> str:
    (only,) = (text.value for text in page.markdown if text.value.startswith("##### "))
    return str(only)


def test_the_page_opens_on_a_dirty_pool(open_page: Open) -> None:
    page = open_page()
    assert page.selectbox(key="dataset").value == "digits_only_3"
    assert [page.select_slider(key=name).value for name in ("lambda_n", "labeled_ratio", "parts", "remove")] == [
        *(1.0, 0.01, 3, "known")
    ]
    assert page.query_params.get("dataset") is None, "defaults are left out of the address"
    assert "AUCROC" in sentence(page) and len(page.get("plotly_chart")) == 2
    (table,) = page.dataframe
    assert list(table.value.columns) == ["row", "picture", "suspicion S", "really"] and len(table.value) == 32
    dataset = load_cached("digits_only_3")
    really = table.value.set_index("row")["really"]
    assert all((dataset.y[row] == 1) == ("contaminant" in word) for row, word in really.items())
    assert table.value["picture"].str.startswith("data:image/png").all()
    assert "Download suspicious rows" in [button.label for button in page.get("download_button")]


def test_moving_q_keeps_the_suspicion_and_trains_the_final_heads(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    asked: list[str] = []
    jobs = jobs_module.server_jobs()
    want = jobs.request_worker_result
    monkeypatch.setattr(
        jobs,
        "request_worker_result",
        lambda session, key, function, *rest: (asked.append(function.__name__), want(session, key, function, *rest)),
    )
    page.select_slider(key="remove").set_value(0.5).run()
    assert asked == ["purify_pools"] and len(page.dataframe[0].value) == 80
    assert any("Removing 50% of the pool removes" in text.value for text in page.markdown)
    asked.clear()
    page.select_slider(key="parts").set_value(1).run()
    assert asked == ["score_pools", "purify_pools"] and not page.exception
    page.selectbox(key="scorer").set_value("svdd").run()
    assert "AUCROC" in sentence(page) and not page.exception and not page.error


def test_a_link_sets_the_controls_and_bad_values_are_named(open_page: Open) -> None:
    page = open_page(parts="2", remove="0.33", scorer="svdd", contamination="0")
    assert page.select_slider(key="remove").value == 0.33 and page.select_slider(key="parts").value == 2
    assert any("No contaminant of this pool is known" in text.value for text in page.markdown)
    assert list(page.dataframe[0].value.columns) == ["row", "picture", "suspicion S"]
    page = open_page(parts="99", remove="7", scorer="magic", labeled_ratio="5")
    warnings = [warning.value for warning in page.warning]
    assert len(warnings) == 4 and any(r"scorer must be one of same, svdd, autoencoder" in text for text in warnings)
    assert any(r"The default, 0\.01, is used instead" in text for text in warnings)
    assert page.select_slider(key="parts").value == 3 and "AUCROC" in sentence(page)


def test_more_parts_than_rows_and_a_comparator_are_one_sentence(open_page: Open) -> None:
    page = open_page(normal_ratio="0.01", contamination="0", parts="20")
    assert "too few for 20 parts, only 1" in page.error[0].value.replace("\\", "")
    page = open_page(baseline="REPEN")
    assert "REPEN cannot be the final head" in page.error[0].value and len(page.error) == 1
    page.selectbox(key="baseline").select("DevNet").run()
    assert not page.error and "AUCROC" in sentence(page)


def test_every_control_of_its_own_can_be_read_from_a_link() -> None:
    for control in clean.OWN:
        for option in control.options:
            assert control.parse(str(option)) == option
