"""The place of a headline above controls, which can be written only once the page has computed its results."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from .page_address import current_link

__all__ = ["draw_headline", "headline_place"]


def headline_place(container: DeltaGenerator, awaited: str) -> DeltaGenerator:
    """Return the element in which `draw_headline` will draw the headline, once the page has computed its results.

    Parameters
    ----------
    container : DeltaGenerator
        The container that takes the headline, above the page's controls.
    awaited : str
        Markdown drawn there in gray meanwhile. It is left out if this visit of the page has had a headline, which the
        browser keeps, grayed.
    """
    if current_link().has_headline:
        return container
    place = container.empty()
    place.markdown(f"##### :gray[{awaited}]")
    return place


def draw_headline(place: DeltaGenerator, sentence: str) -> None:
    """Draw the headline, a Markdown sentence, in an element from `headline_place`, and note that the page has one."""
    place.markdown(f"##### {sentence}")
    current_link().has_headline = True
