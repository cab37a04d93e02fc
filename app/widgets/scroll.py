"""Scrolling of the page to an element that an action of the user has drawn."""

from __future__ import annotations

import json

import streamlit as st

__all__ = ["scroll_into_view"]

SETTLED_MS = 400  # until what is drawn has its height, and the control that was used has its focus again


def scroll_into_view(key: str, content: str) -> None:
    """Have the browser scroll a container into view, if it is not visible, once for each value of `content`.

    Parameters
    ----------
    key : str
        The Streamlit key of the container.
    content : str
        A text that identifies what the container shows. The browser scrolls again only when it changes.
    """
    shown = json.dumps({"selector": f".st-key-{key}", "content": content}).replace("<", "\\u003c")
    script = f"""
    (({{ selector }}) => setTimeout(() => document.querySelector(selector)?.scrollIntoView({{
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth",
    }}), {SETTLED_MS}))({shown});
    """
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
