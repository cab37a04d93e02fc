"""The Compare page as Streamlit runs it, without a browser: opened, settled, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from streamlit.testing.v1 import AppTest

from app.text.labels import option_of
from tests.app.conftest import opened, wait_for

QUICK = {"epochs": "2", "seeds": "1"}
FIGURES = 6

Open = Callable[..., AppTest]


def open_settled(**parameters: str) -> AppTest:
    """Compare as a link with these parameters opens it, with all its seeds."""
    return settled(opened(**parameters))


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


def each_tab(page: AppTest) -> Iterator[str]:
    """The tabs of a page by their names; each is open, and alone drawn, when its name comes."""
    for label in [tab.label for tab in page.tabs]:
        at_tab(page, label)
        yield label


def all_charts(page: AppTest) -> set[str]:
    """The charts on the page and under each of its tabs, by their keys."""
    return {chart.key for _ in each_tab(page) for chart in page.get("plotly_chart")}


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
    """Return a parameter of the address, an option by its name in the code; None if the address lacks it."""
    found = page.query_params.get(name)
    text = found[0] if isinstance(found, list) else found
    return None if text is None else option_of(name, text)


def button(page: AppTest, label: str):  # type: ignore[no-untyped-def]  # Streamlit does not export its type
    return next(button for button in page.button if button.label == label)
