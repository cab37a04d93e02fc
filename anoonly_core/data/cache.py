"""What lies in the cache folder, how large it is, and how a data set leaves it again."""

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

# What the cache keeps, by the beginning of its path there.
KINDS = {
    "downloaded data sets": "adbench/",
    "finished runs": "runs-",
    "tables that were brought": "tables/",
}
OTHER = "other files"


@dataclass(frozen=True)
class CacheUsage:
    """What one kind of content takes: how many files, and their bytes together."""

    kind: str
    files: int
    bytes: int


def cache_usage() -> list[CacheUsage]:
    """What lies in the cache folder by kind, those of KINDS first and always, then OTHER where there is any."""
    found = {kind: [0, 0] for kind in (*KINDS, OTHER)}
    folder = cache_folder()
    for path, size in _files(folder):
        inside = path.relative_to(folder).as_posix()
        kind = next((kind for kind, beginning in KINDS.items() if inside.startswith(beginning)), OTHER)
        found[kind][0] += 1
        found[kind][1] += size
    return [CacheUsage(kind, files, size) for kind, (files, size) in found.items() if kind in KINDS or files]


def is_cached(entry: ManifestEntry) -> bool:
    """Whether the cache holds a file of that name, which could be removed; ANOONLY_DATA is not looked into."""
    return os.path.isfile(adbench.cached_path(entry))


def remove(entry: ManifestEntry) -> None:
    """Take a downloaded file out of the cache, where it is there; raises CacheUnavailable.

    Nothing in ANOONLY_DATA is ever removed.
    """
    path = adbench.cached_path(entry)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CacheUnavailable(
            f"{entry.catalogue_name} could not be removed from {path.parent} ({error.strerror}): give access there."
        ) from error


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """All files below a folder with their bytes; one that goes away meanwhile is left out."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            try:
                yield path, path.stat().st_size
            except OSError:
                continue
