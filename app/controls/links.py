"""Links: the URL parameters that open runs on the Compare page, and what a session leaves there meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.data.tables.uploads import is_upload_name
from anoonly_core.errors import InvalidConfig
from app.controls.choice import baseline_of, pin_text
from app.controls.link_parser import BESIDE_CONTROLS, NO_DEFAULTS, OF_PAGES, not_known, read_link
from app.controls.registry import CONTROLS, PUBLISHED, Control
from app.text.labels import format_value
from app.widgets import notices

__all__ = [
    "address",
    "arrive",
    "compare_parameters",
    "draw_notices",
    "draw_refused",
    "draw_unknown",
    "left_behind",
    "remember",
    "take_in_link",
]


def compare_parameters(b: RunConfig, a: RunConfig | None, seeds: int) -> dict[str, str]:
    """The URL parameters that open Compare with B beside the pinned A, or beside what is published (None).

    What the controls say anyway is left out. A follows B's seed. Raises InvalidConfig for runs that
    Compare cannot show, or not side by side.
    """
    if a is not None and a.dataset != b.dataset:
        raise InvalidConfig("Compare shows two runs on the same rows, and these are of different data sets.")
    if a is not None and a.protocol != b.protocol:
        raise InvalidConfig("Compare shows two runs on the same rows, and these are split by different protocols.")
    if b.dataset not in DATASETS and not is_upload_name(b.dataset):
        raise InvalidConfig(f"Compare knows the data sets of its list only, and not {b.dataset[:60]!r}.")
    parameters = {}
    for control in CONTROLS:
        value = seeds if control.name == "seeds" else getattr(b, control.name)
        # Of a setting that the baseline lacks or that is as published, the control is left alone.
        as_published = control.default == PUBLISHED and b.with_(**{control.name: None}) == b
        if value is not None and value != control.default and not as_published:
            parameters[control.name] = format_value(value)
            control.parse(parameters[control.name])
    if a is not None and a.with_(seed=b.seed) != baseline_of(b):
        parameters["a"] = pin_text(a)
    return parameters


def address(parameters: Mapping[str, str], here: str | None, page: str) -> str:
    """The full address of Compare with these parameters, as seen from the page `page` at the address `here`."""
    root = (here or "").removesuffix(f"/{page}").rstrip("/")
    return f"{root}/?{urlencode(parameters)}" if parameters else f"{root}/"


def remember(page: str = "compare") -> None:
    """Note what the page's address says now, for when the session comes back from another page."""
    st.session_state[f"{page}_address"] = st.query_params.to_dict()


def left_behind(page: str = "compare") -> dict[str, str]:
    """What the page's address said when the session left it, of what the page knows."""
    known = {control.name for control in CONTROLS}.union(BESIDE_CONTROLS)
    noted: dict[str, str] = st.session_state.get(f"{page}_address", {})
    return {name: text for name, text in noted.items() if name in known}


def arrive(page: str) -> None:
    """Let a page that the session comes to from another one read its address anew."""
    if st.session_state.get("page") != page:
        st.session_state.page = page
        st.session_state.pop("link_values", None)


def take_in_link(page: str = "compare", own: Sequence[Control] = (), defaults: Mapping[str, Any] = NO_DEFAULTS) -> None:
    """Whenever the session comes to this page: read the link, or else what the page was left with.

    Values between a control's stops are remembered, and what cannot be used is noted. page: whose
    address it is, as in `remember`. own, defaults: see addresses.read_link.
    """
    if "link_values" in st.session_state:
        return
    given = st.query_params.to_dict()
    st.session_state.link_given = dict(given)
    left = {} if given else left_behind(page)
    values, complaints = read_link(given or left, own, defaults)
    for name in (*(control.name for control in CONTROLS), *BESIDE_CONTROLS):
        st.session_state.pop(name, None)  # what Streamlit kept of the controls would outdo the link
    st.session_state.pop("noticed_at", None)
    st.session_state.link_values = {**defaults, **values}
    st.session_state.notices = complaints if given else []
    # A control drops what it would write otherwise, such as 1e-3: let the link say it the control's way.
    wanted = left | {name: format_value(value) for name, value in values.items()}
    if any(given.get(name) != text for name, text in wanted.items()):
        st.query_params.from_dict(given | wanted)  # at once: each change is a step of the browser's Back
        st.rerun()


def draw_refused(name: str, offered: Sequence[str]) -> None:
    """Say that the link wants of a choice what it does not offer, where only what is drawn knows what that is."""
    asked = st.session_state.get("link_given", {}).pop(name, None)
    if asked is not None and asked not in offered:
        rule = f"one that the page offers, such as {offered[0]}"
        sentence = f"The link's {name} must be {rule}, not {asked[:60]!r}. The default stands instead."
        st.session_state.notices.append(sentence)  # as long as the others
        notices.warning(sentence)


def draw_unknown(known: Collection[str] = ()) -> None:
    """Say which parameters of the address a page does not know, that has none or reads those it knows itself."""
    for name in st.query_params:
        if name not in known and name not in OF_PAGES:
            notices.warning(not_known(name))


def draw_notices(state: object) -> None:
    """Show what the link got wrong, until the page's state is no more what it was then."""
    if st.session_state.setdefault("noticed_at", state) == state:
        for notice in st.session_state.get("notices", ()):
            notices.warning(notice)
