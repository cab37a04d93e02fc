"""Ownership and expiry of uploaded tables: each belongs to a browser, and is deleted 2 min after its last page.

A browser is known by the random token that Streamlit gives each one in a cookie, to keep other sites from
posting in its name; where there are no cookies, a session stands for itself.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
import threading
import time
from collections import defaultdict
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.upload_disk import uploads_folder
from anoonly_core.data.tables.upload_metadata import Upload, is_upload_name
from anoonly_core.errors import StoreUnavailable

from .jobs import Jobs, server_jobs

__all__ = ["TableOwners", "can_see", "owner", "server_table_owners", "visible_uploads"]

COOKIE = "_streamlit_xsrf"
GRACE_S = 120.0  # so that a page that is loaded anew, or a network that fails for a moment, loses nothing
TICK_S = 10.0
REMEMBERED_S = 600.0
TRIES = 10

log = logging.getLogger(__name__)
_starting = threading.Lock()


def owner() -> str:
    """Return the id of the browser for which this page is drawn.

    It is a hash of the browser's cookie or, without one, of the session. "" if no page is being drawn.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return ""  # no page is being drawn
    token = _token(st.context.cookies.get(COOKIE, ""))
    known = token or str(st.session_state.get("session", "")).encode()
    return hashlib.sha256(b"owner " + known).hexdigest()


def _token(cookie: str) -> bytes:
    """Decode the browser's constant token from Streamlit's cookie, `2|mask|masked token|time`; empty if malformed.

    The cookie masks the token anew each time.
    """
    with suppress(ValueError):
        _, mask, masked, _ = cookie.split("|")
        key = bytes.fromhex(mask)
        return bytes(one ^ key[place % len(key)] for place, one in enumerate(bytes.fromhex(masked))) if key else b""
    return b""


def visible_uploads() -> list[Upload]:
    """Return the uploaded tables that the current visitor may use: of the same browser, and those kept for all."""
    return uploads.list_uploads(owner())


def can_see(name: str) -> bool:
    """Return True if the current visitor may see results of the data set `name`.

    That is any data set but a table that another browser has uploaded and not kept for all.
    """
    return not is_upload_name(name) or any(table.name == name for table in visible_uploads())


class TableOwners:
    """The owners of uploaded tables; a background thread deletes tables whose owners have been away for 2 minutes.

    An owner is a browser, by the id of `owner`. While this server lives, it holds the lock on a file with its random
    name (`server`), so that other servers with the same folder know that its tables are in use.

    Parameters
    ----------
    jobs : Jobs
        The job queue of the server, which knows the active sessions and the store.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.server = secrets.token_hex(8)
        self._sessions: dict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, float] = {}
        self._removed: dict[str, float] = {}
        self._lock = threading.Lock()
        self._held = self._take_lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="tables")
        self._thread.start()

    def note_presence(self, owner: str, session: str) -> None:
        """Record that the browser `owner` shows a page in this session now, so that its tables are not deleted."""
        with self._lock:
            self._sessions[owner].add(session)
            self._seen[owner] = time.monotonic()

    def remove(self, table: Upload) -> None:
        """Delete an uploaded table and all its stored results, also those stored in the next 10 minutes."""
        uploads.remove(table)
        with self._lock:
            self._removed[table.name] = time.monotonic()
        self._forget()

    def remove_orphans(self) -> None:
        """Delete the uploaded tables of owners away for 2 minutes, and of servers that no longer run.

        Tables to keep permanently stay.
        """
        for table in uploads.list_uploads():
            if not table.permanent and not (
                self._is_here(table.owner) if table.server == self.server else _server_runs(table)
            ):
                self.remove(table)
        for path in uploads_folder().glob("server-*.lock"):
            _is_held(path)
        self._forget()

    def close(self) -> None:
        """Stop the background thread, wait for its end, and release the lock that marks this server as running."""
        self._stopped.set()
        self._thread.join()
        if self._held is not None:
            self._held.close()

    def _watch(self) -> None:
        while True:
            try:
                self.remove_orphans()
            except Exception:
                log.exception("tables could not be tidied")
            if self._stopped.wait(TICK_S):
                return

    def _is_here(self, owner: str) -> bool:
        with self._lock:
            self._sessions[owner] = {
                session for session in self._sessions[owner] if self.jobs.is_session_active(session)
            }
            if self._sessions[owner]:
                self._seen[owner] = time.monotonic()
            return time.monotonic() - self._seen.get(owner, 0.0) < GRACE_S

    def _forget(self) -> None:
        """Delete from the store the results of tables that were removed in the last 10 minutes.

        A job that was running may have stored some after the removal.
        """
        with self._lock:
            now = time.monotonic()
            self._removed = {name: when for name, when in self._removed.items() if now - when < REMEMBERED_S}
            names = list(self._removed)
        for name in names:
            try:
                self.jobs.patient_store.delete_dataset(name)
            except StoreUnavailable as error:
                log.warning("%s", error)

    def _take_lock(self) -> sqlite3.Connection | None:
        """Take the lock that marks this server as running, and return the connection that holds it.

        Tries 10 times, since another server may delete the file first. None if the cache folder cannot be written.
        """
        path = _lock_path(self.server)
        why: Exception | None = None
        for _ in range(TRIES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                connection.execute("BEGIN EXCLUSIVE")
                if path.is_file():
                    return connection
                connection.close()
            except (sqlite3.Error, OSError) as error:
                why = error
        log.warning("the cache folder cannot be written, so that no table can be brought (%s)", why)
        return None


def _lock_path(server: str) -> Path:
    return uploads_folder() / f"server-{server}.lock"


def _server_runs(table: Upload) -> bool:
    """Return True if the server that received this upload still runs."""
    return table.server.isalnum() and _is_held(_lock_path(table.server))


def _is_held(path: Path) -> bool:
    """Return True if a running process holds the lock on this file; delete the file if none does."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            for left in (path, path.with_name(f"{path.name}-journal")):  # while nobody else can come to hold it
                with suppress(OSError):
                    left.unlink(missing_ok=True)
    except sqlite3.OperationalError:
        return True
    return False


def server_table_owners() -> TableOwners:
    """Return the table owners of this server, one object for all sessions; the first call starts its thread."""
    with _starting:  # two first sessions may come at once
        return _table_owners(server_jobs())


@cache
def _table_owners(jobs: Jobs) -> TableOwners:
    return TableOwners(jobs)
