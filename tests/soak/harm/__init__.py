"""Harm tests: attacks of one visitor on a real server under a memory limit, beside another visitor.

While each attack lasts, another visitor opens Compare with its shipped results, again and again. No process may take
more than the limit, none may be killed, and the other visitor waits for less than `MAX_WAIT_S`.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.browser.server import Server
from tests.soak.harm import files, requests
from tests.soak.harm.bystander import Bystander, Peaks
from tests.soak.session import Late
from tests.soak.visitor import Visitor

__all__ = ["HARMS", "MAX_MB", "MAX_WAIT_S", "Outcome", "run_harms"]

MAX_MB = 4096  # of each process, beside its code and what it shares
MAX_WAIT_S = 3.0
SIGNS = ("The worker process", "MemoryError", "can't start new thread")  # of a death, or a lack of memory
LOGGED = 1500  # characters of the log in a report
SETTLING_S = 6.0  # jobs of closed tabs are stopped meanwhile
# Each sends something to the server and returns what became of it, in words.
HARMS: dict[str, Callable[[Server], str]] = {
    "nothing": requests.nothing,
    "address-parameters": requests.address_parameters,
    "redraw-messages": requests.redraw_messages,
    "large-messages": requests.large_messages,
    "kept-sweeps": requests.kept_sweeps,
    "long-runs": requests.long_runs,
    "uploads-not-taken": requests.uploads_not_taken,
    **files.HARMS,
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attack.

    Parameters
    ----------
    name : str
        The name of the attack.
    got : str
        The server's answers to the attacker, in words; "" if the attack broke off.
    server_mb, worker_mb : float
        The peak resident memory of the server and of its largest worker.
    others_s : tuple of float
        The waits of the other visitor, in seconds.
    wrong : tuple of str
        Promises that were broken.
    """

    name: str
    got: str
    server_mb: float
    worker_mb: float
    others_s: tuple[float, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if the other visitor was served in time and nothing went wrong."""
        return not self.wrong and bool(self.others_s) and max(self.others_s) < MAX_WAIT_S


def run_harms(names: Collection[str] = ()) -> Iterator[Outcome]:
    """Try these attacks, or all if none is named, one after the other on one server; yield the outcomes."""
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        server = Server(Path(folder))
        try:
            server.wait_until_healthy()
            _limit_memory(server)
            with Visitor(server.port) as first:
                first.open("compare")
                first.wait_for("AUCPR")
            time.sleep(SETTLING_S)
            for name in names or HARMS:
                yield _run_harm(name, server)
                time.sleep(SETTLING_S)
        finally:
            server.stop()


def _limit_memory(server: Server) -> None:
    """Limit the private memory of the server's processes, and of those that they start from now on."""
    for process in server.processes():
        resource.prlimit(process, resource.RLIMIT_DATA, (MAX_MB << 20, MAX_MB << 20))


def _run_harm(name: str, server: Server) -> Outcome:
    begin = server.log.stat().st_size
    wrong: list[str] = []
    peaks, bystander = Peaks(server), Bystander(server)
    try:
        got = HARMS[name](server)
    except (Late, OSError, AssertionError) as error:
        got = ""
        wrong.append(f"{type(error).__name__}: {error}")
    bystander.stop()
    peaks.stop()
    wrong += bystander.errors
    if server.process.poll() is not None:
        wrong.append("the server has ended")
    with server.log.open(errors="replace") as log:
        log.seek(begin)
        text = log.read()
    if any(sign in text for sign in SIGNS):
        wrong.append(f"the log of the server says\n{text[-LOGGED:]}")
    return Outcome(name, got, peaks.server_mb, peaks.worker_mb, tuple(bystander.waits_s), tuple(wrong))
