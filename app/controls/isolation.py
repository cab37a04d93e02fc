"""Buttons that reduce a comparison with several differing settings to one of them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from anoonly_core.config import RunConfig

from ..text.differences import Difference, differences
from ..text.verdict import describe_run

__all__ = ["draw_isolation", "isolations"]


def isolations(a: RunConfig, b: RunConfig) -> list[Difference]:
    """Return the differences between A and B that can be compared alone, with the run to put beside B in `only`.

    Empty if A and B differ in fewer than two settings.
    """
    found = differences(a, b)
    return [difference for difference in found if difference.only is not None] if len(found) > 1 else []


def draw_isolation(a: RunConfig, b: RunConfig, compare: Callable[[RunConfig], None]) -> None:
    """Draw a button for each setting in which A and B differ and that can be compared alone.

    A button puts a run beside B that differs from B in this setting only. Draws nothing if A and B differ in fewer than
    two settings.

    Parameters
    ----------
    a, b : RunConfig
        The runs.
    compare : callable
        Called with the run to put beside B, when its button is pressed.
    """
    offers = isolations(a, b)
    if not offers:
        return
    with st.container(horizontal=True):
        for offer in offers:
            assert offer.only is not None
            beside = f"{describe_run(b, offer.only)} beside {describe_run(offer.only, b)}"
            if st.button(f"Vary only {offer.label}", key=f"vary {offer.setting}", help=f"{beside}."):
                compare(offer.only)
