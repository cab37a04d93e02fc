"""Tests of several downloads: progress over all bytes, files already there, failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anoonly_core.data.adbench.download_many import fetch_all
from anoonly_core.data.adbench.files import ManifestEntry, cached_path, is_local
from anoonly_core.errors import BadDataFile, DatasetUnavailable, FetchIncomplete
from anoonly_core.progress import Cancelled
from tests.core.data.adbench.test_download import Server, assert_one_sentence, serving_as_mirror
from tests.core.data.adbench.test_files import BODY, entry_for, put

NAMES = ("a", "b", "c")
ENTRIES = [entry_for(BODY, name) for name in NAMES]
SIZE = len(BODY)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with serving_as_mirror(BODY, monkeypatch, tmp_path) as running:
        yield running


def progress_of(entries: list[ManifestEntry]) -> list[tuple[int, int | None]]:
    calls: list[tuple[int, int | None]] = []
    fetch_all(entries, lambda done, total: calls.append((done, total)))
    return calls


def test_bytes_are_counted_over_all_files(server: Server) -> None:
    calls = progress_of(ENTRIES)
    assert all(is_local(entry) for entry in ENTRIES)
    begun = calls[len(ENTRIES) :]  # before that, what lies here is verified
    assert {total for _, total in begun} == {3 * SIZE}
    assert [done for done, _ in begun] == sorted(done for done, _ in begun) and begun[-1][0] == 3 * SIZE
    assert server.paths == [f"/Classical/{name}.npz" for name in NAMES]


def test_an_unknown_size_counts_once_the_server_reports_it() -> None:
    calls = progress_of([ENTRIES[0], replace(ENTRIES[1], bytes=None)])
    assert (SIZE, SIZE) in calls and calls[-1] == (2 * SIZE, 2 * SIZE)
    assert progress_of([replace(ENTRIES[2], bytes=None)])[-1] == (SIZE, SIZE)


def test_local_files_are_verified_and_not_fetched_again(server: Server) -> None:
    put(cached_path(ENTRIES[0]), BODY)
    put(cached_path(ENTRIES[1]), b"damaged")
    assert progress_of(ENTRIES)[-1] == (2 * SIZE, 2 * SIZE)
    assert server.paths == ["/Classical/b.npz", "/Classical/c.npz"]
    assert progress_of(ENTRIES)[-1] == (0, None) and len(server.paths) == 2


def test_one_failure_does_not_stop_the_rest(server: Server) -> None:
    server.plan = ["404", "right"]
    calls: list[tuple[int, int | None]] = []
    with pytest.raises(FetchIncomplete) as caught:
        fetch_all(ENTRIES, lambda done, total: calls.append((done, total)))
    assert caught.value.names == ("a",)
    assert str(caught.value) == (
        "1 of 3 data sets could not be fetched and can be tried again: "
        "a is not on this machine and the server has no such file (404)."
    )
    assert [is_local(entry) for entry in ENTRIES] == [False, True, True]
    assert calls[-1] == (2 * SIZE, 2 * SIZE), "what failed is waited for no longer"


def test_all_failures_are_reported_in_one_message(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(tmp_path / "data" / "Classical" / "z.npz", b"another file")
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    server.plan = ["404", "corrupt", *["404"] * 9]
    entries = [*ENTRIES, entry_for(BODY, "z"), *(entry_for(BODY, f"d{n}") for n in range(8))]
    with pytest.raises(FetchIncomplete) as caught:
        fetch_all(entries)
    assert set(caught.value.names) == {entry.name for entry in entries}
    assert_one_sentence(caught.value)
    text = str(caught.value)
    assert text.startswith("12 of 12 data sets could not be fetched and can be tried again: z could not be read (")
    assert "a is not on this machine and the server has no such file (404), likewise c, d0, " in text
    assert ", d4 and 3 more;" in text or ", d4, 3 more;" in text
    assert "b came as another file" in text


def test_a_single_file_fails_with_the_error_of_fetch(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.plan = ["404"]
    with pytest.raises(DatasetUnavailable, match="use a bundled data set"):
        fetch_all(ENTRIES[:1])
    put(tmp_path / "data" / "Classical" / "a.npz", b"another file")
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    with pytest.raises(BadDataFile):
        fetch_all(ENTRIES[:1])


@pytest.mark.parametrize(
    ("after", "whole"), [(0, 0), (1, 0), (SIZE + 1, 1)], ids=["at once", "in the first file", "in the second file"]
)
def test_a_cancel_keeps_finished_files(after: int, whole: int) -> None:
    def stop(done: int, total: int | None) -> None:
        if done >= after:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch_all(ENTRIES, stop)
    assert [is_local(entry) for entry in ENTRIES] == [number < whole for number in range(3)]
    fetch_all(ENTRIES)
    assert all(is_local(entry) for entry in ENTRIES)


def test_an_empty_list_fetches_nothing() -> None:
    fetch_all([])
