"""Events of the server and its workers, as lines of JSON in one file that all processes append to."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["VARIABLE", "Event", "note", "read_events"]

VARIABLE = "ANOONLY_BENCH_TRACE"  # environment variable with the path of the file


@dataclass(frozen=True)
class Event:
    """Something that happened in the server, a worker or the browser.

    Attributes
    ----------
    at : float
        Seconds since the epoch.
    name : str
        Kind of event, such as "submitted".
    keys : tuple of str
        Run keys or widget keys that it concerns.
    seconds : float
        Duration, for an event that measures one.
    process : int
        Id of the process that noted it.
    """

    at: float
    name: str
    keys: tuple[str, ...] = ()
    seconds: float = 0.0
    process: int = 0


def note(name: str, *keys: str, seconds: float = 0.0) -> None:
    """Append an event of now to the file that the environment names."""
    line = (
        json.dumps({"at": time.time(), "name": name, "keys": keys, "seconds": seconds, "process": os.getpid()}) + "\n"
    )
    with open(os.environ[VARIABLE], "a", encoding="utf-8") as file:
        file.write(line)


def read_events(path: Path) -> list[Event]:
    """Return all events of the file, in the order of their times."""

    def event(fields: dict[str, Any]) -> Event:
        return Event(fields["at"], fields["name"], tuple(fields["keys"]), fields["seconds"], fields["process"])

    return sorted((event(json.loads(line)) for line in path.read_text().splitlines()), key=lambda event: event.at)
