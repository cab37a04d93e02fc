"""Feature files: features that an encoder made of images or texts, with names and previews of the rows, as .npz.

An array X [rows, columns] and labels y stand beside each other as in ADBench's files, so that every reader of those
reads them. Further arrays say what made the features and what each row shows. No array holds Python objects.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from anoonly_core.bounded_json import bounded_json
from anoonly_core.errors import BadDataFile
from anoonly_core.files import write_atomic

__all__ = [
    "MAX_ABOUT",
    "PICTURE_TYPE",
    "EncoderIdentity",
    "FeatureAbout",
    "LeftOut",
    "Previews",
    "feature_bytes",
    "read_about",
    "read_previews",
    "write_features",
]

PICTURE_TYPE = "image/webp"  # of every preview of an image
MAX_ABOUT = 2**22  # bytes of the description
ABOUT = "about"
ROW_ARRAYS = ("names", "previews")  # each as NAME_bytes and NAME_ends
UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error, ValidationError)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EncoderIdentity(_Frozen):
    """What turns a picture or a text into features; equal identities give equal features.

    Attributes
    ----------
    name
        Name in the registry of encoders, or that of a file of weights.
    kind
        What the encoder reads.
    weights
        Hexadecimal SHA-256 of the weights; "" for an encoder without weights.
    preprocessing
        Every choice between the raw row and the encoder, by name.
    dimension
        Number of features.
    """

    name: str
    kind: Literal["image", "text"]
    weights: str
    preprocessing: Mapping[str, str | int | float | bool | tuple[float, ...]]
    dimension: int


class LeftOut(_Frozen):
    """Name of a raw row that has no features, and a clause that says why."""

    name: str
    reason: str


class FeatureAbout(_Frozen):
    """What a feature file says of itself.

    Attributes
    ----------
    encoder
        What made the features.
    source
        Name of the folder, archive or table with the raw rows.
    saved_by
        Version of this package.
    left_out
        Raw rows without features, with the reasons.
    notes
        Sentences on choices that were made while reading.
    """

    encoder: EncoderIdentity
    source: str
    saved_by: str
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Previews:
    """Names of the raw rows behind features, and what each shows: a small picture or the begin of a text.

    Attributes
    ----------
    kind
        What the rows are.
    path
        Feature file that holds the names and previews; they are read when the first is asked for.
    """

    kind: Literal["image", "text"]
    path: Path

    def name(self, row_id: int) -> str:
        """Return the name of a row, such as its path in the archive; `row_id` is its index in the feature file."""
        return self._cell("names", row_id).decode("utf-8", "replace")

    def picture(self, row_id: int) -> bytes:
        """Return the small picture of a row of images, as the bytes of a file of `PICTURE_TYPE`."""
        return self._cell("previews", row_id)

    def text(self, row_id: int) -> str:
        """Return the begin of a row of texts."""
        return self._cell("previews", row_id).decode("utf-8", "replace")

    def _cell(self, name: str, row_id: int) -> bytes:
        content, ends = self._arrays[name]
        begin = ends[row_id - 1] if row_id else 0
        return content[begin : ends[row_id]].tobytes()

    @cached_property
    def _arrays(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Bytes of all rows of each array, and where each row ends in them.

        Raises
        ------
        BadDataFile
            If the file was removed or damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                rows = len(archive["X"])
                return {name: _checked(archive[f"{name}_bytes"], archive[f"{name}_ends"], rows) for name in ROW_ARRAYS}
        except UNREADABLE as error:
            raise BadDataFile(f"{self.path.name} holds no previews of its rows any more: make it again.") from error


def _checked(content: np.ndarray, ends: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes and ends of all rows; raise ValueError if they do not fit each other."""
    if content.dtype != np.uint8 or content.ndim != 1 or ends.dtype.kind not in "iu" or ends.shape != (rows,):
        raise ValueError("wrong dtype or shape")
    if rows and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != len(content)):
        raise ValueError("wrong ends")
    return content, ends.astype(np.int64)


def feature_bytes(
    X: np.ndarray, y: np.ndarray | None, names: Sequence[str], previews: Iterable[bytes], about: FeatureAbout
) -> bytes:
    """Encode features with all that belongs to them as the content of a feature file.

    Parameters
    ----------
    X
        Features [rows, columns], finite; stored as float32.
    y
        Label of each row, [rows], numbers or words without objects; "" for none. None if the rows have no labels.
    names
        Name of each raw row, [rows].
    previews
        Picture of `PICTURE_TYPE`, or begin of the text in UTF-8, of each row, [rows].
    about
        What made the features.

    Raises
    ------
    BadDataFile
        If the description takes more than `MAX_ABOUT` bytes.
    """
    description = about.model_dump_json().encode()
    if len(description) > MAX_ABOUT:
        raise BadDataFile(f"{about.source} has too many rows that cannot be read to list them: clean it first.")
    cells = {"names": [name.encode("utf-8", "replace") for name in names], "previews": list(previews)}
    arrays: dict[str, np.ndarray] = {"X": np.ascontiguousarray(X, dtype=np.float32)}
    if y is not None:
        arrays["y"] = y
    for name, rows in cells.items():
        arrays[f"{name}_bytes"] = np.frombuffer(b"".join(rows), dtype=np.uint8)
        arrays[f"{name}_ends"] = np.cumsum([len(row) for row in rows], dtype=np.int64)
    arrays[ABOUT] = np.frombuffer(description, dtype=np.uint8)
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    return body.getvalue()


def write_features(
    path: Path,
    X: np.ndarray,
    y: np.ndarray | None,
    names: Sequence[str],
    previews: Iterable[bytes],
    about: FeatureAbout,
) -> None:
    """Write a feature file as a whole or not at all; parameters and errors as in `feature_bytes`, and OSError."""
    write_atomic(path, feature_bytes(X, y, names, previews, about))


def read_about(path: Path) -> FeatureAbout | None:
    """Return what a feature file says of itself; None for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(f"{ABOUT}.npy").file_size > MAX_ABOUT + 1024:
                return None
            with archive.open(f"{ABOUT}.npy") as member:
                description = np.lib.format.read_array(member, allow_pickle=False)
        return FeatureAbout.model_validate(bounded_json(description.astype(np.uint8).tobytes().decode()))
    except UNREADABLE:
        return None


def read_previews(path: Path) -> Previews | None:
    """Return the names and previews of the rows of a feature file; None for any other file."""
    about = read_about(path)
    return None if about is None else Previews(about.encoder.kind, path)
