"""Server for browser tests and screenshots, with a fresh cache and a free port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

__all__ = ["CHROMIUM_ARGUMENTS", "UNWARMED", "Server", "chromium", "has_ipv6", "serving"]

ROOT = Path(__file__).parents[2]
UNWARMED = ("-m", "tests.browser.unwarmed")  # arguments of Python
START_S = 90.0
STOP_S = 60.0

# Chromium as root in a container, without background requests.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """Return the path of Chromium on this machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise RuntimeError("The browser tests need chromium, chromium-browser or google-chrome on the PATH.")
    return found


def has_ipv6() -> bool:
    """Tell whether a server can listen on [::1]."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Server:
    """The page, served in a process group of its own.

    Parameters
    ----------
    cache : Path
        The cache folder of the server.
    port : int
        The port; 0 for a free one.
    data : str, optional
        A folder of ADBench's files.
    log : Path, optional
        The log file; by default it lies in the cache.
    environment : mapping
        Further environment variables.
    command : sequence of str
        The arguments of Python that start the server.
    folder : Path
        The working folder.
    user : int, optional
        The user ID to run as.
    python : Path
        The Python that runs the server.
    address : str, optional
        The address to listen on; by default the one of the configuration.
    """

    def __init__(
        self,
        cache: Path,
        port: int = 0,
        data: str | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        command: Sequence[str] = ("-m", "app"),
        folder: Path = ROOT,
        user: int | None = None,
        python: Path = Path(sys.executable),
        address: str | None = None,
    ) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            port = probe.getsockname()[1]
        self.port = port
        self.host = "localhost" if address is None else f"[{address}]" if ":" in address else address
        self.url = f"http://{self.host}:{port}"
        self.log = log or cache / "server.log"
        told = {**os.environ, "ANOONLY_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        told.pop("ANOONLY_DATA", None)
        if data is not None:
            told["ANOONLY_DATA"] = data
        at = ["--server.address", address] if address else []
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(python), *command, "--server.port", str(port), *at],
                cwd=folder,
                user=user,
                env={**told, **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_healthy(self) -> None:
        """Return once the server answers; RuntimeError with its log where it never does."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):
                return
            time.sleep(0.05)
        raise RuntimeError(f"The server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def processes(self) -> set[int]:
        """The server's process and its workers', as far as they live."""
        alive = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    alive.add(int(folder.name))
        return alive

    def stop(self) -> set[int]:
        """Ask the server to end as Ctrl-C does; returns the processes that are left, which are killed."""
        if self.process.poll() is not None:
            return set()
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        deadline = time.monotonic() + STOP_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = self.processes()
        self.kill()
        return left

    def kill(self) -> None:
        """End the server and its workers at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving() -> Iterator[Server]:
    """A server, healthy, with an empty cache; it does not run UMAP beforehand."""
    with tempfile.TemporaryDirectory(prefix="anoonly-") as cache:
        server = Server(Path(cache), command=UNWARMED)
        try:
            server.wait_until_healthy()
            yield server
        finally:
            server.stop()
