"""Guards around decoders that trust a file too much: pieces that it is read in, strips of a TIFF, writes to stderr."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MAX_PIECES", "MAX_STRIPS", "BoundedReader", "TooManyPieces", "count_strips", "silent_stderr"]

MAX_PIECES = 1_000_000  # reads of a decoder; one of a PNG of 128 MB makes about 65,000
MAX_STRIPS = 2**17  # strips or tiles of a TIFF
_STRIP_TAGS = frozenset((273, 279, 324, 325))  # offsets and sizes of strips and tiles

_stderr = threading.Lock()


class TooManyPieces(Exception):
    """A decoder has read a file in more than `MAX_PIECES` pieces."""


class BoundedReader(io.BytesIO):
    """Content of a file that raises `TooManyPieces` in the end.

    A file of millions of empty parts keeps the decoders busy for minutes, since they read part by part in Python.
    """

    _pieces = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes as a file does."""
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise TooManyPieces
        return super().read(size)


def count_strips(content: bytes) -> int:
    """Return the number of strips or tiles that the first directory of a TIFF or BigTIFF file claims.

    Pillow makes an object of each when it opens the file, however few pixels there are.

    Raises
    ------
    ValueError
        If the directory is cut.
    """
    order = "<" if content.startswith(b"II") else ">"
    is_big = content[2:4] in (b"+\0", b"\0+")
    number = struct.Struct(order + ("Q" if is_big else "I"))
    entries = struct.Struct(order + ("Q" if is_big else "H"))
    entry = struct.Struct(order + ("HHQ8x" if is_big else "HHI4x"))
    try:
        (begin,) = number.unpack_from(content, 8 if is_big else 4)
        (count,) = entries.unpack_from(content, begin)
        places = range(begin + entries.size, begin + entries.size + min(count, 2**16) * entry.size, entry.size)
        tags = (entry.unpack_from(content, place) for place in places)
        return max((values for tag, _, values in tags if tag in _STRIP_TAGS), default=0)
    except (struct.error, OverflowError) as error:
        raise ValueError("cut directory") from error


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Context in which nothing written to stderr appears, not even by libraries in C; of the process, one at a time."""
    with _stderr:
        try:
            sys.stderr.flush()
            before = os.dup(2)
        except (OSError, ValueError, AttributeError):  # there is no stderr
            yield
            return
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
