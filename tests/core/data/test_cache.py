"""Tests of cache usage by kind and of the removal of downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from anoonly_core.data.adbench.files import cached_path, is_local, manifest
from anoonly_core.data.cache import KINDS, OTHER, CacheUsage, cache_usage, is_cached, remove
from anoonly_core.errors import CacheUnavailable
from anoonly_core.results.store import FILE_NAME, default_store
from tests.core.data.adbench.test_files import put

ENTRY = manifest()["6_cardio"]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    return tmp_path / "cache"


def test_a_missing_folder_is_empty(folder: Path) -> None:
    assert cache_usage() == [CacheUsage(kind, 0, 0) for kind in KINDS]
    assert not folder.exists()


def test_files_are_counted_by_kind(folder: Path) -> None:
    put(cached_path(ENTRY), b"12345")
    put(cached_path(manifest()["CIFAR10_0"]), b"123")
    default_store().put_sweep("a", "{}")
    put(folder / f"{FILE_NAME}.damaged-1", b"12")
    put(folder / "server.log", b"1")
    put(folder / "tables" / "00000000" / "source.csv", b"1,0")
    put(folder / "runs" / "elsewhere", b"1234")
    store = (folder / FILE_NAME).stat().st_size + 2
    assert cache_usage() == [
        CacheUsage("downloaded data sets", 2, 8),
        CacheUsage("finished runs", 2, store),
        CacheUsage("uploaded tables", 1, 3),
        CacheUsage(OTHER, 2, 5),
    ]


def test_remove_leaves_the_given_folder_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(cached_path(ENTRY), b"cached")
    given = put(tmp_path / "data" / "Classical" / "6_cardio.npz", b"given")
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    assert is_cached(ENTRY)
    remove(ENTRY)
    assert not is_cached(ENTRY) and is_local(ENTRY) and given.read_bytes() == b"given"
    remove(ENTRY)  # a second removal does nothing


def test_a_failed_removal_raises_one_sentence() -> None:
    cached_path(ENTRY).mkdir(parents=True)
    assert not is_cached(ENTRY)
    with pytest.raises(CacheUnavailable, match=r"^6_cardio could not be removed from .*: give access there\.$"):
        remove(ENTRY)
