"""Two replicas behind nginx and Caddy, configured as docs/deployment.md says; without a browser."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import Config
from websockets.sync.client import connect

from anoonly_core.results.store import FILE_NAME, Store
from tests.browser.server import ROOT, UNWARMED, Server
from tests.soak.visitor import Visitor

TEXT = (ROOT / "docs" / "deployment.md").read_text("utf-8").partition("## Replicas")[2]
PROXIES = ("nginx", "caddy")
VISITORS = 12  # of each proxy
MODES = ("viewer", "minimal")  # by which the replicas are told apart
DEADLINE_S = 60.0


def documented(begin: str) -> str:
    """The configuration in the document that begins with this line."""
    lines = TEXT.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"    {begin}"))
    last = next(number for number, line in enumerate(lines[first:], first) if line and not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[first:last])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Person:
    """A visitor with a jar of cookies, who asks for pages through the proxy."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str = "/") -> int:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=DEADLINE_S)
        connection.request("GET", path, headers={"Cookie": self.jar})
        answer = connection.getresponse()
        answer.read()
        for header in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status

    @property
    def jar(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def home(self) -> int:
        """Return the index of the replica at which a WebSocket of this visitor ends."""
        with connect(
            f"ws://localhost:{self.port}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers={"Cookie": self.jar},
            max_queue=None,  # a full queue holds the closing message back for ten seconds
        ) as socket:
            question = BackMsg()
            question.rerun_script.query_string = ""
            socket.send(question.SerializeToString())
            while True:
                answer = ForwardMsg()
                answer.ParseFromString(socket.recv(DEADLINE_S))
                if answer.HasField("new_session"):
                    return MODES.index(Config.ToolbarMode.Name(answer.new_session.config.toolbar_mode).lower())


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two servers with one cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    started = [
        Server(cache, log=tmp_path / f"{mode}.log", command=(*UNWARMED, "--client.toolbarMode", mode)) for mode in MODES
    ]
    try:
        for server in started:
            server.wait_until_healthy()
        yield started[0], started[1]
    finally:
        for server in started:
            server.kill()


def program(name: str) -> str | None:
    """Return the path of a proxy's program, if this machine has it."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def proxying(name: str, replicas: tuple[Server, Server], folder: Path) -> Iterator[int]:
    """Run a proxy in front of the replicas, and yield its port."""
    folder.mkdir()
    port = free_port()
    text = documented("map " if name == "nginx" else "http://page.example.org {")
    for replica, documented_port in zip(replicas, ("8601", "8602"), strict=True):
        assert documented_port in text
        text = text.replace(documented_port, str(replica.port))
    if name == "nginx":
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("page.example.org", "localhost")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        text = f"pid {folder}/pid;\ndaemon off;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{text}\n}}\n"
        arguments = ["-c", str(folder / "conf"), "-e", str(folder / "error.log")]
    else:
        text = "{\nadmin off\n}\n" + text.replace("http://page.example.org", f"http://localhost:{port}")
        arguments = ["run", "--config", str(folder / "conf"), "--adapter", "caddyfile"]
    (folder / "conf").write_text(text)
    with (folder / "log").open("w") as log:
        command = [str(program(name)), *arguments]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
    try:
        wait_for(lambda: can_connect(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_visitor_stays_with_a_replica_until_it_dies(replicas: tuple[Server, Server], tmp_path: Path) -> None:
    first, second = replicas
    installed = [name for name in PROXIES if program(name)]
    with ExitStack() as proxies:
        ports = [proxies.enter_context(proxying(name, replicas, tmp_path / name)) for name in installed]
        people = {port: [Person(port) for _ in range(VISITORS)] for port in ports}
        for port in ports:
            homes = set()
            for person in people[port]:
                assert person.ask() == 200
                home = person.home()
                homes.add(home)
                for path in ("/compare", "/_stcore/health", "/runs?page=2"):
                    assert person.ask(path) == 200
                assert person.home() == home
            assert homes == {0, 1}, "one replica serves everybody"

        settings = {"epochs": "7", "seeds": "2"}  # not among the shipped results
        runs = draw_and_count(first, tmp_path, settings)
        assert runs
        first.kill()
        for person in (person for port in ports for person in people[port]):
            assert person.ask("/compare") == 200
            assert person.home() == 1
        assert draw_and_count(second, tmp_path, settings) == runs, "a run is lost or was trained again"
    if missing := set(PROXIES) - set(installed):
        pytest.skip(f"This machine has no {' and no '.join(sorted(missing))}.")


def draw_and_count(server: Server, tmp_path: Path, settings: dict[str, str]) -> dict[str, object]:
    """Let a visitor of a replica see Compare with these settings; return the time of training of each stored run."""
    visitor = Visitor(server.port)
    try:
        visitor.open("compare", settings)
        visitor.wait_for("AUCPR")
        visitor.wait(lambda: visitor.idle and "more seeds are training" not in visitor.text, "all seeds")
        assert not visitor.broken
    finally:
        visitor.close()
    return {key: run.created for key, run in Store(tmp_path / "cache" / FILE_NAME).runs().items()}
