"""Tests of ADBench files: found, fetched, verified and read."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.files import (
    ManifestEntry,
    fetch,
    find_entry,
    git_blob_sha1,
    is_local,
    load_arrays,
    manifest,
    verified_path,
)
from anoonly_core.errors import BadDataFile, DatasetUnavailable, DownloadFailed
from anoonly_core.paths import cache_folder
from tests.core.data.adbench.test_download import Server, assert_one_sentence, serving_as_mirror

X = np.random.default_rng(0).normal(size=(300, 100)).astype(np.float32)
Y = (np.arange(300) % 20 == 0).astype(np.int64)


def npz_bytes(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


BODY = npz_bytes(X=X, y=Y)


def blob_sha1(content: bytes) -> str:
    """Return the blob hash that git computes, or compute it here without git."""
    if git := shutil.which("git"):
        done = subprocess.run([git, "hash-object", "--stdin"], input=content, capture_output=True, check=True)
        return done.stdout.decode().strip()
    return hashlib.sha1(b"blob " + str(len(content)).encode() + b"\0" + content).hexdigest()


def entry_for(content: bytes, name: str = "99_test", folder: str = "Classical") -> ManifestEntry:
    sha256 = hashlib.sha256(content).hexdigest()
    return ManifestEntry(folder, name, blob_sha1(content), len(content), sha256)


ENTRY = entry_for(BODY)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with serving_as_mirror(BODY, monkeypatch, tmp_path) as running:
        yield running


def cached(entry: ManifestEntry = ENTRY) -> Path:
    return cache_folder() / "adbench" / entry.folder / f"{entry.name}.npz"


def files_in_cache() -> list[Path]:
    return [path for path in cache_folder().rglob("*") if path.is_file()]


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# The manifest


def test_manifest_lists_the_195_files_under_unique_names() -> None:
    entries = list(manifest().values())
    assert len(entries) == len({entry.qualified_name for entry in entries}) == 195
    assert all(name == entry.catalogue_name for name, entry in manifest().items())
    assert all(len(bytes.fromhex(entry.git_blob_sha1)) == 20 for entry in entries)
    assert all(entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32 for entry in entries)
    assert manifest()["CIFAR10_0"].bytes == 4113896
    assert manifest()["CIFAR10_1"].bytes is None


def test_a_name_in_two_folders_means_the_papers_embedding() -> None:
    times = Counter(entry.name for entry in manifest().values())
    preferred = {"CV_by_ResNet18", "NLP_by_BERT"}
    for entry in manifest().values():
        plain = times[entry.name] == 1 or entry.folder in preferred
        assert entry.catalogue_name == (entry.name if plain else entry.qualified_name)
        assert find_entry(entry.catalogue_name) is find_entry(entry.qualified_name) is entry
    assert find_entry("CIFAR10_0") is find_entry("CV_by_ResNet18/CIFAR10_0")
    assert find_entry("CV_by_ViT/CIFAR10_0") is not find_entry("CIFAR10_0")
    assert find_entry("CIFAR10_10") is None


def test_default_address_is_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(session: requests.Session, url: str, **_: object) -> None:
        asked.append(url)
        raise requests.exceptions.InvalidURL(url)

    monkeypatch.delenv("ANOONLY_MIRROR")
    monkeypatch.setattr(requests.Session, "get", refuse)
    with pytest.raises(DownloadFailed):
        fetch(manifest()["CIFAR10_1"])
    assert asked == [
        "https://raw.githubusercontent.com/Minqi824/ADBench/3dac8221081e190f157d78e93bfa8867f90d0965"
        "/adbench/datasets/CV_by_ResNet18/CIFAR10_1.npz"
    ]


@pytest.mark.parametrize("size", [0, 1, 65536, 200_000])
def test_git_blob_sha1_matches_git(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert git_blob_sha1(put(tmp_path / "file", content)) == blob_sha1(content)


# Files on this machine


def test_cache_folder_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ANOONLY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "anoonly"


def test_the_given_folder_is_searched_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> None:
    put(cached(), BODY)
    given = put(tmp_path / "data" / "Classical" / "99_test.npz", BODY)
    assert verified_path(ENTRY) == cached()
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    assert verified_path(ENTRY) == fetch(ENTRY) == given
    given.unlink()
    assert verified_path(ENTRY) == fetch(ENTRY) == cached()
    assert server.paths == []


def test_wrong_file_in_given_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> None:
    put(cached(), BODY)
    given = put(tmp_path / "data" / "Classical" / "99_test.npz", BODY[:-1])
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    for use in (verified_path, fetch, load_arrays):
        with pytest.raises(BadDataFile) as caught:
            use(ENTRY)
        assert str(given) in str(caught.value)
        assert_one_sentence(caught.value)
    assert given.read_bytes() == BODY[:-1]
    assert server.paths == []


def test_damaged_cached_file_is_fetched_again(server: Server) -> None:
    put(cached(), BODY[:-1] + b"!")
    assert verified_path(ENTRY) is None
    assert fetch(ENTRY) == cached()
    assert cached().read_bytes() == BODY
    assert len(server.paths) == 1


def test_is_local_does_not_read_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not is_local(ENTRY)
    put(cached(), b"damaged")
    assert is_local(ENTRY)
    cached().unlink()
    put(tmp_path / "data" / "Classical" / "99_test.npz", BODY)
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    assert is_local(ENTRY)


def test_a_file_is_hashed_again_only_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return git_blob_sha1(path)

    monkeypatch.setattr(adbench, "git_blob_sha1", counting)
    put(cached(), BODY)
    assert [verified_path(ENTRY) for _ in range(3)] == [cached()] * 3
    assert hashed == [cached()]
    os.utime(cached(), ns=(1, 1))
    assert verified_path(ENTRY) == cached()
    assert hashed == [cached()] * 2
    put(cached(), BODY[:-1])
    assert verified_path(ENTRY) is None


def test_real_files_are_those_of_the_manifest(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    present = [entry for entry in manifest().values() if is_local(entry)]
    if not present:
        pytest.skip("ANOONLY_DATA holds no file of ADBench: none was checked")
    for entry in present:
        path = verified_path(entry)
        assert path == real_data / entry.folder / f"{entry.name}.npz"
        content = path.read_bytes()
        assert blob_sha1(content) == entry.git_blob_sha1
        assert entry.bytes in (None, len(content))
        assert entry.sha256 in (None, hashlib.sha256(content).hexdigest())
        features, labels = load_arrays(entry)
        assert features.ndim == 2 and labels.shape == (len(features),)
        assert set(np.unique(labels)) == {0, 1}


# Fetching


@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, bytes=None, sha256=None)], ids=["known", "unknown"])
def test_fetch_keeps_the_verified_file(server: Server, entry: ManifestEntry) -> None:
    calls: list[tuple[int, int | None]] = []
    assert fetch(entry, lambda done, total: calls.append((done, total))) == cached()
    assert calls[-1] == (len(BODY), len(BODY))
    assert fetch(entry) == verified_path(entry) == cached()
    assert files_in_cache() == [cached()]
    assert cached().read_bytes() == BODY
    assert server.paths == ["/Classical/99_test.npz"]


def test_address_parts_are_quoted(server: Server) -> None:
    fetch(replace(ENTRY, name="a b#c?d"))
    assert server.paths == ["/Classical/a%20b%23c%3Fd.npz"]


def test_an_address_may_end_in_a_slash(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("ANOONLY_MIRROR", f"{server.url}/a/")
    fetch(ENTRY)
    assert server.paths == ["/a/Classical/99_test.npz"]


@pytest.mark.parametrize("behavior", ["truncated", "corrupt", "another_page", "404"])
@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, bytes=None, sha256=None)], ids=["known", "unknown"])
def test_a_failed_fetch_leaves_nothing(server: Server, behavior: str, entry: ManifestEntry) -> None:
    server.plan = [behavior]
    with pytest.raises((DownloadFailed, DatasetUnavailable)) as caught:
        fetch(entry)
    assert_one_sentence(caught.value)
    assert str(caught.value).startswith("99_test ")
    assert files_in_cache() == []
    assert not is_local(entry)
    server.plan = ["right"]
    assert fetch(entry).read_bytes() == BODY


def test_a_forged_file_with_the_right_sha1_is_refused() -> None:
    with pytest.raises(DownloadFailed, match="checksum"):
        fetch(replace(ENTRY, sha256="0" * 64))
    assert files_in_cache() == []


def test_a_failed_fetch_leaves_the_damaged_file_unused(server: Server) -> None:
    put(cached(), b"damaged")
    server.plan = ["corrupt"]
    with pytest.raises(DownloadFailed):
        fetch(ENTRY)
    assert verified_path(ENTRY) is None
    assert files_in_cache() == [cached()]


def test_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANOONLY_MIRROR", f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(DatasetUnavailable) as caught:
            fetch(manifest()["CIFAR10_1"])
    assert str(caught.value) == (
        "CIFAR10_1 is not on this machine and the network cannot be reached: connect and try again, "
        "set ANOONLY_DATA to a folder that holds it, or use a bundled data set such as digits_3."
    )
    assert files_in_cache() == []


def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server
) -> None:
    blocker = put(tmp_path / "a file", b"")
    monkeypatch.setenv("ANOONLY_CACHE", str(blocker))
    with pytest.raises(DownloadFailed, match="ANOONLY_CACHE") as caught:
        fetch(ENTRY)
    assert str(blocker) in str(caught.value)
    assert_one_sentence(caught.value)
    assert server.paths == []


# Content


def test_load_arrays_gives_the_files_arrays(server: Server) -> None:
    features, labels = load_arrays(ENTRY)
    np.testing.assert_array_equal(features, X, strict=True)
    np.testing.assert_array_equal(labels, Y, strict=True)
    load_arrays(ENTRY)
    assert len(server.paths) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", BODY[:-1000], npz_bytes(X=X), npz_bytes(X=np.array([{}]), y=Y)],
    ids=["empty", "text", "cut", "no y", "pickled"],
)
def test_load_arrays_refuses_other_files(content: bytes) -> None:
    entry = entry_for(content)
    put(cached(), content)
    with pytest.raises(BadDataFile) as caught:
        load_arrays(entry)
    assert str(cached()) in str(caught.value)
    assert_one_sentence(caught.value)


def test_load_arrays_refuses_a_single_array() -> None:
    buffer = io.BytesIO()
    np.save(buffer, X)
    put(cached(), buffer.getvalue())
    with pytest.raises(BadDataFile):
        load_arrays(entry_for(buffer.getvalue()))
