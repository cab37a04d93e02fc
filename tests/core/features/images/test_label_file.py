"""Labels from a table: which column names the files, which one the labels, and what fits nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from anoonly_core.errors import BadDataFile, UnknownDataset
from anoonly_core.features.images import label_file
from anoonly_core.features.images.label_file import read_labels

NAMES = ("x/a.png", "x/b.png", "y/a.png", "y/c.tar.png")


def labels_of(
    tmp_path: Path, text: str | bytes, names: tuple[str, ...] = NAMES
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, "labels.csv", names)


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nx/a.png,0\nx/b.png,1\ny/a.png,0\ny/c.tar.png,01\n",
        "x/a.png,0\nx/b.png,1\ny/a.png,0\ny/c.tar.png,01\n",  # no names of columns
        "label;file\n0;x/a.png\n1;b.png\n0;y/a.png\n01;c.tar.png\n",  # by the last part of the path
        "id\tclass\nx/a\t0\nb\t1\ny/a\t0\nc.tar\t01\n",  # without a suffix
        '"label","file"\r\n"0"," ./x/a.png"\r\n1,x\\b.png\r\n0,y\\a.png\r\n01,y/c.tar.png\r\n',
        "file,split,label\nx/a.png,train,0\nx/b.png,train,1\ny/a.png,test,0\ny/c.tar.png,test,01\n",
        "n,file,width,is_defect\n1,x/a.png,5,0\n2,x/b.png,6,1\n3,y/a.png,7,0\n4,y/c.tar.png,8,01\n",
        "\ufefffile,label\n\nx/a.png,0\nx/b.png,1\ny/a.png,0\ny/c.tar.png,01\n\n",
        "file,label\nx/a.png,0\nx/b.png,1\ny/a.png,0\ny/c.tar.png,01\n".encode("utf-16"),
    ],
)
def test_labels_are_found_however_the_table_is_written(tmp_path: Path, text: str | bytes) -> None:
    labels, _ = labels_of(tmp_path, text)
    assert labels == ("0", "1", "0", "01")


def test_rows_and_images_that_fit_nothing_are_counted(tmp_path: Path) -> None:
    text = "file,label\na.png,bad\nx/b.png,bad\nx/b.png,good\nx/b.png,bad\nz.png,good\ny/c.tar.png,\n,\n"
    labels, notes = labels_of(tmp_path, text)
    assert labels == ("", "bad", "", "")
    assert notes == (
        "Rows of labels.csv that do not name exactly one image: 2.",
        "Rows of labels.csv that label an image again in another way, so that the first label counts: 1.",
        "Images without a label in labels.csv: 3 of 4.",
    )


def test_a_table_beside_the_folder_may_name_folders_above_the_images(tmp_path: Path) -> None:
    labels, _ = labels_of(tmp_path, "file,label\n/data/photos/1.png,a\n/data/photos/2.png,b\n", ("1.png", "2.png"))
    assert labels == ("a", "b")


def test_labels_in_a_legacy_encoding_are_read_and_said(tmp_path: Path) -> None:
    rows = "".join(f"{number}.png,für Müller und Söhne überprüft\n" for number in range(9))
    labels, notes = labels_of(tmp_path, f"file,label\n{rows}".encode("cp1252"), tuple(f"{n}.png" for n in range(9)))
    assert set(labels) == {"für Müller und Söhne überprüft"} and "Windows-1252" in notes[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\nq.png,0\n", r"names none of the images: one column must hold their paths, such as x/a\.png"),
        ("file\nx/a.png\n", "has 1 column: labels need a column of file names and one of labels"),
        ("file,one,two\nx/a.png,1,2\n", "leaves open which column holds the labels: call it label"),
        ("x/a.png,1,2\n", "leaves open which column holds the labels"),
        (f"file,label\nx/a.png,{'z' * 101}\n", "has a label of 101 characters, and at most 100 are read"),
        ("," * 200, "has 201 columns"),
        ("", "is empty"),
        (f'file,label\nx/a.png,"{"z" * 200_000}"\n', "cannot be read as a text table"),
        (b"\xff\xfe\x00\xd8" + b"a\0" * 9, "labels.csv"),
    ],
)
def test_a_table_that_does_not_say_labels_is_refused(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(BadDataFile, match=sentence):
        labels_of(tmp_path, text)


def test_missing_large_and_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownDataset, match="There is no file"):
        read_labels(tmp_path / "labels.csv", "labels.csv", NAMES)
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(BadDataFile, match=r"labels\.xlsx is no text table: save the labels as CSV"):
        read_labels(tmp_path / "labels.xlsx", "labels.xlsx", NAMES)
    monkeypatch.setattr(label_file, "MAX_ROWS", 1)
    with pytest.raises(BadDataFile, match="has more than 1 rows: take those of the images"):
        labels_of(tmp_path, "file,label\nx/a.png,0\n")
    monkeypatch.setattr(label_file, "MAX_LABEL_FILE", 10)
    with pytest.raises(BadDataFile, match="has more than the 0 MB of labels that are read"):
        labels_of(tmp_path, "file,label\nx/a.png,0\n")
