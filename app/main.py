"""The server's application: `streamlit run app/main.py` and `python -m app` both serve it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from streamlit.starlette import App

FOLDER = Path(__file__).resolve().parent

# Streamlit runs this file by its path: it has no parent package, and the package need not be on the path yet.
if str(FOLDER.parent) not in sys.path:
    sys.path.insert(0, str(FOLDER.parent))

application = import_module(f"{FOLDER.name}.application")
app = App(FOLDER / "script.py", lifespan=application.lifespan, middleware=application.MIDDLEWARE)
