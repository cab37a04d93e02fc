"""Disk usage of the cache folder, and removal of downloaded data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.files import ManifestEntry
from anoonly_core.errors import CacheUnavailable
from anoonly_core.paths import cache_folder

__all__ = ["KINDS", "OTHER", "CacheUsage", "cache_usage", "is_cached", "remove"]

# Kinds of cached files, each with the prefix of their paths in the cache folder.
KINDS = {
    "downloaded data sets": "adbench/",
    "finished runs": "runs-",
    "uploaded tables": "tables/",
}
OTHER = "other files"


@dataclass(frozen=True)
class CacheUsage:
    """Number of files of one kind in the cache folder, and their total bytes; `kind` is of `KINDS`, or `OTHER`."""

    kind: str
    files: int
    bytes: int


def cache_usage() -> list[CacheUsage]:
    """Return files and bytes in the cache folder, one entry per kind: all of `KINDS`, then `OTHER` if it has files."""
    totals = {kind: [0, 0] for kind in (*KINDS, OTHER)}
    folder = cache_folder()
    for path, size in _files(folder):
        relative = path.relative_to(folder).as_posix()
        kind = next((kind for kind, prefix in KINDS.items() if relative.startswith(prefix)), OTHER)
        totals[kind][0] += 1
        totals[kind][1] += size
    return [CacheUsage(kind, files, size) for kind, (files, size) in totals.items() if kind in KINDS or files]


def is_cached(entry: ManifestEntry) -> bool:
    """Return True if the cache folder holds this ADBench file; ANOONLY_DATA is not searched."""
    return os.path.isfile(adbench.cached_path(entry))


def remove(entry: ManifestEntry) -> None:
    """Delete a downloaded ADBench file from the cache folder; do nothing if it is not there.

    Files in ANOONLY_DATA are never deleted.

    Raises
    ------
    CacheUnavailable
        If the file cannot be deleted.
    """
    path = adbench.cached_path(entry)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CacheUnavailable(
            f"{entry.catalogue_name} could not be removed from {path.parent} ({error.strerror}): give access there."
        ) from error


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the path and size in bytes of each file below a folder; skip files that were deleted meanwhile."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            try:
                yield path, path.stat().st_size
            except OSError:
                continue
