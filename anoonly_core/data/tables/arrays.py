"""Reader of .npz files with an array X, and y where its rows have labels: without running code."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from anoonly_core.data.feature_files import read_about
from anoonly_core.data.tables.files import ReadOptions, check_shape, check_unpacked, printable
from anoonly_core.errors import BadDataFile

__all__ = ["read_arrays"]


def read_arrays(path: Path, title: str, _: ReadOptions) -> pd.DataFrame:
    """Read X [rows, columns] as the columns x0, x1, …, and y [rows] as the column y.

    The notes of a feature file become those of the table.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        wanted = {info.filename: info for info in archive.infolist() if info.filename in ("X.npy", "y.npy")}
        check_unpacked(title, sum(info.file_size for info in wanted.values()))
        if "X.npy" not in wanted:
            raise BadDataFile(f"{title} must hold an array X (rows × columns), and y where its rows have labels.")
        for info in wanted.values():
            with archive.open(info) as member:
                shape, dtype = _read_header(member)
                check_shape(title, shape[0] if shape else 1, int(np.prod(shape[1:], dtype=float)))
                if dtype.hasobject:
                    raise BadDataFile(f"{title} holds Python objects, which could run code and are not opened.")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        X, y = arrays["X"], arrays["y"].ravel() if "y.npy" in wanted else None
    if X.ndim != 2 or X.shape[1] < 1 or X.dtype.kind not in "biuf":
        raise BadDataFile(f"{title}: the features must be a table of numbers, rows and columns.")
    X = X.astype(X.dtype.newbyteorder("="))
    table = pd.DataFrame(X, columns=[f"x{column}" for column in range(X.shape[1])])
    if y is not None:
        if y.shape != (len(X),) or y.dtype.kind not in "biufUS":
            raise BadDataFile(f"{title}: y must hold one label, a number or a word, for each of the {len(X)} rows.")
        y = y.astype(y.dtype.newbyteorder("="))
        table["y"] = np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y
    if (about := read_about(path)) is not None:
        table.attrs["notes"] = tuple(printable(sentence) for sentence in about.sentences)
    return table


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read_header: Callable[..., tuple[tuple[int, ...], bool, np.dtype]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(file)
    return shape, dtype
