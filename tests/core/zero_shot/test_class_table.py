"""Class tables: digits, MVTec-AD products and files; invalid tables are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.errors import AnoOnlyError, BadDataFile, DatasetUnavailable, UnknownDataset
from anoonly_core.zero_shot.class_table import CLASS_TABLES, class_table_identity, load_class_table
from tests.previews import write_digits


@pytest.mark.parametrize("name", CLASS_TABLES)
def test_every_table_is_complete(name: str, real_data: Path) -> None:
    table = load_class_table(name)
    assert table.X.dtype == np.float32 and np.isfinite(table.X).all()
    assert len(table.X) == len(table.classes) == len(table.anomalous)
    assert len(set(table.names)) == len(table.names) >= 3
    for number, own in enumerate(table.names):
        rows = table.rows_of(own)
        assert len(rows) and (table.classes[rows] == number).all() and not table.anomalous[rows].any()
    both = [table.rows_of(own, kind) for own in table.names for kind in (False, True)]
    assert sorted(np.concatenate(both)) == list(range(len(table.X)))
    assert class_table_identity(name) == class_table_identity(name)


def test_products_have_anomalies_per_class_and_digits_have_none(real_data: Path) -> None:
    products, digits = load_class_table("MVTec-AD"), load_class_table("digits")
    assert products.has_class_anomalies and not digits.has_class_anomalies
    assert len(products.names) == 10 and "10 products at hand" in products.provenance.note
    assert len(products.rows_of("bottle")) == 229 and len(products.rows_of("bottle", anomalous=True)) == 63


def test_missing_products_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    with pytest.raises(DatasetUnavailable, match=r"0 of MVTec-AD's 15 products are on this machine.*fetch MVTec-AD_"):
        load_class_table("MVTec-AD")


@pytest.fixture
def wines() -> pd.DataFrame:
    rows = np.random.default_rng(0).normal(size=(12, 3))
    return pd.DataFrame(rows, columns=["a", "b", "c"]).assign(kind=["red", "white", "rosé", None] * 3)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_any_column_of_a_file_can_be_the_class(wines: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"wines{suffix}"
    wines.to_csv(path, index=False) if suffix == ".csv" else wines.to_parquet(path)
    table = load_class_table(str(path), "kind")
    assert table.names == ("red", "rosé", "white") and len(table.X) == 9, "rows without a class are left out"
    np.testing.assert_allclose(table.X[table.rows_of("white")], wines.loc[[1, 5, 9], ["a", "b", "c"]], rtol=1e-6)
    assert class_table_identity(str(path), "kind") != class_table_identity(str(path), "a")


def test_the_y_of_an_npz_file_is_the_class(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.arange(12.0).reshape(6, 2), y=[7, 8, 9, 7, 8, 9])
    assert load_class_table(str(tmp_path / "t.npz")).names == ("7", "8", "9")


@pytest.mark.parametrize(
    ("column", "change", "words"),
    [
        (None, {}, "has no column for the class yet: name one of a, b, c, kind"),
        ("sort", {}, "has no column sort: it has a, b, c, kind"),
        ("kind", {"a": ["one", "two"] * 6}, "these columns hold words, not numbers: a"),
        ("kind", {"kind": ["x", "y"] * 6}, "has 2 classes"),
        ("kind", {"b": np.inf}, "infinite"),
    ],
)
def test_an_unsuitable_file_is_refused(
    wines: pd.DataFrame, tmp_path: Path, column: str | None, change: dict[str, object], words: str
) -> None:
    wines.assign(**change).to_csv(tmp_path / "wines.csv", index=False)
    with pytest.raises(BadDataFile, match=words):
        load_class_table(str(tmp_path / "wines.csv"), column)


@pytest.mark.parametrize("name", ["nothing", "digits_3", "no/such/file.csv", "", "x" * 500])
def test_an_unknown_name_is_refused(name: str) -> None:
    for ask in (load_class_table, class_table_identity):
        with pytest.raises(UnknownDataset):
            ask(name)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet", ".npz"):
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(b"\x00\xff\n" * 50)
        with pytest.raises(AnoOnlyError):
            load_class_table(str(path), "kind")


def test_rows_of_a_feature_file_keep_their_previews(tmp_path: Path) -> None:
    table = load_class_table(str(write_digits(tmp_path / "digits.npz", 120)), "y")
    assert table.previews is not None and table.row_ids is not None and len(table.row_ids) == 120
    row = int(table.rows_of("7")[3])
    assert table.previews.name(int(table.row_ids[row])).startswith("7/")
    assert load_class_table("digits").previews is None
