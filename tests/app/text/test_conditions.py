"""Parts of the line below a headline."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from app.text.conditions import (
    dataset_text,
    pool_text,
    sample_words,
    seeds_text,
    split_text,
    split_warnings,
    split_words,
)
from tests.tables import cancer


@pytest.mark.parametrize(
    ("contamination", "text"),
    [
        ("natural", "anomalies in the pool as found"),
        (0.0, "clean pool"),
        (0.05, "5 % of the pool anomalous"),
        (0.125, "12.5 % of the pool anomalous"),
    ],
)
def test_a_pool_is_named_by_its_contamination(contamination: float | str, text: str) -> None:
    assert pool_text(contamination) == text


@pytest.mark.parametrize(
    ("seeds", "text"), [([0], "seed 0"), ([7], "seed 7"), (range(5), "seeds 0 to 4"), ((3, 4), "seeds 3 to 4")]
)
def test_seeds_are_named_by_the_first_and_the_last(seeds: Sequence[int], text: str) -> None:
    assert seeds_text(seeds) == text


def test_a_data_set_is_named_by_its_file_if_it_has_one(tmp_path: Path) -> None:
    file = tmp_path / "cells.csv"
    cancer().to_csv(file, index=False)
    assert dataset_text(f"{file}?label=target&anomaly=malignant") == "cells.csv"
    assert dataset_text("digits_3") == "digits_3" and sample_words("digits_3") == ""


@pytest.mark.parametrize(("rows", "words"), [(None, ""), (20, "sample of 20 of 300 rows"), (300, ""), (5000, "")])
def test_a_sample_of_an_upload_is_named(rows: int | None, words: str) -> None:
    table = pd.DataFrame({"a": np.arange(300) * 7 % 31, "y": np.arange(300) % 100 == 0})
    upload = uploads.add("large.csv", io.BytesIO(table.to_csv(index=False).encode()), "me", "server")
    name = uploads.apply_schema(upload, make_schema({"rows": rows}))[0].name
    assert sample_words(name) == (f" on a {words}" if words else "")
    assert dataset_text(name) == (f"large.csv ({words})" if words else "large.csv")


def test_a_sample_of_a_file_is_named_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("not a table")
    assert dataset_text(f"{tmp_path / 't.csv'}?rows=20000") == "t.csv (sample of up to 20,000 rows)"


@pytest.mark.parametrize(
    ("query", "protocol", "words"),
    [
        ("", "leak_free", ""),
        ("", "published", "published split"),
        ("?time=mean radius", "leak_free", "random split"),
        ("?time=mean radius", "by_time", "split by time (mean radius): the latest 30% of the labeled rows"),
        ("?group=mean radius", "by_group", "split by group (mean radius): about 30% of the labeled rows"),
        ("?test=cells.csv", "test_file", "tested on the test file, in every seed"),
    ],
)
def test_a_split_is_named_with_its_column(tmp_path: Path, query: str, protocol: str, words: str) -> None:
    cancer().to_csv(tmp_path / "cells.csv", index=False)
    assert split_text(make_config(dataset=f"{tmp_path / 'cells.csv'}{query}", protocol=protocol)).startswith(words)
    assert (split_words(protocol) == "") == (protocol in ("leak_free", "published"))


@pytest.mark.parametrize(
    ("protocol", "counts", "sentences"),
    [
        ("leak_free", {"test_copies_of_training_part": 0, "groups_on_both_sides": 0}, []),
        ("published", {"test_copies_of_training_part": 5}, ["Leak: 50% of the test rows are copies of training rows"]),
        ("by_time", {"test_copies_of_training_part": 1}, ["10% of the test rows are copies of training rows, as in"]),
        ("leak_free", {"test_copies_of_training_part": 0, "groups_on_both_sides": 1}, ["1 group has rows in"]),
        ("by_time", {"test_copies_of_training_part": 0, "groups_on_both_sides": 1200}, ["1,200 groups have rows in"]),
    ],
)
def test_what_is_on_both_sides_is_counted(protocol: str, counts: dict[str, int], sentences: list[str]) -> None:
    written = split_warnings(protocol, {"test": 10, **counts})
    assert len(written) == len(sentences)
    assert all(text.startswith(begin) for text, begin in zip(written, sentences, strict=True))
