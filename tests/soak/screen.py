"""Elements of a page by position, kept up to date from the messages of the server."""

from __future__ import annotations

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.Element_pb2 import Element

__all__ = ["Screen"]

Place = tuple[int, ...]


class Screen:
    """The elements on a page."""

    def __init__(self) -> None:
        # By position: the run that drew the element, its fragment, and the element.
        self._elements: dict[Place, tuple[int, str, Element]] = {}
        self._fragments: dict[str, str] = {}
        self._run = 0

    def begin(self) -> None:
        """Note the start of a run of the script."""
        self._run += 1

    def draw(self, place: Place, delta: Delta) -> Element | None:
        """Put an element at a position in place of all elements below it; return it, or None for a container."""
        if delta.WhichOneof("type") != "new_element":
            self._elements.pop(place, None)
            return None
        for below in [own for own in self._elements if own[: len(place)] == place]:
            del self._elements[below]
        element = delta.new_element
        self._elements[place] = (self._run, delta.fragment_id, element)
        if identity := identity_of(element):
            self._fragments[identity] = delta.fragment_id
        return element

    def finish(self, drawn: set[str] | None) -> None:
        """Remove the elements that a finished run of these fragments, or of the whole script (None), did not draw."""
        self._elements = {
            place: own
            for place, own in self._elements.items()
            if own[0] == self._run or (drawn is not None and own[1] not in drawn)
        }

    def fragment_of(self, identity: str) -> str:
        """Return the fragment of the control with this identity; "" if there is none."""
        return self._fragments.get(identity, "")

    def find(self, key: str) -> Element | None:
        """Return the control with this key or label; None if there is none."""
        for _, _, element in list(self._elements.values()):
            identity = identity_of(element)
            label = getattr(getattr(element, element.WhichOneof("type") or "empty", None), "label", None)
            if identity and (identity.endswith(f"-{key}") or label == key):
                return element
        return None

    @property
    def elements(self) -> list[Element]:
        """All elements in page order."""
        return [element for _, (_, _, element) in sorted(self._elements.items())]

    @property
    def texts(self) -> list[str]:
        """All sentences, in their order."""
        found = []
        for element in self.elements:
            kind = element.WhichOneof("type")
            if kind in ("markdown", "alert"):
                found.append(getattr(element, kind).body)
            elif kind == "progress":
                found.append(element.progress.text)
            elif kind == "exception":
                found.append(f"Traceback: {element.exception.type}: {element.exception.message}")
        return found

    @property
    def alerts(self) -> list[str]:
        """Texts of all warnings and errors, in page order."""
        alerts = [element.alert for element in self.elements if element.WhichOneof("type") == "alert"]
        return [alert.body for alert in alerts if alert.format in (Alert.ERROR, Alert.WARNING)]


def identity_of(element: Element) -> str:
    """The name by which the server knows a control; "" for what is none."""
    return str(getattr(getattr(element, element.WhichOneof("type") or "empty", None), "id", ""))
