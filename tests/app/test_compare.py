"""The Compare page as Streamlit runs it, without a browser: it reads any link and says what it did with it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.keys import run_key
from anoonly_core.result import NO_HISTORY, RunResult
from app import jobs as jobs_module
from app.choice import baseline_of, pin_text
from app.comparison import THRESHOLDS
from app.jobs import JobView
from app.verdict import difference
from app.waiting import Bar, Plan, draw_progress
from tests.app.conftest import opened, wait_for

QUICK = {"epochs": "2", "seeds": "1"}
FIGURES = 6

Open = Callable[..., AppTest]


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: settled(opened(**parameters))


def settled(page: AppTest) -> AppTest:
    """The page once all its seeds are there; it follows them by itself only in a browser."""
    wait_for(lambda: "seeds are training" not in "".join(sentences(page)) or not page.run(), "all seeds")
    assert [caught.value for caught in page.exception] == []
    return page


def at_tab(page: AppTest, name: str) -> AppTest:
    """The page with this tab open, which alone is drawn."""
    page.session_state["tab"] = name
    page.run()
    assert [caught.value for caught in page.exception] == []
    return page


def all_charts(page: AppTest) -> set[str]:
    """The charts on the page and under each of its tabs, by their keys."""
    labels = [tab.label for tab in page.tabs]
    return {chart.key for label in labels for chart in at_tab(page, label).get("plotly_chart")}


def sentences(page: AppTest) -> list[str]:
    return [text.value.removeprefix("##### ") for text in page.markdown if text.value.startswith("##### ")]


def sentence(page: AppTest) -> str:
    (only,) = sentences(page)
    return only


def tiles(page: AppTest) -> list[str]:
    return [text.value for text in page.markdown if "chance" in text.value]


def warnings(page: AppTest) -> list[str]:
    return [as_read(warning.value) for warning in page.warning]


def errors(page: AppTest) -> list[str]:
    return [as_read(error.value) for error in page.error]


def as_read(markdown: str) -> str:
    """Text whose Markdown characters are escaped, as the reader sees it."""
    return re.sub(r"\\(.)", r"\1", markdown)


def parameter(page: AppTest, name: str) -> str | None:
    found = page.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def test_the_first_page_says_what_its_figures_say(
    open_page: Open, shipped: tuple[list[RunResult], list[RunResult]]
) -> None:
    page = open_page()
    found = difference(*([result.metrics.aucpr_anomaly for result in side] for side in shipped))
    assert sentence(page).startswith("Over 5 seeds **DeepSAD + AnoOnly** finds the anomalies better than **DeepSAD**")
    assert f"AUCPR {found.b:.2f} against {found.a:.2f} ({found.delta:+.2f} ± {found.margin:.2f})" in sentence(page)
    assert len(tiles(page)) == 3
    assert all(label in text for label, text in zip(("AUCROC", "AUCPR anom", "AUCPR norm"), tiles(page), strict=True))
    assert len(all_charts(page)) == FIGURES
    assert warnings(page) == []
    assert errors(page) == []


def test_a_bad_value_in_the_link_is_named_and_the_default_stands(open_page: Open) -> None:
    page = open_page(lambda_n="abc", colour="red")
    assert [("lambda_n" in text, "colour" in text) for text in warnings(page)] == [(True, False), (False, True)]
    assert page.select_slider(key="lambda_n").value == 0.0
    assert "**DeepSAD + AnoOnly**" in sentence(page)


def test_the_links_settings_reach_the_run(open_page: Open) -> None:
    settings = {"norm": "layer", "lambda_n": "0.1", "batch_size": "64", "labeled_ratio": "0.2", **QUICK}
    page = open_page(**settings, contamination="0.1", threshold="3.0")
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


def button(page: AppTest, label: str):  # type: ignore[no-untyped-def]  # Streamlit does not export its type
    return next(button for button in page.button if button.label == label)


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
    """What if half of the anomalies were labelled, not a tenth? A and B then train on other labelled rows."""
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
    assert re.search(rf"\*\*B\*\*  digits_3.*?Training sees {counts[moved]} labelled", said)
    assert re.search(rf"\*\*A\*\*  digits_3.*?Training sees {counts[pinned]} labelled", said)


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
    assert sentence(page) == "A and B are the same run: move a control to see what it changes."


def test_the_published_protocol_says_that_it_leaks(open_page: Open) -> None:
    page = open_page(dataset="breast_cancer", protocol="published", **QUICK)
    (warning,) = warnings(page)
    assert warning.startswith("Leak: ")
    assert parameter(page, "protocol") == "published"


def test_settings_that_cannot_be_split_are_one_sentence(open_page: Open) -> None:
    page = open_page(labeled_ratio="1", contamination="0.2", **QUICK)
    assert errors(page) == [
        "Every training anomaly is labelled, so none is left to contaminate the pool: "
        "lower the labelled ratio or set the contamination to 0 or natural."
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


@pytest.mark.parametrize("projection", ["t-SNE", "nonsense"])
def test_a_link_may_name_the_projection(open_page: Open, projection: str) -> None:
    page = open_page(projection=projection, **QUICK)
    assert len(all_charts(page)) == FIGURES
    said = "The link's projection must be one of PCA, t-SNE, UMAP, not 'nonsense'. The default, PCA, stands instead."
    wanted = [] if projection == "t-SNE" else [said]
    assert [own.value.replace("\\", "") for own in page.warning] == wanted


@pytest.mark.parametrize("name", ["threshold", "view", "tab"])
def test_how_figures_are_drawn_is_as_at_first_where_the_link_says_nonsense_and_the_page_says_so(
    open_page: Open, name: str
) -> None:
    page = open_page(**{name: "3.14159"})
    (notice,) = page.warning
    assert notice.value.startswith(f"The link's {name} must be ") and "'3\\.14159'" in notice.value
    assert name not in page.query_params and len(all_charts(page)) > 0


def test_the_threshold_moves_what_is_flagged(open_page: Open) -> None:
    page = open_page(tab="Confusion and rows")

    def missed() -> str:
        return next(caption.value for caption in page.caption if "misses" in caption.value)

    before = missed()
    page.select_slider(key="threshold").set_value(THRESHOLDS[-1]).run()
    assert [caught.value for caught in page.exception] == []
    assert missed() != before


# -- the other systems

TRAINED_HERE = [name for name in BASELINES if name != "XGBOD"]
MAY_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset")
# FEAWAD pretrains 100 epochs, which in the published batches takes long.
SMALL = {"FEAWAD": {"batch_size": "16", "a": pin_text(make_config(baseline="FEAWAD", batch_size=16, epochs=2))}}
# XGBOD is PyOD's, which may be missing: what would come of it is put into the server's memory.
XGBOD_RUN = make_config(baseline="XGBOD")


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
    assert len(all_charts(page)) == FIGURES
    assert_idle_where_lacking(page, baseline)
    has_lambda = BASELINES[baseline].has("lambda_n")
    assert f"**{baseline} + AnoOnly" in sentence(page) if has_lambda else f"**{baseline}, " in sentence(page)
    assert ("2 epochs**" in sentence(page)) == (baseline not in SMALL), "A is as published"
    assert f"than **{baseline}" in sentence(page) if has_lambda else "**DeepSAD + AnoOnly**" in sentence(page)
    at_tab(page, "Training")
    assert f"An epoch of {baseline} is " in captions(page)
    assert ("100 epochs come before" in captions(page)) == (baseline == "FEAWAD")
    assert "nan" not in captions(page)
    told = "\n".join(text.value for text in at_tab(page, "The method").markdown)
    assert told.count(BASELINES[baseline].summary) == 1
    assert (BASELINES["DeepSAD"].summary in told) == (baseline == "DeepSAD" or not has_lambda)
    network = BASELINES[baseline].network
    assert network is not None
    assert all(f'"{part}"' in diagrams(page)[0] for part in network(64, "paper"))
    assert len(diagrams(page)) == (1 if baseline == "DeepSAD" else 2), "A's network differs, by its norm at least"


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
        "batch_size must be 4 or more for PReNet, whose batches hold a fixed share of labelled anomalies, not 2."
    ]
    settled(page.selectbox(key="batch_size").set_value(4).run())
    assert errors(page) == []
    assert "**PReNet + AnoOnly, batch norm, batch 4, 2 epochs**" in sentence(page)


@pytest.mark.parametrize(("baseline", "stands"), [("DevNet", "DevNet"), ("REPEN", "DeepSAD + AnoOnly")])
def test_what_stands_in_place_of_a_bad_pin_is_named(open_page: Open, baseline: str, stands: str) -> None:
    page = open_page(a="baseline=XGBOD,lambda_n=0", baseline=baseline, **QUICK)
    assert warnings(page) == [
        "The link's pinned run cannot be used: XGBOD has no lambda_n: leave it out. "
        f"The published {stands} stands instead."
    ]
    assert button(page, "Unpin A").help == f"A is the published {stands} again."


def test_a_comparator_can_be_pinned(open_page: Open) -> None:
    page = open_page(baseline="REPEN", **QUICK)
    settled(button(page, "Pin B as A").click().run())
    assert sentence(page).startswith("A and B are the same run")
    settled(page.selectbox(key="baseline").set_value("DevNet").run())
    assert warnings(page) == []
    assert "**REPEN, 2 epochs**" in sentence(page)
    assert "**DevNet + AnoOnly, 2 epochs**" in sentence(page)


@pytest.fixture
def xgbod(server: None, shipped: tuple[list[RunResult], list[RunResult]]) -> RunResult:
    """A finished run of XGBOD, with the scores of another."""
    other = shipped[0][0]
    hidden = np.random.default_rng(0).normal(size=(len(other.sample.rows), 41)).astype(np.float32)
    result = replace(
        other,
        key=run_key(XGBOD_RUN),
        config=XGBOD_RUN,
        sample=replace(other.sample, hidden=hidden),
        history=NO_HISTORY,
    )
    jobs = jobs_module.server_jobs()
    jobs.forget_failures([result.key])
    jobs._finished.put(result.key, result)
    return result


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
        "input features",
        "hidden features, <b>A</b>  DeepSAD + AnoOnly",
        "41 unsupervised scores, <b>B</b>  XGBOD",
    ]
    assert len(diagrams(at_tab(page, "The method"))) == 1, "A's"
    assert any(BASELINES["XGBOD"].summary in text.value for text in page.markdown)


def test_xgbod_beside_itself_draws_no_history(open_page: Open, xgbod: RunResult) -> None:
    page = open_page(baseline="XGBOD", seeds="1", a="baseline=XGBOD")
    assert sentence(page).startswith("A and B are the same run")
    assert len(all_charts(page)) == FIGURES - 1
    assert "XGBOD has no epochs." in captions(at_tab(page, "Training"))
    assert diagrams(at_tab(page, "The method")) == []
    assert sum(BASELINES["XGBOD"].summary in text.value for text in page.markdown) == 1


def test_without_its_packages_xgbod_is_one_sentence(open_page: Open) -> None:
    """What a worker says of them is the core's; here it has been said already."""
    missing = make_config(baseline="XGBOD", contamination=0.0)
    said = "XGBOD needs PyOD and XGBoost, which are optional: pip install -r requirements-comparators.txt."
    jobs_module.server_jobs()._failures.put(run_key(missing), said)
    page = open_page(baseline="XGBOD", contamination="0.0", seeds="1")
    assert errors(page) == [said]
    assert sentences(page) == []
    settled(page.selectbox(key="baseline").set_value("DeepSAD").run())
    assert errors(page) == []
    assert len(tiles(page)) == 3


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
    draw_progress(Bar(bar), "Training", Plan([baseline_of(config)], [config]), [], jobs)
    assert shown == [said]


def test_what_could_not_be_kept_is_said_on_top_as_long_as_it_is_so(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, sentence = jobs_module.server_jobs(), "The run could not be kept."

    def want(session: str, groups: Any) -> None:
        jobs.unkept = next(states)

    monkeypatch.setattr(jobs, "want", want)
    states = iter([sentence, sentence, "", ""])
    assert [warning.value for warning in open_page().warning] == [sentence.replace(".", "\\.")]
    page = open_page()
    assert not page.warning and "AnoOnly" in "".join(sentences(page))
