"""Uploads in the memory of the server: bounded by session and in all, and dropped when no page reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.middleware.errors import ServerErrorMiddleware
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from anoonly_core.data.tables.files import MAX_BYTES
from app.server import upload_limit
from app.server.upload_limit import HOLDING_S, UploadLimit, memory_for_uploads

URL = "/_stcore/upload_file/{}/{}"


class Uploads:
    """The middleware before an application that holds what is put to it, as Streamlit does."""

    def __init__(self, session_bytes: int = 100, all_bytes: int = 250) -> None:
        self.manager = MemoryUploadedFileManager("/_stcore/upload_file")
        self.now = 0.0
        self.limit = UploadLimit(
            ServerErrorMiddleware(self._application),  # which answers an exception itself, as the server's does
            session_bytes,
            all_bytes,
            manager=lambda: self.manager,
            clock=lambda: self.now,
        )
        self.read = 0  # bytes that reached the application
        self.status = 204

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["more_body"]:
            body += message["body"]
            self.read += len(message["body"])
        session, file = scope["path"].split("/")[-2:]
        if self.status == 204:
            self.manager.add_file(session, UploadedFileRec(file, file, "", body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(self, path: str, chunks: Sequence[int], method: str = "PUT") -> int:
        """Send a request with chunks of these sizes; return the status of the response."""
        queue = [{"type": "http.request", "body": b"a" * size, "more_body": True} for size in chunks]
        statuses = []

        async def receive() -> Any:
            await asyncio.sleep(0)  # another request may come between
            return queue.pop(0) if queue else {"type": "http.request", "body": b"", "more_body": False}

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self.limit({"type": "http", "path": path, "method": method, "headers": []}, receive, answer)
        (status,) = statuses
        return int(status)

    def put(self, session: str, file: str, *chunks: int) -> int:
        return asyncio.run(self.send(URL.format(session, file), chunks))

    def held(self) -> dict[str, list[int]]:
        """The sizes of the files that are held, by session."""
        storage = self.manager.file_storage.items()
        return {session: [len(file.data) for file in files.values()] for session, files in storage if files}


def test_a_new_file_of_a_session_replaces_the_one_before() -> None:
    uploads = Uploads()
    assert [uploads.put("me", str(number), 90) for number in range(5)] == [204] * 5
    assert uploads.put("you", "0", 30) == 204
    assert uploads.held() == {"me": [90], "you": [30]}


@pytest.mark.parametrize("chunks", [[101], [50, 50, 1], [1] * 200, [99, 2], [0, 0, 1000, 0]])
def test_a_session_sends_no_more_than_its_share(chunks: list[int]) -> None:
    uploads = Uploads()
    assert uploads.put("me", "large", *chunks) == 503
    assert uploads.held() == {} and uploads.read <= 100
    assert uploads.put("me", "small", 100) == 204  # nothing of the refused one still counts


def test_requests_of_one_session_at_a_time_share_its_bytes() -> None:
    uploads = Uploads()

    async def both() -> list[int]:
        sent = (uploads.send(URL.format("me", file), [20] * 3) for file in ("a", "b"))
        return sorted(await asyncio.gather(*sent))

    assert asyncio.run(both()) == [204, 503]
    assert uploads.held() == {"me": [60]}


def test_all_sessions_together_hold_no_more_than_allowed() -> None:
    uploads = Uploads()
    assert [uploads.put(f"session {number}", "file", 80) for number in range(6)] == [204] * 3 + [503] * 3
    assert sum(map(sum, uploads.held().values())) == 240
    uploads.manager.remove_session_files("session 0")  # as when it ends
    assert uploads.put("session 7", "file", 80) == 204


def test_a_file_that_a_page_has_read_makes_room() -> None:
    uploads = Uploads()
    for number in range(10):
        assert uploads.put(f"session {number}", "file", 100) == 204
        uploads.manager.remove_file(f"session {number}", "file")
    assert uploads.held() == {}


def test_a_file_that_no_page_reads_is_dropped() -> None:
    uploads = Uploads()
    uploads.put("me", "file", 90)
    uploads.now = HOLDING_S - 1
    uploads.put("you", "file", 90)
    uploads.limit.drop_expired()
    assert uploads.held() == {"me": [90], "you": [90]}
    uploads.now = HOLDING_S
    uploads.limit.drop_expired()
    assert uploads.held() == {"you": [90]}


def test_a_file_is_dropped_without_another_request() -> None:
    uploads = Uploads()
    uploads.limit._seconds = 0.0

    async def put_and_wait() -> None:
        await uploads.send(URL.format("me", "file"), [90])
        await asyncio.sleep(0.05)

    asyncio.run(put_and_wait())
    assert uploads.held() == {}


def test_a_refused_upload_is_not_counted() -> None:
    uploads = Uploads()
    uploads.status = 400
    assert [uploads.put("unknown", str(number), 90) for number in range(5)] == [400] * 5
    uploads.status = 204
    assert uploads.put("me", "file", 90) == 204
    assert uploads.held() == {"me": [90]}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/_stcore/health", "PUT"),
        ("/_stcore/upload_file/me", "PUT"),
        ("/_stcore/upload_file/me/file/more", "PUT"),
        (URL.format("me", "file"), "OPTIONS"),
    ],
)
def test_other_requests_pass(path: str, method: str) -> None:
    uploads = Uploads(session_bytes=1, all_bytes=1)
    assert asyncio.run(uploads.send(path, [50, 50], method)) == 204
    assert uploads.read == 100


def test_a_path_below_a_base_url_counts_too() -> None:
    uploads = Uploads()
    assert asyncio.run(uploads.send("/anoonly" + URL.format("me", "file"), [101])) == 503


@pytest.mark.parametrize(
    ("memory", "share"),
    [(2**30, 2 * MAX_BYTES), (4 * 2**30, 2**29), (6 * 2**30, 6 * 2**27), (8 * 2**30, 2**30), (2**40, 2**30)],
)
def test_all_uploads_take_a_share_of_the_memory(memory: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_limit, "memory", lambda: memory)
    assert memory_for_uploads() == share
