"""What the address of a page may hold, and what a link's parameters say to its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from anoonly_core.errors import InvalidConfig
from app.controls import locked_links
from app.controls.registry import CONTROL_OF, CONTROLS, Control
from app.text.labels import format_value

__all__ = ["BESIDE_CONTROLS", "NO_DEFAULTS", "OF_PAGES", "not_known", "read_link"]

NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})
# What else pages with these controls keep in their address: the pinned run, how figures are drawn, how the pool is
# cleaned, which table of one's own is marked, what is locked.
BESIDE_CONTROLS = (
    *("a", "threshold", "projection", "view", "tab", "place", "feature"),
    *("scorer", "parts", "remove"),
    "table",
    *("fix", "hide"),
)
_OTHER_PARAMETERS = (*BESIDE_CONTROLS, "lesson", "step", "embed", "embed_options")
# What the pages without these controls keep in theirs: Sweep, Zero-shot, Reproduce.
_OF_OTHERS = (
    *("question", "vary", "also", "both", "sweep_seeds", "metric"),
    *(f"values_{name}" for name in CONTROL_OF if name not in ("dataset", "seeds", "seed", "protocol")),
    *("held_out", "meta", "objective", "test_rows", "steps", "tasks", "rows", "normal_share"),
    *("show", "ours", "where", "sign", "beside"),
)
# What the address of some page may hold: the browser's Back may bring it along to another.
OF_PAGES = frozenset((*CONTROL_OF, *_OTHER_PARAMETERS, *_OF_OTHERS))


def read_link(
    parameters: Mapping[str, str], own: Sequence[Control] = (), defaults: Mapping[str, Any] = NO_DEFAULTS
) -> tuple[dict[str, Any], list[str]]:
    """What a link's parameters set, by control, and a sentence about each that cannot be used.

    own: controls that this page has besides. defaults: where it begins otherwise than Compare.
    """
    known = CONTROL_OF | {control.name: control for control in own}
    values: dict[str, Any] = {}
    notices = locked_links.complaints(parameters, {control.name: control.label for control in CONTROLS})
    for name, text in parameters.items():
        if name not in known:
            if name not in OF_PAGES:
                notices.append(not_known(name))
            continue
        try:
            values[name] = known[name].parse(text)
        except InvalidConfig as error:
            default = format_value(defaults.get(name, known[name].default))
            notices.append(f"The link's {error} The default, {default}, stands instead.")
    return values, notices


def not_known(name: str) -> str:
    """The sentence about a parameter that no page has."""
    return f"The link sets {name[:40]!r}, which this page does not know."
