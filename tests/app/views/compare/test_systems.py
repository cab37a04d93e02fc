"""Every system on the Compare page: what it has is shown, what it lacks lies idle and says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from app.controls.choice import pin_text
from app.server import jobs as jobs_module
from tests.app.views.compare.compare_read import (
    FIGURES,
    QUICK,
    Open,
    all_charts,
    at_tab,
    button,
    each_tab,
    errors,
    open_settled,
    parameter,
    sentence,
    sentences,
    settled,
    tiles,
    warnings,
)

TRAINED_HERE = [name for name, baseline in BASELINES.items() if baseline.network is not None]
MAY_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset")
# FEAWAD pretrains 100 epochs, which in the published batches, and with many rows, takes long.
FEAWAD = {"baseline": "FEAWAD", "dataset": "breast_cancer", "batch_size": 16}
SMALL = {"FEAWAD": {"dataset": "breast_cancer", "batch_size": "16", "a": pin_text(make_config(**FEAWAD, epochs=2))}}


@pytest.fixture
def open_page(server: None) -> Open:
    return open_settled


def control(page: AppTest, name: str) -> Any:
    return next(widget for widget in (*page.selectbox, *page.select_slider) if widget.key == name)


def captions(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption)


def diagrams(page: AppTest) -> list[str]:
    return [chart.proto.spec for chart in page.get("graphviz_chart")]


def assert_idle_where_lacking(page: AppTest, baseline: str) -> None:
    for name in MAY_LACK:
        widget = control(page, name)
        assert widget.disabled == (not BASELINES[baseline].has(name)), name
        if widget.disabled:
            assert widget.help.startswith(f"{baseline} has no ")
    assert BASELINES[baseline].summary in control(page, "baseline").help


@pytest.mark.parametrize("baseline", TRAINED_HERE)
def test_each_baseline_fills_the_page(open_page: Open, baseline: str) -> None:
    page = open_page(baseline=baseline, **QUICK, **SMALL.get(baseline, {}))
    assert (warnings(page), errors(page)) == ([], [])
    assert len(tiles(page)) == 3
    assert_idle_where_lacking(page, baseline)
    has_lambda = BASELINES[baseline].has("lambda_n")
    assert f"**{baseline} + AnoOnly" in sentence(page) if has_lambda else f"**{baseline}, " in sentence(page)
    assert ("2 epochs**" in sentence(page)) == (baseline not in SMALL), "A is as published"
    assert f"than **{baseline}" in sentence(page) if has_lambda else "**DeepSAD + AnoOnly**" in sentence(page)
    charts, told, drawn = set(), {}, {}
    for tab in each_tab(page):
        charts |= {chart.key for chart in page.get("plotly_chart")}
        told[tab] = captions(page) if tab == "Training" else "\n".join(text.value for text in page.markdown)
        drawn[tab] = diagrams(page)
    assert len(charts) == FIGURES
    assert f"An epoch of {baseline} is " in told["Training"]
    assert ("100 epochs pretrain" in told["Training"]) == (baseline == "FEAWAD")
    assert "nan" not in told["Training"]
    assert told["The method"].count(BASELINES[baseline].summary) == 1
    assert (BASELINES["DeepSAD"].summary in told["The method"]) == (baseline == "DeepSAD" or not has_lambda)
    network, diagram = BASELINES[baseline].network, drawn["The method"]
    assert network is not None
    assert all(f'"{part}"' in diagram[0] for part in network(64, "paper"))
    assert len(diagram) == (1 if baseline == "DeepSAD" else 2), "A's network differs, by its norm at least"


def test_what_a_comparator_lacks_waits_in_the_link(open_page: Open) -> None:
    settings = {"lambda_n": "0.01", "norm": "layer", "preset": "published_code", **QUICK}
    page = open_page(baseline="GANomaly", **settings)
    assert (warnings(page), errors(page)) == ([], [])
    assert "**GANomaly, 2 epochs**" in sentence(page)
    assert {name: parameter(page, name) for name in settings} == settings
    settled(page.selectbox(key="baseline").set_value("DevNet").run())
    assert "**DevNet, λₙ = 0.01, layer norm, 2 epochs**" in sentence(page)
    assert {name: parameter(page, name) for name in settings} == settings
    assert control(page, "preset").value == "published_code"
    assert_idle_where_lacking(page, "DevNet")


def test_a_batch_too_small_is_one_sentence_and_the_controls_stay(open_page: Open) -> None:
    page = open_page(baseline="PReNet", batch_size="2", **QUICK)
    assert errors(page) == [
        "batch_size must be 4 or more for PReNet, which draws a fixed share of labeled anomalies, not 2."
    ]
    settled(page.selectbox(key="batch_size").set_value(4).run())
    assert errors(page) == []
    assert "**PReNet + AnoOnly, batch norm, batch 4, 2 epochs**" in sentence(page)


@pytest.mark.parametrize(("baseline", "stands"), [("DevNet", "DevNet"), ("REPEN", "DeepSAD + AnoOnly")])
def test_what_stands_in_place_of_a_bad_pin_is_named(open_page: Open, baseline: str, stands: str) -> None:
    page = open_page(a="baseline=XGBOD,lambda_n=0", baseline=baseline, **QUICK)
    assert warnings(page) == [
        "The link's pinned run cannot be used: XGBOD has no lambda_n: leave it out. "
        f"The published {stands} is used instead."
    ]
    assert button(page, "Unpin A").help == f"Set A back to the published {stands}."


def test_a_comparator_can_be_pinned(open_page: Open) -> None:
    page = open_page(baseline="REPEN", **QUICK)
    settled(button(page, "Pin B as A").click().run())
    assert sentence(page).startswith("A and B are the same run")
    settled(page.selectbox(key="baseline").set_value("DevNet").run())
    assert warnings(page) == []
    assert "**REPEN, 2 epochs**" in sentence(page)
    assert "**DevNet + AnoOnly, 2 epochs**" in sentence(page)


def test_xgbod_has_no_epochs_and_no_network(
    open_page: Open, xgbod: RunResult, recwarn: pytest.WarningsRecorder
) -> None:
    page = open_page(baseline="XGBOD", seeds="1", epochs="7", batch_size="8")
    assert [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []
    assert (warnings(page), errors(page)) == ([], [])
    assert_idle_where_lacking(page, "XGBOD")
    assert "**XGBOD**" in sentence(page)
    assert len(all_charts(page)) == FIGURES, "A's history is still there"
    assert "XGBOD has no epochs." in captions(at_tab(page, "Training"))
    assert "nan" not in captions(page)
    points = json.loads(page.get("plotly_chart")[1].proto.spec)
    titles = [annotation["text"] for annotation in points["layout"]["annotations"]]
    assert titles == [
        "input features, seed 0",
        "hidden features, <b>A</b>  DeepSAD + AnoOnly",
        "41 unsupervised scores, <b>B</b>  XGBOD",
    ]
    assert len(diagrams(at_tab(page, "The method"))) == 1, "A's"
    assert any(BASELINES["XGBOD"].summary in text.value for text in page.markdown)


def test_a_classifier_stands_beside_anoonly_with_its_own_presets(open_page: Open) -> None:
    page = open_page(baseline="LogisticRegression", seeds="1", lambda_n="0.01", preset="published_code")
    assert (errors(page), len(tiles(page))) == ([], 3)
    assert_idle_where_lacking(page, "LogisticRegression")
    assert control(page, "preset").options == [
        "the package (default)",
        "a search on the training labels (tuned)",
    ]
    assert "**LogisticRegression" in sentence(page) and "**DeepSAD + AnoOnly**" in sentence(page)
    points = json.loads(page.get("plotly_chart")[1].proto.spec)
    titles = [annotation["text"] for annotation in points["layout"]["annotations"]]
    assert titles[2] == "64 weighted columns, <b>B</b>  LogisticRegression"
    settled(page.selectbox(key="preset").set_value("tuned").run())
    assert "preset of a search on the training labels" in sentence(page)
    settled(page.selectbox(key="baseline").set_value("DeepSAD").run())
    assert control(page, "preset").value == "paper"
    assert "λₙ = 0.01" in sentence(page)


def test_xgbod_beside_itself_draws_no_history(open_page: Open, xgbod: RunResult) -> None:
    page = open_page(baseline="XGBOD", seeds="1", a="baseline=XGBOD")
    assert sentence(page).startswith("A and B are the same run")
    assert len(all_charts(page)) == FIGURES - 1
    assert "XGBOD has no epochs." in captions(at_tab(page, "Training"))
    assert diagrams(at_tab(page, "The method")) == []
    assert sum(BASELINES["XGBOD"].summary in text.value for text in page.markdown) == 1


def test_without_its_packages_xgbod_is_one_sentence(open_page: Open) -> None:
    """The worker would report the sentence of the core; here the failure is already stored."""
    missing = make_config(baseline="XGBOD", contamination=0.0)
    said = "XGBOD needs the package xgboost, which is optional: pip install -r requirements-comparators.txt."
    jobs_module.server_jobs().results._failures.put(run_key(missing), said)
    page = open_page(baseline="XGBOD", contamination="0.0", seeds="1")
    assert errors(page) == [said]
    assert sentences(page) == []
    settled(page.selectbox(key="baseline").set_value("DeepSAD").run())
    assert errors(page) == []
    assert len(tiles(page)) == 3
