"""The 195 files of ADBench: found on this machine or downloaded, and verified before use.

Source: github.com/Minqi824/ADBench (BSD 2-clause) at COMMIT, adbench/datasets/FOLDER/NAME.npz.

manifest.csv lists the git blob SHA-1 of each file. It also lists rows, columns and anomalies
where they are known, from the file or from ADBench's table. Of an embedding whose rows are
unknown it lists the columns alone.

Environment variables: ANOONLY_DATA is a folder that is searched first. ANOONLY_CACHE replaces the
cache folder of the user. ANOONLY_MIRROR replaces the download address.
"""

from __future__ import annotations

import csv
import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import numpy as np

from anoonly_core.data.adbench.download import ByteProgress, Limits, Source, download
from anoonly_core.data.dataset import Facts
from anoonly_core.errors import BadDataFile
from anoonly_core.paths import cache_folder

__all__ = [
    "COMMIT",
    "SOURCE",
    "ManifestEntry",
    "cached_path",
    "fetch",
    "find_entry",
    "find_file",
    "git_blob_sha1",
    "is_local",
    "load_arrays",
    "manifest",
    "read_facts",
    "verified_path",
]

COMMIT = "3dac8221081e190f157d78e93bfa8867f90d0965"
SOURCE = "github.com/Minqi824/ADBench"
BASE_URL = f"https://raw.githubusercontent.com/Minqi824/ADBench/{COMMIT}/adbench/datasets"

# Their file names also occur in CV_by_ResNet18 and NLP_by_BERT, the embeddings that the paper uses.
TWIN_FOLDERS = frozenset({"CV_by_ViT", "NLP_by_RoBERTa"})

CHUNK = 1 << 16
LIMITS = Limits()
UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)

UNKNOWN = Facts()


@dataclass(frozen=True)
class ManifestEntry:
    """One file of ADBench; bytes and sha256 are None, and facts hold None, where the manifest lacks them."""

    folder: str
    name: str
    git_blob_sha1: str
    bytes: int | None
    sha256: str | None
    facts: Facts = UNKNOWN

    @property
    def qualified_name(self) -> str:
        """FOLDER/NAME, which is unique."""
        return f"{self.folder}/{self.name}"

    @property
    def catalogue_name(self) -> str:
        """NAME, or FOLDER/NAME if a file that the paper uses has the same name."""
        return self.qualified_name if self.folder in TWIN_FOLDERS else self.name


@cache
def manifest() -> dict[str, ManifestEntry]:
    """Return all 195 files by catalogue name, in the order of the manifest."""
    with Path(__file__).with_name("manifest.csv").open(newline="", encoding="utf-8") as file:
        entries = [
            ManifestEntry(folder, name, sha1, _number(size), sha256 or None, Facts(*map(_number, facts)))
            for folder, name, sha1, size, sha256, *facts in islice(csv.reader(file), 1, None)
        ]
    return {entry.catalogue_name: entry for entry in entries}


def _number(text: str) -> int | None:
    return int(text) if text else None


def find_entry(name: str) -> ManifestEntry | None:
    """Return the file with a catalogue name or FOLDER/NAME, or None."""
    return manifest().get(name) or next((e for e in manifest().values() if e.qualified_name == name), None)


def git_blob_sha1(path: Path) -> str:
    """Return the hexadecimal SHA-1 that git gives the content of a file; raise OSError if unreadable."""
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verified_path(entry: ManifestEntry) -> Path | None:
    """Return the path of the verified file, in ANOONLY_DATA or else the cache folder, or None.

    A file with a wrong checksum in the cache folder counts as missing, so it is downloaded again.

    Raises
    ------
    BadDataFile
        If the file in ANOONLY_DATA has a wrong checksum.
    """
    given, cached = _given_path(entry), cached_path(entry)
    if given is not None and os.path.isfile(given):
        if not _is_genuine(given, entry):
            raise BadDataFile(f"{given} is not ADBench's file (its checksum differs): replace or remove it.")
        return given
    return cached if _is_genuine(cached, entry) else None


def find_file(entry: ManifestEntry) -> Path | None:
    """Return the path of the file, in ANOONLY_DATA or else the cache folder, or None; not verified."""
    paths = (_given_path(entry), cached_path(entry))
    return next((path for path in paths if path is not None and os.path.isfile(path)), None)


def is_local(entry: ManifestEntry) -> bool:
    """Return True if the file is on this machine; not verified."""
    return find_file(entry) is not None


def read_facts(entry: ManifestEntry) -> Facts | None:
    """Return the size of the local file from its header and labels; None if missing or unreadable."""
    path = find_file(entry)
    try:
        return _read_facts(path, path.stat().st_mtime_ns) if path is not None else None
    except UNREADABLE:
        return None


@cache
def _read_facts(path: Path, mtime_ns: int) -> Facts:
    """Read the size of a file, once per process and modification time; raise one of UNREADABLE."""
    with zipfile.ZipFile(path) as archive, archive.open("X.npy") as features:
        is_version_1 = np.lib.format.read_magic(features) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if is_version_1 else np.lib.format.read_array_header_2_0
        rows, columns = read_header(features)[0]
    with np.load(path, allow_pickle=False) as archive:
        return Facts(rows, columns, int((archive["y"] == 1).sum()))


def fetch(entry: ManifestEntry, progress: ByteProgress | None = None) -> Path:
    """Return the path of the verified file, after downloading it to the cache folder if missing.

    Blocks until the download ends. An interrupted download leaves no file under this name.

    Parameters
    ----------
    entry
        File to fetch.
    progress
        Called with the bytes so far and the total bytes or None. The bytes never decrease, even
        after a retry. An exception that it raises ends the download.

    Raises
    ------
    DatasetUnavailable
        If there is no network or the server lacks the file.
    DownloadFailed
        If the download fails otherwise, or the cache folder cannot be written.
    BadDataFile
        If the file in ANOONLY_DATA has a wrong checksum.
    """
    if (path := verified_path(entry)) is not None:
        return path
    target = cached_path(entry)
    source = Source(entry.catalogue_name, _url(entry), entry.bytes)
    download(source, target, lambda part: _matches_manifest(part, entry), LIMITS, progress)
    return target


def load_arrays(entry: ManifestEntry, progress: ByteProgress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read X [rows, columns] and y as stored, fetching the file if missing.

    Parameters
    ----------
    entry
        File to read.
    progress
        As in `fetch`.

    Raises
    ------
    BadDataFile
        If the file lacks these arrays.
    DatasetUnavailable, DownloadFailed
        As in `fetch`.
    """
    path = fetch(entry, progress)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["X"], archive["y"]
    except UNREADABLE as error:
        raise BadDataFile(f"{path} is not an .npz file with the arrays X and y.") from error


def _given_path(entry: ManifestEntry) -> Path | None:
    folder = os.environ.get("ANOONLY_DATA")
    return Path(folder).expanduser() / entry.folder / f"{entry.name}.npz" if folder else None


def cached_path(entry: ManifestEntry) -> Path:
    """Return the path of the file in the cache folder; the file need not exist."""
    return cache_folder() / "adbench" / entry.folder / f"{entry.name}.npz"


def _url(entry: ManifestEntry) -> str:
    base = os.environ.get("ANOONLY_MIRROR") or BASE_URL
    return f"{base.rstrip('/')}/{quote(entry.folder, safe='')}/{quote(entry.name, safe='')}.npz"


def _is_genuine(path: Path, entry: ManifestEntry) -> bool:
    """Return True if the path is a readable file with the git blob SHA-1 of the entry."""
    try:
        status = path.stat()
        return _cached_sha1(path, status.st_size, status.st_mtime_ns) == entry.git_blob_sha1
    except OSError:
        return False


@cache
def _cached_sha1(path: Path, size: int, mtime_ns: int) -> str:
    """Compute git_blob_sha1 once per process, size and modification time."""
    return git_blob_sha1(path)


def _matches_manifest(part: Path, entry: ManifestEntry) -> bool:
    """Return True if a finished download has the checksums of the entry; reads it back from disk."""
    if git_blob_sha1(part) != entry.git_blob_sha1:
        return False
    with part.open("rb") as file:
        return entry.sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
