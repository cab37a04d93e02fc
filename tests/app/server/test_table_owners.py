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

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.upload_disk import uploads_folder
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.results.keys import run_key
from anoonly_core.runs.run import run
from app.server import table_owners
from app.server.jobs import server_jobs
from app.server.table_owners import TableOwners, server_table_owners
from tests.app.uploading import add_labeled_table

pytestmark = pytest.mark.usefixtures("one_browser")


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


@pytest.mark.parametrize("cookie", ["", "2|zz|aa|1", "2||aabb|1", "garbage", "2|00|11|22|33"])
def test_a_broken_cookie_is_no_browser(cookie: str) -> None:
    assert table_owners._token(cookie) == b""


def test_a_browser_is_known_however_its_cookie_is_masked() -> None:
    assert table_owners._token("2|01020304|10203040|1") == table_owners._token("2|ffffffff|eeddccbb|9") != b""


def test_a_table_goes_a_while_after_its_owner_with_all_that_was_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = server_jobs()
    owners = TableOwners(jobs)
    here = {"session"}
    monkeypatch.setattr(jobs, "is_session_active", here.__contains__)
    owners.note_presence("me", "session")
    table, kept = (
        add_labeled_table(server=owners.server),
        uploads.set_permanent(add_labeled_table(server=owners.server)),
    )
    config = make_config(dataset=table.name, epochs=1)
    key = run_key(config)
    run(config, store=jobs.store)
    owners.remove_orphans()
    assert uploads.find(table.name) is not None
    here.clear()
    owners.remove_orphans()
    assert uploads.find(table.name) is not None  # it may be a page that is loaded anew
    monkeypatch.setattr(table_owners, "GRACE_S", 0.0)
    owners.remove_orphans()
    assert uploads.find(table.name) is None and jobs.store.get(key) is None
    assert uploads.find(kept.name) is not None
    owners.close()


def test_the_tables_of_a_server_that_died_are_removed_and_of_a_living_one_are_not() -> None:
    living, other = TableOwners(server_jobs()), TableOwners(server_jobs())
    living.note_presence("me", "session")
    theirs, orphan, foreign = (add_labeled_table(server=name) for name in (living.server, "0123456789abcdef", "../x"))
    other.remove_orphans()
    assert uploads.find(theirs.name) is not None
    assert uploads.find(orphan.name) is None and uploads.find(foreign.name) is None
    living.close()
    other.remove_orphans()
    assert uploads.find(theirs.name) is None
    assert not list(uploads_folder().glob(f"server-{living.server}*"))
    other.close()


def test_what_is_removed_while_it_trains_is_forgotten_once_more() -> None:
    owners = TableOwners(server_jobs())
    table = add_labeled_table()
    owners.remove(table)
    owners.jobs.store.put_arrays("late", "points", {}, '{"dataset": "' + table.name + '"}')
    owners.remove_orphans()
    assert owners.jobs.store.get_arrays("late", "points") is None
    owners.close()


def test_no_table_is_deleted_after_the_owners_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, listed = threading.Event(), uploads.list_uploads

    def list_late(*owner: str) -> list[Upload]:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            time.sleep(0.2)  # a round of the thread that is under way when the owners are closed
        return listed(*owner)

    monkeypatch.setattr(uploads, "list_uploads", list_late)
    owners = TableOwners(server_jobs())
    assert begun.wait(60)
    owners.close()
    table = uploads.add("cells.csv", io.BytesIO(b"a,b\n1,2\n"), "me", "a server that does not run")
    time.sleep(0.4)
    try:
        assert uploads.find(table.name) == table
    finally:
        uploads.remove(table)
