"""Numbers as people write them: each style is read back as the same numbers, in any file and by a saved detector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anoonly_core.data.tables.columns import to_numbers
from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.data.tables.uri import feature_revision, parse_file
from anoonly_core.errors import BadDataFile


def grouped(thousands: str, decimal: str) -> Callable[[float], str]:
    """Return a writer of numbers with two decimals."""
    return lambda number: f"{number:,.2f}".translate(str.maketrans({",": thousands or None, ".": decimal}))


def around(form: str, write: Callable[[float], str]) -> Callable[[float], str]:
    """Return a writer that puts the number without its sign into a form, such as "-{}" for a minus sign in front."""

    def written(number: float) -> str:
        text = form.replace("{}", write(abs(number)))
        return text if number < 0 else text.replace("-", "").replace("\u2212", "").strip("()")

    return written


WRITERS = {
    "1.234,50": grouped(".", ","),
    "1 234,50": grouped(" ", ","),
    "1\u202f234,50": grouped("\u202f", ","),
    "1234,50": grouped("", ","),
    "1,234.50": grouped(",", "."),
    "1'234.50": grouped("'", "."),
    "1234.50": grouped("", "."),
    "$1,234.50": around("-${}", grouped(",", ".")),
    "1.234,50 €": around("-{} €", grouped(".", ",")),
    "CHF 1'234.50": around("-CHF {}", grouped("'", ".")),
    "12,5 %": around("-{} %", grouped("", ",")),
    "12.5%": around("-{}%", grouped("", ".")),
    "1.234,50-": around("{}-", grouped(".", ",")),
    "(1,234.50)": around("({})", grouped(",", ".")),
    "\u22121,234.50": around("\u2212{}", grouped(",", ".")),
    "+1.234,50": lambda number: ("" if number < 0 else "+") + grouped(".", ",")(number),
}
MISSING = ["", "-", "n/a", "NA", "unknown", "?", ".", "NULL"]
amounts = st.integers(-(10**9), 10**9).map(lambda cents: cents / 100)


def write(path: Path, cells: list[str], separator: str = ",") -> Path:
    frame = pd.DataFrame({"a": cells, "b": range(len(cells)), "label": [row % 2 for row in range(len(cells))]})
    frame.to_csv(path, index=False, sep=separator)
    return path


@pytest.mark.parametrize("style", WRITERS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(amounts, min_size=2, max_size=12), missing=st.sampled_from(MISSING), sep=st.sampled_from(",;\t|")
)
def test_numbers_are_read_back_as_they_were_written(
    tmp_path: Path, style: str, numbers: list[float], missing: str, sep: str
) -> None:
    numbers = [1234.5, *numbers]
    path = write(tmp_path / "t.csv", [*map(WRITERS[style], numbers), missing, WRITERS[style](0.25)], sep)
    read = to_numbers(read_table(path)["a"])
    np.testing.assert_array_equal(read, [*numbers, np.nan, 0.25])


@pytest.mark.parametrize("style", WRITERS)
def test_a_row_has_the_same_number_in_a_file_of_its_own(tmp_path: Path, style: str) -> None:
    """A file of new rows may hold cells that mean another number in another style, such as 1.234."""
    path = write(tmp_path / "t.csv", [WRITERS[style](number) for number in (1234.5, 0.25, 77.0)])
    steps = Preprocessing.model_validate_json(
        parse_table(read_table(path), TableSchema(), "t").preprocessing.model_dump_json()
    )
    for number in (1234.0, 5.0, 1234567.0):
        text = WRITERS[style](number)
        for cell in (text, text.replace(".00", "").replace(",00", "")):
            new = write(tmp_path / "new.csv", [cell, cell])
            np.testing.assert_array_equal(steps.apply(read_table(new), "new")[0][:, 0], [number, number])


@pytest.mark.parametrize(
    ("cells", "separator", "beside", "likely"),
    [
        (["984", "6.833", "8.815"], ";", "0.25", "point"),
        (["984", "6.833", "8.815"], ",", "1", "point"),
        (["1.984", "6.833", "8.815"], ";", "1", "point"),
        (["984", "6,833"], ";", "1", "comma"),
        (["984", "6,833"], "\t", "1", "point"),
    ],
)
def test_numbers_of_two_meanings_are_asked_about(
    tmp_path: Path, cells: list[str], separator: str, beside: str, likely: str
) -> None:
    path = tmp_path / "t.csv"
    rows = [separator.join([cell, beside, str(row % 2)]) for row, cell in enumerate(cells)]
    path.write_text("\n".join([separator.join(["a", "b", "label"]), *rows]))
    either = {sign: [float(cell.replace(*signs).replace(",", ".")) for cell in cells] for sign, signs in SIGNS.items()}
    parsed = parse_file(path, TableSchema())
    assert "may mean" in " ".join(parsed.notes) and parsed.X[:, 0].tolist() == pytest.approx(either[likely])
    for sign, numbers in either.items():
        parsed = parse_file(path, make_schema({"decimal": sign}))
        assert "may mean" not in " ".join(parsed.notes) and parsed.X[:, 0].tolist() == pytest.approx(numbers)


SIGNS = {"point": (",", ""), "comma": (".", "")}


@pytest.mark.parametrize(
    ("cells", "separator", "numbers"),
    [
        (["1,726", "984"], ",", [1726, 984]),
        (["1,726", "2,833"], ",", [1726, 2833]),
        (["1.234.567", "1.234"], ",", [1234567, 1234]),
        (["6.833", "0.984"], ";", [6.833, 0.984]),
        (["12.345", "6.833"], ",", [12.345, 6.833]),
        (["6.833", "98.25"], ";", [6.833, 98.25]),
        (["1.234,50", "2.500"], ";", [1234.5, 2500]),
        (["$5", "$1,200"], ",", [5, 1200]),
    ],
)
def test_numbers_of_one_meaning_are_not_asked_about(
    tmp_path: Path, cells: list[str], separator: str, numbers: list[float]
) -> None:
    parsed = parse_file(write(tmp_path / "t.csv", cells, separator), TableSchema())
    assert parsed.X[:, 0].tolist() == pytest.approx(numbers) and "may mean" not in " ".join(parsed.notes)


def test_another_column_shows_what_a_point_means(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b;label\n1.234;0,5;0\n984;2,25;1\n")
    table = read_table(path)
    assert to_numbers(table["a"]).tolist() == [1234, 984] and table.attrs["decimals"] == {"a": "comma", "b": "comma"}
    parsed = parse_file(path, TableSchema())
    assert feature_revision(parsed.X, parsed.revision) == ":3"  # 1.234 was read as a fraction before


@pytest.mark.parametrize(
    "cells",
    [
        ["1-2", "3-4"],
        ["2+", "2-"],
        ["192.168.1.10", "10.0.0.1"],
        ["01.01.2024", "31.12.2024"],
        ["1,23", "1.23"],
        ["1,2345,6", "2"],
        ["(5", "6)"],
        ["5 kg", "6 kg"],
        ["--5", "+-6"],
        ["true", "false"],
    ],
)
def test_other_cells_stay_as_they_are(tmp_path: Path, cells: list[str]) -> None:
    table = read_table(write(tmp_path / "t.csv", cells))
    assert table["a"].tolist() == cells and table.attrs["decimals"] == {}


def test_a_cell_that_is_no_number_is_named_by_a_detector_of_written_numbers(tmp_path: Path) -> None:
    steps = parse_file(write(tmp_path / "t.csv", ["1.234,50 €", "5,00 €"], ";"), TableSchema()).preprocessing
    with pytest.raises(BadDataFile, match="holds numbers, but in row 1 'much'"):
        steps.apply(read_table(write(tmp_path / "new.csv", ["1.234,50 €", "much"], ";")), "new")


def test_what_was_rewritten_is_said_with_counts(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", ["$1,726.50", "-", "$3.25", "7"]))
    assert table.attrs["notes"][-1].endswith("numbers are rewritten in a (2 cells, such as $1,726.50 as 1726.5).")
