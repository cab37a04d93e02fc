"""Download of several ADBench files; one failure does not stop the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.download import ByteProgress
from anoonly_core.data.adbench.files import ManifestEntry
from anoonly_core.errors import AnoOnlyError, FetchIncomplete

__all__ = ["fetch_all"]

MAX_NAMES = 6  # names that a message lists per reason


def fetch_all(entries: Sequence[ManifestEntry], progress: ByteProgress | None = None) -> None:
    """Download the missing files to the cache folder, one after another, and verify them.

    Files already downloaded are kept; one failure does not stop the rest. Blocks until all ended.

    Parameters
    ----------
    entries
        Files to fetch.
    progress
        Called with the bytes so far and the total bytes of all missing files, also between files; the
        total is None while it is 0. A file of unknown size counts from its first chunk on. An exception
        that it raises ends the downloads.

    Raises
    ------
    FetchIncomplete
        After the last file, if several files were asked for and some failed.
    AnoOnlyError
        The error of `adbench.files.fetch`, if only one file was asked for.
    """
    failures: dict[str, AnoOnlyError] = {}
    counter = _ByteCounter(progress)
    for entry in _missing(entries, failures, counter):
        counter.begin(entry)
        try:
            adbench.fetch(entry, counter.update)
        except AnoOnlyError as error:
            failures[entry.catalogue_name] = error
            counter.discard()
        else:
            counter.finish()
    if failures and len(entries) == 1:
        raise next(iter(failures.values()))
    if failures:
        raise FetchIncomplete(_message(failures, len(entries)), tuple(failures))


class _ByteCounter:
    """Sum of the bytes of successive downloads, reported to a progress callback or None."""

    def __init__(self, progress: ByteProgress | None) -> None:
        self._progress = progress
        self.total = 0
        self._finished = 0
        self._current = 0
        self._size: int | None = None

    def report(self) -> None:
        if self._progress is not None:
            self._progress(self._finished + self._current, self.total or None)

    def begin(self, entry: ManifestEntry) -> None:
        self._current, self._size = 0, entry.bytes
        self.report()

    def update(self, done: int, size: int | None) -> None:
        if self._size is None and size is not None:
            self._size = size
            self.total += size
        self._current = done
        self.report()

    def finish(self) -> None:
        if self._size is None:  # never reported
            self.total += self._current
        self._finished += self._current
        self._current = 0
        self.report()

    def discard(self) -> None:
        """Subtract the current file, which failed, from the bytes so far and the total; report the sums."""
        self.total -= self._size or 0
        self._current = 0
        self.report()


def _missing(
    entries: Sequence[ManifestEntry], failures: dict[str, AnoOnlyError], counter: _ByteCounter
) -> list[ManifestEntry]:
    """Return the files that must be downloaded, and set the total bytes of the counter.

    A file in ANOONLY_DATA with a wrong checksum is not returned; its error is added to `failures`, by catalogue name.
    """
    missing = []
    for entry in entries:
        counter.report()  # verifying large files takes a while; progress may raise to stop
        try:
            if adbench.verified_path(entry) is None:
                missing.append(entry)
        except AnoOnlyError as error:
            failures[entry.catalogue_name] = error
    counter.total = sum(entry.bytes or 0 for entry in missing)
    return missing


def _message(failures: Mapping[str, AnoOnlyError], wanted: int) -> str:
    """Return one message about all failures, grouped by reason.

    `failures` maps the catalogue name of a file to its error; `wanted` is the number of files asked for.
    """
    by_reason: dict[str, list[str]] = {}
    for name, error in failures.items():
        by_reason.setdefault(error.reason or f"could not be read ({str(error).rstrip('.')})", []).append(name)
    parts = []
    for reason, (first, *others) in by_reason.items():
        names = others if len(others) <= MAX_NAMES else [*others[:MAX_NAMES], f"{len(others) - MAX_NAMES} more"]
        parts.append(f"{first} {reason}" + (f", likewise {', '.join(names)}" if names else ""))
    return f"{len(failures)} of {wanted} data sets could not be fetched and can be tried again: {'; '.join(parts)}."
