"""Small files that unfold: a reader stays within its memory, and little reaches the server."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from anoonly_core.data.tables import limits, uploads
from anoonly_core.data.tables.profile import TableProfile, profile_table, suggest_schema
from anoonly_core.data.tables.profile_limits import SHOWN_COLUMNS, bound_profile
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.errors import BadDataFile
from anoonly_core.execution import tasks
from anoonly_core.execution.job import start_reader
from anoonly_core.execution.pool import WorkerPool
from tests.core.data.tables.unfolding import MB, unfolding_files

READER = 512 * MB
LEFT_IN_SERVER = 10 * MB


def start_small_reader() -> None:
    """Prepare a reader that may take 512 MB, so that a test is quick."""
    limits.MAX_READER = READER
    start_reader()


def memory_of_process() -> tuple[int, int]:
    """The limit on this process's address space beyond what it began with, and the most that was resident."""
    import resource

    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrlimit(resource.RLIMIT_AS)[0], int(peak.split()[1]) * 1024


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    monkeypatch.setattr(uploads, "MAX_TABLES", 1000)
    return tmp_path


@pytest.fixture
def reader(cache: Path) -> Iterator[WorkerPool]:
    pool = WorkerPool(1, start_small_reader)
    yield pool
    pool.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_no_small_file_takes_a_reader_over_its_limit_or_fills_the_server(reader: WorkerPool) -> None:
    limit, before = reader.schedule(memory_of_process).result()
    (process,) = reader.processes()
    count, refused, largest = 0, 0, 0
    for file_name, content in unfolding_files():
        assert len(content) < 8 * MB, file_name
        count += 1
        upload = uploads.add(file_name, io.BytesIO(content), "me", "here")
        for function, arguments in (
            (tasks.profile_upload, (upload.name,)),
            (tasks.apply_schema, (upload.name, TableSchema(label="", categories="one_hot", missing="impute"))),
        ):
            try:
                value = reader.schedule(function, *arguments).result()
            except BadDataFile as error:
                refused += 1
                assert str(error).isprintable() and len(str(error)) < 500, file_name
                continue
            left = len(pickle.dumps(value))
            largest = max(largest, left)
            assert left < LEFT_IN_SERVER, (file_name, left)
            assert (upload.folder / "about.json").stat().st_size < LEFT_IN_SERVER, file_name
        uploads.remove(upload)
    after, peak = reader.schedule(memory_of_process).result()
    print(f"{count} files, {refused} refusals, peak {(peak - before) / MB:.0f} MB, left {largest / MB:.1f} MB")
    assert count >= 50
    assert reader.processes() == {process} and after == limit  # none was killed, and the limit held
    assert peak - before < READER


NESTED = ["list", "list_of_lists", "struct", "fixed_list", "map"]
WORDS = {
    **dict.fromkeys(NESTED, "is nested"),
    "dictionary": "unpacked it has more than the 1024 MB",
    "dictionary_of_bytes": "unpacked it has more than the 1024 MB",
    "dictionary_largest_cells": "unpacked it has more than the 1024 MB",
    "dictionary_many_rows": "unpacked it has more than the 1024 MB",
    "dictionaries": "unpacked it has more than the 1024 MB",
    "dictionary_above_limit": "holds a cell of 40,000 bytes",
    "dictionary_one_cell": "holds a cell of 8,388,608 bytes",
    "fixed_width": "holds a cell of 100,000 bytes",
}


def test_a_parquet_file_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    files = {name.removesuffix(".parquet"): content for name, content in unfolding_files() if name.endswith(".parquet")}
    for name, content in files.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        if name not in WORDS:
            limits.check_parquet(path, name)
            continue
        with pytest.raises(BadDataFile, match=WORDS[name]):
            limits.check_parquet(path, name)
    assert {*WORDS} <= {*files}


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": ["x" * limits.MAX_CELL, "y"]}),
        pd.DataFrame({"a": ["x" * limits.MAX_CELL, 1.0]}, dtype=object),
        pd.DataFrame({"a": pd.Categorical(["x" * limits.MAX_CELL] * 3)}),
        pd.DataFrame({"a": [b"x" * limits.MAX_CELL]}),
        pd.DataFrame({"a": ["ü" * (limits.MAX_CELL // 2)]}, dtype="str"),
        pd.DataFrame({"n" * limits.MAX_NAMES: [1]}),
    ],
)
def test_a_table_at_the_limit_is_read_and_one_beyond_refused(table: pd.DataFrame) -> None:
    limits.check_table(table, "t.csv")
    longer = table.rename(columns=lambda name: f"{name}{'n' * (name != 'a')}")
    if longer.columns[0] == "a":
        longer = pd.DataFrame({"a": [cell + cell[:1] if len(cell) > 1 else cell for cell in table["a"] if cell != 1.0]})
    with pytest.raises(BadDataFile, match=r"t\.csv"):
        limits.check_table(longer, "t.csv")


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (pd.errors.ParserError("Error tokenizing data. C error: out of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("can't start new thread"), True),
        (ValueError("out of memory.csv is no table"), False),
        (OSError(2, "No such file"), False),
    ],
)
def test_an_error_for_lack_of_memory_is_one_sentence(error: Exception, is_memory: bool) -> None:
    def read() -> None:
        try:
            raise error
        except Exception as cause:
            raise BadDataFile("t.csv cannot be read as a .csv table.") from cause

    with pytest.raises(BadDataFile) as caught, limits.within_memory("t.csv"):
        read()
    assert ("needs more memory than a table may take" in str(caught.value)) == is_memory


@pytest.mark.parametrize(
    ("memory", "share"),
    [(2**30, 2**29), (2**32, 2**30), (9 * 2**30, 9 * 2**28), (2**34, 2**32), (2**40, 2**32)],
)
def test_a_reader_takes_a_share_of_the_memory(memory: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda: memory)
    assert limits.memory_for_table() == share


def profile_of(table: pd.DataFrame) -> TableProfile:
    return bound_profile(profile_table(table))


def test_the_profile_of_a_usual_table_is_not_cut() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, None], "b": ["x", "y", "x"], "label": ["no", "yes", "no"]})
    whole, bounded = profile_table(table), profile_of(table)
    assert (bounded.rows, bounded.columns, bounded.values) == (whole.rows, whole.columns, whole.values)
    assert bounded.head["b"].tolist() == ["x", "y", "x"] and bounded.head["a"].equals(whole.head["a"])


def test_the_likely_label_stays_among_many_columns() -> None:
    words = {f"c{number}": [f"{row}{'w' * 50}" for row in range(100)] for number in range(300)}
    table = pd.DataFrame({**words, "label": [f"class {row % 2}{'w' * 50}" for row in range(100)]})
    bounded = profile_of(table)
    assert "label" in bounded.values and 50 < len(bounded.values) < 301
    assert suggest_schema(bounded).label == "label"
    assert len(bounded.columns) == 301 and bounded.head.shape == (50, SHOWN_COLUMNS)
    assert len(pickle.dumps(bounded)) < 4 * MB
