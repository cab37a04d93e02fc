"""A visitor without a browser: a session that speaks Streamlit's own protocol over a WebSocket.

It knows what stands on its page, moves controls by their keys, takes files away and brings them, and asks for
fragments again when the server wants it to, as the browser does.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

__all__ = ["Late", "Visitor"]

PATIENCE_S = 120.0
MOST_BYTES = 200 * 2**20
Path = tuple[int, ...]


class Late(Exception):
    """The server did not come to what was waited for."""


class Visitor:
    """One session at a server's port. Every wait ends with the thing waited for, or raises Late.

    broken: tracebacks and lost connections, as they came. idle: whether the server has drawn all that was asked for.
    """

    def __init__(self, port: int, patience_s: float = PATIENCE_S) -> None:
        self.url = f"http://localhost:{port}"
        self.patience_s = patience_s
        self.broken: list[str] = []
        with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=60) as answer:
            self._cookie = str(answer.headers["Set-Cookie"]).split(";")[0]
        self._changed = threading.Condition()
        self._socket: ClientConnection | None = None
        self._asked = self._first = self._last = 0.0
        self._closed = False
        self._forget()
        self._connect()
        threading.Thread(target=self._repeat, daemon=True, name="visitor repeats").start()

    # -- what it does

    def open(self, path: str = "", parameters: Mapping[str, Any] | str = "") -> None:
        """Load the page at this path with these parameters in its address: as in a browser, a session of its own."""
        begun = time.monotonic()
        if self._page:
            self._connect()
        self.go(path, parameters)
        self._asked = begun

    def go(self, path: str = "", parameters: Mapping[str, Any] | str = "") -> None:
        """Change to another page within the session, as a link in the sidebar does."""
        self._query = parameters if isinstance(parameters, str) else urlencode(parameters, doseq=True)
        self._states.clear()  # the browser, too, leaves a page's controls behind
        self._ask(page_name=path)

    def move(self, key: str, value: Any = True) -> None:
        """Set the control with this key, by its words where it has some; a button is pressed."""
        element = self.widget(key)
        kind = element.WhichOneof("type")
        widget = getattr(element, kind)
        state = WidgetState(id=widget.id)
        if kind in ("button", "download_button"):
            state.trigger_value = True
        elif kind in ("button_group", "multiselect") or (kind == "slider" and widget.options):
            state.string_array_value.data[:] = [value] if isinstance(value, str) else value
        elif kind == "slider":
            state.double_array_value.data[:] = [value]
        elif kind == "checkbox":
            state.bool_value = value
        elif kind == "number_input":
            state.double_value = value
        else:
            state.string_value = value
        if kind not in ("button", "download_button") and widget.query_param_key:
            query = dict(parse_qsl(self._query)) | {widget.query_param_key: str(value)}
            self._query = urlencode(query)
        self._ask(state)

    def bring(self, key: str, name: str, content: bytes) -> None:
        """Give a file to the uploader with this key."""
        uploader = self.widget(key).file_uploader
        number = str(uuid4())
        message = BackMsg()
        message.file_urls_request.request_id = number
        message.file_urls_request.session_id = self.session
        message.file_urls_request.file_names.append(name)
        self._socket.send(message.SerializeToString())
        self.wait(lambda: number in self._answers, "an address for the file")
        urls = self._answers.pop(number).file_urls[0]
        boundary = uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request = urllib.request.Request(
            self.url + urls.upload_url,
            data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
            method="PUT",
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Cookie": self._cookie,
                "X-Xsrftoken": self._cookie.partition("=")[2].strip('"'),
            },
        )
        with urllib.request.urlopen(request, timeout=self.patience_s):
            pass
        state = WidgetState(id=uploader.id, file_uploader_state_value=FileUploaderState())
        state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=urls.file_id, file_urls=urls
        )
        self._ask(state)

    def take(self, key: str) -> bytes:
        """What the download button with this key gives."""
        button = self.widget(key).download_button
        url = button.url
        if button.deferred_file_id:
            number = str(uuid4())
            message = BackMsg()
            message.backend_operation_request.request_id = number
            message.backend_operation_request.session_id = self.session
            message.backend_operation_request.deferred_file.file_id = button.deferred_file_id
            self._socket.send(message.SerializeToString())
            self.wait(lambda: number in self._answers, "a file to be made")
            answer = self._answers.pop(number)
            if answer.error_msg:
                raise Late(answer.error_msg)
            url = answer.deferred_file.url
        with urllib.request.urlopen(self.url + url, timeout=self.patience_s) as response:
            return bytes(response.read())

    def close(self) -> None:
        """Close the tab."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._socket.close()

    # -- what it sees

    def widget(self, key: str) -> Element:
        """The control whose key or label this is."""

        def find() -> Element | None:
            for _, _, element in list(self._elements.values()):
                widget = getattr(element, element.WhichOneof("type") or "empty", None)
                identity = getattr(widget, "id", "")
                if identity and (identity.endswith(f"-{key}") or getattr(widget, "label", None) == key):
                    return element
            return None

        self.wait(find, f"a control {key!r}")
        found = find()
        assert found is not None
        return found

    def has(self, key: str) -> bool:
        """Whether there is such a control now."""
        with suppress(Late):
            patience, self.patience_s = self.patience_s, 0.0
            try:
                return self.widget(key) is not None
            finally:
                self.patience_s = patience
        return False

    @property
    def texts(self) -> list[str]:
        """All sentences on the page, in their order."""
        with self._changed:
            elements = [own[2] for _, own in sorted(self._elements.items())]
        found = []
        for element in elements:
            kind = element.WhichOneof("type")
            if kind in ("markdown", "alert"):
                found.append(getattr(element, kind).body)
            elif kind == "progress":
                found.append(element.progress.text)
            elif kind == "exception":
                found.append(f"Traceback: {element.exception.type}: {element.exception.message}")
        return found

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def alerts(self) -> list[str]:
        """What the page says went wrong, in its order."""
        with self._changed:
            elements = [own[2] for _, own in sorted(self._elements.items())]
        alerts = [element.alert for element in elements if element.WhichOneof("type") == "alert"]
        return [alert.body for alert in alerts if alert.format in (Alert.ERROR, Alert.WARNING)]

    @property
    def raw(self) -> bytes:
        """All that the page holds, tables and charts with it, as it came."""
        with self._changed:
            return b"".join(element.SerializeToString() for _, _, element in self._elements.values())

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the page's address."""
        return dict(parse_qsl(self._query, keep_blank_values=True))

    @property
    def answered_s(self) -> float:
        """Seconds from the latest movement to the first element that was drawn upon it."""
        return self._first - self._asked

    @property
    def drawn_for(self) -> float:
        """Seconds since the latest movement."""
        return time.monotonic() - self._asked

    @property
    def drawn_s(self) -> float:
        """Seconds from the latest movement to the end of what was drawn upon it."""
        return self._last - self._asked

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Return once the condition holds, which is looked at after each message."""
        deadline = time.monotonic() + self.patience_s
        with self._changed:
            while not condition():
                if self._closed:
                    raise Late(f"the connection was closed before {what}")
                if not self._changed.wait(min(1.0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise Late(f"{what} did not come within {self.patience_s:.0f} s: {self.text[:300]}")

    def wait_for(self, *words: str) -> str:
        """The page's sentences, once they hold all these words."""
        self.wait(lambda: all(word in self.text for word in words), f"the words {words}")
        return self.text

    def wait_until_idle(self) -> None:
        self.wait(lambda: self.idle, "the end of the drawing")

    # -- inside

    def _forget(self) -> None:
        """Nothing has been drawn yet."""
        # By its path: the run that drew it, the fragment that it belongs to, and the element.
        self._elements: dict[Path, tuple[int, str, Element]] = {}
        self._states: dict[str, WidgetState] = {}
        self._fragments: dict[str, str] = {}
        self._repeating: dict[str, tuple[float, float]] = {}
        self._pages: dict[str, str] = {}
        self._answers: dict[str, Any] = {}
        self._page = self._query = self._awaited = self.session = ""
        self._run = 0
        self._begun = False
        self.idle = True

    def _connect(self) -> None:
        """Begin a session in place of the one before."""
        before = self._socket
        socket = connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=MOST_BYTES,
            open_timeout=60,
            additional_headers={"Cookie": self._cookie},
            legacy=True,
        )
        with self._changed:
            self._socket = socket
            self._forget()
        if before is not None:
            before.close()
        threading.Thread(target=self._listen, args=(socket,), daemon=True, name="visitor listens").start()

    def _ask(self, moved: WidgetState | None = None, page_name: str | None = None, fragment: str = "") -> None:
        """Have the script run, or a fragment of it: that of the control that has moved, where it stands in one."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        # The browser, too, knows the pages by their hashes only once the server has named them.
        state.page_script_hash = self._page if page_name is None else self._pages.get(page_name, "")
        state.page_name = "" if state.page_script_hash else page_name or ""
        with self._changed:
            is_button = moved is not None and moved.HasField("trigger_value")
            if moved is not None:
                fragment = self._fragments.get(moved.id, "")
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
            self._run += 1
            self.session = message.new_session.initialize.session_id or self.session
            self._page = message.new_session.page_script_hash
            self._begun = True
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash
            self._pages = {
                "" if page.is_default else page.url_pathname: page.page_script_hash
                for page in message.navigation.app_pages
            }
        elif kind == "delta":
            self._draw(tuple(message.metadata.delta_path), message)
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

    def _draw(self, path: Path, message: ForwardMsg) -> None:
        """Set what stands at a path; an element takes the place of all that stood below it."""
        if not self._first and self._begun:
            self._first = time.monotonic()
        delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            self._elements.pop(path, None)
            return
        for place in [place for place in self._elements if place[: len(path)] == path]:
            del self._elements[place]
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.broken.append(f"{element.exception.type}: {element.exception.message}")
        self._elements[path] = (self._run, delta.fragment_id, element)
        widget = getattr(element, kind or "empty", None)
        if getattr(widget, "id", "") and (getattr(widget, "set_value", False)):
            self._states.pop(widget.id, None)  # the script has set the control itself
        if getattr(widget, "id", ""):
            self._fragments[widget.id] = delta.fragment_id

    def _finish(self, status: int, message: ForwardMsg) -> None:
        """A run has ended: what it did not draw again goes, and its fragments with it."""
        drawn = set(message.metadata.run.fragment_ids)
        if status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self._elements = {path: own for path, own in self._elements.items() if own[0] == self._run}
        elif status == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            self._elements = {
                path: own for path, own in self._elements.items() if own[1] not in drawn or own[0] == self._run
            }
        elif status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.broken.append("the script did not compile")
        else:
            return
        here = {fragment for _, fragment, _ in self._elements.values()}
        self._repeating = {fragment: when for fragment, when in self._repeating.items() if fragment in here}
        whole = status == ForwardMsg.FINISHED_SUCCESSFULLY
        if self._begun and (whole or (self._awaited and self._awaited in drawn)):
            self._last = time.monotonic()
            self.idle = True

    def _repeat(self) -> None:
        """Ask for fragments again when their time has come."""
        while not self._closed:
            time.sleep(0.02)
            now = time.monotonic()
            for fragment, (interval, due) in list(self._repeating.items()):
                if now >= due and self.idle:
                    with self._changed:
                        if fragment in self._repeating:
                            self._repeating[fragment] = (interval, now + interval)
                    self._ask(fragment=fragment)
