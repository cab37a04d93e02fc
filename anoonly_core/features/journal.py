"""Features on disk before their file is complete, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from anoonly_core.data.feature_files import Cells, LeftOut
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadDataFile

__all__ = ["EncodedRows", "Journal"]

LOG, FEATURES, PREVIEWS = "log.jsonl", "features.bin", "previews.bin"


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Some consecutive raw rows after the encoder.

    Attributes
    ----------
    end
        Index of the raw row behind the last of them.
    features
        Features of the rows that could be read, float32 [rows, dimension].
    previews
        Their previews.
    left_out
        The other rows by index.
    notes
        Notes of the rows, each with the number of rows that have it.
    """

    end: int
    features: np.ndarray
    previews: Sequence[bytes]
    left_out: Mapping[int, LeftOut]
    notes: Mapping[str, int]


class Journal:
    """A folder with the features so far: two files that grow, and a log with one line per append.

    A line is written after the bytes that it counts. Bytes behind the last whole line are cut off when the folder is
    opened again. Also a context that closes the files.

    Parameters
    ----------
    folder
        Folder, created if it is missing.
    header
        What the features depend on. A folder with another header starts anew.
    dimension
        Number of features.

    Raises
    ------
    BadDataFile
        If the folder cannot be written, or another process writes to it.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], dimension: int) -> None:
        self.folder, self._dimension = folder, dimension
        self.done = 0  # raw rows
        self.left_out: dict[int, LeftOut] = {}
        self.notes: Counter[str] = Counter()  # number of rows of each note
        self._lengths: list[int] = []  # bytes of each preview
        self._preview_bytes = 0
        self._files: list[BinaryIO] = []
        try:
            folder.mkdir(exist_ok=True)
            self._files = [(folder / name).open("ab+") for name in (LOG, FEATURES, PREVIEWS)]
            _lock(self._files[0], folder)
            self._restore(json.dumps(header, sort_keys=True))
        except OSError as error:
            self.close()
            raise BadDataFile(f"{printable(folder)} cannot be written: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def rows(self) -> np.ndarray:
        """Indices of the raw rows that have features, int64 [rows]."""
        return np.array([row for row in range(self.done) if row not in self.left_out], dtype=np.int64)

    @property
    def bytes(self) -> int:
        """Bytes of all features and previews."""
        return self._feature_bytes + self._preview_bytes

    @property
    def _feature_bytes(self) -> int:
        return len(self._lengths) * self._dimension * 4

    def append(self, encoded: EncodedRows) -> None:
        """Write the next rows, which begin at `done`; raise BadDataFile if the disk is full."""
        log, features, previews = self._files
        lengths = [len(preview) for preview in encoded.previews]
        reasons = [[row, left.name, left.reason] for row, left in sorted(encoded.left_out.items())]
        try:
            features.write(np.ascontiguousarray(encoded.features, dtype=np.float32).tobytes())
            previews.write(b"".join(encoded.previews))
            features.flush()
            previews.flush()
            log.write(json.dumps([encoded.end, lengths, reasons, dict(encoded.notes)]).encode() + b"\n")
            log.flush()
        except OSError as error:
            raise BadDataFile(f"{printable(self.folder)} cannot be written: {error.strerror}.") from error
        self._add(encoded.end, lengths, encoded.left_out, encoded.notes)

    def arrays(self) -> tuple[np.ndarray, Cells]:
        """Return the features, float32 [rows, dimension], and the previews, both mapped from their files."""
        shape = (len(self._lengths), self._dimension)
        X = np.memmap(self.folder / FEATURES, np.float32, "r", shape=shape)
        ends = np.cumsum(self._lengths, dtype=np.int64)
        if not ends[-1]:  # an empty file cannot be mapped
            return X, Cells(np.zeros(0, np.uint8), ends)
        return X, Cells(np.memmap(self.folder / PREVIEWS, np.uint8, "r", shape=(int(ends[-1]),)), ends)

    def close(self) -> None:
        """Close the files; they stay on disk."""
        for file in self._files:
            file.close()

    def remove(self) -> None:
        """Close the files and delete the folder."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _restore(self, header: str) -> None:
        """Read the log up to its last whole line that fits the files, and cut all files there."""
        log, features, previews = self._files
        log.seek(0)
        first = log.readline()
        if first != header.encode() + b"\n":
            for file in self._files:
                file.truncate(0)
            log.write(header.encode() + b"\n")
            log.flush()
            return
        sizes, size = [os.fstat(file.fileno()).st_size for file in (features, previews)], len(first)
        for line in log:
            try:
                end, lengths, reasons, notes = json.loads(line)
                left_out = {row: LeftOut(name=name, reason=reason) for row, name, reason in reasons}
                fits = end - self.done == len(lengths) + len(left_out) and line.endswith(b"\n")
            except (ValueError, TypeError):
                break
            more = len(lengths) * self._dimension * 4, sum(lengths)
            if not fits or self._feature_bytes + more[0] > sizes[0] or self._preview_bytes + more[1] > sizes[1]:
                break
            self._add(end, lengths, left_out, notes)
            size += len(line)
        log.truncate(size)
        features.truncate(self._feature_bytes)
        previews.truncate(self._preview_bytes)

    def _add(self, end: int, lengths: Sequence[int], left_out: Mapping[int, LeftOut], notes: Mapping[str, int]) -> None:
        self.done = end
        self._lengths += lengths
        self._preview_bytes += sum(lengths)
        self.left_out |= left_out
        self.notes.update(notes)


def _lock(file: BinaryIO, folder: Path) -> None:
    """Lock a file until it is closed; raise BadDataFile if another process holds it. Windows has no such lock."""
    if os.name == "nt":
        return
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadDataFile(f"Another process writes to {printable(folder)}: wait for it, or stop it.") from None
    except OSError:  # a file system without locks
        return
