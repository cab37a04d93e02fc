"""Bounds on uploaded files in the memory of the server.

Streamlit holds a file from its upload until its session ends, whether or not a page reads it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from anoonly_core.data.tables.files import MAX_BYTES
from anoonly_core.machine import memory

__all__ = ["HOLDING_S", "UploadLimit", "discard_upload", "memory_for_uploads"]

PATH = re.compile(r".*/_stcore/upload_file/([^/]+)/([^/]+)/?")
OVERHEAD = 1 << 20  # bytes of a request beside its file
HOLDING_S = 60.0  # a page reads a file as soon as it is there
FULL = "The server is busy with other uploads. Try again in a minute."


def memory_for_uploads() -> int:
    """Return the bytes that all uploads together may take: an eighth of the memory, but 400 MB to 1 GB."""
    return max(2 * MAX_BYTES, min(2**30, memory() // 8))


def discard_upload(file: Any) -> None:
    """Free the memory of a file from `st.file_uploader`, and close it; removing the widget alone would keep it."""
    context = get_script_run_ctx()
    if context is not None:
        manager: Any = context.uploaded_file_mgr  # the base class does not declare remove_file
        manager.remove_file(context.session_id, file.file_id)
    file.close()


class UploadLimit:
    """ASGI middleware: limit the memory that uploaded files take before a page reads them.

    A session holds one such file at a time: a new upload replaces it. Files that no page has read are dropped after
    `seconds`. An upload beyond the limits is refused with status 503.

    Parameters
    ----------
    app : ASGI application
        The application behind this middleware.
    session_bytes : int
        Bytes that one session may send at a time.
    all_bytes : int, optional
        Bytes that all sessions may hold and send at a time; by default `memory_for_uploads`.
    seconds : float
        Seconds after which an unread file is dropped.
    manager : callable
        Returns Streamlit's uploaded file manager.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        session_bytes: int = MAX_BYTES + OVERHEAD,
        all_bytes: int | None = None,
        seconds: float = HOLDING_S,
        manager: Callable[[], Any] = lambda: runtime.get_instance().uploaded_file_mgr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._session_bytes, self._seconds = app, session_bytes, seconds
        self._all_bytes = memory_for_uploads() if all_bytes is None else all_bytes
        self._manager, self._clock = manager, clock
        self._arriving: Counter[str] = Counter()  # bytes received so far, by session
        self._held: dict[tuple[str, str], float] = {}  # when a file arrived, by session and file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: count the bytes of an upload and refuse it beyond the limits; pass on others unchanged.

        The arguments are those of an ASGI application.
        """
        target = PATH.fullmatch(scope.get("path", "")) if scope["type"] == "http" else None
        if target is None or scope["method"] != "PUT":
            await self._app(scope, receive, send)
            return
        session, file = target[1], target[2]
        self.drop_expired()
        self._drop(session)
        received, status, is_full = 0, 0, False

        async def receive_counted() -> Message:
            nonlocal received, is_full
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._arriving[session] += size
            if self._arriving[session] > self._session_bytes or self._bytes_in_use() > self._all_bytes:
                is_full = True
                return {"type": "http.disconnect"}  # an exception would be answered within the application
            return message

        async def send_noted(message: Message) -> None:
            nonlocal status
            if is_full:
                return
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive_counted, send_noted)
        except Exception:
            if not is_full:
                raise
        finally:
            self._arriving[session] -= received
            self._arriving += Counter()  # without those that are at 0
        if is_full:
            await PlainTextResponse(FULL, 503, headers={"Connection": "close"})(scope, receive, send)
        if status == 204:
            self._drop(session, but=file)
            self._held[session, file] = self._clock()
            asyncio.get_running_loop().call_later(self._seconds, self.drop_expired)

    def drop_expired(self) -> None:
        """Drop the uploaded files that arrived `seconds` ago or earlier and that no page has read."""
        now = self._clock()
        for key, arrived in [*self._held.items()]:
            if now - arrived >= self._seconds:
                self._remove(*key)

    def _drop(self, session: str, but: str = "") -> None:
        """Drop the uploaded files of a session that no page has read, except the one with the id `but`."""
        for held_by, file in [*self._held]:
            if held_by == session and file != but:
                self._remove(held_by, file)

    def _remove(self, session: str, file: str) -> None:
        """Drop the uploaded file with the id `file` of a session from Streamlit's memory."""
        self._manager().remove_file(session, file)
        self._held.pop((session, file), None)

    def _bytes_in_use(self) -> int:
        """Return the bytes of all unread uploads of all sessions, those that are still arriving included."""
        held = 0
        for session, file in [*self._held]:
            records = self._manager().get_files(session, [file])
            if not records:  # a page has read it, or its session has ended
                del self._held[session, file]
            held += sum(len(record.data) for record in records)
        return held + self._arriving.total()
