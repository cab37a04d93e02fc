"""Owners of uploaded tables: one object per server, locks of servers that run, and an orderly end."""

from __future__ import annotations

import io
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from anoonly_core.data.tables import uploads
from app.server import table_owners
from app.server.jobs import server_jobs
from app.server.table_owners import TableOwners, server_table_owners

pytestmark = pytest.mark.usefixtures("server")


def test_a_server_that_begins_while_another_tidies_is_not_taken_for_a_dead_one(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, tidied = sqlite3.connect, []

    def connect_and_be_tidied(path: Path, **more: Any) -> sqlite3.Connection:
        connection = connect(path, **more)
        if "timeout" not in more and not tidied:  # between its first look at the file and its lock
            tidied.append(path)
            connection.execute("PRAGMA user_version").fetchall()
            assert not table_owners._is_held(path) and not path.is_file()
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_and_be_tidied)
    owners = TableOwners(server_jobs())
    try:
        assert tidied and table_owners._is_held(tidied[0])
        owners.note_presence("me", "session")  # as a page is before it brings anything
        table = uploads.add("cells.csv", io.BytesIO(b"a,b\n1,2\n"), "me", owners.server)
        owners.remove_orphans()
        server_table_owners().remove_orphans()
        assert uploads.find(table.name) == table
    finally:
        owners.close()


def test_sessions_that_come_at_once_share_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    table_owners.server_table_owners().close()
    table_owners._table_owners.cache_clear()
    begin = TableOwners.__init__
    monkeypatch.setattr(TableOwners, "__init__", lambda self, jobs: (time.sleep(0.05), begin(self, jobs))[1])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: server_table_owners(), range(8)))
    assert all(owners is found[0] for owners in found)


def test_no_table_is_deleted_after_the_owners_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, listed = threading.Event(), uploads.list_uploads

    def list_late(*owner: str) -> list[uploads.Upload]:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            time.sleep(0.2)  # a round of the thread that is under way when the owners are closed
        return listed(*owner)

    monkeypatch.setattr(uploads, "list_uploads", list_late)
    owners = TableOwners(server_jobs())
    assert begun.wait(10)
    owners.close()
    table = uploads.add("cells.csv", io.BytesIO(b"a,b\n1,2\n"), "me", "a server that does not run")
    time.sleep(0.4)
    try:
        assert uploads.find(table.name) == table
    finally:
        uploads.remove(table)
