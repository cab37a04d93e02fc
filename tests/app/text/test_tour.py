"""The tour: its steps and what they point at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.navigation import PAGES
from app.text.tour import TOUR, read_tour

APP = Path(__file__).parents[3] / "app"
WORDS_PER_S = 3.0
SECONDS = 60


def test_it_can_be_read_in_a_minute() -> None:
    words = sum(len(step.text.split()) for step in TOUR)
    assert 5 <= len(TOUR) <= 10 and words / WORDS_PER_S <= SECONDS


def test_it_begins_on_start_and_never_returns_to_a_page() -> None:
    pages = [step.page for step in TOUR]
    assert pages[0] == "start" and set(pages) <= set(PAGES)
    assert pages == sorted(pages, key=pages.index)


@pytest.mark.parametrize("step", TOUR, ids=lambda step: step.key)
def test_a_step_points_at_an_element_that_the_app_draws(step: object) -> None:
    sources = "\n".join(path.read_text("utf-8") for path in APP.rglob("*.py"))
    key = step.key  # type: ignore[attr-defined]
    name = key.removeprefix("start_")  # the prefix of the keys on Start
    assert re.search(rf'key="{key}"|^        "{name}",$|Parameter\("{name}"', sources, re.MULTILINE)


@pytest.mark.parametrize(
    "content",
    [
        "steps = 1",
        "[[steps]]\npage = 'start'\nkey = 'a b'\ntext = 'A sentence that is long enough.'",
        "[[steps]]\npage = 'start'\nkey = 'a'\ntext = 'short'",
        "[[steps]]\npage = 'start'\ntext = 'A sentence that is long enough.'",
        "[[steps]]\npage = 'start'\nkey = 'a'\ntext = 'A sentence that is long enough.'\nwait = 3",
    ],
)
def test_a_bad_file_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "tour.toml"
    file.write_text(content)
    with pytest.raises((ValueError, TypeError)):
        read_tour(file)
