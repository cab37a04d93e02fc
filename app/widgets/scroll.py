"""Scroll the page to what an action of the user has drawn."""

from __future__ import annotations

import json

import streamlit as st

__all__ = ["scroll_into_view"]

SETTLED_MS = 400  # until what is drawn has its height, and the control that was used has its focus again


def scroll_into_view(key: str, content: str) -> None:
    """Scroll the container with this key into view, once for each content.

    Parameters
    ----------
    key : str
        The key of the container.
    content : str
        Names what the container shows. The browser scrolls again only when this changes.
    """
    shown = json.dumps({"selector": f".st-key-{key}", "content": content}).replace("<", "\\u003c")
    script = f"""
    (({{ selector }}) => setTimeout(() => document.querySelector(selector)?.scrollIntoView({{
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth",
    }}), {SETTLED_MS}))({shown});
    """
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
