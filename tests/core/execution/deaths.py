"""Ways in which a worker process may end. Apart from the tests, so that a process need not import pytest."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal

__all__ = ["die_by", "raise_error", "read_address_zero", "start_empty"]


def start_empty() -> None:
    """Start a process that needs no libraries."""


def die_by(number: signal.Signals) -> None:
    """End this process by a signal, without a core file."""
    faulthandler.disable()  # pytest's, which prints the crash
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), number)


def read_address_zero() -> None:
    """End this process by a read that the system forbids."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def raise_error(error: BaseException) -> None:
    """Raise an error, as the set-up of a process may."""
    raise error
