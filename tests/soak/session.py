"""A session without a browser: Streamlit's own protocol over a WebSocket.

It asks for the script to be run, as the browser does, takes in what is drawn, and asks for fragments again when the
server wants it to.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.soak.screen import Screen

__all__ = ["Late", "Session"]

PATIENCE_S = 120.0
MAX_BYTES = 200 * 2**20


class Late(Exception):
    """The server did not come to what was waited for."""


class Session:
    """One session at a server's port. Every wait ends with the thing waited for, or raises Late.

    cookie: the cookie of the browser, a new one by default. host: the name or bracketed address of the server.
    broken: tracebacks and lost connections, as they came. idle: whether the server has drawn all that was asked for.
    """

    def __init__(self, port: int, patience_s: float = PATIENCE_S, cookie: str = "", host: str = "localhost") -> None:
        self.url = f"http://{host}:{port}"
        self.patience_s = patience_s
        self.broken: list[str] = []
        if not cookie:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=60) as answer:
                cookie = str(answer.headers["Set-Cookie"]).split(";")[0]
        self.cookie = cookie
        self._changed = threading.Condition()
        self._socket: ClientConnection | None = None
        self._asked = self._first = self._last = 0.0
        self._closed = False
        self._forget()
        self._connect()
        threading.Thread(target=self._repeat, daemon=True, name="visitor repeats").start()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds; it is tested after each message."""
        deadline = time.monotonic() + self.patience_s
        with self._changed:
            while not condition():
                if self._closed:
                    raise Late(f"the connection was closed before {what}")
                if not self._changed.wait(min(1.0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    said = "\n".join(self.screen.texts)[:300]
                    raise Late(f"{what} did not come within {self.patience_s:.0f} s: {said}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send_raw(self, content: bytes) -> None:
        """Send a message as it is; block while the server takes no more."""
        assert self._socket is not None
        self._socket.send(content)

    def close(self) -> None:
        """Close the tab."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._socket.close()

    def _forget(self) -> None:
        """Reset the state to that before the first message."""
        self.screen = Screen()
        self._states: dict[str, WidgetState] = {}
        self._repeating: dict[str, tuple[float, float]] = {}
        self._pages: dict[str, str] = {}
        self._answers: dict[str, Any] = {}
        self._page = self._query = self._awaited = self.session = ""
        self._begun = False
        self.idle = True
        self.gathers_usage: bool | None = None

    def _connect(self) -> None:
        """Start a new session in place of the current one."""
        before = self._socket
        socket = connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=MAX_BYTES,
            open_timeout=60,
            additional_headers={"Cookie": self.cookie},
            legacy=True,
        )
        with self._changed:
            self._socket = socket
            self._forget()
        if before is not None:
            before.close()
        threading.Thread(target=self._listen, args=(socket,), daemon=True, name="visitor listens").start()

    def _ask(self, moved: WidgetState | None = None, page_name: str | None = None, fragment: str = "") -> None:
        """Request a run of the script, or of the fragment of the control that was moved."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        # As in the browser, page hashes are known only after the server has sent them.
        state.page_script_hash = self._page if page_name is None else self._pages.get(page_name, "")
        state.page_name = "" if state.page_script_hash else page_name or ""
        with self._changed:
            is_button = moved is not None and moved.HasField("trigger_value")
            if moved is not None:
                fragment = self.screen.fragment_of(moved.id)
                if not is_button:
                    self._states[moved.id] = moved
            state.widget_states.widgets.extend(self._states.values())
            if moved is not None and is_button:
                state.widget_states.widgets.append(moved)
            state.fragment_id = fragment
            if moved is not None or page_name is not None:
                self._asked, self._first, self._last = time.monotonic(), 0.0, 0.0
                self._awaited, self._begun, self.idle = fragment, False, False
            else:
                state.is_auto_rerun = True
        with suppress(ConnectionClosed):
            self._socket.send(message.SerializeToString())

    def _listen(self, socket: ClientConnection) -> None:
        try:
            for data in socket:
                message = ForwardMsg()
                message.ParseFromString(data if isinstance(data, bytes) else data.encode())
                with self._changed:
                    if socket is not self._socket:
                        return
                    self._take_in(message)
                    self._changed.notify_all()
        except ConnectionClosed as error:
            if not self._closed and socket is self._socket:
                self.broken.append(f"the connection was lost: {error}")
        with self._changed:
            self._closed = self._closed or socket is self._socket
            self._changed.notify_all()

    def _take_in(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.screen.begin()
            self.session = message.new_session.initialize.session_id or self.session
            self._page = message.new_session.page_script_hash
            self.gathers_usage = message.new_session.config.gather_usage_stats
            self._begun = True
            if not message.metadata.run.fragment_ids:
                self._repeating.clear()  # as in the browser, also for fragments that draw nothing
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash
            self._pages = {
                "" if page.is_default else page.url_pathname: page.page_script_hash
                for page in message.navigation.app_pages
            }
        elif kind == "delta":
            self._draw(message)
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
            self._repeating[fragment] = (interval, time.monotonic() + interval)
        elif kind == "script_finished":
            self._finish(message.script_finished, message)
        elif kind == "file_urls_response":
            self._answers[message.file_urls_response.response_id] = message.file_urls_response
        elif kind == "backend_operation_response":
            self._answers[message.backend_operation_response.request_id] = message.backend_operation_response
        elif kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
            self.broken.append(str(message.session_event.script_compilation_exception))

    def _draw(self, message: ForwardMsg) -> None:
        if not self._first and self._begun:
            self._first = time.monotonic()
        element = self.screen.draw(tuple(message.metadata.delta_path), message.delta)
        if element is None:
            return
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.broken.append(f"{element.exception.type}: {element.exception.message}")
        widget = getattr(element, kind or "empty", None)
        if getattr(widget, "id", "") and getattr(widget, "set_value", False):
            self._states.pop(widget.id, None)  # the script has set the control itself

    def _finish(self, status: int, message: ForwardMsg) -> None:
        """Handle the end of a run: remove elements and fragments that it did not draw."""
        drawn = set(message.metadata.run.fragment_ids)
        whole = status == ForwardMsg.FINISHED_SUCCESSFULLY
        if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.broken.append("the script did not compile")
        elif whole or status == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            self.screen.finish(None if whole else drawn)
        else:
            return
        if self._begun and (whole or (self._awaited and self._awaited in drawn)):
            self._last = time.monotonic()
            self.idle = True

    def _repeat(self) -> None:
        """Request reruns of fragments at their intervals."""
        while not self._closed:
            time.sleep(0.02)
            now = time.monotonic()
            for fragment, (interval, due) in list(self._repeating.items()):
                if now >= due and self.idle:
                    with self._changed:
                        if fragment in self._repeating:
                            self._repeating[fragment] = (interval, now + interval)
                    self._ask(fragment=fragment)
