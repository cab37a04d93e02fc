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
    """One ADBench file: folder, name, checksums, size in bytes, and facts about its table.

    `bytes`, `sha256` and the numbers in `facts` are None where the manifest lacks them.
    """

    folder: str
    name: str
    git_blob_sha1: str
    bytes: int | None
    sha256: str | None
    facts: Facts = UNKNOWN

    @property
    def qualified_name(self) -> str:
        """Folder and name of the file, FOLDER/NAME; unique."""
        return f"{self.folder}/{self.name}"

    @property
    def catalogue_name(self) -> str:
        """Name of the data set in the catalogue: NAME, or FOLDER/NAME in a folder of `TWIN_FOLDERS`.

        The names in those folders also occur in a folder that the paper uses.
        """
        return self.qualified_name if self.folder in TWIN_FOLDERS else self.name


@cache
def manifest() -> dict[str, ManifestEntry]:
    """Return the entries of all 195 files by catalogue name, in the order of manifest.csv; cached."""
    with Path(__file__).with_name("manifest.csv").open(newline="", encoding="utf-8") as file:
        entries = [
            ManifestEntry(folder, name, sha1, _number(size), sha256 or None, Facts(*map(_number, facts)))
            for folder, name, sha1, size, sha256, *facts in islice(csv.reader(file), 1, None)
        ]
    return {entry.catalogue_name: entry for entry in entries}


def _number(text: str) -> int | None:
    return int(text) if text else None


def find_entry(name: str) -> ManifestEntry | None:
    """Return the entry with this catalogue name or qualified name (FOLDER/NAME); None if there is none."""
    return manifest().get(name) or next((e for e in manifest().values() if e.qualified_name == name), None)


def git_blob_sha1(path: Path) -> str:
    """Return the hexadecimal SHA-1 by which git names the content of a file; raise OSError if unreadable."""
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verified_path(entry: ManifestEntry) -> Path | None:
    """Return the path of the file if it is on this machine with the right checksum; else None.

    ANOONLY_DATA is searched first, then the cache folder. A file with a wrong checksum in the cache folder counts
    as missing, so that it is downloaded again.

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
    """Return the path of the file in ANOONLY_DATA, else in the cache folder; None if neither has it. Not verified."""
    paths = (_given_path(entry), cached_path(entry))
    return next((path for path in paths if path is not None and os.path.isfile(path)), None)


def is_local(entry: ManifestEntry) -> bool:
    """Return True if ANOONLY_DATA or the cache folder holds the file; its content is not verified."""
    return find_file(entry) is not None


def read_facts(entry: ManifestEntry) -> Facts | None:
    """Return rows, columns and anomalies of the local file, read from its header and labels.

    Return None if the file is missing or unreadable. Nothing is downloaded or verified.
    """
    path = find_file(entry)
    try:
        return _read_facts(path, path.stat().st_mtime_ns) if path is not None else None
    except UNREADABLE:
        return None


@cache
def _read_facts(path: Path, mtime_ns: int) -> Facts:
    """Read rows, columns and anomalies of an .npz file; cached by path and modification time (`mtime_ns`).

    Raises one of `UNREADABLE` if the file cannot be read.
    """
    with zipfile.ZipFile(path) as archive, archive.open("X.npy") as features:
        is_version_1 = np.lib.format.read_magic(features) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if is_version_1 else np.lib.format.read_array_header_2_0
        rows, columns = read_header(features)[0]
    with np.load(path, allow_pickle=False) as archive:
        return Facts(rows, columns, int((archive["y"] == 1).sum()))


def fetch(entry: ManifestEntry, progress: ByteProgress | None = None) -> Path:
    """Return the path of the file, verified; download it to the cache folder if it is missing.

    Blocks until the download ends. An interrupted download leaves no file under this name.

    Parameters
    ----------
    entry
        File to fetch.
    progress
        Called with the bytes so far and the total bytes, None while unknown. The bytes never decrease,
        even after a retry. An exception that it raises ends the download.

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
    """Read the arrays of an ADBench file, downloading it first if it is missing.

    Parameters
    ----------
    entry
        File to read.
    progress
        Called during a download with the bytes so far and the total bytes, None while unknown. An exception
        that it raises ends the download.

    Returns
    -------
    X
        Features as stored, [rows, columns].
    y
        Labels as stored, 1 for an anomaly.

    Raises
    ------
    BadDataFile
        If the file lacks these arrays, or the file in ANOONLY_DATA has a wrong checksum.
    DatasetUnavailable, DownloadFailed
        If the file is missing and cannot be downloaded.
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
    """Return the path that the file has in the cache folder; the file need not exist."""
    return cache_folder() / "adbench" / entry.folder / f"{entry.name}.npz"


def _url(entry: ManifestEntry) -> str:
    base = os.environ.get("ANOONLY_MIRROR") or BASE_URL
    return f"{base.rstrip('/')}/{quote(entry.folder, safe='')}/{quote(entry.name, safe='')}.npz"


def _is_genuine(path: Path, entry: ManifestEntry) -> bool:
    """Return True if `path` is a readable file with the git blob SHA-1 of the entry; cached while unchanged."""
    try:
        status = path.stat()
        return _cached_sha1(path, status.st_size, status.st_mtime_ns) == entry.git_blob_sha1
    except OSError:
        return False


@cache
def _cached_sha1(path: Path, size: int, mtime_ns: int) -> str:
    """Compute the git blob SHA-1 of a file; cached by path, size in bytes and modification time."""
    return git_blob_sha1(path)


def _matches_manifest(part: Path, entry: ManifestEntry) -> bool:
    """Return True if the downloaded file `part` has the git blob SHA-1 and, if known, the SHA-256 of the entry."""
    if git_blob_sha1(part) != entry.git_blob_sha1:
        return False
    with part.open("rb") as file:
        return entry.sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
