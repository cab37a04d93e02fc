"""Members of a zip archive, listed within limits: a small archive may claim millions."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from anoonly_core.errors import BadDataFile

__all__ = ["MAX_DIRECTORY", "MAX_MEMBERS", "list_members"]

MAX_DIRECTORY = 64 * 2**20  # bytes of the list of members
MAX_MEMBERS = 200_000
_ENTRY = b"PK\1\2"  # first bytes of each entry in the list of members
_UNREADABLE = (OSError, ValueError, RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile, EOFError)


class _BoundedFile:
    """Binary file of an archive that refuses to read a list of members beyond the limits."""

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file, self._title = file, title
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        """Read bytes as a file does; raise BadDataFile for a list of members beyond the limits."""
        if size > MAX_DIRECTORY:
            raise BadDataFile(f"{self._title} has a list of members of more than {MAX_DIRECTORY >> 20} MB: split it.")
        content = self._file.read(MAX_DIRECTORY if size < 0 else size)
        if content.count(_ENTRY) > MAX_MEMBERS:
            raise BadDataFile(f"{self._title} holds more than {MAX_MEMBERS:,} members: split it.")
        return content

    def seekable(self) -> bool:
        """Return True."""
        return True


def list_members(path: Path, title: str) -> list[zipfile.ZipInfo]:
    """Return the members of a zip archive in the order of its list; `title` names it in messages.

    Raises
    ------
    BadDataFile
        If the archive is damaged, or its list exceeds `MAX_DIRECTORY` or `MAX_MEMBERS`, which is found before the list
        is walked.
    """
    try:
        with path.open("rb") as file:
            return zipfile.ZipFile(_BoundedFile(file, title)).infolist()
    except _UNREADABLE as error:
        raise BadDataFile(f"{title} is a damaged .zip archive: make it again.") from error
