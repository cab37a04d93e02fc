"""Tests of parsed tables: features, labels, categories, missing values, shares, other rows."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import FileEntry, find, load_cached, resolve
from anoonly_core.data.dataset import Dataset, Provenance
from anoonly_core.data.split import make_split
from anoonly_core.data.tables import files
from anoonly_core.data.tables.columns import profile_column, to_numbers, to_words
from anoonly_core.data.tables.files import MAX_COLUMNS
from anoonly_core.data.tables.parsing import ParsedTable, parse_table
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import UNLABELED, TableSchema, make_schema
from anoonly_core.data.tables.uri import format_uri, parse_file, parse_uri, read_uri
from anoonly_core.errors import BadDataFile, InvalidConfig, OpenChoices, SplitImpossible

ROWS = 40
CARS = pd.DataFrame(
    {
        "weight": np.linspace(1000, 2000, ROWS),
        "origin": ["Europe", "Japan", "USA", "USA"] * (ROWS // 4),
        "power": [np.nan if row % 10 == 3 else 100.0 + row for row in range(ROWS)],
        "kind": ["", "sound", "sound", "faulty", "sound"] * (ROWS // 5),
    }
)
SETTINGS: dict[str, Any] = {"label": "kind", "anomaly": ("faulty",), "categories": "one_hot", "missing": "impute"}


def read(table: pd.DataFrame = CARS, **changes: Any) -> ParsedTable:
    return parse_table(table, make_schema(SETTINGS | changes), "cars")


def refused(table: pd.DataFrame = CARS, **changes: Any) -> str:
    with pytest.raises(BadDataFile) as caught:
        read(table, **changes)
    text = str(caught.value)
    assert text.startswith("cars") and text.endswith(".") and text.isprintable()
    return text


def test_numbers_stay_words_are_one_hot_encoded_and_medians_impute() -> None:
    parsed = read()
    assert parsed.preprocessing.features == ("weight", "origin = Europe", "origin = Japan", "origin = USA", "power")
    np.testing.assert_array_equal(parsed.X[:, 0], CARS["weight"].to_numpy(np.float32))
    np.testing.assert_array_equal(parsed.X[:, 1:4].sum(axis=1), 1)
    assert parsed.X[1, 2] == 1
    assert np.isnan(parsed.X[3::10, 4]).all(), "each run takes the median of its training rows"
    np.testing.assert_array_equal(parsed.filled()[3::10, 4], np.float32(np.nanmedian(CARS["power"])))
    np.testing.assert_array_equal(parsed.y, [-1, 0, 0, 1, 0] * (ROWS // 5))
    np.testing.assert_array_equal(parsed.file_rows, np.arange(ROWS))


def test_rows_with_missing_values_can_be_dropped() -> None:
    parsed = read(missing="drop")
    np.testing.assert_array_equal(parsed.file_rows, [row for row in range(ROWS) if row % 10 != 3])
    assert parsed.rows_in_file == ROWS and len(parsed.X) == len(parsed.y) == ROWS - 4
    with_blank_word = CARS.assign(origin=CARS["origin"].where(CARS.index != 0))
    assert 0 not in read(with_blank_word, missing="drop").file_rows
    assert read(with_blank_word).X[0, 1:4].tolist() == [0, 0, 0]


def test_columns_can_be_left_out() -> None:
    assert read(categories="leave_out").preprocessing.features == ("weight", "power")
    assert read(without=("power", "origin"), missing=None, categories=None).preprocessing.features == ("weight",)


def test_open_choices_are_refused() -> None:
    assert "hold words, not numbers: origin; say categories=one_hot" in refused(categories=None)
    assert "missing in power; say missing=impute" in refused(missing=None)
    assert "holds faulty, sound, and its labels must be 0 and 1, or say which" in refused(anomaly=())
    assert "no column left" in refused(without=("weight", "origin", "power"))


def _open_table() -> pd.DataFrame:
    return CARS.assign(
        day=pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d").astype(object),
        remark=[f"remark {row}" for row in range(ROWS)],
        hole=np.nan,
    )


OPEN = {
    "label": "the label column kind holds faulty, sound",
    "date": "column day holds dates: leave it out with without=, or say dates=parts",
    "words": "these columns hold words, not numbers: ",
    "missing": "values are missing in ",
    "empty": "column hole holds no value at all",
}


@pytest.mark.parametrize(
    ("made", "settled"),
    [
        ({}, ()),
        ({"anomaly": ("faulty",)}, ("label",)),
        ({"dates": "parts"}, ("date",)),
        ({"without": ("hole", "day")}, ("empty", "date")),
        ({"categories": "one_hot"}, ("words",)),
        ({"missing": "impute"}, ("missing",)),
        ({"anomaly": ("faulty",), "missing": "drop", "categories": "one_hot"}, ("label", "missing", "words")),
    ],
)
def test_all_open_choices_are_asked_in_one_error(
    tmp_path: Path, made: dict[str, Any], settled: tuple[str, ...]
) -> None:
    _open_table().to_csv(tmp_path / "t.csv", index=False)
    schema = make_schema({"label": "kind", **made})
    with pytest.raises(OpenChoices) as caught:
        parse_file(tmp_path / "t.csv", schema)
    error = str(caught.value)
    for name, words in OPEN.items():
        assert (words in error) == (name not in settled)
    assert len(caught.value.choices) == len(OPEN) - len(settled) and error.startswith(f"{tmp_path}")
    example = error.rpartition("for example ")[2].removesuffix(".")
    given = parse_uri(str(tmp_path / example))[1]
    parsed = parse_file(tmp_path / "t.csv", given)
    assert parsed.can_be_tested, "the example of the error is read"
    assert all(getattr(given, name) == value for name, value in made.items() if name != "without")


def test_an_unknown_label_is_asked_with_the_other_choices(tmp_path: Path) -> None:
    _open_table().rename(columns={"kind": "isFaulty"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        OpenChoices, match=r"no column is known as the label, which may be isFaulty \(sound: \d+"
    ) as error:
        parse_file(tmp_path / "t.csv", TableSchema())
    assert "?label=isFaulty&anomaly=faulty&" in str(error.value) and "say label=NAME" in error.value.choices[0]


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"categories": "one-hot"}, "not 'one-hot': did you mean one_hot?"),
        ({"missing": "imput"}, "did you mean impute?"),
        ({"decimal": "Comma"}, "did you mean comma?"),
        ({"encoding": "utf8"}, "did you mean utf-8"),
        ({"lable": "y"}, "no setting 'lable': did you mean label?"),
        ({"dates": "part"}, "did you mean parts?"),
    ],
)
def test_a_mistyped_schema_gets_a_suggestion(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        make_schema(values)
    assert hint in str(caught.value)


def test_a_mistyped_column_gets_a_suggestion() -> None:
    with pytest.raises(BadDataFile, match=r"^cars has no column Wieght: did you mean weight\?$"):
        read(without=("Wieght",))
    assert "has no column nothing: it has " in refused(without=("nothing",))


def test_normal_values_can_replace_anomalous_ones() -> None:
    np.testing.assert_array_equal(read(anomaly=(), normal=("sound",)).y, read().y)
    with pytest.raises(InvalidConfig, match="not both"):
        make_schema({"anomaly": ("a",), "normal": ("b",)})
    assert "does not contain broken: it contains faulty, sound" in refused(anomaly=("broken",))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 1.0, np.nan], ["0", "1", ""]),
        ([True, False, None], ["True", "False", ""]),
        ([" a ", "", "b"], ["a", "", "b"]),
        ([0.5, 2.0**60, -3.0], ["0.5", "1.152921504606847e+18", "-3"]),
    ],
)
def test_cells_as_words(values: list[Any], words: list[str]) -> None:
    assert to_words(pd.Series(values)).tolist() == words


def test_draws_to_a_share_are_nested() -> None:
    many = pd.DataFrame({"a": np.arange(1000.0), "digit": np.arange(1000) % 10})
    drawn = {share: read(many, label="digit", anomaly=("4", "7"), share=share).drawn for share in (0.02, 0.05, 0.1)}
    for share, stays in drawn.items():
        y = read(many, label="digit", anomaly=("4", "7"), share=share).y[stays]
        assert (y == 0).sum() == 800 and y.mean() == pytest.approx(share, abs=1e-3)
    assert (drawn[0.02] <= drawn[0.05]).all() and (drawn[0.05] <= drawn[0.1]).all()
    assert "for a share of 0.2 at most, not of 0.5" in refused(many, label="digit", anomaly=("4", "7"), share=0.5)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["1", "2", "x", "4"] * 10, "column weight holds numbers, but in row 2 'x'"),
        ([f"word {row}" for row in range(ROWS)], "hold words"),
        (pd.date_range("2020", periods=ROWS), "column weight holds dates"),
        ([np.nan] * ROWS, "column weight holds no value at all"),
        ([1.0, np.inf] * 20, "column weight holds an infinite value"),
        ([1.0, -1e39] * 20, "in row 1"),
        ([{"a": 1}] * ROWS, "neither numbers nor words"),
    ],
)
def test_columns_that_cannot_be_used_are_named(column: Any, words: str) -> None:
    assert words in refused(CARS.assign(weight=column), categories=None)


def test_too_many_words_are_no_categories() -> None:
    many = pd.DataFrame({"name": [f"person {row}" for row in range(60)], "a": 1.0, "y": [0, 1] * 30})
    assert "60 different words, too many" in refused(many, label="y", anomaly=("1",))
    look = profile_column("name", many["name"])
    assert not look.usable and look.count == 60


def test_a_label_of_too_many_values_is_refused() -> None:
    many = pd.DataFrame({"a": np.arange(1001.0), "b": np.arange(1001.0)})
    assert "1001 different values" in refused(many, label="a")


# Preprocessing of other rows


def test_preprocessing_survives_json_and_applies_to_other_rows() -> None:
    parsed = read()
    again = Preprocessing.model_validate_json(parsed.preprocessing.model_dump_json())
    assert again == parsed.preprocessing
    rows = CARS.iloc[[5, 3, 8]].reset_index(drop=True)
    X, kept = again.apply(rows[["power", "origin", "weight"]], "more")
    np.testing.assert_array_equal(X.astype(np.float32), parsed.filled()[[5, 3, 8]])
    assert kept.all()
    X, _ = again.apply(rows.assign(origin="Mars"), "more")
    assert (X[:, 1:4] == 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"power": "strong"}, "column power holds"),
        ({"power": [1.0, np.inf] * 20}, "column power holds an infinite value"),
    ],
)
def test_other_rows_that_do_not_fit_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadDataFile, match=words):
        read().preprocessing.apply(CARS.assign(**change), "more")
    with pytest.raises(BadDataFile, match="lacks columns that the features are made of: power"):
        read().preprocessing.apply(CARS.drop(columns="power"), "more")
    with pytest.raises(BadDataFile, match="row 3 has a missing value, and nothing stands in"):
        read(CARS.fillna({"power": 1.0}), missing=None).preprocessing.apply(CARS, "more")


# File URIs


def test_a_uri_names_file_and_schema(tmp_path: Path) -> None:
    path = tmp_path / "cars, new.csv"
    CARS.to_csv(path, index=False)
    schema = make_schema(SETTINGS | {"without": ("weight",)})
    uri = format_uri(str(path), schema)
    assert uri.endswith("?label=kind&anomaly=faulty&without=weight&categories=one_hot&missing=impute")
    assert parse_uri(uri) == (path, schema)
    np.testing.assert_array_equal(read_uri(uri).X, read(without=("weight",)).X)
    entry = resolve(uri)
    assert isinstance(entry, FileEntry) and entry.name == uri
    assert (entry.path, entry.schema) == (path, schema)
    assert resolve(uri).identity != resolve(uri.replace("impute", "drop")).identity
    assert make_config(dataset=uri).dataset == uri


@pytest.mark.parametrize("odd", ["a,b", "a&b=c", "100%", "a?b", "ü ö", "a+b", '"'])
def test_odd_names_survive_a_uri(tmp_path: Path, odd: str) -> None:
    path = tmp_path / f"{odd.replace('/', '')}.csv"
    table = CARS.rename(columns={"kind": odd}).replace({odd: {"faulty": f"not {odd}"}})
    table.to_csv(path, index=False)
    uri = format_uri(str(path), make_schema(SETTINGS | {"label": odd, "anomaly": (f"not {odd}",)}))
    np.testing.assert_array_equal(read_uri(uri).y, read().y)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("color=red", "no setting 'color'"),
        ("missing=guess", "missing must be impute or drop, not 'guess'"),
        ("share=2", "share must be a number above 0"),
        ("categories=", "categories must be"),
    ],
)
def test_an_invalid_uri_is_refused(tmp_path: Path, query: str, words: str) -> None:
    CARS.to_csv(tmp_path / "cars.csv", index=False)
    for use in (resolve, find, load_cached):
        with pytest.raises(InvalidConfig, match=words):
            use(f"{tmp_path / 'cars.csv'}?{query}")


# Unlabeled rows


def partly_labeled() -> Dataset:
    values = np.random.default_rng(0).normal(size=(400, 3))
    label = np.where(np.arange(400) % 10 == 0, "1", np.where(np.arange(400) % 3 == 0, "0", ""))
    table = pd.DataFrame(values, columns=list("abc")).assign(y=label)
    table.loc[len(table)] = [*values[0], ""]  # a copy of a labeled row that itself has no label
    return parse_table(table, TableSchema(), "part").dataset("part", Provenance("", ""))


def test_unlabeled_rows_are_in_the_pool_and_never_tested_on() -> None:
    dataset = partly_labeled()
    assert dataset.unlabeled is not None and dataset.unlabeled.sum() == UNLABELED * -(400 - 40 - 120 + 1)
    for seed in range(5):
        split = make_split(dataset, make_config(dataset="digits_3", seed=seed, contamination=0.2))
        assert not dataset.unlabeled[split.test].any()
        pool = np.unique(split.train[~split.labeled])
        originals = set(np.flatnonzero(dataset.unlabeled[:-1])) - set(split.test)
        assert originals <= set(pool)
        # The copy trains only where the row that it is a copy of is not tested on.
        assert (400 in set(split.train)) != (0 in set(split.test))
        known = split.counts["pool_anomalies"] / (split.counts["pool_anomalies"] + split.counts["pool_normal"])
        assert known == pytest.approx(0.2, abs=0.03)
        assert split.counts["pool_unlabelled"] == dataset.unlabeled[split.train].sum()
    with pytest.raises(SplitImpossible, match="take leak_free"):
        make_split(dataset, make_config(dataset="digits_3", protocol="published"))


def test_the_fingerprint_depends_on_the_unlabeled_rows() -> None:
    dataset = partly_labeled()
    assert dataset.fingerprint != replace(dataset, unlabeled=None).fingerprint


# Files


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_found_in_the_first_line(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "cars.csv"
    CARS.to_csv(path, index=False, sep=separator)
    table = read_table(path)
    assert list(table.columns) == list(CARS.columns)
    for name in ("weight", "power"):
        np.testing.assert_array_equal(to_numbers(table[name]), CARS[name])


def test_gzipped_csv_reads_like_csv(tmp_path: Path) -> None:
    for name in ("cars.csv", "cars.csv.gz"):
        CARS.to_csv(tmp_path / name, index=False)
    query = "?label=kind&anomaly=faulty&without=origin&missing=drop"
    plain, packed = (resolve(f"{tmp_path / name}{query}").load() for name in ("cars.csv", "cars.csv.gz"))
    assert plain.fingerprint == packed.fingerprint
    whole = (tmp_path / "cars.csv.gz").read_bytes()
    for length in range(0, len(whole), len(whole) // 20):
        (tmp_path / "cut.csv.gz").write_bytes(whole[:length])
        with pytest.raises(BadDataFile):
            read_table(tmp_path / "cut.csv.gz")


def test_files_beyond_the_limits_are_refused_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{column}" for column in range(100_000)) + "\n")
    with pytest.raises(BadDataFile, match=f"100000 columns, and at most {MAX_COLUMNS}"):
        read_table(wide)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2 << 30)  # sparse
    with pytest.raises(BadDataFile, match="2048 MB, and at most 200 MB"):
        read_table(huge)
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**24)
    bomb = tmp_path / "bomb.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as packed:
        packed.write(b"a,y\n")
        line = b"1,0\n" * (1 << 18)
        for _ in range(20):
            packed.write(line)
    with pytest.raises(BadDataFile, match="unpacked it has more than"):
        read_table(bomb)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**24)

    path = tmp_path / "bomb.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (5_000_000, 1)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("X.npy", "w") as to:
        to.write(head.getvalue())
        for _ in range(20):
            to.write(b"\0" * (1 << 20))
    with pytest.raises(BadDataFile, match="unpacked it has more than"):
        read_table(path)
