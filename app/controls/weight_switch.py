"""The switch of λ_n beside the title of a page that offers few weights."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from .registry import CONTROL_OF
from .sidebar import value_of

__all__ = ["WEIGHT", "draw_weight_switch"]

WEIGHT = CONTROL_OF["lambda_n"]


def draw_weight_switch(weights: Sequence[float], help: str) -> float:
    """Draw a switch between values of λ_n beside the title of the page, and return the chosen one.

    A value that a link brings is a further option.

    Parameters
    ----------
    weights : sequence of float
        The values of λ_n to offer.
    help : str
        Tooltip of the switch.
    """
    linked: float = value_of(WEIGHT)
    options = list(weights) if linked in weights else sorted([*weights, linked])
    with st.container(key="page_tools", horizontal=True, vertical_alignment="center"):
        st.markdown("λₙ:", width="content")
        weight: float | None = st.segmented_control(
            "Weight of the loss on the pool",
            options,
            default=WEIGHT.default,
            required=True,
            format_func=WEIGHT.option_label,
            key=WEIGHT.name,
            bind="query-params",
            label_visibility="collapsed",
            help=help,
        )
    return linked if weight is None else weight
