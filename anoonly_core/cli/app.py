"""The command `app`: serve the page."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anoonly_core.extras import extra_missing
from anoonly_core.paths import IS_CHECKOUT

__all__ = ["add_parser"]

PACKAGE = "app" if IS_CHECKOUT else "anoonly_app"
REQUIRED = ("streamlit", "plotly", "umap")


def add_parser(commands: Any) -> None:
    """Add the command `app` to the subparsers; it passes any further words on to `streamlit run`."""
    parser = commands.add_parser(
        "app",
        help="serve the page",
        description="Serve the page. Further arguments go to `streamlit run`, such as --server.port 8502.",
    )
    parser.set_defaults(command=_app, takes_further_words=True)


def _app(options: argparse.Namespace) -> None:
    if any(find_spec(name) is None for name in REQUIRED):
        raise extra_missing("The page", "app")
    import_module(f"{PACKAGE}.__main__").main(options.further_words)
