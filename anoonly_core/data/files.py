"""A table from a file of the user's: .csv, .parquet or .npz, with a label column of 0 and 1."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.errors import BadDataFile, UnknownDataset

__all__ = [
    "FILE_SUFFIXES",
    "LABEL_COLUMNS",
    "check_file",
    "file_fingerprint",
    "load_file",
    "numbers",
    "one_line",
    "read_arrays",
    "read_table",
    "suffix_of",
]

FILE_SUFFIXES = (".csv", ".parquet", ".npz")
LABEL_COLUMNS = ("y", "label", "anomaly", "target")


def load_file(path: Path) -> Dataset:
    """Read a table: X and y of an .npz file, or the columns of a .csv or .parquet file.

    The label column is the first of LABEL_COLUMNS that the table has; all others must be numbers.
    Raises UnknownDataset or BadDataFile with one sentence.
    """
    check_file(path)
    X, y = read_arrays(path, "0 or 1") if suffix_of(path) == ".npz" else _columns(path)
    return make_dataset(one_line(path.name), X, y, Provenance(f"the file {one_line(path)}", "yours"))


def file_fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes; raises UnknownDataset or BadDataFile where they cannot be had."""
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataFile(f"{one_line(path)} cannot be read: {error.strerror}.") from error


def one_line(name: str | Path) -> str:
    """A name or path as a sentence can hold it: quoted and escaped if it has line breaks or the like."""
    text = str(name)
    return text if text.isprintable() else repr(text)


def suffix_of(name: str | Path) -> str:
    """Which of FILE_SUFFIXES a name or path ends in, whatever its case; "" if in none."""
    return next((suffix for suffix in FILE_SUFFIXES if str(name).lower().endswith(suffix)), "")


def check_file(path: Path) -> None:
    """Raise UnknownDataset unless a file with one of FILE_SUFFIXES lies at this path."""
    if not os.path.isfile(path):
        raise UnknownDataset(f"There is no file {one_line(path)}.")
    if not suffix_of(path):
        raise UnknownDataset(f"{one_line(path)} is neither a data set nor a {', '.join(FILE_SUFFIXES)} file.")


def read_arrays(path: Path, meaning: str) -> tuple[np.ndarray, np.ndarray]:
    """X and y of an .npz file, y flat; meaning: what y holds, for the sentence of BadDataFile."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("X", "y") if name in arrays}
    except Exception as error:  # the readers of damaged archives raise whatever they stumble over
        raise BadDataFile(f"{one_line(path)} cannot be read as an .npz file of plain arrays.") from error
    if len(found) < 2:
        raise BadDataFile(f"{one_line(path)} must hold two arrays, X (rows × columns) and y ({meaning}).")
    return found["X"], found["y"].ravel()


def read_table(path: Path) -> pd.DataFrame:
    """A .csv or .parquet file as it is; raises BadDataFile where it cannot be read."""
    suffix = suffix_of(path)
    try:
        # low_memory guesses a column's type piece by piece, and warns where the guesses differ.
        table = pd.read_csv(path, low_memory=False) if suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # the readers of damaged tables raise whatever they stumble over
        raise BadDataFile(f"{one_line(path)} cannot be read as a {suffix} table.") from error
    return table


def numbers(features: pd.DataFrame, shown: str) -> np.ndarray:
    """A table's columns as float64 [rows, columns]; raises BadDataFile, naming those that are not numbers."""
    words = [str(name) for name in features.columns if not pd.api.types.is_numeric_dtype(features[name])]
    if words:
        raise BadDataFile(f"{shown}: these columns are not numbers: {', '.join(map(one_line, words[:5]))}.")
    return features.to_numpy(dtype=np.float64)


def _columns(path: Path) -> tuple[np.ndarray, np.ndarray]:
    shown, table = one_line(path), read_table(path)
    named = {str(column).strip().lower(): column for column in table.columns}
    label = next((named[name] for name in LABEL_COLUMNS if name in named), None)
    if label is None:
        names = ", ".join(LABEL_COLUMNS)
        raise BadDataFile(f"{shown} needs a label column of 0 and 1 with one of the names {names}.")
    if not len(table):
        raise BadDataFile(f"{shown} has no rows.")
    features = numbers(table.drop(columns=[label]), shown)
    if not pd.api.types.is_numeric_dtype(table[label]):
        raise BadDataFile(f"{shown}: the label column {one_line(label)} must hold 0 and 1.")
    return features, table[label].to_numpy(dtype=np.float64)
