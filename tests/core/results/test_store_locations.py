"""Stores in places that cannot be written, and with many writers at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anoonly_core.errors import StoreBusy, StoreUnavailable
from anoonly_core.results import store as store_module
from anoonly_core.results.store import Store
from tests.core.results.stored import a_result, assert_same, assert_unavailable, set_aside

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a folder" / "runs.sqlite")


# Places that cannot be written


def test_a_folder_in_place_of_the_file(store: Store) -> None:
    store.path.mkdir(parents=True)
    assert_unavailable(store)
    assert store.path.is_dir()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    assert_unavailable(Store(tmp_path / "file" / "runs.sqlite"))
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert_unavailable(Store(tmp_path / ("x" * 300)))


@pytest.fixture
def without_rights() -> Iterator[Path]:
    """Yield a folder that this process can read but not write, as root or not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        if os.geteuid() != os.getuid():
            os.seteuid(os.getuid())
        folder.chmod(0o700)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="rights are another matter on this system")
def test_a_folder_that_may_not_be_written(without_rights: Path, filled: bool) -> None:
    store = Store(without_rights / "runs.sqlite")
    if filled:
        store.put(a_result("other"))
        store.path.chmod(0o444)
    without_rights.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
    assert_unavailable(store)
    if filled:
        assert_same(store.get("other"), a_result("other"))


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "runs.sqlite").symlink_to(device)
    assert_unavailable(Store(tmp_path / "runs.sqlite"))


def test_a_database_of_another_layout_is_left_alone(store: Store) -> None:
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("CREATE TABLE entries (mine)")
        connection.execute("INSERT INTO entries VALUES ('precious')")
        connection.commit()
    assert_unavailable(store)
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT mine FROM entries").fetchall() == [("precious",)]


# Many at once


def test_a_write_waits_for_a_writer_in_another_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BUSY_S", 0.05)
    store.put(a_result("before"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.put(a_result())
        with pytest.raises(StoreBusy, match="locked"):
            store.get("before")

        monkeypatch.setattr(store_module, "BUSY_S", 20.0)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store.put, a_result())
            assert not waiting.done()
            other.execute("ROLLBACK")
            waiting.result(timeout=20)
    assert_same(store.get("before"), a_result("before"))
    assert_same(store.get("key"), a_result())
    assert not set_aside(store)


SCRIPT = """
import sys
from pathlib import Path
from anoonly_core.results.result import to_bytes
from anoonly_core.results.store import Store
source, store, me = Store(Path(sys.argv[1])), Store(Path(sys.argv[2])), int(sys.argv[3])
results = {key: source.get(key) for key in (f"{who} {number}" for number in range(10) for who in range(4))}
print("ready", flush=True)
sys.stdin.readline()
for key, result in results.items():
    if key.startswith(f"{me} "):
        store.put(result)
        assert store.get(key) is not None
    found = store.get(key)
    assert found is None or to_bytes(found) == to_bytes(result)
"""


@pytest.mark.parametrize("content", [None, b"no database " * 500], ids=["fresh", "damaged"])
def test_four_processes_write_and_read_at_once(store: Store, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        store.path.parent.mkdir()
        store.path.write_bytes(content)
    source = Store(tmp_path / "source.sqlite")
    results = {f"{me} {number}": a_result(f"{me} {number}", number) for me in range(4) for number in range(10)}
    for result in results.values():
        source.put(result)
    arguments = [sys.executable, "-c", SCRIPT, str(source.path), str(store.path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*arguments, str(me)], **pipes) for me in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for key, result in results.items():
        assert_same(store.get(key), result)
    assert [path.read_bytes() for path in set_aside(store)] == ([] if content is None else [content])
