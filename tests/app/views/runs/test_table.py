"""The table of the stored runs: what it holds, what the filters leave, what is exported."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.results.parquet import to_parquet
from anoonly_core.results.store import RunSummary
from app.text.labels import OPTION_WORDS
from app.views.runs.table import WORDS, filter_runs, in_words, runs_sentence, runs_table


def a_run(key: str, created: float = 0.0, pinned: bool = False, **settings: Any) -> RunSummary:
    metrics = {"aucroc": 0.9, "aucpr_anomaly": 0.5, "aucpr_normal": 0.99, "aucpr_normal_published": 0.8}
    config = make_config(**settings).model_dump(mode="json")
    return RunSummary(key, config, "cpu", metrics, {"train": 0.5, "score": 0.1}, {}, created, pinned, 2**20)


RUNS = [
    a_run("d", 4e9, dataset="digits_8", lambda_n=0.1, norm="layer", seed=3),
    a_run("c", 3.0, pinned=True, baseline="XGBOD", contamination=0.05),
    a_run("b", 2.0, lambda_n=0.0, seed=30, epochs=7),
    a_run("a", 1.0, dataset="my folder/table.csv", lambda_n=1e-6),
]


def test_a_row_says_what_is_known_of_its_run() -> None:
    table = runs_table(RUNS)
    assert list(table.index) == ["d", "c", "b", "a"]
    row = table.loc["d"]
    shown = {name: None if row[name] is pd.NA else row[name] for name in RUNS[0].config}
    assert shown == {**RUNS[0].config, "contamination": "natural"}
    assert (row["aucpr_normal"], row["seconds_train"], row["device"], row["pinned"]) == (0.99, 0.5, "cpu", False)
    assert row["created"] == pd.Timestamp("2096-10-02T07:06:40Z")
    assert table.loc["b", "epochs"] == 7 and table.loc["c", "contamination"] == "0.05"


def test_what_a_comparator_lacks_is_missing() -> None:
    table = runs_table(RUNS)
    lacking = ["lambda_n", "norm", "batch_size", "epochs", "learning_rate"]
    assert table.loc["c", lacking].isna().all()
    assert table.loc[["a", "b", "d"], lacking].notna().all(axis=None)


def test_a_table_of_nothing_has_the_same_columns() -> None:
    nothing = runs_table([])
    assert len(nothing) == 0
    assert (nothing.dtypes == runs_table(RUNS).dtypes).all()


def test_damaged_values_are_missing() -> None:
    run = a_run("x")
    run.config.update(epochs="many", lambda_n="abc", seed=1.5)
    run.metrics["aucroc"] = "high"  # type: ignore[assignment]
    row = runs_table([run]).loc["x"]
    assert pd.isna(row["epochs"]) and pd.isna(row["lambda_n"]) and pd.isna(row["aucroc"])


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({}, "dcba"),
        ({"dataset": "digits_3"}, "cb"),
        ({"baseline": "XGBOD"}, "c"),
        ({"lambda_n": 1e-6}, "a"),
        ({"lambda_n": 0.5}, ""),
        ({"only_pinned": True}, "c"),
        ({"dataset": "digits_3", "only_pinned": False, "words": "DeepSAD"}, "b"),
        ({"words": "layer"}, "d"),
        ({"words": "layer norm"}, "d"),
        ({"words": "scale and shift"}, "ba"),
        ({"words": "paper's text leak_free"}, "dcba"),
        ({"words": "SEED=3"}, "d"),
        ({"words": "seed=3 norm=layer"}, "d"),
        ({"words": "seed=3 epochs=7"}, ""),
        ({"words": "lambda_n=1e-06"}, "a"),
        ({"words": "contamination=natural  digits"}, "db"),
        ({"words": "folder"}, "a"),
        ({"words": "(["}, ""),
        ({"words": "  "}, "dcba"),
    ],
)
def test_filters_leave_what_they_say(filters: dict[str, Any], left: str) -> None:
    assert "".join(filter_runs(runs_table(RUNS), **filters).index) == left


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("norm", "batch_no_affine", "batch norm without scale and shift"),
        ("norm", "bn_loss", "no norm, batch-norm loss"),
        ("norm", "none", "no norm"),
        ("preset", "published_code", "the authors' code"),
        ("protocol", "published", "as published, with a leak"),
        ("contamination", "natural", "natural"),
    ],
)
def test_options_are_in_plain_words_on_the_page_and_by_their_names_in_a_file(name: str, code: str, words: str) -> None:
    table = runs_table([a_run("x", dataset="wine", pinned=True, **{name: code}), a_run("y", baseline="XGBOD")])
    shown = in_words(table)
    assert shown.loc["x", name] == words and table.loc["x", name] == code and f",{code}," in table.to_csv()
    assert shown.loc["x", ["pinned", "device"]].tolist() == ["yes", "CPU"]
    assert shown["norm"].isna().tolist() == [False, True]


def test_no_name_of_an_option_in_the_code_is_left_on_the_page() -> None:
    for name in ("norm", "preset", "protocol"):
        codes = [code for code in OPTION_WORDS[name] if (name, code) != ("norm", "published")]  # a run has the norm
        table = pd.DataFrame({"pinned": True, "device": "cuda", **dict.fromkeys(WORDS, pd.array(codes, dtype="str"))})
        shown = in_words(table)
        assert not shown[name].str.contains("_").any() and not set(shown[name]) & set(codes), name
        assert set(shown["device"]) == {"GPU"}


def test_the_sentence_counts() -> None:
    table = runs_table(RUNS)
    assert runs_sentence(table, 4, 57 * 2**20, 2**31) == (
        "4 runs of 3 data sets, 57 MB of at most 2048 MB; the oldest runs without a pin are removed first."
    )
    assert runs_sentence(table, 1, 2**19, 2**31).endswith(
        " 0.5 MB of at most 2048 MB; the oldest runs without a pin are removed first. 1 of them is listed."
    )
    assert runs_sentence(table[:1], 1, 0, 2**20).startswith("1 run of 1 data set, ")


def test_exports_hold_every_column() -> None:
    table = runs_table(RUNS)
    again = pd.read_parquet(io.BytesIO(to_parquet(table)))
    pd.testing.assert_frame_equal(again.set_index("key"), table, check_index_type=False)
    text = pd.read_csv(io.StringIO(table.to_csv()), index_col="key")
    assert list(text.columns) == list(table.columns)
    assert text["dataset"].tolist() == table["dataset"].tolist()
    assert text["aucroc"].tolist() == table["aucroc"].tolist()
