"""The Compare page as Streamlit runs it, without a browser: it reads any link and says what it did with it."""

from __future__ import annotations

import base64
import json
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.results.result import RunResult
from app.charts.style import FLAGGED
from app.controls.choice import baseline_of
from app.server import jobs as jobs_module
from app.server.jobs import JobView
from app.text.verdict import paired_difference
from app.widgets.progress import Bar, ComparisonRuns, draw_run_progress
from tests.app.views.compare.compare_read import (
    FIGURES,
    QUICK,
    Open,
    all_charts,
    at_tab,
    button,
    errors,
    open_settled,
    parameter,
    sentence,
    sentences,
    settled,
    tiles,
    warnings,
)


@pytest.fixture
def open_page(server: None) -> Open:
    return open_settled


def test_the_first_page_says_what_its_figures_say(
    open_page: Open, shipped: tuple[list[RunResult], list[RunResult]]
) -> None:
    page = open_page()
    found = paired_difference(*([result.metrics.aucpr_anomaly for result in side] for side in shipped))
    assert sentence(page).startswith("Over 5 seeds **DeepSAD + AnoOnly** finds the anomalies better than **DeepSAD**")
    assert f"AUCPR {found.b:.2f} against {found.a:.2f} ({found.delta:+.2f} ± {found.margin:.2f})" in sentence(page)
    assert len(tiles(page)) == 3
    assert all(label in text for label, text in zip(("AUCROC", "AUCPR anom", "AUCPR norm"), tiles(page), strict=True))
    assert len(all_charts(page)) == FIGURES
    assert warnings(page) == []
    assert errors(page) == []


def test_a_bad_value_in_the_link_is_named_and_the_default_stands(open_page: Open) -> None:
    page = open_page(lambda_n="abc", color="red")
    assert [("lambda_n" in text, "color" in text) for text in warnings(page)] == [(True, False), (False, True)]
    assert page.select_slider(key="lambda_n").value == 0.0
    assert "**DeepSAD + AnoOnly**" in sentence(page)


def test_the_links_settings_reach_the_run(open_page: Open) -> None:
    settings = {"norm": "layer", "lambda_n": "0.1", "batch_size": "64", "labeled_ratio": "0.2", **QUICK}
    page = open_page(**settings, contamination="0.1", threshold="5")
    assert warnings(page) == []
    for words in ("DeepSAD, λₙ = 0.1", "layer norm", "batch 64", "2 epochs"):
        assert words in sentence(page)
    assert page.selectbox(key="norm").value == "layer"
    assert page.select_slider(key="labeled_ratio").value == 0.2
    assert page.selectbox(key="contamination").value == 0.1
    assert {name: parameter(page, name) for name in settings} == settings


def test_a_value_between_the_stops_is_a_stop(open_page: Open) -> None:
    page = open_page(lambda_n="0.25", batch_size="100", **QUICK)
    assert warnings(page) == []
    assert (page.select_slider(key="lambda_n").value, page.selectbox(key="batch_size").value) == (0.25, 100)
    assert "λₙ = 0.25, batch 100" in sentence(page)
    assert (parameter(page, "lambda_n"), parameter(page, "batch_size")) == ("0.25", "100")


@pytest.mark.parametrize("text", ["0.12345678", "1e-3", "0.10"])
def test_a_number_written_otherwise_stays_in_the_link(open_page: Open, text: str) -> None:
    page = open_page(lambda_n=text, **QUICK)
    assert page.select_slider(key="lambda_n").value == float(text)
    kept = parameter(page, "lambda_n")
    assert kept is not None, "a reload would fall back to the default"
    assert float(kept) == float(text)


def test_an_unknown_data_set_is_named(open_page: Open) -> None:
    page = open_page(dataset="digits_99")
    (warning,) = warnings(page)
    assert "digits_99" in warning
    assert page.selectbox(key="dataset").value == "digits_3"
    assert len(tiles(page)) == 3


@pytest.mark.parametrize("text", ["zzz", "lambda_n=abc", "batch_size=0", "<script>alert(1)</script>"])
def test_a_bad_pinned_run_is_named_and_the_baseline_stands(open_page: Open, text: str) -> None:
    page = open_page(a=text)
    (warning,) = warnings(page)
    assert warning.startswith("The link's pinned run cannot be used: ")
    assert sentence(page).startswith("Over 5 seeds **DeepSAD + AnoOnly** finds the anomalies better than **DeepSAD**")


def test_unpinning_takes_the_notice_away(open_page: Open) -> None:
    page = open_page(a="zzz")
    settled(button(page, "Unpin A").click().run())
    assert parameter(page, "a") is None
    assert warnings(page) == []


def test_a_pinned_run_survives_its_link(open_page: Open) -> None:
    page = open_page(lambda_n="0.01", norm="none", **QUICK)
    settled(button(page, "Pin B as A").click().run())
    assert sentence(page).startswith("A and B are the same run")
    pinned = parameter(page, "a")
    assert pinned
    settled(page.select_slider(key="lambda_n").set_value(0.0).run())
    moved = sentence(page)
    assert "than **DeepSAD, λₙ = 0.01, no norm**" in moved
    again = open_page(a=pinned, norm="none", **QUICK)
    assert warnings(again) == []
    assert sentence(again) == moved
    settled(button(again, "Unpin A").click().run())
    assert "λₙ = 0.01" not in sentence(again)


@pytest.mark.parametrize(("pinned", "moved"), [("0.1", "0.5"), ("0.5", "0.1")])
def test_a_pinned_run_with_other_labels_keeps_its_own_rows(open_page: Open, pinned: str, moved: str) -> None:
    """With half of the anomalies labeled instead of a tenth, A and B train on different labeled rows."""
    page = open_page(a=f"labeled_ratio={pinned},epochs=2", labeled_ratio=moved, **QUICK)
    panels = json.loads(page.get("plotly_chart")[1].proto.spec)["data"]
    stars = [
        len(np.frombuffer(base64.b64decode(trace["x"]["bdata"]), trace["x"]["dtype"]))
        for trace in panels
        if trace["marker"]["symbol"] == "star"
    ]
    counts = {"0.1": 6, "0.5": 30}  # of the 60 anomalies that train
    assert stars == [counts[moved], counts[pinned], counts[moved]]
    said = " ".join(markdown.value for markdown in at_tab(page, "The split").markdown)
    assert re.search(rf"\*\*B\*\*  digits_3.*?Training sees {counts[moved]} labeled", said)
    assert re.search(rf"\*\*A\*\*  digits_3.*?Training sees {counts[pinned]} labeled", said)


def test_a_data_set_that_is_not_at_hand_is_offered(open_page: Open) -> None:
    page = open_page(dataset="CIFAR10_0")
    assert any("CIFAR10_0 is not on this machine yet" in info.value for info in page.info)
    assert sentences(page) == []
    button(page, "Download CIFAR10_0").click().run()
    assert [caught.value for caught in page.exception] == []
    (error,) = errors(page)
    assert "CIFAR10_0" in error
    assert "Traceback" not in error
    page.selectbox(key="dataset").set_value("digits_3").run()
    assert len(tiles(settled(page))) == 3
    assert len(page.error) == 0


def test_a_control_moves_the_figures(open_page: Open) -> None:
    page = open_page(**QUICK)
    seen = {sentence(page): tiles(page)}
    for name, value in (("lambda_n", 1e-4), ("labeled_ratio", 0.5), ("normal_ratio", 0.5)):
        settled(page.select_slider(key=name).set_value(value).run())
        assert len(tiles(page)) == 3
        seen[sentence(page)] = tiles(page)
    for name, other in (("norm", "none"), ("batch_size", 16), ("contamination", 0.05)):
        settled(page.selectbox(key=name).set_value(other).run())
        seen[sentence(page)] = tiles(page)
    assert len(seen) == 7
    assert len({"".join(shown) for shown in seen.values()}) == 7


def test_baseline_against_itself_is_the_same_run(open_page: Open) -> None:
    page = open_page()
    settled(page.select_slider(key="lambda_n").set_value(1.0).run())
    assert sentence(page).splitlines()[0] == "A and B are the same run: change a setting to compare."


def test_the_published_protocol_says_that_it_leaks(open_page: Open) -> None:
    page = open_page(dataset="breast_cancer", protocol="published", **QUICK)
    (warning,) = warnings(page)
    assert warning.startswith("Leak: ")
    assert parameter(page, "protocol") == "published"


def test_settings_that_cannot_be_split_are_one_sentence(open_page: Open) -> None:
    page = open_page(labeled_ratio="1", contamination="0.2", **QUICK)
    assert errors(page) == [
        "Every training anomaly is labeled, so none is left to contaminate the pool: "
        "lower the labeled ratio or set the contamination to 0 or natural."
    ]
    assert sentences(page) == []
    button(page, "Try again").click().run()
    assert len(page.error) == 1
    settled(page.select_slider(key="labeled_ratio").set_value(0.1).run())
    assert len(page.error) == 0
    assert len(tiles(page)) == 3


def test_seeds_beyond_the_last_one_are_one_sentence(open_page: Open) -> None:
    page = open_page(seed="2147483647")
    assert len(page.error) == 1
    assert len(page.selectbox) > 0, "the controls stay"


@pytest.mark.parametrize("projection", ["tsne", "t-SNE", "nonsense"])
def test_a_link_may_name_the_projection(open_page: Open, projection: str) -> None:
    page = open_page(projection=projection, **QUICK)
    assert {"scores", "points"} <= {chart.key for chart in page.get("plotly_chart")}
    said = "The link's projection must be one of pca, tsne, umap, not 'nonsense'. The default, pca, is used instead."
    wanted = [said] if projection == "nonsense" else []
    assert [own.value.replace("\\", "") for own in page.warning] == wanted


def test_a_threshold_in_the_former_unit_is_named(open_page: Open) -> None:
    (notice,) = warnings(open_page(threshold="3.0", **QUICK))
    assert notice.startswith(
        "The link's threshold must be a percentage of the test rows that the page offers, 0.1 to 100,"
    )


def test_how_figures_are_drawn_is_as_at_first_where_the_link_says_nonsense_and_the_page_says_so(
    open_page: Open,
) -> None:
    names = ("tab", "threshold", "view")
    page = open_page(**dict.fromkeys(names, "3.14159"))
    for name, notice in zip(names, sorted(warning.value for warning in page.warning), strict=True):
        assert notice.startswith(f"The link's {name} must be ") and "'3\\.14159'" in notice
    assert not {*names} & {*page.query_params} and len(page.get("plotly_chart")) > 1


def test_the_threshold_moves_what_is_flagged(open_page: Open) -> None:
    page = open_page(tab="rows")

    def missed() -> str:
        return next(caption.value for caption in page.caption if "misses" in caption.value)

    before = missed()
    page.select_slider(key="threshold").set_value(FLAGGED[-1]).run()
    assert [caught.value for caught in page.exception] == []
    assert missed() != before


@pytest.mark.parametrize(
    ("b", "view", "said"),
    [
        ("DeepSAD", JobView(0, 3, 50), "Training: epoch 3 of 50"),
        ("FEAWAD", JobView(0, 99, 130), "Training: epoch 99 of 130 (pretraining counted in)"),
        ("XGBOD", JobView(0, 0, 0), "Training: XGBOD has no epochs to count"),
        ("XGBOD", JobView(2, 0, 0), "Waiting: 2 jobs of others come first"),
        ("DevNet", JobView(1, 0, 0), "Waiting: 1 job of others come first"),
        ("XGBOD", None, "Starting"),
        ("DevNet", JobView(0, 0, 0), "Starting"),
    ],
)
def test_progress_says_what_it_counts(b: str, view: JobView | None, said: str) -> None:
    config = make_config(baseline=b)
    shown = []
    bar: Any = SimpleNamespace(progress=lambda share, text: shown.append(text))
    jobs: Any = SimpleNamespace(view=lambda keys: view)
    draw_run_progress(Bar(bar), "Training", ComparisonRuns([baseline_of(config)], [config]), [], jobs)
    assert shown == [said]


def test_what_could_not_be_kept_is_said_on_top_as_long_as_it_is_so(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, sentence = jobs_module.server_jobs(), "The run could not be kept."

    def want(session: str, groups: Any) -> None:
        jobs.results.store_problem = problems[-1]

    monkeypatch.setattr(jobs, "request_runs", want)
    problems = [sentence]
    assert [warning.value for warning in open_page().warning] == [sentence.replace(".", "\\.")]
    problems.append("")
    page = open_page()
    assert not page.warning and "AnoOnly" in "".join(sentences(page))


def test_a_headline_with_two_causes_offers_to_vary_one_of_them(open_page: Open) -> None:
    page = open_page(norm="none", **QUICK)
    assert (
        "Three things differ, λₙ (1 → 0), the norm (batch norm without scale and shift → no norm) and the epochs"
        in sentence(page)
    )
    assert "hurts" not in sentence(page)
    assert [button(page, f"Vary only {what}").label for what in ("λₙ", "the norm", "the epochs")]
    page = settled(button(page, "Vary only λₙ").click().run())
    assert "Only λₙ (1 → 0) differs." in sentence(page) and "lambda_n=1.0,norm=none" in parameter(page, "a")
    assert not [own for own in page.button if own.label.startswith("Vary only")]


def test_the_headline_stands_above_its_conditions(open_page: Open) -> None:
    line = sentence(open_page()).splitlines()[1].replace("\\", "")
    assert line.startswith(":small[digits_3 · pool of ") and line.endswith(" · seeds 0 to 4]")
    assert "6 labeled anomalies (10% of those in training)" in line
