"""The place of a headline above controls, which can be written only once the page has computed its results."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from .page_address import current_link

__all__ = ["draw_headline", "headline_place"]


def headline_place(container: DeltaGenerator, awaited: str) -> DeltaGenerator:
    """Return the place of a headline, with words in gray as long as this visit of the page has had no headline.

    Later on the browser keeps the last headline there, grayed, until the next one is drawn.
    """
    if current_link().has_headline:
        return container
    place = container.empty()
    place.markdown(f"##### :gray[{awaited}]")
    return place


def draw_headline(place: DeltaGenerator, sentence: str) -> None:
    """Draw the headline, in Markdown, in the place from `headline_place`."""
    place.markdown(f"##### {sentence}")
    current_link().has_headline = True
