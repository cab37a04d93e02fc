"""Tests of the layout of text tables: separator, names, lines above the table, encoding, line ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from anoonly_core.data.tables import csv_format, text_tables
from anoonly_core.data.tables.columns import to_numbers
from anoonly_core.data.tables.csv_format import MAX_BLANK, read_records
from anoonly_core.data.tables.files import ReadOptions
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.uri import read_uri
from anoonly_core.errors import BadDataFile

BODY = "".join(f"{row % 13}.5;{row * 7 % 19};{int(row % 12 == 0)}\n" for row in range(60))


def read(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> tuple[list[str], int, str]:
    """Return the names of the columns, the number of rows and the notes of a file."""
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    table = read_table(path)
    return list(table.columns), len(table), " ".join(table.attrs["notes"])


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("Temp, C;Pressure, bar;label", ["Temp, C", "Pressure, bar", "label"]),
        ('"Temp, C";"Pressure, bar";label', ["Temp, C", "Pressure, bar", "label"]),
        ("size, in cm, of it;b;label", ["size, in cm, of it", "b", "label"]),
        ("a|b;c;label", ["a|b", "c", "label"]),
        ("a,b,c,d,e;f;label", ["a,b,c,d,e", "f", "label"]),
        ('"a;b";c;label', ["a;b", "c", "label"]),
    ],
)
def test_the_separator_is_the_one_that_splits_all_lines(tmp_path: Path, head: str, names: list[str]) -> None:
    assert read(tmp_path, f"{head}\n{BODY}")[:2] == (names, 60)


@pytest.mark.parametrize("separator", [",", "\t", "|"])
def test_quoted_separators_do_not_count(tmp_path: Path, separator: str) -> None:
    lines = [f'"{row};{row};{row}"{separator}{row}' for row in range(20)]
    assert read(tmp_path, "\n".join([f"a{separator}label", *lines]))[:2] == (["a", "label"], 20)


@pytest.mark.parametrize(
    ("above", "word"),
    [
        ("sep=;\n", "separator"),
        ('"sep=;"\n', "separator"),
        ("# made on Monday\n", "made on Monday"),
        ("# made, on Monday\n# by hand\n", "begins in line 3"),
        ("Report 2024\n", "Report 2024"),
        ("Report 2024\n\n", "Report 2024"),
        ("Report 2024;;\n", "Report 2024"),
        ("sep=;\nReport\n", "begins in line 3"),
    ],
)
def test_lines_above_the_table_are_skipped_and_named(tmp_path: Path, above: str, word: str) -> None:
    names, rows, notes = read(tmp_path, f"{above}a;b;label\n{BODY}")
    assert (names, rows) == (["a", "b", "label"], 60) and word in notes


@pytest.mark.parametrize(
    "lines",
    [
        ["0.5,0,1", "1.5,7,0", "2.5,14,0"],
        ["5.1,3.5,setosa", "4.9,3.0,setosa", "6.1,2.8,other"],
        ["-1,2e3,0", "3,4,1"],
        ["1", "2", "3"],
        ["1.5,,0", "2.5,3,1"],
        ["7,8,9"],
    ],
)
def test_a_first_line_of_numbers_is_a_row(tmp_path: Path, lines: list[str]) -> None:
    names, rows, notes = read(tmp_path, "\n".join(lines))
    width = lines[0].count(",") + 1
    assert names == [str(number) for number in range(1, width + 1)] and rows == len(lines)
    assert "The first line" in notes and "instead of names" in notes


@pytest.mark.parametrize("head", ["0,1,2", "1,2,3", ",0,1", "2019,2020,label", "a,b,1", "x,y,z"])
def test_names_stay_names(tmp_path: Path, head: str) -> None:
    names, rows, notes = read(tmp_path, f"{head}\n5,6,7\n8,9,10\n")
    assert rows == 2 and notes == "" and names[1:] == head.split(",")[1:]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_with_a_mark_and_all_line_ends_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"größe;b;label\n{BODY}".replace("\n", end)
    assert read(tmp_path, text, encoding)[:2] == (["größe", "b", "label"], 60)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n3,\xe4\x07\n", "is no text: it holds control characters"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00\x00", "encoding UTF-16"),
        (
            b"a,b\n" + b"1,2\n" * 60 + b"7,8,9\n",
            "line 62 has 3 cells, and the lines before it have 2: it begins with '7,8,9'",
        ),
        (b'a,b\n1,2\n"3\n3",4\n7,8,9\n', "line 5 has 3 cells, and the lines before it have 2: it begins with '7,8,9'"),
        (b"sep=,\na,b\n" + b"1,2\n" * 60 + b"1,2,3\n", "line 63 has 3 cells"),
        (b'a,b\n1,2\n"3,4\n', "a quotation mark that opens near line 3, before '3,4', is never closed"),
        (b"", "is empty: no line has a cell"),
        (b"# title\na,b,label\n", "has no rows: line 2 holds the names of columns, a, b, label, and nothing follows"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_cause(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(BadDataFile) as caught:
        read(tmp_path, content)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "größe,b\n1,2\n".encode("cp1252"),
            "encoding UTF-8: choose another one; the first other character is in line 1",
        ),
        (b"a,b\n1,2\n3,\xe4\n", "in line 3"),
        (b"a,b\r1,2\r3,\xe4\r", "in line 3"),
    ],
)
def test_a_chosen_encoding_that_does_not_fit_is_refused_with_the_line(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(BadDataFile, match=words):
        read_table(path, options=ReadOptions(encoding="utf-8"))


LETTERS = {
    "de": ("Größe;Ort;n\n1;Köln;0\n2;Zürich;1\n3;Wien;0\n", ["cp1252", "latin-1", "mac_roman", "cp850"]),
    "fr": ("nom;ville\nÉlodie;Orléans\nfrançois;Besançon\n", ["cp1252", "latin-1"]),
    "one letter": ("name;n\nMüller;1\nMeier;2\n", ["cp1252"]),
    "euro": ("a;b\n5 €;x\n7 €;y\n", ["cp1252"]),
    "pl": ("miasto;n\nŁódź;1\nGdańsk;2\nŚwidnica;1\nżółty;3\n", ["cp1250", "iso8859_2"]),
    "cs": ("město;n\nPlzeň;1\nČeské Budějovice;2\nPříbram;3\n", ["cp1250", "iso8859_2"]),
    "tr": ("şehir;n\nİstanbul;1\nIğdır;2\nMuğla;3\n", ["cp1254"]),
    "ru": ("город;сумма\nМосква;1\nКазань;2\nСамара;4\n" * 5, ["cp1251", "koi8_r"]),
    "ja": ("都市;金額\n東京;1\n大阪;2\n" * 5, ["shift_jis", "euc_jp"]),
    "zh": ("城市;金额\n北京;1\n上海市;2\n" * 5, ["gb18030"]),
}


@pytest.mark.parametrize(("text", "encoding"), [(text, name) for text, names in LETTERS.values() for name in names])
def test_legacy_encodings_are_found_by_their_letters_and_said(tmp_path: Path, text: str, encoding: str) -> None:
    names, rows, notes = read(tmp_path, text, encoding)
    assert names == text.split("\n")[0].split(";") and rows == text.strip().count("\n")
    assert "is not UTF-8, so it is read as" in notes


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, f"größe;b;label\n{BODY}", encoding)[:2] == (["größe", "b", "label"], 60)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("0 1 2 label\n-2.9 -0.9 1.0 1\n-0.8 1.2 -1.0 0\n", ["0", "1", "2", "label"], 2),
        ("a   b label\n 1  2 0\n3   4  1  \n", ["a", "b", "label"], 2),
        ("1.5 2 0\n2.5 3 1\n", ["1", "2", "3"], 2),
        ("# made by hand\na b label\n1 2 0\n3 4 1\n", ["a", "b", "label"], 2),
        ("comment\nall is well\nnot at all well\n", ["comment"], 2),
    ],
)
def test_spaces_separate_numbers_but_not_sentences(tmp_path: Path, text: str, names: list[str], rows: int) -> None:
    assert read(tmp_path, text)[:2] == (names, rows)


@pytest.mark.parametrize(
    ("header", "names", "rows"), [("yes", ["5", "6"], 2), ("no", ["1", "2"], 3), (None, ["1", "2"], 3)]
)
def test_the_first_line_is_what_the_user_says(
    tmp_path: Path, header: Literal["yes", "no"] | None, names: list[str], rows: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("5,6\n7,8\n9,10\n")
    table = read_table(path, options=ReadOptions(header=header))
    assert (list(table.columns), len(table)) == (names, rows)
    assert bool(table.attrs["notes"]) == (header is None)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,5", "-0,25"], [1.5, -0.25]),
        (["1.234,50", "12"], [1234.5, 12]),
        (["0,5", "1"], [0.5, 1]),
        (["1,5e3", ",5"], [1500, 0.5]),
        (["1.5", "2"], [1.5, 2]),
    ],
)
def test_a_decimal_comma_is_read_beside_semicolons(tmp_path: Path, cells: list[str], numbers: list[float]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;label\n" + "".join(f"{cell};0\n" for cell in cells))
    table = read_table(path)
    assert to_numbers(table["a"]).tolist() == numbers
    changed = sum("," in cell for cell in cells)
    assert (f"rewritten in a ({changed} cells" in " ".join(table.attrs["notes"])) == (changed > 0)


def test_columns_of_the_same_name_are_said(tmp_path: Path) -> None:
    names, _, notes = read(tmp_path, "a,a,label\nx,y,0\nz,w,1\n")
    assert names == ["a", "a.1", "label"] and "several columns called 'a'" in notes


@pytest.mark.parametrize(
    ("text", "count", "line"),
    [
        ("a,b,y\n1,2,0\n3\n4,5,1\n6,7\n", 2, 3),
        ("a;b;y\n1;2;0\n\n3;4\n", 1, 4),  # a blank line is no row
        ("# made by a machine\n# in 2024\na,b,y\n1,2,0\n3,4,1\n5\n", 1, 6),
        ('a,b,y\n"two\nlines",2,0\n3,4,1\n5,6\n', 1, 5),
        ("a b y\n" + "1 2 0\n3 4 1\n" * 10 + " 7 8\n", 1, 22),
        ("1,2,0\n3,4,1\n5,6\n", 1, 3),  # without names
    ],
)
def test_rows_with_too_few_cells_are_counted(tmp_path: Path, text: str, count: int, line: int) -> None:
    notes = read(tmp_path, text)[2]
    rows = "1 row has" if count == 1 else f"{count} rows have"
    assert f"{rows} fewer than 3 cells, and those that lack count as missing; the first is in line {line}." in notes


@pytest.mark.parametrize(
    "text",
    ["a,b,y\n1,2,0\n3,4,\n", "a,b,y\n1,2,0\n\n\n3,4,1\n", "a\n1\n2\n", "a,b,\n1,2,\n3,4,\n", "a;b\n1;\n;2\n"],
)
def test_blank_cells_and_lines_are_no_short_rows(tmp_path: Path, text: str) -> None:
    assert "fewer than" not in read(tmp_path, text)[2]


def test_short_rows_leave_the_identity_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("a,b,y\n1,2,0\n3,4,1\n,,\n5,7,0\n6,8\n")
    parsed = read_uri(f"{tmp_path / 'short.csv'}?missing=drop")
    assert parsed.revision == 1 and parsed.y.tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n" * (MAX_BLANK + 5), "begins with more than 10,000 blank lines"),
        (" \n" * (MAX_BLANK + 5) + "a,b\n1,2\n", "begins with more than 10,000 blank lines"),
        ("\r" * (MAX_BLANK + 5), "begins with more than 10,000 blank lines"),
        ("\n" * 20, "is empty: no line has a cell"),
        ('"a\n' + "1.25,3.5\n" * (2 * MAX_BLANK), "^(?!.*blank lines)"),  # an endless quote
        ("a,b\n" + "\n" * (MAX_BLANK + 5) + "1,2\n", "more than 10,000 blank lines before its first row"),
        ("a\n" + '""\n' * (MAX_BLANK + 5), "more than 10,000 blank lines before its first row"),
    ],
)
def test_a_text_of_blank_lines_is_refused_after_some_of_them(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadDataFile, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["\n" * 9_000 + BODY, f"a;b;label\n{chr(10) * 9_000}{BODY}"])
def test_many_blank_lines_above_and_below_the_names_change_nothing(tmp_path: Path, text: str) -> None:
    named = text if text[0] == "a" else text.replace(BODY, f"a;b;label\n{BODY}")
    assert read(tmp_path, named)[:2] == (["a", "b", "label"], 60)


def test_few_lines_are_looked_at_where_most_are_blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0

    def counted(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
        nonlocal seen
        for record in read_records(lines, separator):
            seen += 1
            yield record

    monkeypatch.setattr(csv_format, "read_records", counted)
    monkeypatch.setattr(text_tables, "read_records", counted)
    for text in ("\n" * 500_000, "a,b\n" + "\n" * 500_000):
        with pytest.raises(BadDataFile, match="blank lines"):
            read(tmp_path, text)
    assert seen < 20 * MAX_BLANK
