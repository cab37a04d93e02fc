"""Attacks by requests: huge addresses, many and large messages, kept sweeps, long runs, uploads that no page takes."""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
import urllib.error
from collections import Counter
from contextlib import ExitStack, suppress

from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from anoonly_core.results.store import FILE_NAME, Store
from anoonly_core.sweeps.sweep import make_sweep
from app.navigation import PAGES
from app.views.sweep.page import LISTED
from tests.browser.server import Server
from tests.soak.session import Late
from tests.soak.visitor import Visitor

__all__ = [
    "address_parameters",
    "kept_sweeps",
    "large_messages",
    "long_runs",
    "nothing",
    "redraw_messages",
    "uploads_not_taken",
]

MANY = 20_000
SWEEPS, SEEDS, VIEWERS = 30, 100, 4
SESSIONS = 60
LONG = {"dataset": "breast_cancer", "batch_size": "1", "epochs": "10000", "seeds": "10"}
LASTING_S = 20.0
FILES, FILE_MB = 20, 100
FLOOD_S = 10.0
FRAMES, FRAME_MB = 20, 16


def nothing(server: Server) -> str:
    """Send nothing, so that the others can be compared with a visitor who is alone."""
    time.sleep(LASTING_S)
    return "for comparison"


def address_parameters(server: Server) -> str:
    """Open every page with 20 000 parameters, and with 20 000 names after `fix=`."""
    addresses = (
        "&".join(f"name{number}=x" for number in range(MANY)),
        f"fix={','.join(f'name{number}' for number in range(MANY))}",
        "&".join(f"values_epochs={number}" for number in range(MANY)),
        "&".join(f"n{number}=" for number in range(400)),
    )
    alerts, slowest = 0, 0.0
    with Visitor(server.port) as visitor:
        for page in PAGES.values():
            for address in addresses:
                visitor.open(page.url_path, address)
                # Some pages train for long before they are idle.
                visitor.wait(lambda: visitor.idle or visitor.answered_s > 0, "the first element")
                alerts, slowest = max(alerts, len(visitor.alerts)), max(slowest, visitor.answered_s)
        assert not visitor.broken, visitor.broken[0]
    return f"{len(PAGES) * len(addresses)} pages, {alerts} notices at most, the slowest begun after {slowest:.1f} s"


def redraw_messages(server: Server) -> str:
    """Send as many requests to draw the page as the connection takes, 20 000 at most."""
    message = BackMsg()
    message.rerun_script.SetInParent()
    content = message.SerializeToString()
    sent = 0
    deadline = time.monotonic() + FLOOD_S
    with Visitor(server.port) as visitor:
        visitor.open("compare")
        visitor.wait_until_idle()

        def flood() -> None:
            nonlocal sent
            with suppress(ConnectionClosed, OSError):
                while sent < MANY and time.monotonic() < deadline:
                    visitor.send_raw(content)
                    sent += 1

        flooding = threading.Thread(target=flood, daemon=True)
        flooding.start()
        flooding.join(FLOOD_S + 5.0)
    return f"{sent} messages sent in {FLOOD_S:.0f} s"


def large_messages(server: Server) -> str:
    """Send a message of 16 MB over each of twenty connections."""
    closed: list[Visitor] = []
    with ExitStack() as stack:
        visitors = [stack.enter_context(Visitor(server.port)) for _ in range(FRAMES)]

        def send(visitor: Visitor) -> None:
            with suppress(ConnectionClosed, OSError):
                visitor.send_raw(bytes(FRAME_MB << 20))
            with suppress(Late):  # the server left the connection open
                visitor.wait(lambda: visitor.broken, "the end of the connection")
                closed.append(visitor)

        threads = [threading.Thread(target=send, args=(visitor,), daemon=True) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60.0)
    assert len(closed) == FRAMES, f"{len(closed)} of {FRAMES} connections were closed"
    return f"{FRAMES} connections closed"


def kept_sweeps(server: Server) -> str:
    """Open Sweep in four sessions with one kept sweep of 20 000 runs, then with thirty."""
    store = Store(server.log.parent / FILE_NAME)
    took: dict[int, float] = {}
    for kept in (1, SWEEPS):
        for number in range(kept):
            axes = [
                ("batch_size", [8, 16, 32, 64, 128]),
                ("contamination", [step / 1000 for step in range(20)]),
                ("lambda_n", [1, 0]),
            ]
            text = make_sweep({"epochs": 10 + number}, axes, 1).model_copy(update={"seeds": SEEDS}).canonical()
            store.put_sweep(f"sweep {hashlib.sha256(text.encode()).hexdigest()}", text)
        with ExitStack() as stack:
            visitors = [stack.enter_context(Visitor(server.port)) for _ in range(VIEWERS)]
            times = []
            for _ in range(3):
                for visitor in visitors:
                    visitor.open("sweep")
                for visitor in visitors:
                    visitor.wait_until_idle()
                times += [visitor.drawn_s for visitor in visitors]
            listed = sum(visitors[0].has_now(f"open {key}") for key in store.sweep_keys())
            assert listed == min(kept, LISTED), f"{listed} sweeps are listed"
        took[kept] = statistics.median(times)
    return f"{took[SWEEPS]:.2f} s with {SWEEPS} sweeps, {took[1]:.2f} s with one: {took[SWEEPS] / took[1]:.1f} times"


def long_runs(server: Server) -> str:
    """Ask for ten runs of 10 000 epochs in each of sixty sessions of one browser."""
    with ExitStack() as stack:
        first = stack.enter_context(Visitor(server.port))
        others = [stack.enter_context(Visitor(server.port, cookie=first.cookie)) for _ in range(SESSIONS - 1)]
        for number, visitor in enumerate((first, *others)):
            visitor.open("compare", {**LONG, "seed": str(100 * number)})
        time.sleep(LASTING_S)
        served = sum("epoch " in visitor.text or "Waiting" in visitor.text for visitor in (first, *others))
    return f"{served} of {SESSIONS} sessions train or wait for their turn"


def uploads_not_taken(server: Server) -> str:
    """Send a file of 100 MB to each of twenty sessions, none of which ever reads it."""
    statuses: Counter[int] = Counter()
    content = bytes(FILE_MB << 20)
    with ExitStack() as stack:
        for _ in range(FILES):
            visitor = stack.enter_context(Visitor(server.port))
            visitor.open("your-table")
            visitor.wait_until_idle()
            try:
                visitor.send_file("zeros.csv", content)
                statuses[204] += 1
            except urllib.error.HTTPError as error:
                statuses[error.code] += 1
            except OSError:  # the server answers and hangs up while the file is still being sent
                statuses[503] += 1
    return ", ".join(f"{count} answered {status}" for status, count in sorted(statuses.items()))
