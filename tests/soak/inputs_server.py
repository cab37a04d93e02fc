"""Invalid input in addresses of a real server, whose workers train."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.browser.server import Server
from tests.soak.inputs_page import MARKUP, PARAMETERS
from tests.soak.odd import for_each, fuzz_texts
from tests.soak.session import Late
from tests.soak.tally import Outcome, Tally
from tests.soak.visitor import Visitor
from tests.soak.watch import errors_in_log

__all__ = ["fuzz_server"]

PATIENCE_S = 60.0
# Settings that keep training short.
SHORT: Mapping[str, Mapping[str, str]] = {
    "compare": {"epochs": "1", "seeds": "1"},
    "microscope": {"epochs": "1"},
    "why": {"epochs": "1"},
    "clean": {"epochs": "1", "seeds": "1", "parts": "1"},
    "drift": {"epochs": "1", "seeds": "1", "batches": "30"},
    "zero-shot": {"steps": "25", "tasks": "4", "rows": "20", "seeds": "1"},
}


@st.composite
def _addresses(draw: st.DrawFn) -> tuple[str, str]:
    page = draw(st.sampled_from([*SHORT]))
    own = {name: known for name, known in PARAMETERS[page].items() if name not in SHORT[page]}
    name = draw(st.sampled_from([*own]))
    return page, urlencode({**SHORT[page], name: draw(fuzz_texts(own[name]))})


def fuzz_server(cases: int) -> Tally:
    """Open a number of addresses one after the other in one session, each until it is complete."""
    tally = Tally("a real server")
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        server = Server(Path(folder))
        try:
            server.wait_until_healthy()
            visitor = Visitor(server.port, PATIENCE_S)
            for_each(_addresses(), cases, lambda own: tally.take(_opened(server, visitor, *own)))
            visitor.close()
        finally:
            server.stop()
    return tally


def _opened(server: Server, visitor: Visitor, page: str, query: str) -> Outcome:
    shown, begun = f"/{page}?{query}", time.monotonic()
    before = len(visitor.broken) + len(errors_in_log(server))
    visitor.open(page, query)
    try:
        visitor.wait_until_idle()
    except Late as late:
        return Outcome(shown, "hang", str(late), time.monotonic() - begun)
    seconds, told = time.monotonic() - begun, [*visitor.broken, *errors_in_log(server)]
    if len(told) > before:
        return Outcome(shown, "traceback", "\n".join(told[-5:]), seconds)
    if taken := MARKUP.search(visitor.text):
        return Outcome(shown, "fault", f"markup: {taken[0]!r}", seconds)
    return Outcome(shown, "notice" if "The link" in visitor.text else "as asked", visitor.text[:200], seconds)
