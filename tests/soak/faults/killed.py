"""Processes that are killed during work: a worker, the server, a writer of the store."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time

from tests.browser.server import ROOT
from tests.soak.faults.scene import Scene, entries, new_seed, only_busy, wait_until
from tests.soak.visitor import Visitor

__all__ = ["server_killed", "worker_killed", "writer_killed"]

LONG = {"epochs": "4000"}
EPOCH = re.compile(r"epoch [1-9]\d* of 4000")
KILLS = 20
LATEST_KILL_S = 0.25

# Writes in an endless loop and prints each key after it is stored. Bodies are large, so writing takes long.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from anoonly_core.results.store import Store
store, name = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(100000):
    key = f"{name} {number}"
    store.put_arrays(key, "points", {"points": np.random.default_rng(number).normal(size=(20000, 2))})
    print(key, flush=True)
"""


def worker_killed(scene: Scene) -> None:
    """Kill the worker that trains a run of a page."""
    scene.fill()
    with scene.serving() as server, scene.visiting(server) as visitor:
        _begin_long(visitor)
        os.kill(only_busy(server.processes() - {server.process.pid}), signal.SIGKILL)
        scene.expect(scene.take_in(visitor), False, "The worker process was killed by SIGKILL", "try again")
        scene.go_on(scene.train(visitor))


def server_killed(scene: Scene) -> None:
    """Kill the server while its workers train, then start another one on the same cache."""
    scene.fill()
    seed = new_seed()
    with scene.serving() as server:
        visitor = Visitor(server.port)
        scene.expect(scene.train(visitor), True)
        scene.note()
        _begin_long(visitor, seed)
        server.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not server.processes(), "the end of the killed server's workers", patience_s=120.0)
        visitor.close()
    with scene.serving() as server, scene.visiting(server) as visitor:
        scene.go_on(scene.look(visitor, seed=seed), scene.train(visitor))


def writer_killed(scene: Scene) -> None:
    """Kill a process that writes into the store, 20 times; all acknowledged entries must be stored."""
    scene.fill()
    draw, acknowledged = random.Random(0), set()
    for number in range(KILLS):
        arguments = [sys.executable, "-c", WRITER, str(scene.store), f"writer {number}"]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline()]
            time.sleep(draw.uniform(0.0, LATEST_KILL_S))
            writer.kill()
            told += writer.stdout.readlines()
        acknowledged |= {line.removesuffix("\n") for line in told if line.endswith("\n")}
    lost = acknowledged - entries(scene.store).keys()
    if lost or len(acknowledged) < KILLS:
        scene.wrong.append(f"{len(lost)} of {len(acknowledged)} entries that were kept are lost")
    scene.seen.append(f"{len(acknowledged) - len(lost)} of {len(acknowledged)} that were kept, after {KILLS} kills")
    scene.go_on(scene.run())


def _begin_long(visitor: Visitor, seed: str | None = None) -> None:
    """Start a long training and wait for its first epoch."""
    visitor.open("compare", {"dataset": "breast_cancer", "seeds": "1", "seed": seed or new_seed(), **LONG})
    visitor.wait(lambda: EPOCH.search(visitor.text), "an epoch of the long run")
