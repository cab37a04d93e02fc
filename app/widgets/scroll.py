"""Scrolling of the page to an element that an action of the user has drawn."""

from __future__ import annotations

import json

import streamlit as st

__all__ = ["scroll_into_view"]

LOOK_MS, LOOKS = 400, 50  # how often the browser looks whether what is drawn since has moved it out of view


def scroll_into_view(key: str, content: str) -> None:
    """Have the browser scroll a container into view, if it is not visible, once for each value of `content`.

    While a page loads, what is above the container still grows, and the control that was used gets its focus again.
    The browser therefore keeps the container in view for 20 s, but only until the visitor next does something.

    Parameters
    ----------
    key : str
        The Streamlit key of the container.
    content : str
        A text that identifies what the container shows. The browser scrolls again only when it changes.
    """
    shown = json.dumps({"selector": f".st-key-{key}", "content": content}).replace("<", "\\u003c")
    script = f"""
    (({{ selector }}) => {{
      const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
      let looks = 0;
      const timer = setInterval(() => {{
        const shown = document.querySelector(selector);
        if (shown?.offsetHeight) shown.scrollIntoView({{ block: "nearest", behavior }});
        if (++looks === {LOOKS}) stop();
      }}, {LOOK_MS});
      const acts = ["keydown", "pointerdown", "touchstart", "wheel", "popstate"];
      const stop = () => {{
        clearInterval(timer);
        for (const act of acts) removeEventListener(act, stop, true);
      }};
      for (const act of acts) addEventListener(act, stop, {{ capture: true, passive: true }});
    }})({shown});
    """
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
