"""Feature files: features that an encoder made of images or texts, with names and previews of the rows, as .npz.

An array X [rows, columns] and labels y stand beside each other as in ADBench's files, so that every reader of those
reads them. Further arrays say what made the features and what each row shows. No array holds Python objects.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from anoonly_core.bounded_json import bounded_json
from anoonly_core.errors import BadDataFile
from anoonly_core.files import file_state, temporary_file
from anoonly_core.lru import LRU

__all__ = [
    "MAX_ABOUT",
    "PICTURE_TYPE",
    "Cells",
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
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # of a member of a ZIP archive, up to its name
CACHED_ABOUTS = 8
MAX_DIRECTORY = 2**16  # bytes of the list of members of the archive
END_BYTES = 2**16 + 22  # that hold the end record of an archive, with its comment
SHOWN_HASH = 12  # characters of the hash of weights
LISTED, MAX_SHOWN = 3, 80  # rows in a sentence, characters of each
UNREADABLE = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, IndexError, struct.error),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, ValidationError),
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EncoderIdentity(_Frozen):
    """Identity of an encoder, which turns pictures or texts into features; equal identities give equal features.

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
    """Description that a feature file holds of its features.

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

    @property
    def origin(self) -> str:
        """Clause that names the encoder with its weights, and the source of the raw rows."""
        encoder = self.encoder
        weights = f", weights {encoder.weights[:SHOWN_HASH]}" if encoder.weights else ""
        return f"features of the {encoder.kind}s in {self.source} by {encoder.name}{weights}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Sentences for the user on choices that were made while reading, and on the rows that were left out."""
        if not self.left_out:
            return self.notes
        shown = ", ".join(f"{item.name[-MAX_SHOWN:]} ({item.reason[:MAX_SHOWN]})" for item in self.left_out[:LISTED])
        more = f" and {len(self.left_out) - LISTED:,} more" if len(self.left_out) > LISTED else ""
        rows = "1 row was" if len(self.left_out) == 1 else f"{len(self.left_out):,} rows were"
        return (*self.notes, f"{self.source}: {rows} left out: {shown}{more}.")


@dataclass(frozen=True, eq=False)
class Cells:
    """Bytes of many rows, one after the other, to be written.

    Attributes
    ----------
    content
        Bytes of all rows, uint8 [bytes]; may be a file that is mapped to memory.
    ends
        Index in `content` where each row ends, int64 [rows].
    """

    content: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[bytes]) -> Cells:
        """Join the bytes of rows."""
        cells = list(rows)
        ends = np.cumsum([len(cell) for cell in cells], dtype=np.int64)
        return cls(np.frombuffer(b"".join(cells), dtype=np.uint8), ends)


@dataclass(frozen=True)
class _Cells:
    """Cells of an array of bytes in a feature file: the offset of the first one, and the end of each, int64 [rows]."""

    offset: int
    ends: np.ndarray


@dataclass(frozen=True)
class Previews:
    """Names of the raw rows behind features, and what each shows: a small picture or the beginning of a text.

    Attributes
    ----------
    about
        What the feature file says of itself.
    path
        Feature file that holds the names and previews; a cell is read when it is asked for.
    """

    about: FeatureAbout
    path: Path

    @property
    def kind(self) -> Literal["image", "text"]:
        """Kind of the rows: images or texts."""
        return self.about.encoder.kind

    def __contains__(self, row_id: int) -> bool:
        """Return True if the feature file has this row; rows of a separate test file come after its own."""
        return 0 <= row_id < len(self._arrays["names"].ends)

    def name(self, row_id: int) -> str:
        """Return the name of a row, such as its path in the archive; `row_id` is its index in the feature file."""
        return self.names([row_id])[0]

    def names(self, row_ids: Sequence[int]) -> list[str]:
        """Return the names of many rows."""
        return [cell.decode("utf-8", "replace") for cell in self._read("names", row_ids)]

    def picture(self, row_id: int) -> bytes:
        """Return the small picture of a row of images, as the bytes of a file of `PICTURE_TYPE`."""
        return self._read("previews", [row_id])[0]

    def text(self, row_id: int) -> str:
        """Return the beginning of a row of texts."""
        return self.texts([row_id])[0]

    def texts(self, row_ids: Sequence[int]) -> list[str]:
        """Return the begins of many rows of texts."""
        return [cell.decode("utf-8", "replace") for cell in self._read("previews", row_ids)]

    def _read(self, name: str, row_ids: Sequence[int]) -> list[bytes]:
        """Return the cells of some rows of an array, given by index in the feature file."""
        cells, content = self._arrays[name], []
        try:
            with self.path.open("rb") as file:
                for row_id in row_ids:
                    begin = int(cells.ends[row_id - 1]) if row_id else 0
                    file.seek(cells.offset + begin)
                    content.append(file.read(int(cells.ends[row_id]) - begin))
        except OSError as error:
            raise self._unreadable() from error
        return content

    @cached_property
    def _arrays(self) -> dict[str, _Cells]:
        """Cells of each array by name; their bytes stay in the file, which may hold 50 000 pictures.

        Raises
        ------
        BadDataFile
            If the file was removed or damaged, or packs these arrays.
        """
        try:
            with zipfile.ZipFile(self.path) as archive, self.path.open("rb") as file:
                rows = _seek_array(archive, file, "X")[0][0]
                return {name: _find_cells(archive, file, name, rows) for name in ROW_ARRAYS}
        except UNREADABLE as error:
            raise self._unreadable() from error

    def _unreadable(self) -> BadDataFile:
        return BadDataFile(f"{self.path.name} holds no previews of its rows any more: make it again.")


def _seek_array(archive: zipfile.ZipFile, file: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Move to the values of an array that is stored without compression; return its shape and dtype.

    Raise ValueError if it is packed, or its content ends before the values do.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError("packed")
    file.seek(info.header_offset)
    *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    begin = info.header_offset + LOCAL_HEADER.size + name_bytes + extra_bytes
    file.seek(begin)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject or file.tell() - begin + math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError("too short")
    return shape, dtype


def _find_cells(archive: zipfile.ZipFile, file: BinaryIO, name: str, rows: int) -> _Cells:
    """Return the cells of one of `ROW_ARRAYS`; raise ValueError if bytes and ends do not fit each other."""
    shape, dtype = _seek_array(archive, file, f"{name}_ends")
    if dtype.kind not in "iu" or shape != (rows,):
        raise ValueError("wrong ends")
    ends = np.frombuffer(file.read(rows * dtype.itemsize), dtype=dtype).astype(np.int64)
    shape, dtype = _seek_array(archive, file, f"{name}_bytes")
    if dtype != np.uint8 or len(shape) != 1:
        raise ValueError("wrong bytes")
    if rows and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != shape[0]):
        raise ValueError("wrong ends")
    return _Cells(file.tell(), ends)


def feature_bytes(
    X: np.ndarray, y: np.ndarray | None, names: Sequence[str], previews: Iterable[bytes] | Cells, about: FeatureAbout
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
        Picture of `PICTURE_TYPE`, or the beginning of the text in UTF-8, of each row, [rows].
    about
        What made the features.

    Raises
    ------
    BadDataFile
        If the description takes more than `MAX_ABOUT` bytes.
    """
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **_arrays(X, y, names, previews, about))
    return body.getvalue()


def write_features(
    path: Path,
    X: np.ndarray,
    y: np.ndarray | None,
    names: Sequence[str],
    previews: Iterable[bytes] | Cells,
    about: FeatureAbout,
) -> None:
    """Write a feature file as a whole or not at all; parameters and errors as in `feature_bytes`, and OSError.

    Arrays that are mapped from files are copied piece by piece, so that they may exceed the memory.
    """
    arrays = _arrays(X, y, names, previews, about)
    with temporary_file(path.parent) as part:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        part.replace(path)


def _arrays(
    X: np.ndarray, y: np.ndarray | None, names: Sequence[str], previews: Iterable[bytes] | Cells, about: FeatureAbout
) -> dict[str, np.ndarray]:
    """Return all arrays of a feature file by name."""
    description = about.model_dump_json().encode()
    if len(description) > MAX_ABOUT:
        raise BadDataFile(f"{about.source} has too many rows that cannot be read to list them: clean it first.")
    cells = {
        "names": Cells.of(name.encode("utf-8", "replace") for name in names),
        "previews": previews if isinstance(previews, Cells) else Cells.of(previews),
    }
    arrays: dict[str, np.ndarray] = {"X": np.ascontiguousarray(X, dtype=np.float32)}
    if y is not None:
        arrays["y"] = y
    for name, rows in cells.items():
        arrays[f"{name}_bytes"], arrays[f"{name}_ends"] = rows.content, rows.ends
    arrays[ABOUT] = np.frombuffer(description, dtype=np.uint8)
    return arrays


def read_about(path: Path) -> FeatureAbout | None:
    """Return what a feature file says of itself; None for any other file."""
    try:
        if not _has_short_directory(path):
            return None
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(f"{ABOUT}.npy").file_size > MAX_ABOUT + 1024:
                return None
            with archive.open(f"{ABOUT}.npy") as member:
                description = np.lib.format.read_array(member, allow_pickle=False)
        return FeatureAbout.model_validate(bounded_json(description.astype(np.uint8).tobytes().decode()))
    except UNREADABLE:
        return None


def _has_short_directory(path: Path) -> bool:
    """Return True if the list of members of an archive is as short as that of a feature file.

    Servers look at each upload, and Python would read a list of millions of members as a whole.
    """
    with path.open("rb") as file:
        file.seek(-min(END_BYTES, path.stat().st_size), os.SEEK_END)
        end = file.read()
    begin = end.rfind(b"PK\5\6")
    return begin >= 0 and int.from_bytes(end[begin + 12 : begin + 16], "little") <= MAX_DIRECTORY


def read_previews(path: Path) -> Previews | None:
    """Return the names and previews of the rows of a feature file; None for any other file.

    Files asked for last are remembered until they change.
    """
    if path.suffix.lower() != ".npz":
        return None
    try:
        state = file_state(path)
    except (OSError, ValueError):  # a path may hold a null character
        return None
    if (known := _previews.get(state)) is not None:
        return known
    if (about := read_about(path)) is None:
        return None
    previews = Previews(about, path)
    _previews.put(state, previews)
    return previews


_previews: LRU[Previews] = LRU(CACHED_ABOUTS)
