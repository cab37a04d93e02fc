"""The server's application: `streamlit run app/main.py` and `python -m app` both serve it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

FOLDER = Path(__file__).resolve().parent

if str(FOLDER.parent) not in sys.path:  # `streamlit run app/main.py` puts the folder of this file there instead
    sys.path.insert(0, str(FOLDER.parent))

from app.navigation import PAGES  # noqa: E402 - the path is set above
from app.server.message_limit import MessageLimit  # noqa: E402
from app.server.startup import prepare  # noqa: E402
from app.server.upload_limit import UploadLimit  # noqa: E402


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    """Load the pages and prepare the process before the server answers, so that the first page is quick."""
    for name in PAGES:
        import_module(f"app.views.{name}.page")
    prepare()
    yield


app = App(FOLDER / "script.py", lifespan=lifespan, middleware=[Middleware(MessageLimit), Middleware(UploadLimit)])
