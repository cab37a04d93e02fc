"""Rows of an uploaded table as arrays: stored in one file, with an identity of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import SPLIT_KEYS, SplitKeys
from anoonly_core.data.tables.parsing import ParsedTable
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.errors import BadDataFile

__all__ = ["identity_of", "load_arrays", "to_arrays", "to_parsed"]

ARRAYS = ("X", "y", "places", "drawn", "codes", "names")
MAX_LABEL = 200  # characters of a value of the label column


def to_arrays(parsed: ParsedTable, title: str) -> dict[str, np.ndarray]:
    """Return the features and labels of a parsed table as arrays by name; `title` names the file in messages.

    Raise BadDataFile if a label has more than `MAX_LABEL` characters.
    """
    codes, names = _factorize(parsed.labels, title)
    return {
        "X": parsed.X,
        "y": parsed.y,
        "places": parsed.file_rows,
        "drawn": parsed.drawn,
        "codes": codes,
        "names": names,
        **parsed.split_keys.arrays(),
    }


def to_parsed(
    arrays: Mapping[str, np.ndarray], label_column: str, rows_in_file: int, preprocessing: Preprocessing
) -> ParsedTable:
    """Return the parsed table that `to_arrays` turned into arrays, without its profiles and notes.

    Parameters
    ----------
    arrays
        Arrays by name.
    label_column, rows_in_file, preprocessing
        Fields of the table that are no arrays.
    """
    labels = arrays["names"].astype(object)[arrays["codes"]]
    return ParsedTable(
        *(arrays["X"], arrays["y"], arrays["places"], arrays["drawn"], labels, label_column),
        *(rows_in_file, preprocessing, ()),
        split_keys=SplitKeys(**{name: arrays[name] for name in SPLIT_KEYS if name in arrays}),
    )


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Load stored arrays by name; a file that is absent or damaged makes NumPy raise any exception."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in (*ARRAYS, *SPLIT_KEYS) if name in ARRAYS or name in archive}


def identity_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the identity of stored rows: "own:" and the SHA-256 of all arrays in order."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"own:{digest.hexdigest()}"


def _factorize(labels: np.ndarray, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Encode labels, strings as object [rows], as indices into their sorted different values.

    So they take little room: NumPy would store each row as wide as the longest label. `title` names the file in
    messages.

    Returns
    -------
    codes
        Index of each label in `names`, int64 [rows].
    names
        Different labels, sorted, str.

    Raises
    ------
    BadDataFile
        If a label has more than `MAX_LABEL` characters.
    """
    codes, names = pd.factorize(labels.astype(object), sort=True)
    if (longest := max((len(name) for name in names), default=0)) > MAX_LABEL:
        raise BadDataFile(
            f"{title}: the label column holds a value of {longest} characters, and at most {MAX_LABEL} are read: "
            "choose another column, or shorten its values."
        )
    return codes.astype(np.int64), names.astype(str)
