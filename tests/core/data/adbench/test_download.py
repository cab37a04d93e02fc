"""Tests of downloads: after any failure there is the right file or none."""

from __future__ import annotations

import errno
import gzip
import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.download import Limits, Source, download
from anoonly_core.errors import AnoOnlyError, DatasetUnavailable, DownloadFailed

PATIENCE_S = 20.0
QUICK = Limits(connect_s=5.0, read_s=10.0, pauses_s=(0.01, 0.02))
IMPATIENT = replace(QUICK, read_s=0.3, window_s=0.2, least_bytes_per_s=5000.0, max_bytes=10**6)
BODY = np.random.default_rng(0).bytes(130_000)


class Server(ThreadingHTTPServer):
    """Answers each request with the next behavior of its plan; the last one repeats."""

    daemon_threads = True

    def __init__(self, body: bytes = BODY) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.plan: list[str] = ["right"]
        self.location = ""
        self.paths: list[str] = []
        self.encodings: list[str | None] = []
        self.closing = threading.Event()
        self.meeting = threading.Barrier(2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep the broken pipes of clients that hang up out of the tests' output."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.paths.append(self.path)
        server.encodings.append(self.headers["Accept-Encoding"])
        behavior = server.plan.pop(0) if len(server.plan) > 1 else server.plan[0]
        if behavior.isdigit():
            self.send_error(int(behavior))
        else:
            BEHAVIORS[behavior](self, server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def head(self, length: int | None, **headers: str) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def right(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body)

    def right_unannounced(self, body: bytes) -> None:
        self.head(None)
        self.wfile.write(body)

    def right_gzipped(self, body: bytes) -> None:
        content = gzip.compress(body)
        self.head(len(content), Content_Encoding="gzip")
        self.wfile.write(content)

    def right_together(self, body: bytes) -> None:
        """Finish only once two clients are both in the middle of their download."""
        self.head(len(body))
        self.wfile.write(body[:50_000])
        self.server.meeting.wait(PATIENCE_S)
        self.wfile.write(body[50_000:])

    def moved(self, body: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def moved_with_endless_body(self, body: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.location)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(bytes(1 << 16))

    def truncated(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body[:-1000])

    def truncated_gzipped(self, body: bytes) -> None:
        content = gzip.compress(body)
        self.head(len(content), Content_Encoding="gzip")
        self.wfile.write(content[:-1000])

    def truncated_chunked(self, body: bytes) -> None:
        self.protocol_version = "HTTP/1.1"
        self.head(None, Transfer_Encoding="chunked", Connection="close")
        self.wfile.write(b"%x\r\n%b\r\n" % (50_000, body[:50_000]))
        self.close_connection = True

    def truncated_unannounced(self, body: bytes) -> None:
        self.head(None)
        self.wfile.write(body[:-1000])

    def corrupt(self, body: bytes) -> None:
        middle = len(body) // 2
        self.head(len(body))
        self.wfile.write(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])

    def another_page(self, body: bytes) -> None:
        page = b"<html>Please log in to this network.</html>"
        self.head(len(page))
        self.wfile.write(page)

    def stalled(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body[:50_000])
        self.server.closing.wait(PATIENCE_S)

    def silent(self, body: bytes) -> None:
        self.server.closing.wait(PATIENCE_S)

    def dripping(self, body: bytes) -> None:
        self.head(len(body))
        for start in range(0, len(body), 10):
            self.wfile.write(body[start : start + 10])
            if self.server.closing.wait(0.02):
                return

    def endless(self, body: bytes) -> None:
        self.head(None)
        while not self.server.closing.is_set():
            self.wfile.write(bytes(1 << 16))

    def reset(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body[:50_000])
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


BEHAVIORS: dict[str, Callable[[Handler, bytes], None]] = {
    name: value
    for name, value in vars(Handler).items()
    if callable(value) and name not in ("do_GET", "head", "log_message")
}


@contextmanager
def serving(body: bytes = BODY) -> Iterator[Server]:
    """Start a local web server that sends this body at every address."""
    with Server(body) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.meeting.abort()
            server.shutdown()
            thread.join()


@contextmanager
def serving_as_mirror(body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Start such a server as ANOONLY_MIRROR, with an empty cache and without ANOONLY_DATA."""
    with serving(body) as running:
        monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("ANOONLY_MIRROR", running.url)
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.delenv("ANOONLY_DATA", raising=False)
        monkeypatch.setattr(adbench, "LIMITS", QUICK)
        yield running


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "Classical" / "99_test.npz"


@pytest.fixture(params=[len(BODY), None], ids=["size known", "size unknown"])
def source(request: pytest.FixtureRequest, server: Server) -> Source:
    return Source("99_test", f"{server.url}/99_test.npz", request.param)


def known(server: Server) -> Source:
    return Source("99_test", f"{server.url}/99_test.npz", len(BODY))


def is_right(path: Path) -> bool:
    return path.read_bytes() == BODY


def files_beside(target: Path) -> list[Path]:
    return [path for path in target.parent.rglob("*") if path.is_file()]


def assert_one_sentence(error: AnoOnlyError) -> None:
    text = str(error)
    assert text.endswith(".") and "\n" not in text and ". " not in text, text


# Successful downloads


@pytest.mark.parametrize("behavior", ["right", "right_unannounced", "right_gzipped"])
def test_the_verified_file_arrives(server: Server, source: Source, target: Path, behavior: str) -> None:
    server.plan = [behavior]
    download(source, target, is_right, QUICK)
    assert files_beside(target) == [target]
    assert target.read_bytes() == BODY
    assert server.paths == ["/99_test.npz"]
    assert server.encodings == ["identity"]


@pytest.mark.parametrize(
    ("behavior", "size", "total"),
    [
        ("right", len(BODY), len(BODY)),
        ("right", None, len(BODY)),
        ("right_gzipped", len(BODY), len(BODY)),
        ("right_gzipped", None, None),
        ("right_unannounced", None, None),
    ],
)
def test_progress_rises_to_the_size(
    server: Server, target: Path, behavior: str, size: int | None, total: int | None
) -> None:
    server.plan = ["truncated", behavior]
    calls: list[tuple[int, int | None]] = []
    source = replace(known(server), bytes=size)
    download(source, target, is_right, QUICK, lambda done, whole: calls.append((done, whole)))
    amounts = [done for done, _ in calls]
    assert amounts == sorted(set(amounts))
    assert calls[-1] == (len(BODY), total)


@pytest.mark.parametrize(
    "behavior",
    [
        "truncated",
        "truncated_gzipped",
        "truncated_chunked",
        "truncated_unannounced",
        "stalled",
        "silent",
        "dripping",
        "reset",
        "408",
        "429",
        "500",
        "503",
    ],
)
def test_temporary_failures_are_retried(server: Server, target: Path, behavior: str) -> None:
    server.plan = [behavior, "right"]
    download(known(server), target, is_right, IMPATIENT)
    assert files_beside(target) == [target]
    assert target.read_bytes() == BODY
    assert len(server.paths) == 2


# Failed downloads


@pytest.mark.parametrize(
    ("behavior", "size", "kind", "tries"),
    [
        ("truncated", len(BODY), DownloadFailed, 3),
        ("truncated", None, DownloadFailed, 3),
        ("truncated_gzipped", len(BODY), DownloadFailed, 3),
        ("truncated_gzipped", None, DownloadFailed, 3),
        ("truncated_chunked", len(BODY), DownloadFailed, 3),
        ("truncated_chunked", None, DownloadFailed, 3),
        ("truncated_unannounced", len(BODY), DownloadFailed, 3),
        ("truncated_unannounced", None, DownloadFailed, 1),
        ("corrupt", len(BODY), DownloadFailed, 1),
        ("corrupt", None, DownloadFailed, 1),
        ("endless", len(BODY), DownloadFailed, 1),
        ("endless", None, DownloadFailed, 1),
        ("another_page", len(BODY), DownloadFailed, 1),
        ("stalled", len(BODY), DownloadFailed, 3),
        ("silent", len(BODY), DownloadFailed, 3),
        ("dripping", len(BODY), DownloadFailed, 3),
        ("reset", len(BODY), DownloadFailed, 3),
        ("500", len(BODY), DownloadFailed, 3),
        ("429", len(BODY), DownloadFailed, 3),
        ("403", len(BODY), DownloadFailed, 1),
        ("404", len(BODY), DatasetUnavailable, 1),
        ("410", len(BODY), DatasetUnavailable, 1),
    ],
)
def test_a_failed_download_leaves_nothing(
    server: Server, target: Path, behavior: str, size: int | None, kind: type[AnoOnlyError], tries: int
) -> None:
    source = replace(known(server), bytes=size)
    server.plan = [behavior]
    with pytest.raises(kind) as caught:
        download(source, target, is_right, IMPATIENT)
    assert files_beside(target) == []
    assert len(server.paths) == tries
    assert_one_sentence(caught.value)
    assert all(word in str(caught.value) for word in ("99_test", "ANOONLY_DATA", "digits_3"))
    server.plan = ["right"]
    download(source, target, is_right, QUICK)
    assert target.read_bytes() == BODY


def test_a_failed_download_keeps_the_old_file(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"damaged")
    server.plan = ["corrupt"]
    with pytest.raises(DownloadFailed, match="checksum"):
        download(known(server), target, is_right, QUICK)
    assert files_beside(target) == [target]
    assert target.read_bytes() == b"damaged"


def test_a_refused_connection_is_no_network(target: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        source = Source("99_test", f"http://127.0.0.1:{probe.getsockname()[1]}/99_test.npz")
        with pytest.raises(DatasetUnavailable, match="the network cannot be reached") as caught:
            download(source, target, is_right, QUICK)
    assert isinstance(caught.value.__cause__, requests.ConnectionError)
    assert_one_sentence(caught.value)
    assert files_beside(target) == []


@pytest.mark.parametrize("error", [requests.ConnectTimeout(), requests.exceptions.ProxyError()])
def test_an_unreachable_network_counts_as_offline(
    monkeypatch: pytest.MonkeyPatch, server: Server, target: Path, error: requests.RequestException
) -> None:
    tries: list[str] = []

    def fail(session: requests.Session, url: str, **_: object) -> None:
        tries.append(url)
        raise error

    monkeypatch.setattr(requests.Session, "get", fail)
    with pytest.raises(DatasetUnavailable, match="the network cannot be reached") as caught:
        download(known(server), target, is_right, QUICK)
    assert caught.value.__cause__ is error
    assert len(tries) == 3


@pytest.mark.parametrize("address", ["no-scheme/at/all", "ftp://127.0.0.1", "http://", "http://[bad"])
def test_an_unusable_address_is_named(target: Path, address: str) -> None:
    with pytest.raises(DownloadFailed, match="ANOONLY_MIRROR") as caught:
        download(Source("99_test", f"{address}/99_test.npz"), target, is_right, QUICK)
    assert_one_sentence(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, server: Server) -> None:
    blocker = tmp_path / "a file"
    blocker.write_bytes(b"")
    with pytest.raises(DownloadFailed, match="ANOONLY_CACHE") as caught:
        download(known(server), blocker / "99_test.npz", is_right, QUICK)
    assert str(blocker) in str(caught.value)
    assert_one_sentence(caught.value)
    assert server.paths == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing(monkeypatch: pytest.MonkeyPatch, server: Server, target: Path, call: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DownloadFailed, match=r"cannot be written \(No space left on device\)") as caught:
        download(known(server), target, is_right, QUICK)
    assert_one_sentence(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert files_beside(target) == []


# Redirects


@pytest.mark.parametrize("location", ["/elsewhere/99_test.npz", "99_test.npz?raw=true", "//{host}/x", "{url}/x", ""])
def test_a_redirect_within_the_server_is_followed(server: Server, target: Path, location: str) -> None:
    server.location = location.format(url=server.url, host=server.url.partition("//")[2])
    server.plan = ["moved", "moved", "right"]
    download(known(server), target, is_right, QUICK)
    assert target.read_bytes() == BODY and len(server.paths) == 3


@pytest.mark.parametrize(
    "location",
    [
        "{other}/99_test.npz",
        "//{other_host}/99_test.npz",
        "http://localhost:{port}/99_test.npz",
        "http://127.0.0.2:{port}/99_test.npz",
        "http://user:password@{other_host}/99_test.npz",
        "https://127.0.0.1:{port}/99_test.npz",
        "ftp://127.0.0.1:{port}/99_test.npz",
        "file:///etc/hostname",
        "http://127.0.0.1:999999/",
        "http://[bad/",
    ],
)
def test_a_redirect_to_another_server_is_not_followed(server: Server, target: Path, location: str) -> None:
    """Whoever answers cannot make this machine send requests to servers in its own network."""
    with serving() as other:
        server.location = location.format(
            other=other.url, other_host=other.url.partition("//")[2], port=server.server_address[1]
        )
        server.plan = ["moved"]
        with pytest.raises(DownloadFailed, match="redirects to another server") as caught:
            download(known(server), target, is_right, QUICK)
        assert other.paths == [] and len(server.paths) == 1
    assert files_beside(target) == []
    assert_one_sentence(caught.value)
    assert "ANOONLY_MIRROR" in str(caught.value)


def test_the_body_of_a_redirect_is_not_read(server: Server, target: Path) -> None:
    server.location, server.plan = "/elsewhere", ["moved_with_endless_body", "right"]
    download(known(server), target, is_right, QUICK)
    assert target.read_bytes() == BODY


def test_a_circle_of_redirects_ends(server: Server, target: Path) -> None:
    server.location, server.plan = "/again", ["moved"]
    with pytest.raises(DownloadFailed, match="redirects more than 5 times") as caught:
        download(known(server), target, is_right, QUICK)
    assert len(server.paths) == 6 and files_beside(target) == []
    assert_one_sentence(caught.value)


# Interrupted and concurrent downloads


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, BrokenPipeError])
def test_an_exception_of_progress_ends_the_download(
    server: Server, target: Path, interruption: type[BaseException]
) -> None:
    def stop(done: int, total: int | None) -> None:
        raise interruption

    with pytest.raises(interruption):
        download(known(server), target, is_right, QUICK, stop)
    assert files_beside(target) == []
    assert len(server.paths) == 1


SCRIPT = """
import sys
from pathlib import Path
from anoonly_core.data.adbench.download import Limits, Source, download
url, target, size = sys.argv[1:]
source = Source("99_test", url, int(size))
show = lambda done, total: print("progress", flush=True)
download(source, Path(target), lambda part: part.stat().st_size == int(size), Limits(), show)
"""


def downloading_process(server: Server, target: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SCRIPT, known(server).url, str(target), str(len(BODY))]
    return subprocess.Popen(arguments, cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_leaves_only_a_part_file(server: Server, target: Path) -> None:
    server.plan = ["stalled", "right"]
    with downloading_process(server, target) as process:
        assert process.stdout is not None and process.stdout.readline() == "progress\n"
        process.kill()
    (left,) = files_beside(target)
    assert left.suffix == ".part"

    download(known(server), target, is_right, QUICK)
    assert target.read_bytes() == BODY
    assert left.exists(), "it may belong to a process that still runs"

    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    download(known(server), target, is_right, QUICK)
    assert files_beside(target) == [target]


def test_two_threads_may_download_the_same_file(server: Server, target: Path) -> None:
    server.plan = ["right_together"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: download(known(server), target, is_right, QUICK), range(2)))
    assert target.read_bytes() == BODY
    assert files_beside(target) == [target]
    assert len(server.paths) == 2


def test_two_processes_may_download_the_same_file(server: Server, target: Path) -> None:
    server.plan = ["right_together"]
    with downloading_process(server, target) as one, downloading_process(server, target) as other:
        for process in (one, other):
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert target.read_bytes() == BODY
    assert files_beside(target) == [target]
    assert len(server.paths) == 2


# Settings of the environment that no download can use

HTTPS = Source("99_test", "https://127.0.0.1:9/99_test.npz")
NETWORK_VARIABLES = (
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"),
    *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
)


@pytest.fixture
def no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NETWORK_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def failure_of(source: Source, target: Path) -> str:
    """Return the sentence of a download that must fail, and leave no file."""
    with pytest.raises(AnoOnlyError) as caught:
        download(source, target, is_right, QUICK)
    assert files_beside(target) == []
    return str(caught.value)


@pytest.mark.usefixtures("no_network_settings")
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no certificates"),
        (b"no certificate", "holds no certificates"),
        (b"-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n", "holds no certificates"),
        (bytes(range(256)), "holds no certificates"),
    ],
    ids=["absent", "empty", "text", "broken", "binary"],
)
def test_an_unusable_certificate_file_is_named(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    sentence = failure_of(HTTPS, target)
    assert f"(the certificate file {path}, named by {variable}, {reason}): set {variable} to" in sentence
    assert "ANOONLY_CACHE" not in sentence and "ANOONLY_MIRROR" not in sentence


@pytest.mark.usefixtures("no_network_settings")
def test_an_http_server_needs_no_certificate_file(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
    download(known(server), target, is_right, QUICK)
    assert target.read_bytes() == BODY


@pytest.mark.usefixtures("no_network_settings")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("notaproxy:xyz", "has no valid address"),
        ("http://", "has no valid address"),
        ("http://proxy:99999", "has no valid address"),
        ("http://user:secret@:3128", "has no valid address"),
        ("http://[bad", "has no valid address"),
        (f"http://{'a' * 70}:3128", "has no valid address"),
        ("ftp://proxy:21", "has an address of an unknown kind"),
        ("socks5://127.0.0.1:9", "is a SOCKS proxy, which needs the package PySocks"),
        ("socks4a://127.0.0.1:9", "is a SOCKS proxy, which needs the package PySocks"),
    ],
)
def test_an_unusable_proxy_is_named(
    target: Path, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, reason: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(variable, proxy)
    sentence = failure_of(HTTPS, target)
    assert f"(the proxy in {variable} {reason})" in sentence
    assert "secret" not in sentence and "ANOONLY_MIRROR" not in sentence


@pytest.mark.usefixtures("no_network_settings")
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "127.0.0.1:9", "https://127.0.0.1:9", "http://u:p@127.0.0.1:9"]
)
def test_a_proxy_that_does_not_answer_is_no_network(target: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert "the network cannot be reached" in failure_of(HTTPS, target)


@pytest.mark.usefixtures("no_network_settings")
def test_a_server_outside_the_proxy_ignores_it(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "notaproxy:xyz")
    assert "HTTP_PROXY" in failure_of(known(server), target)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download(known(server), target, is_right, QUICK)
    assert target.read_bytes() == BODY


@pytest.mark.usefixtures("no_network_settings")
def test_an_error_that_requests_does_not_wrap_is_no_disk_error(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(session: requests.Session, url: str, **_: object) -> None:
        raise OSError("Something odd.")

    monkeypatch.setattr(requests.Session, "get", fail)
    assert "could not be downloaded (Something odd): try again later" in failure_of(HTTPS, target)
