"""The Lessons page as Streamlit runs it, without a browser: predict, commit, see what came out, go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from anoonly_core.projection import project
from anoonly_core.results.result import RunResult
from app.server import jobs as jobs_module
from app.server.jobs import Jobs, JobView
from app.text.verdict import format_difference, paired_difference
from app.views.lessons.answers import Answers
from app.views.lessons.lessons import LESSONS, Lesson, Position
from tests.app.conftest import MakeJobs

MAIN = Path(__file__).parents[4] / "app" / "script.py"
# Its runs come with the product: nothing is trained for it.
SHIPPED_STEP = {"lesson": "dirty_pool", "step": "2"}
STEP = LESSONS["dirty_pool"].steps[1]

Open = Callable[..., AppTest]
Shipped = tuple[list[RunResult], list[RunResult]]


@pytest.fixture(scope="module")
def workers(make_jobs: MakeJobs) -> Jobs:
    return make_jobs(2)


@pytest.fixture(autouse=True)
def jobs(workers: Jobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The server's jobs, for every page."""
    monkeypatch.setattr(jobs_module, "_jobs", lambda: workers)
    yield workers


@pytest.fixture
def open_page() -> Open:
    """Opens a page by its path, as a new session or as one that comes from another page by the navigation."""

    def go(path: str = "lessons", page: AppTest | None = None, **parameters: str) -> AppTest:
        page = page or AppTest.from_file(str(MAIN), default_timeout=90)
        page._page_hash = calc_hash(path)
        page.query_params = dict(parameters)
        page.run()
        page._page_hash = ""  # it stays where it is
        assert [caught.value for caught in page.exception] == []
        return page

    return go


def headings(page: AppTest) -> list[str]:
    return [text.value.removeprefix("##### ") for text in page.markdown if text.value.startswith("##### ")]


def said(page: AppTest) -> str:
    return "\n".join(text.value.replace("\\", "") for text in (*page.markdown, *page.warning, *page.error))


def tiles(page: AppTest) -> list[str]:
    return [text.value for text in page.markdown if "A → B" in text.value]


def predict(page: AppTest, outcome: str) -> AppTest:
    """Choose a prediction, and commit to it."""
    prediction(page).set_value(outcome).run()
    return press(page, "commit")


def prediction(page: AppTest):  # type: ignore[no-untyped-def]  # Streamlit does not export its type
    (found,) = [radio for radio in page.main.radio if radio.key.startswith("predict")]
    return found


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert [caught.value for caught in page.exception] == []
    return page


def keys(page: AppTest) -> set[str]:
    return {button.key for button in page.button}


def place(page: AppTest) -> dict[str, str]:
    return {name: value[-1] if isinstance(value, list) else value for name, value in page.query_params.items()}


def ticked(page: AppTest) -> list[str]:
    return [caption for caption in page.sidebar.radio[0].proto.captions if "✓" in caption]


def test_it_begins_with_the_first_question(open_page: Open) -> None:
    page = open_page()
    assert headings(page)[0].startswith("1. Supervision imbalance")
    assert "Question 1 of 3." in said(page)
    assert place(page) == {"lesson": "imbalance", "step": "1"}
    assert len(page.sidebar.radio[0].options) == len(LESSONS) and ticked(page) == []


def test_nothing_runs_before_a_prediction(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[object] = []
    monkeypatch.setattr(Jobs, "request_runs", lambda self, session, groups: wanted.append(groups))
    page = open_page(**SHIPPED_STEP)
    assert prediction(page).value is None and page.button(key="commit").disabled
    assert "**A** DeepSAD :gray-badge[λₙ = 1]" in said(page)
    assert "**B** DeepSAD + AnoOnly :green-badge[λₙ = 0]" in said(page)
    prediction(page).set_value("equal").run()
    assert not page.button(key="commit").disabled
    assert wanted == [] and STEP.why.splitlines()[0] not in said(page) and tiles(page) == []


def test_a_wrong_prediction_is_said_plainly(open_page: Open, shipped: Shipped) -> None:
    page = predict(open_page(**SHIPPED_STEP), "worse")
    found = paired_difference(*([run.metrics.aucpr_anomaly for run in side] for side in shipped))
    assert headings(page)[1] == (
        f"You predicted “{STEP.predictions['worse']}”. What came out is “B finds them better”. Over 5 seeds "
        f"**DeepSAD + AnoOnly** finds the anomalies better than **DeepSAD**: AUCPR {found.b:.2f} against "
        f"{found.a:.2f} ({format_difference(found)}). Only λₙ (1 → 0) differs."
    )
    assert len(tiles(page)) == 3 and f"{found.a:.3f} → {found.b:.3f}" in tiles(page)[0]
    assert len(page.get("plotly_chart")) == 1 and STEP.why in said(page)
    assert len(page.warning) == 0 and "commit" not in keys(page)


def test_a_right_prediction_is_confirmed(open_page: Open) -> None:
    page = predict(open_page(**SHIPPED_STEP), "better")
    assert headings(page)[1].startswith("You predicted “B finds them better”, and that is what happened. Over 5 seeds")


def test_a_question_whose_runs_are_not_there_trains_them(open_page: Open) -> None:
    page = predict(open_page(lesson="dirty_pool", step="3"), "equal")
    assert headings(page)[1].startswith("You predicted “No clear difference”, and that is what happened. Over 5 seeds")
    assert "No clear difference" in headings(page)[1]
    assert press(page, "next").button(key="next").label == "Next lesson"


def test_a_rival_of_another_package_answers_a_question(open_page: Open) -> None:
    page = predict(open_page(lesson="logistic_regression", step="1"), "worse")
    assert headings(page)[1].startswith("You predicted “B finds them worse”, and that is what happened. Over 5 seeds")
    assert "**A** LogisticRegression" in said(page) and len(page.get("plotly_chart")) == 1
    assert not page.warning and not page.error


def with_step(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Another second question in the lesson about the dirty pool."""
    lesson = LESSONS["dirty_pool"]
    steps = (lesson.steps[0], STEP.model_copy(update=changes), lesson.steps[2])
    lessons: Mapping[str, Lesson] = {**LESSONS, "dirty_pool": lesson.model_copy(update={"steps": steps})}
    monkeypatch.setattr("app.views.lessons.page.LESSONS", lessons)


def test_an_outcome_other_than_where_it_was_written_is_said(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with_step(monkeypatch, claim="equal")
    page = predict(open_page(**SHIPPED_STEP), "better")
    assert headings(page)[1].startswith("You predicted “B finds them better”, and that is what happened.")
    (warning,) = page.warning
    assert "another outcome" in warning.value and "“No clear difference”" in warning.value


def test_a_measure_of_maps_has_its_maps_drawn(open_page: Open, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}

    def want(session: str, projector: str, features: Mapping[str, np.ndarray]) -> None:
        assert projector == "tsne"
        drawn.update({key: project(table, "pca") for key, table in features.items()})  # which is quicker

    monkeypatch.setattr(jobs, "request_points", want)
    monkeypatch.setattr(jobs.results, "points", drawn.get)
    with_step(monkeypatch, metric="tsne_gap", shows="map", also=())
    page = predict(open_page(**SHIPPED_STEP), "better")
    assert len(drawn) == 10, "each run's map counts"
    (only,) = tiles(page)
    assert only.startswith(":small[gap to the normal rows") and "chance" not in only
    assert len(page.get("plotly_chart")) == 1


def test_a_failure_is_one_sentence_and_can_be_tried_again(
    open_page: Open, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.results, "run", lambda key: None)
    monkeypatch.setattr(jobs.results, "failure", lambda key: "There is no room.")
    monkeypatch.setattr(jobs, "request_runs", lambda session, groups: None)
    page = predict(open_page(**SHIPPED_STEP), "better")
    assert [error.value for error in page.error] == ["There is no room\\."]
    monkeypatch.undo()
    next(button for button in page.button if button.label == "Try again").click().run()
    assert headings(page)[1].startswith("You predicted “B finds them better”, and that is what happened.")


def test_canceling_opens_the_question_again(open_page: Open, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click cannot interrupt the waiting script here, so that what the button calls is called in its place."""
    released: list[str] = []
    monkeypatch.setattr(jobs, "release", released.append)
    page = open_page(**SHIPPED_STEP)
    prediction(page).set_value("equal").run()
    answers = page.session_state["lesson_answers"]
    answers.seen[Position("dirty_pool", 2)] = "worse"  # in an earlier visit, whose runs are no longer stored
    released.clear()
    monkeypatch.setattr(
        "app.views.lessons.page._results", lambda place, step, jobs, session, status: cancel(place, session)
    )
    press(page, "commit")
    monkeypatch.undo()
    page.run()
    assert "Question 2 of 3." in said(page) and released != []
    assert prediction(page).value == "equal" and not page.button(key="commit").disabled
    assert answers == Answers(), "the end of the lesson needs the prediction of each outcome"


def cancel(where: object, session: str) -> None:
    from app.views.lessons import page as lessons

    lessons._cancel(where, session)  # type: ignore[arg-type]


def test_progress_counts_the_seeds(open_page: Open, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    real, shown = jobs.results.run, SimpleNamespace(calls=0)

    def late(key: str) -> RunResult | None:
        shown.calls += 1
        return real(key) if shown.calls > 40 else None

    bars: list[str] = []
    monkeypatch.setattr(jobs.results, "run", late)
    monkeypatch.setattr(jobs, "request_runs", lambda session, groups: None)
    monkeypatch.setattr(jobs, "view", lambda keys: JobView(ahead=0, done=3, total=50))
    monkeypatch.setattr("app.views.lessons.page.draw_run_progress", lambda bar, what, *rest: bars.append(what))
    page = predict(open_page(**SHIPPED_STEP), "better")
    assert set(bars) == {"Training 5 seeds of A and of B"}
    assert "cancel" not in keys(page) and len(tiles(page)) == 3


def test_what_was_answered_stays_for_the_session(open_page: Open) -> None:
    page = predict(open_page(**SHIPPED_STEP), "worse")
    before = headings(page)
    press(page, "next")
    assert place(page) == {"lesson": "dirty_pool", "step": "3"} and "Question 3 of 3." in said(page)
    press(page, "back")
    assert headings(page) == before
    open_page("runs", page)
    assert "Question" not in said(page)
    open_page("lessons", page)
    assert headings(page) == before and place(page) == SHIPPED_STEP
    page.sidebar.radio[0].set_value("norms").run()
    assert place(page) == {"lesson": "norms", "step": "1"}
    page.sidebar.radio[0].set_value("dirty_pool").run()
    assert headings(page) == before and place(page) == SHIPPED_STEP


def test_a_lesson_can_be_begun_anew(open_page: Open) -> None:
    page = press(predict(open_page(**SHIPPED_STEP), "worse"), "reset")
    assert place(page) == {"lesson": "dirty_pool", "step": "1"}
    open_page("lessons", page, **SHIPPED_STEP)
    assert prediction(page).value is None and page.button(key="commit").disabled


def test_the_end_counts_the_predictions_and_leads_on(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = LESSONS["dirty_pool"]
    monkeypatch.setattr(
        "app.views.lessons.page.LESSONS", {**LESSONS, "dirty_pool": lesson.model_copy(update={"steps": (STEP, STEP)})}
    )
    page = predict(open_page(lesson="dirty_pool", step="1"), "better")
    assert ticked(page) == []
    page = press(predict(press(page, "next"), "equal"), "next")
    assert "**1 of your 2 predictions were right.**" in said(page)
    assert "(as predicted)" in said(page) and "you predicted: No clear difference" in said(page)
    assert ticked(page) == [f"✓ {lesson.question}"]
    links = [urlsplit(link.proto.url) for link in page.get("link_button")]
    assert [link.path for link in links] == ["/sweep", "/compare", "/sweep"]
    assert [parse_qs(link.query) for link in links] == [
        {name: [text] for name, text in offer.parameters.items()} for offer in lesson.next
    ]
    press(page, "next")
    assert place(page) == {"lesson": "when_it_hurts", "step": "1"}


def test_the_end_without_answers_says_so(open_page: Open) -> None:
    page = open_page(lesson="norms", step="4")
    assert said(page).count("Not answered yet.") == 3 and "predictions came out" not in said(page)
    assert "Question 3 of 3." in said(press(page, "back"))


@pytest.mark.parametrize(
    ("parameters", "words", "first"),
    [
        ({"lesson": "magic"}, "The link's lesson must be one of imbalance, norms", "1. Supervision imbalance"),
        ({"lesson": "norms", "step": "9"}, "step must be one of 1, 2, 3, 4, not '9'", "2. Without batch norm"),
        ({"lesson": "norms", "color": "<b>red</b>"}, "'color'", "2. Without batch norm"),
    ],
)
def test_a_wrong_link_is_named_until_the_reader_moves(
    open_page: Open, parameters: dict[str, str], words: str, first: str
) -> None:
    page = open_page(**parameters)
    (warning,) = page.warning
    assert words in warning.value.replace("\\", "")
    assert headings(page)[0].startswith(first) and "Question 1 of" in said(page)
    page.sidebar.radio[0].set_value("dirty_pool").run()
    assert len(page.warning) == 0 and place(page) == {"lesson": "dirty_pool", "step": "1"}


def test_what_another_pages_address_left_is_passed_over(open_page: Open) -> None:
    page = open_page(lambda_n="0.3", view="watch it learn", projection="t-SNE")
    assert not page.warning and headings(page)[0].startswith("1. ")
    assert "does not know" in said(open_page(nonsense="1"))


def test_a_stream_answers_a_question(open_page: Open) -> None:
    page = open_page(lesson="follow_or_stand_still", step="2")
    assert ":gray-badge[running statistics]" in said(page) and ":green-badge[moving statistics]" in said(page)
    assert "sudden shift: contrast · 5% anomalies in the stream · 5 seeds" in said(page)
    page = predict(page, "worse")
    step = LESSONS["follow_or_stand_still"].steps[1]
    assert headings(page)[1].startswith(
        f"You predicted “{step.predictions['worse']}”. What came out is “B ranks them better”. Over 5 seeds, AUCROC in "
        "the stream: "
    )
    assert "for **moving statistics** against " in headings(page)[1]
    assert len(tiles(page)) == 3 and "share of the normal rows flagged" in " ".join(tiles(page))
    assert len(page.get("plotly_chart")) == 1 and step.why in said(page)
    captions = " ".join(caption.value for caption in page.caption)
    assert "Also, " in captions and "running statistics → batch statistics" in captions
