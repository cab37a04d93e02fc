"""The parts from which `app.main` makes the server: start-up, middleware, and the script of a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st
from starlette.middleware import Middleware
from streamlit.starlette import App

from anoonly_core import machine
from anoonly_core.paths import ASSETS

from .controls.address_names import names_by_label
from .controls.page_address import bound_parameters, enter_page, pages_written_by_server
from .navigation import PAGES, declare_pages, draw_page_header, draw_page_scripts
from .server.jobs import server_jobs
from .server.message_limit import MessageLimit
from .server.old_links import OldLinks
from .server.script_turns import SCRIPT_TURNS
from .server.startup import prepare
from .server.table_owners import owner
from .server.upload_limit import UploadLimit
from .text.labels import describe_small_server
from .widgets.figure import figure_styles
from .widgets.present import draw_present_button
from .widgets.session import finish_page
from .widgets.window import draw_window_watch

__all__ = ["MIDDLEWARE", "draw_page", "lifespan"]


def _compare_names() -> frozenset[str]:
    """Return the names of the URL parameters of the Compare page."""
    from .views.compare.url import ADDRESS

    return ADDRESS.names


MIDDLEWARE = [
    Middleware(MessageLimit),
    Middleware(UploadLimit),
    Middleware(OldLinks, path=PAGES["compare"].url_path, names=_compare_names),
]


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    """Import every page, start the worker processes and read the evidence in the background before the server answers.

    This is the lifespan hook of the ASGI application: it yields once, and does nothing at the shutdown. `app` is not
    used.
    """
    for name in PAGES:
        import_module(f".views.{name}.page", __package__)
    prepare()
    yield


def draw_page() -> None:
    """Run the page's script for a session: wait for a turn of the visitor, then draw the page that is asked for.

    At most two script runs of a visitor draw at once.
    """
    with SCRIPT_TURNS.turn(owner()):
        _draw_page()


def _draw_page() -> None:
    """Declare the pages and draw the one that the browser asks for, with its scripts, styles, title and notices."""
    from .views.clean.page import page as clean
    from .views.compare.page import page as compare
    from .views.datasets.page import page as datasets
    from .views.drift.page import page as drift
    from .views.label.page import page as label
    from .views.lessons.page import page as lessons
    from .views.microscope.page import page as microscope
    from .views.reproduce.page import page as reproduce
    from .views.runs.page import page as runs
    from .views.start.page import page as start
    from .views.sweep.page import page as sweep
    from .views.weak_supervision.page import page as weak_supervision
    from .views.which.page import page as which
    from .views.why.page import page as why
    from .views.your_table.page import page as your_table
    from .views.zero_shot.page import page as zero_shot

    st.set_page_config(page_title="AnoOnly", page_icon=ASSETS / "icon.svg", layout="wide")
    st.html(ASSETS / "page.css")
    draw_page_scripts(pages_written_by_server(), names_by_label(bound_parameters()))
    draw_window_watch()
    name, chosen = declare_pages(
        {
            "start": start,
            "compare": compare,
            "lessons": lessons,
            "why": why,
            "microscope": microscope,
            "sweep": sweep,
            "which": which,
            "zero_shot": zero_shot,
            "drift": drift,
            "clean": clean,
            "weak_supervision": weak_supervision,
            "reproduce": reproduce,
            "datasets": datasets,
            "your_table": your_table,
            "label": label,
            "runs": runs,
        }
    )
    enter_page(name)
    st.html(figure_styles())
    draw_present_button()
    draw_page_header(name)
    chosen.run()
    if server_jobs().is_small:
        st.sidebar.caption(describe_small_server(machine.cores(), machine.memory()))
    finish_page()
