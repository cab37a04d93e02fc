"""The Compare page as Streamlit runs it, without a browser: it reads any link and says what it did with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.result import RunResult
from app import jobs as jobs_module
from app.comparison import THRESHOLDS
from app.verdict import difference
from tests.app.conftest import wait_for

MAIN = Path(__file__).parents[2] / "app" / "main.py"
QUICK = {"epochs": "2", "seeds": "1"}
FIGURES = 6

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[None]:
    """This process's workers, offline and with a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_MIRROR", "http://127.0.0.1:9")
        jobs_module._jobs.cache_clear()
        yield
        jobs_module.server_jobs().close()
        jobs_module._jobs.cache_clear()


@pytest.fixture
def open_page(server: None) -> Open:
    def open_link(**parameters: str) -> AppTest:
        page = AppTest.from_file(str(MAIN), default_timeout=120)
        for name, value in parameters.items():
            page.query_params[name] = value
        return settled(page.run())

    return open_link


def settled(page: AppTest) -> AppTest:
    """The page once all its seeds are there; it follows them by itself only in a browser."""
    wait_for(lambda: "seeds are training" not in "".join(sentences(page)) or not page.run(), "all seeds")
    assert [caught.value for caught in page.exception] == []
    return page


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
    assert len(page.get("plotly_chart")) == FIGURES
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
    assert len(page.get("plotly_chart")) == FIGURES


def test_the_threshold_moves_what_is_flagged(open_page: Open) -> None:
    page = open_page()

    def missed() -> str:
        return next(caption.value for caption in page.caption if "misses" in caption.value)

    before = missed()
    page.select_slider(key="threshold").set_value(THRESHOLDS[-1]).run()
    assert [caught.value for caught in page.exception] == []
    assert missed() != before
