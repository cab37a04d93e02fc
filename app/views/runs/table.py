"""The stored runs as one table, which the Runs page lists, filters and exports."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.store import RunSummary

from ...text.labels import MEGABYTE, format_value, option_words

__all__ = ["filter_runs", "in_words", "runs_sentence", "runs_table"]

SETTINGS = tuple(RunConfig.model_fields)
WORDS = ("dataset", "baseline", "norm", "grad_place", "contamination", "preset", "protocol")
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
WHOLE = ("batch_size", "epochs", "seed")  # of the settings; the others are fractions


def runs_table(runs: Iterable[RunSummary]) -> pd.DataFrame:
    """Return the stored runs as a table, one run a row in the order given, indexed by run key.

    Columns: pinned, the settings by field name of `RunConfig` (contamination as text), the metrics, created (UTC),
    seconds_train, seconds_score, device, bytes. A setting that a system lacks is missing.
    """
    listed = list(runs)
    table = pd.DataFrame(index=pd.Index([run.key for run in listed], name="key", dtype="str"))
    table["pinned"] = np.array([run.pinned for run in listed], dtype=bool)
    for name in SETTINGS:
        values = [run.config[name] for run in listed]
        if name in WORDS:
            table[name] = pd.array([None if value is None else format_value(value) for value in values], dtype="str")
        else:
            table[name] = _numbers(values, name in WHOLE).array
    for name in METRICS:
        table[name] = _numbers([run.metrics.get(name) for run in listed]).array
    table["created"] = pd.to_datetime(np.array([run.created for run in listed], dtype=float), unit="s", utc=True)
    for name in ("train", "score"):
        table[f"seconds_{name}"] = _numbers([run.seconds.get(name) for run in listed]).array
    table["device"] = pd.array([run.device for run in listed], dtype="str")
    table["bytes"] = np.array([run.bytes for run in listed], dtype=np.int64)
    return table


def _numbers(values: list[object], whole: bool = False) -> pd.Series:
    """Convert values to a nullable Float64 series, with `whole` to rounded Int64; non-numbers become missing."""
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").astype("Float64")
    return numbers.round().astype("Int64") if whole else numbers


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table from `runs_table` for a reader, with options in plain words.

    Pinned runs have "yes", others ""; devices are "CPU" and "GPU".
    """
    worded = {name: table[name].map(partial(option_words, name), na_action="ignore") for name in WORDS}
    return table.assign(
        **worded,
        pinned=table["pinned"].map({True: "yes", False: ""}),
        device=table["device"].map(DEVICES).fillna(table["device"]),
    )


def filter_runs(
    table: pd.DataFrame,
    dataset: str | None = None,
    baseline: str | None = None,
    lambda_n: float | None = None,
    only_pinned: bool = False,
    words: str = "",
) -> pd.DataFrame:
    """Return the rows of a table from `runs_table` that match all filters.

    Parameters
    ----------
    table : pd.DataFrame
        The table.
    dataset, baseline, lambda_n
        Required value of the setting; None accepts any.
    only_pinned : bool
        True to leave out runs without a pin.
    words : str
        Words separated by spaces, such as "norm=layer seed=3". Each must occur in the settings, in plain words or as in
        the code; one with "=" must be a whole setting.
    """
    keep = table["pinned"] | (not only_pinned)
    for name, value in (("dataset", dataset), ("baseline", baseline), ("lambda_n", lambda_n)):
        if value is not None:
            keep &= (table[name] == value).fillna(False).astype(bool)
    if wanted := words.casefold().split():
        row_texts = [
            " ".join(["", *(f"{name}={format_value(value)}" for name, value in row.items() if not pd.isna(value)), ""])
            for row in table[list(SETTINGS)].to_dict("records")
        ]
        plain = in_words(table)[list(WORDS)].fillna("").agg(" ".join, axis=1)
        text = (pd.Series(row_texts, index=table.index, dtype="str") + plain).str.casefold()
        for word in wanted:
            keep &= text.str.contains(f" {word} " if "=" in word else word, regex=False)
    return table[keep]


def runs_sentence(table: pd.DataFrame, listed: int, bytes_: int, max_bytes: int) -> str:
    """Return the headline: numbers of runs and data sets, size of the store, and number of runs in the list.

    Parameters
    ----------
    table : pd.DataFrame
        All runs, from `runs_table`.
    listed : int
        Number of runs that the filters leave; not mentioned if it is all of them.
    bytes_, max_bytes : int
        Size and maximum size of the store in bytes.
    """
    runs = _count(len(table), "run")
    sets = _count(table["dataset"].nunique(), "data set")
    size = bytes_ / MEGABYTE
    of_these = "" if listed == len(table) else f" {listed} of them {'is' if listed == 1 else 'are'} listed."
    return (
        f"{runs} of {sets}, {size:.{0 if size >= 10 else 1}f} MB of at most {max_bytes / MEGABYTE:.0f} MB; "
        f"the oldest runs without a pin are removed first.{of_these}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
