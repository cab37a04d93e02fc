"""Links from before the start page: Compare had the bare address, and `/?dataset=…` must still open it."""

from __future__ import annotations

from collections.abc import Callable, Container
from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OldLinks"]


class OldLinks:
    """ASGI middleware: redirect the bare address to a page if the query string has a parameter of that page.

    The query string is kept.

    Parameters
    ----------
    app : ASGI application
        The application behind this middleware.
    path : str
        The path of the page, without a slash.
    names : callable
        Returns the names of the page's parameters. Called on each request, since this object is made before the pages
        are loaded.
    """

    def __init__(self, app: ASGIApp, path: str, names: Callable[[], Container[str]]) -> None:
        self._app, self._path, self._names = app, path, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: redirect it (status 307) or pass it on to the application.

        The arguments are those of an ASGI application.
        """
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].endswith("/"):
            query = scope["query_string"].decode("latin-1")
            names = self._names()
            if _is_bare(scope) and any(name in names for name, _ in parse_qsl(query, keep_blank_values=True)):
                # Relative: a proxy may serve the app below a path of its own.
                await RedirectResponse(f"{self._path}?{query}", status_code=307)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_bare(scope: Scope) -> bool:
    """Return True if a request is for the server's root, with or without Streamlit's `server.baseUrlPath`."""
    from streamlit import config

    base = str(config.get_option("server.baseUrlPath")).strip("/")
    path = scope["path"].strip("/")
    return path in ("", base)
