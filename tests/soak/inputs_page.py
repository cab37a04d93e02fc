"""Odd input in an address: every parameter of every page, as the code declares them."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from hypothesis import strategies as st
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.runtime.state.query_params_proxy import QueryParamsProxy
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block
from streamlit.util import calc_hash

from anoonly_core.reproduction.cells import REFERENCES
from anoonly_core.reproduction.experiments import READINGS
from app.charts.style import THRESHOLDS
from app.controls.link_parser import OF_PAGES
from app.controls.registry import CONTROLS
from app.server.jobs import Jobs
from app.server.sweep_queue import SweepQueue
from app.text.labels import PROJECTION_LABELS, format_value
from app.views.clean import page as clean
from app.views.compare.results import VIEWS
from app.views.compare.tabs import TABS
from app.views.lessons.lessons import LESSONS, Position
from app.views.reproduce import page as reproduce
from app.views.sweep import url as sweep_url
from app.views.zero_shot import controls as zero_shot_controls
from tests.app.conftest import MAIN
from tests.soak.odd import MARK, WRONG, each_of, odd_texts, texts
from tests.soak.tally import Outcome, Tally

__all__ = ["PAGES", "PARAMETERS", "addresses", "fuzz_pages", "known_to", "looked", "still"]

DEADLINE_S = 60
TRAINED_S = 180  # where it really trains, also beside other work
# What was written into the address, where Markdown would take it for its own: not escaped.
MARKUP = re.compile(
    rf"(?<!\\)(<script|<img src|\]\(javascript|:red\[{MARK}|:material/{MARK}|\*\*{MARK}|`{MARK}|~~{MARK}|\$\\+{MARK})"
    rf"|^(# |\| ){MARK}",
    re.MULTILINE,
)
STILL = "Nothing is trained in this case."
Address = tuple[str, Mapping[str, list[str]]]

_MAIN = {control.name: tuple(map(format_value, control.options)) for control in CONTROLS}
_IN_BETWEEN = {"lambda_n": ("0.03",), "batch_size": ("7",), "labeled_ratio": ("0.07", "1e-9"), "seed": ("77",)}
_FIGURES = {
    "threshold": tuple(map(str, THRESHOLDS[::10])),
    "view": (*VIEWS, *VIEWS.values()),
    "projection": (*PROJECTION_LABELS, *PROJECTION_LABELS.values()),
    "tab": TABS,
}
_CLASS = {kind: (",".join(list(_MAIN)[:3]), "pin", "seeds") for kind in ("fix", "hide")}
_SHARED = _MAIN | _CLASS
# What each page takes from its address, with what may well stand there.
PARAMETERS: dict[str, dict[str, tuple[str, ...]]] = {
    "": {**_SHARED, **_FIGURES, "a": ("lambda_n=1.0", "baseline=DevNet,lambda_n=0.5,epochs=3", "norm=layer")},
    "lessons": {name: (*LESSONS, "1", "2", "4") for name in Position("").parameters()},
    "microscope": {**_SHARED, "place": ("norm 1",), "feature": ("feature 1", "feature 500")},
    "sweep": {
        **{control.name: _MAIN[control.name] for control in CONTROLS},
        **{name: possible for name, (possible, _) in sweep_url.OWN_CONTROLS.items()},
        **{name: _MAIN[name.removeprefix("values_")] for name in sweep_url.VALUES},
    },
    "zero-shot": {
        **{name: tuple(map(format_value, own.options)) for name, own in zero_shot_controls.CONTROLS.items()},
        **{name: ("1,2", "5,6,7,8,9", "0", "0,0,1") for name in zero_shot_controls.CLASSES},
        "table": ("digits", "MVTec-AD"),
    },
    "clean": {**_SHARED, **{control.name: tuple(map(str, control.options)) for control in clean.OWN}},
    "reproduce": {
        "show": tuple(reproduce.SHOWN),
        "ours": tuple(READINGS),
        "where": ("", "all", "CIFAR10"),
        "sign": tuple(reproduce.SIGNS),
        "beside": tuple(REFERENCES),
    },
    "datasets": {},
    "your-table": {},
    "label": {**_SHARED, "table": ("own_table_00000000",)},
    "runs": {},
}
PAGES = tuple(PARAMETERS)


# -- what may stand in an address


@st.composite
def addresses(draw: st.DrawFn, page: str) -> Address:
    """An address of a page: a parameter of its own, or up to four, any of them twice, some another's or nobody's."""
    own = PARAMETERS[page]
    others = st.one_of(st.sampled_from(sorted(OF_PAGES)), st.sampled_from(WRONG), texts())
    names = st.sampled_from([*own]) if own else others
    several = st.lists(st.one_of(names, names, names, others), min_size=1, max_size=4)
    chosen = [draw(names)] if draw(st.booleans()) else draw(several)
    said: dict[str, list[str]] = {}
    for name in chosen:
        plausible = (*own.get(name, ()), *_IN_BETWEEN.get(name, ()))
        said.setdefault(name, []).append(draw(odd_texts(plausible)))
    return page, {name: values for name, values in said.items() if name}


def known_to(page: str) -> frozenset[str]:
    """The parameters that a page may take in, and those that it may pass over, for another page's they are."""
    return frozenset(PARAMETERS[page]) | OF_PAGES


# -- what comes of it


@dataclass
class Seen:
    """What stood on a page. asked: which parameters it took from its address."""

    markdown: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


def looked(address: Address, deadline_s: float = DEADLINE_S) -> tuple[Outcome, Seen]:
    """Open an address once, and judge what stands on the page."""
    path, said = address
    page = AppTest.from_file(str(MAIN), default_timeout=deadline_s)
    if path:
        page._page_hash = calc_hash(path)
    for name, values in said.items():
        page.query_params[name] = values
    shown_as, seen = f"/{path}?{urlencode(said, doseq=True)}", Seen()
    begun = time.monotonic()
    with _listening(seen.broken):
        try:
            page.run()
        except RuntimeError as error:
            if "timed out" not in str(error):
                raise
            return Outcome(shown_as, "hang", str(error), time.monotonic() - begun), seen
    seconds = time.monotonic() - begun
    _take_in(page._tree, seen)
    kind, words = _judged(path, said, seen)
    return Outcome(shown_as, kind, words, seconds), seen


def _take_in(block: Any, seen: Seen) -> None:
    for element in block.children.values():
        proto = getattr(element, "proto", None)
        if isinstance(element, Block):
            _take_in(element, seen)
            proto = getattr(proto, "tab_container", proto)  # which is bound too
        if proto is None:
            continue
        kind = getattr(element, "type", "")
        if kind == "exception":
            seen.broken.append(f"{proto.type}: {proto.message} {' '.join(proto.stack_trace)}")
        if kind in ("warning", "error") and STILL not in proto.body.replace("\\", ""):
            seen.notices.append(proto.body)
        if bound := getattr(proto, "query_param_key", ""):
            seen.bound.add(bound)
        seen.markdown += [
            text
            for name in ("body", "label", "help", "caption", "text")
            if isinstance(text := getattr(proto, name, None), str) and kind not in ("code", "json", "html")
        ]


def _judged(path: str, said: Mapping[str, Sequence[str]], seen: Seen) -> tuple[str, str]:
    if seen.broken:
        return "traceback", "\n".join(seen.broken)
    if taken := [own for own in seen.markdown if MARKUP.search(own)]:
        return "fault", f"markup: {taken[0][:300]!r}"
    if any(len(own) > 2000 or "\0" in own for own in seen.notices):
        return "fault", f"no sentence: {seen.notices[0][:300]!r}"
    wrong = {
        name: values[-1]
        for name, values in said.items()
        if (name in PARAMETERS[path] and values[-1] in WRONG) or name in WRONG
    }
    if wrong and not seen.notices:
        return "silence", f"nothing is said of {wrong}"[:500]
    if seen.notices:
        return "notice", " ".join(seen.notices)[:500]
    return "as asked", ""


@contextmanager
def _listening(broken: list[str]) -> Iterator[None]:
    """Note errors in the log meanwhile."""

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            broken.append(f"log: {self.format(record)}")

    heard = Heard(logging.ERROR)
    loggers = [logging.getLogger(), logging.getLogger("streamlit")]
    for own in loggers:
        own.addHandler(heard)
    try:
        yield
    finally:
        for own in loggers:
            own.removeHandler(heard)


# -- without training


@contextmanager
def still() -> Iterator[None]:
    """Have every run fail at once with a sentence, so that a page is drawn as far as it can be without one."""

    def give_up(self: Jobs, session: str, kind: str, keys: Sequence[str], *others: Any, **more: Any) -> None:
        for key in keys:
            self._failures.put(key, STILL)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Jobs, "_submit", give_up))
        stack.enter_context(patch.object(SweepQueue, "estimate", lambda *arguments: float("nan")))
        stack.enter_context(quick())
        yield


@contextmanager
def quick() -> Iterator[None]:
    """Without the search for components in all packages, which AppTest does at each run and a server once."""
    with patch.object(BidiComponentManager, "discover_and_register_components", lambda *own, **named: None):
        yield


@contextmanager
def asked_for() -> Iterator[set[str]]:
    """The names of the parameters that pages ask for meanwhile."""
    names: set[str] = set()
    get, get_all = QueryParamsProxy.__getitem__, QueryParamsProxy.get_all

    def noting(self: QueryParamsProxy, key: str) -> str:
        names.add(key)
        return get(self, key)

    def noting_all(self: QueryParamsProxy, key: str) -> list[str]:
        names.add(key)
        return get_all(self, key)

    with patch.object(QueryParamsProxy, "__getitem__", noting), patch.object(QueryParamsProxy, "get_all", noting_all):
        yield names


def fuzz_pages(cases: int, only: Sequence[str] = PAGES) -> list[Tally]:
    """Open so many addresses of each page without training; what came of it, by page."""
    found = []
    for page in only:
        tally = Tally(f"/{page}")
        with quick():
            tally.take(
                looked((page, {}), TRAINED_S)[0]
            )  # as it begins, trained, so that addresses that change no run show it whole
        with still():
            each_of(addresses(page), cases, lambda own, tally=tally: tally.take(looked(own)[0]))
            found.append(tally)
    return found
