"""Fault tests: real servers and commands with killed processes, full disks, damaged files and no network.

Each fault must end in a result or one sentence. The next run must work, and no stored entry may be lost.
"""

from __future__ import annotations

import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.soak.faults import killed, others, places, stored
from tests.soak.faults.scene import Scene, Untried, make_stock

__all__ = ["FAULTS", "SHORT", "Outcome", "run_faults"]

FAULTS: dict[str, Callable[[Scene], None]] = {
    "worker-killed": killed.worker_killed,
    "server-killed": killed.server_killed,
    "writer-killed": killed.writer_killed,
    "full-disk": places.full_disk,
    "read-only-cache": places.read_only_cache,
    "flipped-header": stored.flipped_header,
    "flipped-index": stored.flipped_index,
    "flipped-rows": stored.flipped_rows,
    "flipped-body": stored.flipped_body,
    "flipped-dataset": stored.flipped_dataset,
    "newer-store": stored.newer_store,
    "clock-set-back": places.clock_set_back,
    "two-servers": stored.two_servers,
    "no-network": places.no_network,
    "locked-store": others.locked_store,
    "removed-upload": others.removed_upload,
}
SHORT = ("worker-killed", "server-killed")  # short enough for the browser tests


@dataclass(frozen=True)
class Outcome:
    """The outcome of a fault.

    seen: messages to the user. works: True if the next runs finished and were stored. before: entries stored before
    the fault. kept: those of them that are equal to the byte afterwards. wrong: failures of the test.
    """

    name: str
    seen: str
    works: bool
    before: int
    kept: int
    wrong: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return self.works and self.kept == self.before and not self.wrong


def run_faults(names: Collection[str] = ()) -> Iterator[Outcome]:
    """Run these faults, or all if none is named, one after the other; yield the outcomes."""
    with tempfile.TemporaryDirectory(prefix="anoonly-faults-") as folder:
        stock = Path(folder) / "stock"
        make_stock(stock)
        for name in names or FAULTS:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                yield _run_fault(name, Scene(Path(own), stock))


def _run_fault(name: str, scene: Scene) -> Outcome:
    begun = time.monotonic()
    kept = 0

    def act() -> None:
        nonlocal kept
        try:
            FAULTS[name](scene)
            kept = scene.kept()
        except Untried as error:
            scene.wrong.append(f"not tried: {error}")
        except Exception as error:
            scene.wrong.append(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")

    thread = threading.Thread(target=act, name=name)  # a new thread, since it may leave the network of the machine
    thread.start()
    thread.join()
    return Outcome(
        name,
        ", then ".join(dict.fromkeys(scene.seen)).replace(f"{scene.folder}/", "…/"),
        bool(scene.works),
        len(scene.before),
        kept,
        tuple(scene.wrong),
        time.monotonic() - begun,
    )
