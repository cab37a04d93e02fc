"""Tests of table files: read correctly, or refused with one sentence, whatever the content."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.tables import uri
from anoonly_core.data.tables.files import FORMATS, file_fingerprint, printable
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import LABEL_COLUMNS, TableSchema
from anoonly_core.errors import AnoOnlyError, BadDataFile, UnknownDataset
from anoonly_core.progress import Cancelled

ROWS = 30
X = np.random.default_rng(0).normal(size=(ROWS, 4))
Y = (np.arange(ROWS) % 5 == 0).astype(np.int8)
TABLE = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)


def load_file(path: Path) -> Dataset:
    return uri.load_file(path, TableSchema())


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def parquet(frame: pd.DataFrame | pa.Table) -> bytes:
    buffer = io.BytesIO()
    whole = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
    pyarrow.parquet.write_table(whole, buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """Turn every warning of a reader into an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def assert_refused(path: Path, kind: type[AnoOnlyError] = BadDataFile, word: str = "") -> None:
    for use in (load_file, lambda path: resolve(str(path)).load(), lambda path: load_cached(str(path))):
        with pytest.raises(AnoOnlyError) as caught:
            use(path)
        text = str(caught.value)
        assert isinstance(caught.value, kind)
        assert text.endswith(".") and ". " not in text and text.isprintable(), text
        assert word in text and printable(path.name).strip("'") in text, text


def assert_is_the_table(dataset: Dataset, columns: int = 4) -> None:
    np.testing.assert_array_equal(dataset.X, X[:, :columns].astype(np.float32), strict=True)
    np.testing.assert_array_equal(dataset.y, Y, strict=True)
    np.testing.assert_array_equal(dataset.row_ids, np.arange(ROWS), strict=True)
    assert dataset.X.flags.c_contiguous


# Valid files

NPZ_X = {"f8": X, "f4": X.astype(np.float32), "longdouble": X.astype(np.longdouble), "fortran": np.asfortranarray(X)}
NPZ_Y = {
    "int": Y,
    "bool": Y == 1,
    "float": Y.astype(float),
    "uint8": Y.astype(np.uint8),
    "column": Y[:, None],
    "row": Y[None],
}


@pytest.mark.parametrize("y", NPZ_Y.values(), ids=NPZ_Y)
@pytest.mark.parametrize("x", NPZ_X.values(), ids=NPZ_X)
def test_npz_arrays_of_any_real_type_are_read(tmp_path: Path, x: np.ndarray, y: np.ndarray) -> None:
    assert_is_the_table(load_file(write(tmp_path, "t.npz", npz(X=x, y=y, other=np.array("kept out")))))


@pytest.mark.parametrize("kind", [np.bool, np.int8, np.uint64, np.float16])
def test_npz_features_become_float32(tmp_path: Path, kind: Any) -> None:
    x = (X > 0).astype(kind)
    dataset = load_file(write(tmp_path, "t.npz", npz(X=x, y=Y)))
    np.testing.assert_array_equal(dataset.X, x.astype(np.float32), strict=True)


@pytest.mark.parametrize("label", [*LABEL_COLUMNS, "Y", "Label", "ANOMALY", " target"])
@pytest.mark.parametrize("position", [0, 2, 4])
def test_the_label_column_is_found_by_name_at_any_position(tmp_path: Path, label: str, position: int) -> None:
    frame = TABLE.drop(columns="y")
    frame.insert(position, label, Y)
    assert_is_the_table(load_file(write(tmp_path, "t.csv", csv(frame))))
    assert_is_the_table(load_file(write(tmp_path, "t.parquet", parquet(frame))))


def test_the_first_label_name_wins_and_others_of_two_values_are_features_only_if_kept(tmp_path: Path) -> None:
    frame = TABLE.assign(target=1 - Y, label=np.arange(ROWS) % 3 / 2, anomaly=np.arange(ROWS) % 2)
    path = write(tmp_path, "t.csv", csv(frame))
    for keep, columns in (((), 5), (("anomaly",), 6), (("anomaly", "target"), 7)):
        dataset = uri.load_file(path, TableSchema(keep=keep))
        assert dataset.columns == columns
        np.testing.assert_array_equal(dataset.y, Y)


@pytest.mark.parametrize(
    "labels", [Y == 1, Y.astype(float), pd.array(Y, dtype="Int64")], ids=["bool", "float", "Int64"]
)
def test_labels_of_other_types_are_read(tmp_path: Path, labels: Any) -> None:
    frame = TABLE.assign(y=labels)
    assert_is_the_table(load_file(write(tmp_path, "t.csv", csv(frame))))
    assert_is_the_table(load_file(write(tmp_path, "t.parquet", parquet(frame))))


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path: Path) -> None:
    content = "\ufeffa, b, y\r\n1, 2, 0\r\n3, 4, 1\r\n".encode()
    dataset = load_file(write(tmp_path, "t.csv", content))
    assert dataset.X.tolist() == [[1, 2], [3, 4]] and dataset.y.tolist() == [0, 1]


@pytest.mark.parametrize(
    "name", ["t.csv", "T.CSV", "a b,'\";&.csv", "ü中😀.csv", "%s{}.csv", ".csv", "-n.csv", "two\nlines.csv"]
)
def test_names_with_odd_characters(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, csv(TABLE))
    dataset = resolve(str(path)).load()
    assert_is_the_table(dataset)
    assert dataset.name.isprintable() and dataset.provenance.source.isprintable()
    assert_refused(write(tmp_path, name, csv(TABLE.drop(columns="y"))))


def test_an_unprintable_name_is_escaped(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    try:
        path.write_bytes(csv(TABLE))
    except OSError:
        pytest.skip("this file system takes no such name")
    assert_is_the_table(load_file(path))
    assert load_file(path).name == r"'\udcff.csv'"


def test_a_printable_name_is_unchanged() -> None:
    assert printable("a folder/ü.csv") == "a folder/ü.csv"
    long = printable(f"/begins/here/{'x' * 5000}/ends.csv")
    assert long.startswith("/begins/here/xxx") and long.endswith("xxx/ends.csv") and len(long) < 220
    assert printable(Path("a\nb")) == r"'a\nb'"


# Invalid arrays

POINTS = np.zeros(ROWS, dtype=[("a", int), ("b", int)])
BAD_X = {
    "words": X.astype(str),
    "complex": X + 0j,
    "durations": X.astype("timedelta64[s]"),
    "dates": X.astype("datetime64[s]"),
    "records": POINTS[:, None],
    "one column": X[:, 0],
    "three axes": X[None],
    "a number": np.array(3.0),
    "no columns": X[:, :0],
    "no rows": X[:0],
    "missing": np.where(X > 1, np.nan, X),
    "infinite": np.where(X > 1, -np.inf, X),
    "too large": X * 1e39,
    "almost too large": np.where(X > 0, 3e38, -3e38),
}
BAD_Y = {
    "words": np.array(["good", "bad"] * 15),
    "bytes": np.array([b"good", b"bad"] * 15),
    "complex": Y + 0j,
    "durations": Y.astype("timedelta64[s]"),
    "dates": Y.astype("datetime64[s]"),
    "records": POINTS,
    "void": np.zeros(ROWS, "V3"),
    "two columns": np.c_[Y, Y],
    "too short": Y[:-1],
    "a number": np.array(1),
    "missing": np.where(Y == 1, np.nan, 0),
    "a 2": Y * 2,
    "-1 and 1": Y * 2 - 1,
    "halves": Y / 2,
    "only normal": Y * 0,
    "only anomalies": Y * 0 + 1,
}


@pytest.mark.parametrize("x", BAD_X.values(), ids=BAD_X)
def test_wrong_features_are_refused(tmp_path: Path, x: np.ndarray) -> None:
    assert_refused(write(tmp_path, "t.npz", npz(X=x, y=Y)))


@pytest.mark.parametrize("y", BAD_Y.values(), ids=BAD_Y)
def test_wrong_labels_are_refused(tmp_path: Path, y: np.ndarray) -> None:
    assert_refused(write(tmp_path, "t.npz", npz(X=X, y=y)))


@pytest.mark.parametrize("arrays", [{"X": X}, {"y": Y}, {"x": X, "y": Y}, {}], ids=lambda arrays: "+".join(arrays))
def test_missing_arrays_are_named(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    word = "label column" if "X" in arrays else "must hold an array X"
    assert_refused(write(tmp_path, "t.npz", npz(**arrays)), word=word)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize(
    "content",
    [
        npz(X=np.array([[Bomb()]] * ROWS), y=Y),
        npz(X=X, y=np.array([Bomb()] * ROWS)),
        pickle.dumps({"X": Bomb(), "y": Y}),
    ],
    ids=["X", "y", "file"],
)
def test_pickles_are_not_opened(tmp_path: Path, content: bytes) -> None:
    assert_refused(write(tmp_path, "t.npz", content))


def lying_npz(shape: str) -> bytes:
    """Make an archive with a header that claims another shape than the data has."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + X.tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.npy", array)
        archive.writestr("y.npy", b"")
    return buffer.getvalue()


@pytest.mark.parametrize("shape", ["(30, 5)", "(10**15, 4)", "(1000000000000000, 4)", "(-1, 4)", "'abc'", "(" * 60])
def test_wrong_headers_are_refused(tmp_path: Path, shape: str) -> None:
    assert_refused(write(tmp_path, "t.npz", lying_npz(shape)))


# Invalid tables

BAD_TABLES = {
    "label": TABLE.drop(columns="y"),
    "label ": TABLE.rename(columns={"y": "is_anomaly"}),
    "labels must": TABLE.assign(y=Y * 2),
    "labels must be 0 and 1": TABLE.assign(y=np.where(Y == 1, "anomaly", "normal")),
    "both  ": TABLE.assign(y=np.where(Y == 1, np.nan, 0)),
    "both": TABLE[TABLE.y == 0],
    "both ": TABLE[:1],
    "no rows": TABLE[:0],
    "rows and columns": TABLE[["y"]],
    "missing": TABLE.assign(a=np.where(Y == 1, np.nan, X[:, 0])),
    "missing ": TABLE.assign(a=pd.array([None, *Y[1:]], dtype="Int64")),
    "infinite": TABLE.assign(a=np.where(Y == 1, np.inf, X[:, 0])),
    "not numbers: b": TABLE.assign(b=["one", "two"] * 15),
    "not numbers: b  ": TABLE.assign(b=pd.Categorical(["u", "v"] * 15)),
    "not numbers: a, b, c, d; say categories": TABLE.assign(**dict.fromkeys("abcd", "word")),
    r"not numbers: 'two\nlines'": TABLE.assign(**{"two\nlines": ["one", "two"] * 15}),
}


@pytest.mark.parametrize(("word", "frame"), BAD_TABLES.items(), ids=BAD_TABLES)
def test_wrong_tables_are_refused(tmp_path: Path, word: str, frame: pd.DataFrame) -> None:
    assert_refused(write(tmp_path, "t.csv", csv(frame)), word=word.strip())
    assert_refused(write(tmp_path, "t.parquet", parquet(frame)), word=word.strip())


def test_many_columns_of_words_are_not_all_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"column{i}": ["a", "b"] for i in range(9)}).assign(y=[0, 1])
    with pytest.raises(BadDataFile, match="column4") as caught:
        load_file(write(tmp_path, "t.csv", csv(frame)))
    assert "column5" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"a,y\n1,0\n1,2,3,4\n",
        b'a,y\n"1,0\n2,1\n',
        b"a,y\n1\x00,0\n2,1\n",
        b"<html>\n<p>Log in, please</p></html>",
        bytes(range(256)) * 4,
        "a,y\n1,0\n2\x07,1\n3,ä\n".encode("latin-1"),
        b"a,y\n1e400,0\n2,1\n",
        b"a,y\n1,0\n" * 3,
    ],
)
def test_csv_files_without_a_table_are_refused(tmp_path: Path, content: bytes) -> None:
    assert_refused(write(tmp_path, "t.csv", content))


MANY = b"1," * 300_000  # as many cells kept the parser for minutes


@pytest.mark.parametrize(
    ("content", "line", "cells"),
    [
        (b"a,b\n" + MANY + b"\n" + b"1,2\n" * 50, 2, 300_001),
        (b"a,b\n" + MANY, 2, 300_001),
        (b"a,b\r" + MANY + b"\r", 2, 300_001),
        (b"a,b\r\n" + MANY + b"\r\n", 2, 300_001),
        (b"a;b\n" + MANY.replace(b",", b";") + b"\n", 2, 300_001),
        (b"\xef\xbb\xbfa,b\n" + MANY + b"\n", 2, 300_001),
        (("a,b\n" + MANY.decode()).encode("utf-16"), 2, 300_001),
        (b"# a title\na,b\n" + MANY + b"\n", 3, 300_001),
        (b"a,b\n" + b"\n \n" * 50 + MANY + b"\n", 102, 300_001),
        (b'a,b\n""\n' + MANY + b"\n", 3, 300_001),
        (b"a,b\n" + b'"\n",' * 150_000 + b"\n", 150_002, 150_001),
        (b"a,b\n1,2,3\n1,2,3\n", 2, 3),
    ],
)
def test_a_row_of_many_more_cells_than_names_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: int, cells: int
) -> None:
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: pytest.fail("the parser is given the row"))
    path = tmp_path / "wide.csv"
    path.write_bytes(content)
    with pytest.raises(BadDataFile, match=f": line {line} has {cells} cells, and its first line has 2 names"):
        read_table(path)


@pytest.mark.parametrize("place", ["first", "later"])
def test_a_row_of_many_cells_further_down_is_refused_by_the_parser(tmp_path: Path, place: str) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes((b"a,b\n" if place == "later" else b"") + b"1,2\n" * 60 + MANY + b"\n")
    with pytest.raises(BadDataFile, match=r"line 6[12] has 300001 cells, and the lines before it have 2: it begins"):
        read_table(path)


@pytest.mark.parametrize("before", [b"", b"1,", b'"'])
def test_a_cell_beyond_the_limit_of_the_module_does_not_hide_a_row_of_many_cells(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes(b"a,b\n" + before + b"x" * 200_000 + before[:1] + b"," + MANY + b"\n")
    with pytest.raises(BadDataFile, match=r"has a cell of more than 131,072 characters\."):
        read_table(path)


def test_a_word_far_down_is_found_without_a_warning(tmp_path: Path) -> None:
    lines = "".join(f"{i},{i % 2}\n" for i in range(300_000))
    assert_refused(write(tmp_path, "t.csv", f"a,y\n{lines}word,1\n".encode()), word="in row 300000 'word'")


def test_parquet_columns_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    lists = pa.table({"a": [[1, 2], [3]], "y": [0, 1]})
    assert_refused(write(tmp_path, "t.parquet", parquet(lists)), word="neither numbers nor words")
    dates = pa.Table.from_pandas(TABLE.assign(b=pd.date_range("2020-01-01", periods=ROWS)))
    assert_refused(write(tmp_path, "t.parquet", parquet(dates)), word="column b holds dates")
    twins = pa.table([pa.array([1.0, 2.0]), pa.array([1.0, 2.0]), pa.array([0, 1])], names=["a", "a", "y"])
    assert_refused(write(tmp_path, "t.parquet", parquet(twins)))


# Damaged and missing files

GOOD = {"t.npz": npz(X=X, y=Y), "t.csv": csv(TABLE), "t.parquet": parquet(TABLE)}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04", b"PAR1", b"\x93NUMPY"], ids=repr)
def test_nearly_empty_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert_refused(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "suffix"), [(name, suffix) for name in GOOD for suffix in (".csv", ".npz", ".parquet")]
)
def test_a_file_under_a_wrong_suffix_is_refused(tmp_path: Path, name: str, suffix: str) -> None:
    if not name.endswith(suffix):
        assert_refused(write(tmp_path, f"t{suffix}", GOOD[name]))


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, X)
    assert_refused(write(tmp_path, "t.npz", buffer.getvalue()))


@pytest.mark.parametrize("name", ["t.npz", "t.parquet"])
def test_cut_files_are_refused(tmp_path: Path, name: str) -> None:
    whole = GOOD[name]
    for length in range(0, len(whole), len(whole) // 40):
        with pytest.raises(BadDataFile):
            load_file(write(tmp_path, name, whole[:length]))


@pytest.mark.parametrize("name", ["t.npz", "t.parquet", "packed.npz"])
def test_damaged_files_are_refused_or_read(tmp_path: Path, name: str) -> None:
    """A changed byte in padding or in an unchecked number may pass; other errors than AnoOnlyError may not."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=X, y=Y)
    whole = buffer.getvalue() if name == "packed.npz" else GOOD[name]
    refused = 0
    for position in range(0, len(whole), 12 if name == "t.parquet" else 5):
        content = whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :]
        try:
            load_file(write(tmp_path, name, content))
        except BadDataFile:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    "name", ["absent.csv", "absent.npz", "no/folder.parquet", f"{'x' * 300}.csv", "nul\0.csv", "two\nlines.npz"]
)
def test_absent_files_are_unknown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for use in (load_file, file_fingerprint, lambda path: resolve(str(path)), lambda path: resolve(str(path)).identity):
        with pytest.raises(UnknownDataset) as caught:
            use(path)
        assert str(caught.value) == f"There is no file {printable(path)}."
        assert str(caught.value).isprintable()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert_refused(tmp_path / "folder.csv", UnknownDataset, "There is no file")


def test_a_file_of_another_kind_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, "t.docx", b"whatever")
    with pytest.raises(UnknownDataset) as caught:
        resolve(str(path)).load()
    assert str(caught.value) == f"{path} is neither a data set nor a table file: {FORMATS}."


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, suffix: str) -> None:
    """/proc/self/mem gives an input/output error at address 0; root ignores file permissions."""
    path = tmp_path / f"t{suffix}"
    path.symlink_to("/proc/self/mem")
    if not path.exists():
        pytest.skip("this system has no /proc/self/mem")
    for use in (load_file, file_fingerprint):
        with pytest.raises(BadDataFile, match="cannot be read"):
            use(path)


# Identity


@pytest.mark.parametrize("name", GOOD)
def test_identity_follows_the_content(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, GOOD[name])
    before, dataset = resolve(str(path)).identity, load_cached(str(path))
    os.utime(path, ns=(1, 1))
    assert resolve(str(path)).identity == before
    assert load_cached(str(path)) is dataset

    changed = X.copy()
    changed[0, 0] += 1
    frame = pd.DataFrame(changed, columns=list("abcd")).assign(y=Y)
    write(tmp_path, name, {"t.npz": npz(X=changed, y=Y), "t.csv": csv(frame), "t.parquet": parquet(frame)}[name])
    os.utime(path, ns=(1, 1))
    assert resolve(str(path)).identity != before
    assert load_cached(str(path)).fingerprint != dataset.fingerprint


def test_identity_ignores_the_name(tmp_path: Path) -> None:
    paths = [write(tmp_path, name, GOOD["t.csv"]) for name in ("a.csv", "b.CSV")]
    assert resolve(str(paths[0])).identity == resolve(str(paths[1])).identity
    assert file_fingerprint(paths[0]) == file_fingerprint(paths[1])


def test_the_suffix_is_part_of_the_identity(tmp_path: Path) -> None:
    """The same bytes under another suffix are another table."""
    load_cached(str(write(tmp_path, "t.csv", GOOD["t.csv"])))
    assert_refused(write(tmp_path, "t.npz", GOOD["t.csv"]))


def test_all_three_kinds_give_the_same_rows(tmp_path: Path) -> None:
    fingerprints = {load_file(write(tmp_path, name, content)).fingerprint for name, content in GOOD.items()}
    assert len(fingerprints) == 1


def test_reading_a_text_reports_its_progress_and_can_be_canceled(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 300_000)
    told: list[float] = []
    table = read_table(path, report=lambda done, total: told.append(done / total))
    assert len(table) == 300_000 and len(told) > 3 and told == sorted(told) and told[0] == 0 and told[-1] > 0.5

    def cancel(done: int, total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        read_table(path, report=cancel)
