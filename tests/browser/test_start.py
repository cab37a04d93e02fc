"""Promises of SECURITY.md for each way to start the server; real servers, without a browser."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.server import ROOT, Server
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
}


def nobody_can_run_python() -> bool:
    try:
        return subprocess.run([sys.executable, "-c", "import streamlit"], user=NOBODY, cwd="/").returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", params=WAYS, ids=list(WAYS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command, in_project, as_root = WAYS[request.param]
    if not as_root and not nobody_can_run_python():
        pytest.skip("This machine cannot start this Python as another user.")
    folder, cache = tmp_path_factory.mktemp("folder"), tmp_path_factory.mktemp("cache")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text(OPEN_CONFIG)
    for path in (folder, cache, *folder.parents):
        if path.is_relative_to(tmp_path_factory.getbasetemp().parent):
            path.chmod(0o777 if path in (folder, cache) else 0o755)
    started = Server(
        cache,
        log=folder / "server.log",
        environment={"PYTHONPATH": str(ROOT), "HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        command=command,
        folder={True: ROOT, None: ROOT / "app", False: folder}[in_project],
        user=None if as_root else NOBODY,
    )
    try:
        started.wait_until_healthy()
        yield started
    finally:
        started.stop()


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


def test_the_server_listens_on_this_machine_only(server: Server) -> None:
    found = listening(server.port)
    assert found and found <= {"127.0.0.1", "::1"}


def test_the_server_answers_known_host_names_only(server: Server) -> None:
    assert opening(server, f"localhost:{server.port}", server.url) == 101
    assert opening(server, "elsewhere.example") == 403
    assert opening(server, f"localhost:{server.port}", "http://elsewhere.example") == 403


def test_the_server_sends_no_statistics_and_draws_the_first_page(server: Server) -> None:
    visitor = Visitor(server.port)
    try:
        visitor.open("")
        visitor.wait_for("AnoOnly trains an anomaly detector")
        assert visitor.gathers_usage is False
        assert not visitor.broken
    finally:
        visitor.close()
