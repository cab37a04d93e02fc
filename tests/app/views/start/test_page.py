"""The page Start as Streamlit runs it, without a browser."""

from __future__ import annotations

import pytest

from app.navigation import PAGES
from app.text.citations import ANOONLY
from app.text.questions import QUESTIONS, Question
from app.views.start.page import ADDRESS, DOORS
from app.views.start.picture import TIES
from tests.app.conftest import opened


@pytest.mark.usefixtures("server")
def test_it_names_the_paper_and_its_controls_are_in_the_address() -> None:
    page = opened("", weight="0.1", tie="no norm")
    words = "\n".join(element.value for element in (*page.markdown, *page.caption))
    assert words.startswith("**AnoOnly trains an anomaly detector")
    assert all(name in words for name in (*ANOONLY.authors, ANOONLY.title, ANOONLY.url))
    assert "λₙ = 0.1" in words and "Without a norm" in words
    page.select_slider(key=ADDRESS.key("weight")).set_value(1.0).run()
    assert page.query_params == {"weight": "1", "tie": "no norm"}
    page.segmented_control(key=ADDRESS.key("tie")).set_value(TIES[True]).run()
    page.select_slider(key=ADDRESS.key("weight")).set_value(0.0).run()
    assert not page.query_params
    assert "still gets a gradient" in "\n".join(element.value for element in page.markdown)
    assert len(page.get("page_link")) == sum(len(names) for _, names in DOORS)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_has_its_answer_and_opens_the_page_that_shows_it(question: Question) -> None:
    page = opened("")
    assert question.answer in [element.value for element in page.markdown]
    page.button(key=f"ask_{question.name}").click().run()
    assert not page.exception
    assert f"<h1>{PAGES[question.page].title}</h1>" in "".join(element.value for element in page.get("html"))
