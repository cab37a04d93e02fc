"""Atomic file writes: a reader finds the old file or the new one, never a part."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["PART_SUFFIX", "file_state", "locked", "temporary_file", "write_atomic"]

PART_SUFFIX = ".part"

_threads = threading.RLock()


def file_state(path: Path) -> str:
    """Return a key for caches that changes whenever a file is replaced or written; raise OSError if there is none."""
    status = path.stat()
    return f"{path} {status.st_mtime_ns} {status.st_size} {status.st_ino}"


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file, replacing an existing one; after an error the old file is unchanged.

    The new file has the permissions that the umask gives, not those of the old file.

    Parameters
    ----------
    path
        File to write. Its folder must exist. A symbolic link is replaced, not followed.
    content
        All bytes of the file.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or the disk is full. No temporary file remains.
    """
    with temporary_file(path.parent) as part:
        part.write_bytes(content)
        part.replace(path)


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """Context that creates an empty file in a folder, yields its path, and deletes the file on exit.

    A file that the caller has renamed stays. The name is random and 38 bytes long, whatever the final name is: it
    cannot be foreseen, concurrent writers never share a file, and a final name at the limit of the file system still
    has room for its temporary file.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or the name is taken, even by a dangling symbolic link.
    """
    part = folder / f".{secrets.token_hex(16)}{PART_SUFFIX}"
    part.touch(exist_ok=False)
    try:
        yield part
    finally:
        with suppress(OSError):  # an error of the caller says more
            part.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Context that holds the lock of a folder; block while another thread or process holds the lock.

    The lock ends with the process. Windows, and file systems without locks, exclude the threads of this process only.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be read.
    """
    with _threads:
        if os.name == "nt":
            yield
            return
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # releases the lock
