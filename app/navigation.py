"""The pages by name: their titles and addresses, how one page opens another, and the browser's history of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from anoonly_core.paths import ASSETS

__all__ = ["PAGES", "PageEntry", "declare_pages", "draw_history_script", "open_page", "page_url"]

STATE = "declared_pages"


@dataclass(frozen=True)
class PageEntry:
    """A page in the menu.

    Parameters
    ----------
    title, icon : str
        The title in the menu and its Material icon.
    url_path : str
        The path in the address; "" for the page of the bare address.
    forget : tuple of str
        Session state that a link from another page resets, besides the page's own address.
    """

    title: str
    icon: str
    url_path: str
    forget: tuple[str, ...] = ()


PAGES: Mapping[str, PageEntry] = MappingProxyType(
    {
        "compare": PageEntry("Compare", ":material/compare:", "", ("cancelled", "shown", "selected_rows")),
        "lessons": PageEntry("Lessons", ":material/school:", "lessons"),
        "microscope": PageEntry("Microscope", ":material/biotech:", "microscope"),
        "sweep": PageEntry("Sweep", ":material/ssid_chart:", "sweep"),
        "zero_shot": PageEntry("Zero-shot", ":material/travel_explore:", "zero-shot"),
        "clean": PageEntry("Clean", ":material/cleaning_services:", "clean"),
        "reproduce": PageEntry("Reproduce", ":material/fact_check:", "reproduce"),
        "datasets": PageEntry("Datasets", ":material/database:", "datasets"),
        "your_table": PageEntry("Your table", ":material/upload_file:", "your-table"),
        "label": PageEntry("Label", ":material/label:", "label"),
        "runs": PageEntry("Runs", ":material/list:", "runs"),
    }
)


def declare_pages(functions: Mapping[str, Callable[[], None]]) -> tuple[str, StreamlitPage]:
    """Declare every page of `PAGES` with the function that draws it.

    Parameters
    ----------
    functions : mapping of str to callable
        The function of each page, by name.

    Returns
    -------
    name : str
        The name of the page that the browser asks for.
    page : StreamlitPage
        This page.
    """
    pages = {
        name: st.Page(
            functions[name],
            title=entry.title,
            icon=entry.icon,
            url_path=entry.url_path or None,
            default=not entry.url_path,
        )
        for name, entry in PAGES.items()
    }
    st.session_state[STATE] = pages
    chosen = st.navigation(list(pages.values()))
    return next(name for name, entry in PAGES.items() if entry.title == chosen.title), chosen


def draw_history_script() -> None:
    """Give the browser's history one entry a page visit: Streamlit adds one for each change of the address."""
    with st.container(key="history_script"):
        script = (ASSETS / "history.js").read_text(encoding="utf-8")
        st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def open_page(name: str, parameters: Mapping[str, str]) -> None:
    """Leave the current page for another, as a link with these parameters opens it in a new session."""
    for key in ("page", f"{name}_address", f"{name}_left", *PAGES[name].forget):
        st.session_state.pop(key, None)
    st.switch_page(st.session_state[STATE][name], query_params=dict(parameters))


def page_url(name: str, parameters: Mapping[str, str | list[str]], here: str | None, current: str) -> str:
    """Return the full address of a page.

    Parameters
    ----------
    name : str
        The page to open.
    parameters : mapping
        Its URL parameters.
    here : str or None
        The address of the current page, without parameters.
    current : str
        The name of the current page.
    """
    root = (here or "").removesuffix(f"/{PAGES[current].url_path}").rstrip("/")
    query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
    return f"{root}/{PAGES[name].url_path}{query}"
