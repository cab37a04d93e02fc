"""The pages by name: titles, purposes, groups and addresses, how one page opens another, and the browser's history."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from anoonly_core.paths import ASSETS

from .text.citations import ACR, ANOONLY, LLBNAD, Citation
from .text.glossary import GLOSSARY
from .text.tour import TOUR

__all__ = [
    "PAGES",
    "PageEntry",
    "declare_pages",
    "draw_page_header",
    "draw_page_link",
    "draw_page_scripts",
    "mark_writer",
    "open_page",
    "page_url",
]

STATE = "declared_pages"
SCRIPTS = ("history", "navigation", "glossary", "tour", "figures", "present")
MARK = "history-mark"  # as in assets/history.js


@dataclass(frozen=True)
class PageEntry:
    """A page in the menu.

    Parameters
    ----------
    title, icon : str
        The title in the menu and on the page, and its Material icon.
    group : str
        The heading above the page in the menu.
    url_path : str
        The path in the address; "" for the page of the bare address.
    purpose : str
        One line below the title.
    source : Citation, optional
        The paper whose method the page shows, linked behind the purpose.
    forget : tuple of str
        Session state that a link from another page resets, besides the page's own address.
    """

    title: str
    icon: str
    group: str
    url_path: str
    purpose: str
    source: Citation | None = None
    forget: tuple[str, ...] = ()


LEARN, EXPLORE, EVIDENCE, DATA, RESULTS = "Learn", "Explore", "Evidence", "Data", "Results"
PAGES: Mapping[str, PageEntry] = MappingProxyType(
    {
        "start": PageEntry(
            *("Start", ":material/home:", LEARN, ""),
            "What AnoOnly is, four answers, and three ways in.",
        ),
        "lessons": PageEntry(
            *("Lessons", ":material/school:", LEARN, "lessons"),
            "Predict what happens, then train the runs and see.",
        ),
        "why": PageEntry(
            *("Why it works", ":material/lightbulb:", LEARN, "why"),
            "Six networks side by side: which part of a norm supervises the pool.",
        ),
        "microscope": PageEntry(
            *("Microscope", ":material/biotech:", LEARN, "microscope"),
            "Where each row of a batch gets its gradient from, step by step.",
        ),
        "compare": PageEntry(
            *("Compare", ":material/compare:", EXPLORE, "compare"),
            "Two runs on the same rows: A stays, B follows the controls.",
            forget=("cancelled", "shown", "selected_rows"),
        ),
        "sweep": PageEntry(
            *("Sweep", ":material/ssid_chart:", EXPLORE, "sweep"),
            "One setting over its whole range, for the baseline and for AnoOnly.",
        ),
        "which": PageEntry(
            *("Which method?", ":material/leaderboard:", EXPLORE, "which"),
            "All systems ranked on your data, and what a few more labels would change.",
        ),
        "clean": PageEntry(
            *("Clean", ":material/cleaning_services:", EXPLORE, "clean"),
            "Remove suspicious rows of a dirty pool, train on the rest. The method, LLBNAD:",
            LLBNAD,
        ),
        "weak_supervision": PageEntry(
            *("Weak supervision", ":material/balance:", EXPLORE, "weak-supervision"),
            "What could supervise the pool in batch norm's place, ranked.",
        ),
        "zero_shot": PageEntry(
            *("Zero-shot", ":material/travel_explore:", EXPLORE, "zero-shot"),
            "Find anomalies in classes never trained on, by batch statistics. The method, ACR:",
            ACR,
        ),
        "drift": PageEntry(
            *("Drift", ":material/moving:", EXPLORE, "drift"),
            "Normal moves: should the statistics follow or stand still?",
        ),
        "datasets": PageEntry(
            *("Data sets", ":material/database:", DATA, "datasets"),
            "The data sets at hand: look at their rows, open one, download more.",
        ),
        "your_table": PageEntry(
            *("Your table", ":material/upload_file:", DATA, "your-table"),
            "Upload a file, check how it is read, and open it on the other pages.",
        ),
        "label": PageEntry(
            *("Label", ":material/label:", DATA, "label"),
            "Label anomalies in your table by hand, and train on the labels.",
        ),
        "reproduce": PageEntry(
            *("Reproduce", ":material/fact_check:", EVIDENCE, "reproduce"),
            "The paper's tables and figures, measured again. The paper:",
            ANOONLY,
        ),
        "runs": PageEntry(
            *("Runs", ":material/list:", RESULTS, "runs"),
            "Every finished run: filter, compare, export.",
        ),
    }
)


def declare_pages(functions: Mapping[str, Callable[[], None]]) -> tuple[str, StreamlitPage]:
    """Declare every page of `PAGES` to Streamlit, which draws the menu, and find the page to draw.

    The declared pages are kept in the session state, where links to pages find them.

    Parameters
    ----------
    functions : mapping of str to callable
        The function that draws each page, by the page's name in `PAGES`.

    Returns
    -------
    name : str
        The name of the page that the browser asks for.
    page : StreamlitPage
        That page; its `run` method draws it.
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
    groups: dict[str, list[StreamlitPage]] = {}
    for name, entry in PAGES.items():
        groups.setdefault(entry.group, []).append(pages[name])
    chosen = st.navigation(groups, expanded=True)
    return next(name for name, entry in PAGES.items() if entry.title == chosen.title), chosen


def draw_page_header(name: str) -> None:
    """Draw the title, the purpose and the source of the page with this name, in one line where the window allows."""
    entry = PAGES[name]
    source = f" {entry.source.link}" if entry.source else ""
    st.html(
        f'<div class="page-header"><h1>{html.escape(entry.title)}</h1><p>{html.escape(entry.purpose)}{source}</p></div>'
    )


def draw_page_link(name: str, label: str, help: str | None = None) -> None:
    """Draw a link to another page of the app, with the page's icon.

    The page opens with the settings that the session last had there.

    Parameters
    ----------
    name : str
        The page to open, by its name in `PAGES`.
    label : str
        The text of the link.
    help : str, optional
        The tooltip.
    """
    st.page_link(st.session_state[STATE][name], label=label, icon=PAGES[name].icon, help=help)


def draw_page_scripts(written_by_server: Collection[str], names_by_label: Mapping[str, Any]) -> None:
    """Send the browser the JavaScript that every page needs, as an invisible element.

    The scripts handle Back and Forward, the groups of the menu, the glossary's tooltips, the tour, the export of charts
    and the pictures of rows in them, and Present. Back and Forward step through visited pages and changes of controls.

    Parameters
    ----------
    written_by_server : collection of str
        Names of the pages whose URL parameters the server writes, since their widgets are not bound to them.
    names_by_label : mapping
        By URL parameter, how the labels that bound widgets write become names (see `address_names.names_by_label`).
    """
    with st.container(key="page_scripts"):
        scripts = _page_scripts(frozenset(written_by_server), json.dumps(names_by_label))
        st.html(scripts, unsafe_allow_javascript=True)


@cache
def _page_scripts(written_by_server: frozenset[str], names_by_label: str) -> str:
    """Return an HTML script element with all scripts, preceded by their constants; cached, since each rerun draws it.

    `written_by_server` holds the names of the pages whose URL parameters the server writes; `names_by_label` is JSON.
    """
    constants = {
        "pageOfPath": {entry.url_path: name for name, entry in PAGES.items()},
        "writtenByServer": sorted(written_by_server),
        "addressNames": json.loads(names_by_label),
        "glossaryTerms": _glossary_terms(),
        "tourSteps": [{**step.model_dump(), "path": PAGES[step.page].url_path} for step in TOUR],
    }
    # Streamlit removes a script with a "<" that could begin a tag.
    texts = {name: json.dumps(value).replace("<", "\\u003c") for name, value in constants.items()}
    declared = "".join(f"window.{name} = {text};\n" for name, text in texts.items())
    scripts = "\n".join((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return f"<script>{declared}{scripts}</script>"


def _glossary_terms() -> list[dict[str, str]]:
    """Return the name, pattern (a regular expression) and meaning of each glossary term for the browser's script.

    The term with the longest form comes first, so that the script finds the longer one of two overlapping terms.
    """
    terms = sorted(GLOSSARY, key=lambda term: -max(map(len, term.forms)))
    return [{"name": term.name, "pattern": term.pattern, "meaning": term.meaning} for term in terms]


def mark_writer(name: str, answered: str | None = None) -> None:
    """Tell the browser's history script to which page the addresses belong that the server sends from now on.

    Sends two query strings to the browser: a marker with the page's name, then `answered`. Without a session, as in
    a test, nothing happens.

    Parameters
    ----------
    name : str
        The page, by its name in `PAGES`.
    answered : str, optional
        The query string that the browser's Back or Forward brought, if this run of the script answers one.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    mark = {MARK: name} | ({} if answered is None else {"answered": answered})
    for query in (urlencode(mark), answered or ""):  # the browser sends back the last one that it was told
        message = ForwardMsg()
        message.page_info_changed.query_string = query
        context.enqueue(message)


def open_page(name: str, parameters: Mapping[str, str]) -> None:
    """Leave the current page for another one, which then starts from these URL parameters alone.

    The settings that the session had on that page, and the state in its `PageEntry.forget`, are dropped. Ends the
    current run of the script.

    Parameters
    ----------
    name : str
        The page to open, by its name in `PAGES`.
    parameters : mapping of str to str
        Its URL parameters; those left out get their defaults.
    """
    for key in ("page", f"{name}_address", f"{name}_left", *PAGES[name].forget):
        st.session_state.pop(key, None)
    mark_writer(name)
    _unbind(parameters)
    st.switch_page(st.session_state[STATE][name], query_params=dict(parameters))


def _unbind(parameters: Iterable[str]) -> None:
    """Release these URL parameters from the widgets of the current page, since Streamlit sets no bound one."""
    context = get_script_run_ctx()
    if context is None:
        return
    with context.session_state.query_params() as address:
        for parameter in parameters:
            if (binding := address.get_binding_for_param(parameter)) is not None:
                address.unbind_widget(binding.widget_id)


def page_url(name: str, parameters: Mapping[str, str | list[str]], here: str | None, current: str) -> str:
    """Return the full address of a page, with its URL parameters as the query string.

    Parameters
    ----------
    name : str
        The page to link to, by its name in `PAGES`.
    parameters : mapping
        Its URL parameters: a text, or a list of texts for a repeated one.
    here : str or None
        The address of the current page without parameters; None returns an address without a host.
    current : str
        The name of the current page, which `here` ends with.
    """
    root = (here or "").removesuffix(f"/{PAGES[current].url_path}").rstrip("/")
    query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
    return f"{root}/{PAGES[name].url_path}{query}"
