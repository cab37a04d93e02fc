"""Files of uploaded tables on the disk: their size, and writing that says what failed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from anoonly_core.errors import CacheUnavailable, UnknownDataset
from anoonly_core.files import write_atomic
from anoonly_core.paths import cache_folder

__all__ = ["folder_bytes", "removed", "uploads_folder", "write_file"]


def uploads_folder() -> Path:
    """Return the parent folder of all uploads; it need not exist."""
    return cache_folder() / "tables"


def folder_bytes(path: Path) -> int:
    """Return the bytes of all files in a folder and the folders in it; 0 if it does not exist."""
    size = 0
    for parent, _, names in os.walk(path):  # which leaves out folders that are removed meanwhile
        for name in names:
            with suppress(OSError):  # removed meanwhile
                size += os.stat(os.path.join(parent, name)).st_size
    return size


def write_file(path: Path, content: bytes) -> None:
    """Write a file in the folder of an upload atomically.

    Raise UnknownDataset if the upload was removed, CacheUnavailable if the file cannot be written.
    """
    try:
        write_atomic(path, content)
    except FileNotFoundError as error:
        raise removed(path.parent.name) from error
    except OSError as error:
        raise CacheUnavailable(
            f"The upload could not be saved in {path.parent} ({error.strerror}): make room or give access there."
        ) from error


def removed(title: str) -> UnknownDataset:
    """Return the error that the upload `title`, the name of its file or folder, was removed."""
    return UnknownDataset(f"The table {title} was removed: upload its file again.")
