"""The start method of all worker processes: a fork server on Linux, spawn elsewhere.

ANOONLY_START_METHOD=spawn or forkserver replaces the default.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import sys
import tempfile
import threading
from functools import cache
from typing import Any

from anoonly_core.errors import InvalidConfig

__all__ = ["context"]

METHODS = ("spawn", "forkserver")
MAX_SOCKET_BYTES = 103  # of the path of a Unix socket on macOS; 107 on Linux
SOCKET_NAME = "/listener-12345678"
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")

_choosing = threading.Lock()


def context() -> Any:
    """Return the multiprocessing context of all workers.

    On Linux a fork server that has imported PyTorch forks them. Elsewhere each worker starts afresh: macOS cannot
    fork a process with such libraries, and Windows cannot fork. Workers also start afresh if no temporary folder has
    a path that is short enough for the socket of the fork server.

    Raises
    ------
    InvalidConfig
        If ANOONLY_START_METHOD names no start method of this system.
    """
    with _choosing:
        return _context(os.environ.get("ANOONLY_START_METHOD", ""))


@cache
def _context(requested: str) -> Any:
    available = [method for method in METHODS if method in multiprocessing.get_all_start_methods()]
    if requested and requested not in available:
        raise InvalidConfig(f"ANOONLY_START_METHOD must be {' or '.join(available)}, not {requested[:60]!r}.")
    method = requested or ("forkserver" if sys.platform == "linux" else "spawn")
    if method == "spawn" or not _has_socket_folder():
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["anoonly_core.execution.preload"])
    return forking


def _has_socket_folder() -> bool:
    """Create the temporary folder of multiprocessing at a path short enough for a Unix socket.

    Return False if no such folder can be created.
    """
    before = tempfile.tempdir
    try:
        default = tempfile.gettempdir()
    except OSError:  # no temporary folder can be written
        return False
    short = [folder for folder in (default, *SHORT_FOLDERS) if _has_room(folder + "/pymp-12345678")]
    for folder in short:
        try:
            tempfile.tempdir = folder  # multiprocessing makes its folder once, and removes it at exit
            return _has_room(multiprocessing.util.get_temp_dir())
        except OSError:  # absent, or not writable
            continue
        finally:
            tempfile.tempdir = before
    return False


def _has_room(folder: str) -> bool:
    return len(os.fsencode(folder + SOCKET_NAME)) <= MAX_SOCKET_BYTES
