"""Promises of SECURITY.md for each way to start the server; real servers, without a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.server import ROOT, Server, has_ipv6
from tests.browser.test_security import opening
from tests.soak.visitor import Visitor

SCRIPT = ROOT / "app" / "main.py"
NOBODY = 65534
# A Streamlit configuration in the working folder of the server.
OPEN_CONFIG = """\
[browser]
gatherUsageStats = true
[server]
address = "0.0.0.0"
allowedHosts = []
enableXsrfProtection = false
[client]
showErrorDetails = "full"
"""

# The arguments of Python; whether the working folder is the project's (None: the app's); whether the user is root.
WAYS = {
    "make run": (("-m", "app"), True, True),
    "module elsewhere": (("-m", "app"), False, True),
    "streamlit in the project": (("-m", "streamlit", "run", "app/main.py"), True, True),
    "streamlit elsewhere": (("-m", "streamlit", "run", str(SCRIPT)), False, True),
    "streamlit in its folder": (("-m", "streamlit", "run", "main.py"), None, True),
    "streamlit as nobody": (("-m", "streamlit", "run", str(SCRIPT)), False, False),
    "at [::1]": (("-m", "app"), True, True),
}


def nobody_can_run_python() -> bool:
    try:
        return subprocess.run([sys.executable, "-c", "import streamlit"], user=NOBODY, cwd="/").returncode == 0
    except OSError:
        return False


@contextmanager
def on_one_core(number: int) -> Iterator[None]:
    """Let the processes that this thread starts use one core: a server that has one runs no UMAP beforehand."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def start(way: str, folder: Path, cache: Path) -> Server:
    """Start a server in one of the ways, beside a configuration that would open it."""
    command, in_project, as_root = WAYS[way]
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text(OPEN_CONFIG)
    return Server(
        cache,
        log=folder / "server.log",
        environment={"PYTHONPATH": str(ROOT), "HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        command=command,
        folder={True: ROOT, None: ROOT / "app", False: folder}[in_project],
        user=None if as_root else NOBODY,
        address="::1" if way == "at [::1]" else None,
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Servers by the way in which each was started, all at once; without one that this machine cannot start."""
    base = tmp_path_factory.getbasetemp().parent
    started = {}
    try:
        for number, (way, (_, _, as_root)) in enumerate(WAYS.items()):
            if (not as_root and not nobody_can_run_python()) or (way == "at [::1]" and not has_ipv6()):
                continue
            folder, cache = tmp_path_factory.mktemp("folder"), tmp_path_factory.mktemp("cache")
            for path in (folder, cache, *folder.parents):
                if path.is_relative_to(base):
                    path.chmod(0o777 if path in (folder, cache) else 0o755)
            with on_one_core(number):
                started[way] = start(way, folder, cache)
        for running in started.values():
            running.wait_until_healthy()
        yield started
    finally:
        for running in started.values():
            running.kill()


@pytest.fixture(params=WAYS)
def started(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    if request.param not in servers:
        pytest.skip("This machine has no IPv6, or cannot start this Python as another user.")
    return servers[request.param]


def listening(port: int) -> set[str]:
    """Return the addresses at which this machine listens on the port."""
    addresses = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, _, state = line.split()[1:4]
            host, _, number = address.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [bytes.fromhex(host[begin : begin + 8])[::-1] for begin in range(0, len(host), 8)]
                addresses.add(socket.inet_ntop(family, b"".join(words)))
    return addresses


def test_the_server_listens_on_this_machine_only(started: Server) -> None:
    found = listening(started.port)
    assert found and found <= {"127.0.0.1", "::1"}


def test_the_server_answers_known_host_names_only(started: Server) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert opening(started, f"{name}:{started.port}", f"http://{name}:{started.port}") == 101
    for name in ("elsewhere.example", "[2001:db8::1]", f"[::2]:{started.port}"):
        assert opening(started, name) == 403
        assert opening(started, f"{started.host}:{started.port}", f"http://{name}") == 403


def test_the_server_sends_no_statistics_and_draws_the_first_page(started: Server) -> None:
    visitor = Visitor(started.port, host=started.host)
    try:
        visitor.open("")
        visitor.wait_for("AnoOnly trains an anomaly detector")
        assert visitor.gathers_usage is False
        assert not visitor.broken
    finally:
        visitor.close()
