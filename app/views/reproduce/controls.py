"""The Reproduce page's choices, which stand in its address and which the session keeps while it is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

__all__ = ["PARAMETERS", "begin", "complaints", "draw_choice", "draw_segments"]

PARAMETERS = ("show", "ours", "where", "sign", "beside")  # of the address
KEPT = "reproduce_{}"


def begin() -> None:
    """Note that the page is drawn anew, and none of its choices is drawn yet."""
    st.session_state.reproduce_drawn = set()


def draw_choice(widget: Any, label: str, options: list[str], words: Mapping[str, str], key: str, **more: Any) -> str:
    """A choice that stands in the address, and that the session keeps while it is on other pages."""
    state, kept = st.session_state, KEPT.format(key)
    state.reproduce_drawn.add(key)
    if key not in state:
        asked = st.query_params.get(key)
        if asked is not None and asked not in options and asked != state.get(kept):
            sentence = (
                f"The link asks for {key}={asked[:60]!r}, which there is not: {words[options[0]]} stands instead."
            )
            state.setdefault("reproduce_complaints", []).append(sentence)
        state[key] = asked if asked in options else state.get(kept)
    if state[key] not in options:
        state[key] = options[0]
    found: str = widget(label, options, format_func=lambda own: words[own], key=key, **more)
    state[kept] = found
    if st.query_params.get(key) != found and (found != options[0] or key in st.query_params):
        st.query_params[key] = found
    return found


def draw_segments(label: str, options: list[str], words: Mapping[str, str], key: str) -> str:
    """A choice beside others, left out where there is none."""
    if len(options) < 2:
        return options[0]
    return draw_choice(st.segmented_control, label, options, words, key, required=True)


def complaints() -> list[str]:
    """A sentence about each choice of the address that there is not; said once everything is drawn.

    What this view does not have is passed over where it was chosen on another one.
    """
    state, asked = st.session_state, st.query_params.to_dict()
    return [
        *state.pop("reproduce_complaints", []),
        *(
            f"The link asks for {name}={asked[name][:60]!r}, and there is no such choice here."
            for name in PARAMETERS
            if name in asked and name not in state.reproduce_drawn and asked[name] != state.get(KEPT.format(name))
        ),
    ]
