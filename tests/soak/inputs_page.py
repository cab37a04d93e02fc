"""Invalid input in page addresses, for every declared parameter of every page."""

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

from app import navigation
from app.controls.page_address import names_of_all_pages
from app.controls.parameters import Parameter
from app.server.jobs import Jobs
from app.server.sweep_queue import SweepQueue
from app.text.labels import PROJECTION_LABELS
from app.views.clean import page as clean
from app.views.compare import url as compare
from app.views.compare.url import VIEWS
from app.views.datasets import page as datasets
from app.views.drift import controls as drift
from app.views.label import page as label
from app.views.lessons import lessons
from app.views.lessons.lessons import LESSONS
from app.views.microscope import page as microscope
from app.views.reproduce import controls as reproduce
from app.views.runs import page as runs
from app.views.start import page as start
from app.views.sweep import url as sweep
from app.views.weak_supervision import page as weak_supervision
from app.views.which import url as which
from app.views.why import page as why
from app.views.your_table import page as your_table
from app.views.zero_shot import controls as zero_shot
from tests.app.conftest import MAIN
from tests.soak.odd import MARK, WRONG, for_each, fuzz_texts, texts
from tests.soak.tally import Outcome, Tally

__all__ = ["PAGES", "PARAMETERS", "addresses", "fuzz_pages", "known_to", "open_address", "without_training"]

DEADLINE_S = 60
TRAINED_S = 180  # where it really trains, also beside other work
# Text from the address that is not escaped, so that Markdown interprets it.
MARKUP = re.compile(
    rf"(?<!\\)(<script|<img src|\]\(javascript|:red\[{MARK}|:material/{MARK}|\*\*{MARK}|`{MARK}|~~{MARK}|\$\\+{MARK})"
    rf"|^(# |\| ){MARK}",
    re.MULTILINE,
)
STILL = "Nothing is trained in this case."
Address = tuple[str, Mapping[str, list[str]]]

# Plausible values where the declaration of a page lists none, or accepts others.
_FURTHER = {
    "a": ("lambda_n=1.0", "baseline=DevNet,lambda_n=0.5,epochs=3", "norm=layer"),
    "view": tuple(VIEWS),
    "projection": tuple(PROJECTION_LABELS),
    "fix": ("dataset,baseline,lambda_n", "pin", "seeds"),
    "hide": ("dataset,baseline,lambda_n", "pin", "seeds"),
    "lesson": ("1", "2", "4"),
    "step": ("1", "2", "4", *LESSONS),
    "place": ("norm 1", "norm 1 of 2, 128 features"),
    "feature": ("feature 1", "feature 500"),
    "held_out": ("1,2", "5,6,7,8,9", "0", "0,0,1"),
    "meta": ("1,2", "5,6,7,8,9", "0", "0,0,1"),
    "where": ("", "all", "CIFAR10"),
    "table": ("own_table_00000000",),
}
_IN_BETWEEN = {"lambda_n": ("0.03",), "batch_size": ("7",), "labeled_ratio": ("0.07", "1e-9"), "seed": ("77",)}


def _texts(parameter: Parameter) -> tuple[str, ...]:
    listed = [parameter.texts([option] if parameter.many else option)[0] for option in parameter.options]
    return (*listed, *_FURTHER.get(parameter.name, ()))


_VIEWS = (
    clean,
    compare,
    datasets,
    drift,
    label,
    lessons,
    microscope,
    reproduce,
    runs,
    start,
    sweep,
    weak_supervision,
    which,
    why,
    your_table,
    zero_shot,
)
_ADDRESSES = {view.ADDRESS.page: view.ADDRESS for view in _VIEWS}
# Parameters of each page with plausible values.
PARAMETERS: dict[str, dict[str, tuple[str, ...]]] = {
    entry.url_path: {parameter.name: _texts(parameter) for parameter in _ADDRESSES[name].parameters}
    for name, entry in navigation.PAGES.items()
}
PAGES = tuple(PARAMETERS)


# -- addresses


@st.composite
def addresses(draw: st.DrawFn, page: str) -> Address:
    """Draw an address with one to four parameters, of the page, of another page, or unknown; some twice."""
    own = PARAMETERS[page]
    others = st.one_of(st.sampled_from(sorted(names_of_all_pages())), st.sampled_from(WRONG), texts())
    names = st.sampled_from([*own]) if own else others
    several = st.lists(st.one_of(names, names, names, others), min_size=1, max_size=4)
    chosen = [draw(names)] if draw(st.booleans()) else draw(several)
    said: dict[str, list[str]] = {}
    for name in chosen:
        plausible = (*own.get(name, ()), *_IN_BETWEEN.get(name, ()))
        said.setdefault(name, []).append(draw(fuzz_texts(plausible)))
    return page, {name: values for name, values in said.items() if name}


def known_to(page: str) -> frozenset[str]:
    """Return the parameters of a page, and those of other pages, which it ignores."""
    return frozenset(PARAMETERS[page]) | names_of_all_pages()


# -- outcomes


@dataclass
class Seen:
    """Contents of a page. bound: parameters that a control is bound to. broken: exceptions and logged errors."""

    markdown: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


def open_address(address: Address, deadline_s: float = DEADLINE_S) -> tuple[Outcome, Seen]:
    """Open an address once and judge the contents of the page."""
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
    """Collect logged errors."""

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
def without_training() -> Iterator[None]:
    """Let every run fail at once with a sentence, so that pages are drawn without results."""

    def give_up(self: Jobs, session: str, kind: str, keys: Sequence[str], *others: Any, **more: Any) -> None:
        for key in keys:
            self.results.put_failure(key, STILL)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Jobs, "_submit", give_up))
        stack.enter_context(patch.object(SweepQueue, "estimate", lambda *arguments: float("nan")))
        stack.enter_context(without_component_search())
        yield


@contextmanager
def without_component_search() -> Iterator[None]:
    """Skip the search for components in all packages, which AppTest repeats on each run."""
    with patch.object(BidiComponentManager, "discover_and_register_components", lambda *own, **named: None):
        yield


@contextmanager
def record_parameters() -> Iterator[set[str]]:
    """Yield the set of parameter names that pages read."""
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
    """Open a number of addresses of each page without training; return one tally per page."""
    found = []
    for page in only:
        tally = Tally(f"/{page}")
        with without_component_search():
            tally.take(
                open_address((page, {}), TRAINED_S)[0]
            )  # as it begins, trained, so that addresses that change no run show it whole
        with without_training():
            for_each(addresses(page), cases, lambda own, tally=tally: tally.take(open_address(own)[0]))
            found.append(tally)
    return found
