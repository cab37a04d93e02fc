"""Tests with real tables, and with small random tables that are read or refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import make_split
from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.uri import read_uri
from anoonly_core.errors import AnoOnlyError
from anoonly_core.runs.run import run_each
from anoonly_core.runs.stacking import RunOutcome
from tests.tables import cancer, digits, penguins

# ADBench files in the folder of real data.
CLASSICAL = (
    *("6_cardio", "10_cover", "20_letter", "26_optdigits", "28_pendigits", "31_satimage-2", "38_thyroid", "43_WDBC"),
)


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_adbench_file_exported_as_text_and_parquet_is_the_same_data(name: str, tmp_path: Path) -> None:
    entry = adbench.find_entry(name)
    if "ANOONLY_DATA" not in os.environ or entry is None or not adbench.is_local(entry):
        pytest.skip(f"{name} is not in ANOONLY_DATA")
    dataset = resolve(name).load()
    table = pd.DataFrame(dataset.X).add_prefix("x").assign(label=dataset.y)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet", index=False)
    constant = [column for column in table.columns if table[column].nunique() == 1]  # 26_optdigits has two
    keep = f"?keep={','.join(constant)}" if constant else ""
    for suffix in ("csv", "parquet"):
        assert resolve(f"{tmp_path / f't.{suffix}'}{keep}").load().fingerprint == dataset.fingerprint


def test_digits_and_cancer_come_with_their_class_columns(tmp_path: Path) -> None:
    digits().to_csv(tmp_path / "digits.csv", index=False)
    dataset = resolve(f"{tmp_path / 'digits.csv'}?label=digit&anomaly=3&share=0.05").load()
    assert dataset.rows == resolve("digits_3").load().rows and dataset.anomaly_share == pytest.approx(0.05, abs=1e-3)
    cancer().to_parquet(tmp_path / "cells.parquet")
    dataset = resolve(f"{tmp_path / 'cells.parquet'}?label=target&anomaly=malignant").load()
    assert (dataset.rows, dataset.columns, int(dataset.y.sum())) == (569, 30, 212)


def test_penguins_have_missing_values_and_words() -> None:
    path = penguins()
    for query, rows, features in (
        ("categories=one_hot&missing=impute", 344, 10),  # five numbers, three islands, two sexes
        ("categories=leave_out&missing=impute", 344, 5),
        ("categories=one_hot&missing=drop", 333, 10),
    ):
        dataset = resolve(f"{path}?label=species&anomaly=Chinstrap&{query}").load()
        assert (dataset.rows, dataset.columns, int(dataset.y.sum())) == (rows, features, 68)
        assert make_split(dataset, make_config()).counts["pool_unlabelled"] == 0


def test_the_suggested_schema_reads_raw_penguins() -> None:
    """Names, dates and remarks are left out, and the rarest species is the anomaly."""
    table = read_table(penguins(raw=True))
    schema = suggest_schema(profile_table(table))
    assert schema.label == "Species" and schema.anomaly == ("Chinstrap penguin (Pygoscelis antarctica)",)
    assert {"Individual ID", "Date Egg"} <= set(schema.without)
    assert (schema.categories, schema.missing) == ("one_hot", "impute")
    parsed = parse_table(table, schema, "penguins-raw.csv")
    assert len(parsed.X) == 344 and (parsed.y == 1).sum() == 68 and np.isfinite(parsed.filled()).all()


# Small random tables: a result, or one clear sentence.

WORDS = st.sampled_from(
    ["", "a", "b", "?", "NA", "1", "0", "-1.5", "1e39", "inf", "x,y", '"', "ü", "2020-01-01", "nan"]
)
NAMES = st.lists(st.sampled_from(["a", "b", "y", "label", "c d", "", "<script>", "id"]), min_size=1, max_size=5)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    names = draw(NAMES)
    rows = draw(st.integers(0, 12))
    columns = [
        draw(st.one_of(st.lists(WORDS, min_size=rows, max_size=rows), st.just([str(row % 3) for row in range(rows)])))
        for _ in names
    ]
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = pd.Index(names)
    return frame


def trained(dataset: Dataset, config: RunConfig) -> RunOutcome:
    ((_, outcome),) = run_each({"one": config}, load=lambda name: dataset)
    return outcome


@given(
    *(tables(), st.sampled_from([None, "one_hot", "leave_out"]), st.sampled_from([None, "impute", "drop"])),
    *(st.sampled_from(["DeepSAD", "DevNet", "PReNet"]), st.sampled_from([0.0, 1.0])),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_table_is_read_or_refused_in_a_sentence(
    tmp_path: Path,
    table: pd.DataFrame,
    categories: str | None,
    missing: str | None,
    baseline: str,
    lambda_n: float,
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table.to_csv(index=False), encoding="utf-8")
    try:
        frame = read_table(path)
        likely = suggest_schema(profile_table(frame))
        for schema in (TableSchema(categories=categories, missing=missing), likely):
            parsed = parse_table(frame, schema, "t.csv")
            assert (
                parsed.X.dtype == np.float32
                and np.isfinite(parsed.filled()).all()
                and len(parsed.X) == len(parsed.y) >= 1
            )
            assert parsed.X.shape[1] == len(parsed.preprocessing.features) >= 1
            dataset = parsed.dataset("t.csv", parsed.unlabeled_dataset("t.csv").provenance)
            config = make_config(seed=3, baseline=baseline, lambda_n=lambda_n, epochs=1)
            split = make_split(dataset, config)
            assert set(split.train).isdisjoint(split.test)
            outcome = trained(dataset, config)
            if isinstance(outcome, AnoOnlyError):
                raise outcome
            assert np.isfinite(outcome.scores).all()
    except AnoOnlyError as error:
        sentence, choices = str(error), getattr(error, "choices", ())  # an error names all open choices
        assert sentence.endswith((".", "?")) and sentence.isprintable() and len(sentence) < 600 + 300 * len(choices)


@given(st.binary(max_size=200), st.sampled_from(["csv", "csv.gz", "parquet", "npz"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_in_a_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(content)
    try:
        read_uri(str(path))
    except AnoOnlyError as error:
        assert str(error).endswith(".") and str(error).isprintable()
