"""Several of ADBench's files, one after the other: what is there stays, and one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.download import ByteProgress
from anoonly_core.data.adbench.files import ManifestEntry
from anoonly_core.errors import AnoOnlyError, FetchIncomplete

__all__ = ["fetch_all"]

MAX_NAMES = 6


def fetch_all(entries: Sequence[ManifestEntry], progress: ByteProgress | None = None) -> None:
    """Bring the files that are not on this machine, verified, into the cache.

    progress is called with (bytes so far, bytes of all that are missing), also between files; a file whose
    size nobody knows counts once its server has told it. What progress raises ends it; the files that are
    there by then stay. Raises the error of an only file, or at the end FetchIncomplete about all that failed.
    """
    failures: dict[str, AnoOnlyError] = {}
    count = _Count(progress)
    for entry in _missing(entries, failures, count):
        count.begin(entry)
        try:
            adbench.fetch(entry, count.arrived)
        except AnoOnlyError as error:
            failures[entry.catalogue_name] = error
            count.leave_out()
        else:
            count.finish()
    if failures and len(entries) == 1:
        raise next(iter(failures.values()))
    if failures:
        raise FetchIncomplete(_sentence(failures, len(entries)), tuple(failures))


class _Count:
    """Adds up the bytes of several downloads."""

    def __init__(self, progress: ByteProgress | None) -> None:
        self._progress = progress
        self.total = 0
        self._done = 0
        self._now = 0
        self._size: int | None = None

    def tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done + self._now, self.total or None)

    def begin(self, entry: ManifestEntry) -> None:
        self._now, self._size = 0, entry.bytes
        self.tell()

    def arrived(self, done: int, size: int | None) -> None:
        if self._size is None and size is not None:
            self._size = size
            self.total += size
        self._now = done
        self.tell()

    def finish(self) -> None:
        if self._size is None:  # it was never told
            self.total += self._now
        self._done += self._now
        self._now = 0
        self.tell()

    def leave_out(self) -> None:
        """What failed is waited for no longer; what came of it counts for nothing."""
        self.total -= self._size or 0
        self._now = 0
        self.tell()


def _missing(entries: Sequence[ManifestEntry], failures: dict[str, AnoOnlyError], count: _Count) -> list[ManifestEntry]:
    """The files that must be fetched; a foreign file under the name of one in ANOONLY_DATA is a failure."""
    missing = []
    for entry in entries:
        count.tell()  # large files take a moment to verify: it may be told to stop
        try:
            if adbench.verified_path(entry) is None:
                missing.append(entry)
        except AnoOnlyError as error:
            failures[entry.catalogue_name] = error
    count.total = sum(entry.bytes or 0 for entry in missing)
    return missing


def _sentence(failures: Mapping[str, AnoOnlyError], wanted: int) -> str:
    """All failures in one sentence; data sets that failed for the same reason stand together."""
    by_reason: dict[str, list[str]] = {}
    for name, error in failures.items():
        by_reason.setdefault(error.reason or f"could not be read ({str(error).rstrip('.')})", []).append(name)
    parts = []
    for reason, (first, *others) in by_reason.items():
        names = others if len(others) <= MAX_NAMES else [*others[:MAX_NAMES], f"{len(others) - MAX_NAMES} more"]
        parts.append(f"{first} {reason}" + (f", likewise {', '.join(names)}" if names else ""))
    return f"{len(failures)} of {wanted} data sets could not be fetched and can be tried again: {'; '.join(parts)}."
