"""Components of the browser: HTML, styles and a script from a folder of the assets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from anoonly_core.paths import ASSETS

__all__ = ["component"]


def component(name: str) -> Callable[..., Any]:
    """Return a function that draws a Streamlit component, made of the files `name`.html, .css and .js in the assets."""
    # Declared on each call: a server that starts after this import would not know the component.
    html, css, js = (_read(name, kind) for kind in ("html", "css", "js"))
    return st.components.v2.component(name, html=html, css=css, js=js)


@cache
def _read(name: str, kind: str) -> str:
    return (ASSETS / name / f"{name}.{kind}").read_text(encoding="utf-8")
