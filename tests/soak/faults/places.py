"""Failing surroundings: a full disk, a read-only cache, no network, a clock that is set back."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from anoonly_core.results.store import Store
from tests.soak.faults.scene import SMALL, Scene, Untried

__all__ = ["clock_set_back", "full_disk", "no_network", "read_only_cache"]

DISK = "8m"
TABLE = b"a,b,label\n" + b"".join(b"%d,%d,%d\n" % (row, row * 7 % 11, row % 10 == 0) for row in range(60))
YEAR_S = 365 * 24 * 3600
# Each process of the scene starts with a clock that is shifted by the seconds in a file. libfaketime does not
# support the sleep with an absolute time that Python uses.
CLOCK = """
import os, time
own_time, own_time_ns = time.time, time.time_ns
def off():
    with open(os.environ["SCENE_CLOCK"]) as file:
        return int(file.read() or 0)
time.time = lambda: own_time() + off()
time.time_ns = lambda: own_time_ns() + off() * 10**9
"""
REMOTE = "20_letter"
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP_AND_RUNNING = 0x8914, 0x41


def full_disk(scene: Scene) -> None:
    """Fill the disk while the server works: results are still shown, and no file is half written."""
    filler = scene.cache / "filler"
    with _small_disk(scene):
        scene.fill()
        with scene.serving() as server, scene.visiting(server) as visitor:
            scene.expect(scene.train(visitor), True)
            scene.note()
            with filler.open("wb", buffering=0) as file:
                _write_until_full(file.fileno())
            scene.expect(scene.train(visitor), True, "disk is full", "free some space")
            scene.expect(scene.run(), True, "disk is full", "free some space")
            scene.look(visitor, "your-table")
            visitor.upload("own_upload_0", "mine.csv", TABLE)
            scene.expect(scene.take_in(visitor), False, "mine.csv could not be saved", "No space left", most=2)
            filler.unlink()
            scene.go_on(scene.train(visitor), scene.run())


def read_only_cache(scene: Scene) -> None:
    """Make the file system of the cache read-only: stored and new results are still shown."""
    with _small_disk(scene):
        scene.fill()
        scene.run("--dataset", SMALL["dataset"], "--seed", "1")
        scene.note()
        _mount("-o", "remount,ro", str(scene.cache))
        with scene.serving() as server, scene.visiting(server) as visitor:
            scene.expect(scene.look(visitor, seed="1", lambda_n="1", epochs="50"), True)
            scene.expect(scene.train(visitor), True, "readonly", "allow writing there")
            scene.expect(scene.run(), True, "readonly", "allow writing there")
            _mount("-o", "remount,rw", str(scene.cache))
            scene.go_on(scene.train(visitor), scene.run())


def no_network(scene: Scene) -> None:
    """Run server and commands with the loopback interface only."""
    _leave_the_network()
    scene.fill()
    with scene.serving() as server, scene.visiting(server) as visitor:
        scene.look(visitor, dataset=REMOTE)
        visitor.move(f"Download {REMOTE}")
        scene.expect(scene.take_in(visitor), False, REMOTE, "the network cannot be reached")
        scene.expect(scene.run("--dataset", REMOTE), False, REMOTE, "the network cannot be reached")
        scene.go_on(scene.train(visitor), scene.run())


def clock_set_back(scene: Scene) -> None:
    """Set the clock back by ten years while the server works, then ahead by ten."""
    clock = scene.folder / "clock"
    clock.write_text("0")
    (scene.folder / "sitecustomize.py").write_text(CLOCK)
    scene.environment = {"PYTHONPATH": str(scene.folder), "SCENE_CLOCK": str(clock)}
    scene.fill()
    with scene.serving() as server, scene.visiting(server) as visitor:
        for years in (-10, 10, 0):
            clock.write_text(str(years * YEAR_S))
            known = Store(scene.store).runs().keys()
            scene.expect(scene.train(visitor), True)
            latest = list(Store(scene.store).runs())[:2]
            if set(latest) != Store(scene.store).runs().keys() - known:
                scene.wrong.append(f"at {years} years the latest runs are not the first of the list")
            scene.look(visitor, "runs")
        scene.go_on(scene.train(visitor), scene.run())


@contextmanager
def _small_disk(scene: Scene) -> Iterator[None]:
    """Mount a file system of 8 MB at the cache; copy its store back at the end."""
    try:
        _mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(scene.cache))
    except subprocess.CalledProcessError as error:
        raise Untried(f"no mount here ({error.stderr.strip()})") from error
    try:
        yield
        shutil.copy(scene.store, scene.folder)
    finally:
        subprocess.run(["umount", "--lazy", str(scene.cache)], check=True)
    shutil.copy(scene.folder / scene.store.name, scene.store)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)


def _write_until_full(file: int) -> None:
    for size in (1 << 16, 1):
        try:
            while True:
                os.write(file, b"\0" * size)
        except OSError:
            continue


def _leave_the_network() -> None:
    """Move this thread and its child processes into a network namespace with loopback only."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Untried(f"no network namespace here ({os.strerror(ctypes.get_errno())})")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP_AND_RUNNING))
