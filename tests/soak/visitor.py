"""A visitor without a browser, who moves controls, uploads and downloads files, and reads the page."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLs
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.soak.session import Late, Session

__all__ = ["Visitor"]


class Visitor(Session):
    """A session with the actions of a visitor."""

    # -- actions

    def open(self, path: str = "compare", parameters: Mapping[str, Any] | str = "") -> None:
        """Open a page with these URL parameters in a new session."""
        begun = time.monotonic()
        if self._page:
            self._connect()
        self.go(path, parameters)
        self._asked = begun

    def go(self, path: str = "compare", parameters: Mapping[str, Any] | str = "") -> None:
        """Open another page within the session, as a link in the sidebar does."""
        self._query = parameters if isinstance(parameters, str) else urlencode(parameters, doseq=True)
        self._states.clear()  # as in a browser, controls of the previous page are gone
        self._ask(page_name=path)

    def move(self, key: str, value: Any = True) -> None:
        """Set the control with this key to a value or a label; press it if it is a button."""
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

    def upload(self, key: str, name: str, content: bytes) -> None:
        """Upload a file with the uploader that has this key."""
        uploader = self.widget(key).file_uploader
        urls = self.send_file(name, content)
        state = WidgetState(id=uploader.id, file_uploader_state_value=FileUploaderState())
        state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=urls.file_id, file_urls=urls
        )
        self._ask(state)

    def send_file(self, name: str, content: bytes) -> FileURLs:
        """Send a file to the server without telling the page of it; return its addresses."""
        number = str(uuid4())
        message = BackMsg()
        message.file_urls_request.request_id = number
        message.file_urls_request.session_id = self.session
        message.file_urls_request.file_names.append(name)
        self._socket.send(message.SerializeToString())
        self.wait(lambda: number in self._answers, "an address for the file")
        urls: FileURLs = self._answers.pop(number).file_urls[0]
        boundary = uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request = urllib.request.Request(
            self.url + urls.upload_url,
            data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
            method="PUT",
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Cookie": self.cookie,
                "X-Xsrftoken": self.cookie.partition("=")[2].strip('"'),
            },
        )
        with urllib.request.urlopen(request, timeout=self.patience_s):
            return urls

    def download(self, key: str) -> bytes:
        """Return the file of the download button with this key."""
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

    # -- contents of the page

    def widget(self, key: str) -> Element:
        """Wait for the control with this key or label, and return it."""
        self.wait(lambda: self.screen.find(key), f"a control {key!r}")
        found = self.screen.find(key)
        assert found is not None
        return found

    def has(self, key: str) -> bool:
        """Tell whether the page has such a control now."""
        with suppress(Late):
            patience, self.patience_s = self.patience_s, 0.0
            try:
                return self.widget(key) is not None
            finally:
                self.patience_s = patience
        return False

    def has_now(self, key: str) -> bool:
        """Tell whether the page has such a control at this moment; may be called within `wait`."""
        with self._changed:
            return self.screen.find(key) is not None

    @property
    def texts(self) -> list[str]:
        """All texts of the page, in order."""
        with self._changed:
            return self.screen.texts

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def alerts(self) -> list[str]:
        """All warnings and errors of the page, in order."""
        with self._changed:
            return self.screen.alerts

    @property
    def raw(self) -> bytes:
        """All elements of the page as serialized messages, with tables and charts."""
        with self._changed:
            return b"".join(element.SerializeToString() for element in self.screen.elements)

    @property
    def query(self) -> dict[str, str]:
        """URL parameters of the page."""
        return dict(parse_qsl(self._query, keep_blank_values=True))

    @property
    def answered_s(self) -> float:
        """Seconds from the last action to the first element drawn after it."""
        return self._first - self._asked

    @property
    def drawn_for(self) -> float:
        """Seconds since the last action."""
        return time.monotonic() - self._asked

    @property
    def drawn_s(self) -> float:
        """Seconds from the last action to the end of its run."""
        return self._last - self._asked

    def wait_for(self, *words: str) -> str:
        """Wait until the page has all these words; return its text."""
        self.wait(lambda: all(word in self.text for word in words), f"the words {words}")
        return self.text

    def wait_until_idle(self) -> None:
        self.wait(lambda: self.idle, "the end of the drawing")
