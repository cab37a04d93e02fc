"""Tests of samples of large tables: all labeled anomalies, and a fixed draw of the other rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables.parsing import ParsedTable, parse_table
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.data.tables.uri import read_uri
from anoonly_core.errors import BadDataFile, InvalidConfig

ROWS = 1000
RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": RANDOM.normal(size=ROWS).round(3), "b": RANDOM.integers(0, 99, ROWS)})
Y = np.where(np.arange(ROWS) % 50 == 0, 1, 0)  # 20 anomalies
PARTLY = np.where(np.arange(ROWS) % 4 == 1, None, Y.astype(object))  # a quarter has no label


def parse(labels: np.ndarray, rows: int | None, **settings: object) -> ParsedTable:
    return parse_table(TABLE.assign(y=labels), make_schema({"rows": rows, **settings}), "t")


@pytest.mark.parametrize("rows", [22, 30, 100, 500, 999])
@pytest.mark.parametrize("labels", [Y, PARTLY], ids=["labeled", "partly"])
def test_a_sample_keeps_all_anomalies_and_the_proportion_of_the_others(labels: np.ndarray, rows: int) -> None:
    parsed = parse(labels, rows)
    y, kept = parsed.y, parsed.y[parsed.drawn]
    assert len(kept) == rows and (kept == 1).sum() == (y == 1).sum()
    room, unlabeled = rows - (y == 1).sum(), (y == -1).sum()
    expected = room * unlabeled / (y < 1).sum()
    assert abs((kept == -1).sum() - expected) <= 1
    assert len(parsed.dataset("t", resolve("digits_3").load().provenance).X) == rows


def test_samples_are_fixed_and_nested() -> None:
    small, large = (parse(Y, rows).drawn for rows in (100, 300))
    assert (small <= large).all()
    np.testing.assert_array_equal(small, parse(Y, 100).drawn)


@pytest.mark.parametrize("rows", [None, 1000, 5000])
def test_a_table_that_is_not_larger_stays_whole(rows: int | None) -> None:
    parsed = parse(Y, rows)
    assert parsed.drawn.all() and not any("sample" in note for note in parsed.notes)


def test_a_sample_is_said_with_the_share_that_changes() -> None:
    (note,) = (note for note in parse(Y, 100).notes if "sample" in note)
    assert note.startswith(
        "t: a sample of 100 of 1,000 rows with 20 labeled anomalies, which are 20.0% of its labeled rows instead of "
        "2.0%"
    )


def test_a_sample_goes_with_a_share_of_anomalies() -> None:
    parsed = parse(Y, 200, share=0.01)
    assert parsed.drawn.sum() == 200 and (parsed.y[parsed.drawn] == 1).sum() == 10


@pytest.mark.parametrize("rows", [10, 20])
def test_a_sample_without_room_beside_the_anomalies_is_refused(rows: int) -> None:
    with pytest.raises(BadDataFile, match="has 20 labeled anomalies, which a sample keeps: set rows= to more than 21"):
        parse(Y, rows)


@pytest.mark.parametrize("rows", [0, 9, -5, "many", 1.5])
def test_wrong_sizes_are_refused(rows: object) -> None:
    with pytest.raises(InvalidConfig, match="rows must be a whole number from 10"):
        make_schema({"rows": rows})


def test_a_sample_is_part_of_the_identity_of_a_table(tmp_path: Path) -> None:
    TABLE.assign(y=Y).to_csv(tmp_path / "t.csv", index=False)
    path = str(tmp_path / "t.csv")
    whole, sample, other = (resolve(uri).identity for uri in (path, f"{path}?rows=100", f"{path}?rows=200"))
    assert len({whole, sample, other}) == 3 and sample.startswith(whole.removesuffix(":float64"))
    assert "rows" not in resolve(f"{path}?missing=drop").identity, "other tables keep their identity"
    assert read_uri(f"{path}?rows=100").drawn.sum() == 100
