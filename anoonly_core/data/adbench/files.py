"""ADBench's 195 files: found on this machine or downloaded, and never used unverified.

Source: github.com/Minqi824/ADBench (BSD 2-clause) at COMMIT, adbench/datasets/FOLDER/NAME.npz. Each file is
known by its git blob SHA-1, which adbench_manifest.csv lists. Its rows, columns and anomalies stand there too
where they are known: measured in the file, or from ADBench's own table where that speaks of this one file; and
columns alone where the table names an embedding's width. Environment: ANOONLY_DATA is a folder that is looked
into first, ANOONLY_CACHE replaces the user's cache folder, ANOONLY_MIRROR the address of the datasets.
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

# Their names also stand in CV_by_ResNet18 and NLP_by_BERT, the embeddings that the paper uses.
TWIN_FOLDERS = frozenset({"CV_by_ViT", "NLP_by_RoBERTa"})

CHUNK = 1 << 16
LIMITS = Limits()
UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)

UNKNOWN = Facts()


@dataclass(frozen=True)
class ManifestEntry:
    """One file of ADBench; bytes, sha256 and facts are None where the manifest does not know them."""

    folder: str
    name: str
    git_blob_sha1: str
    bytes: int | None
    sha256: str | None
    facts: Facts = UNKNOWN

    @property
    def qualified_name(self) -> str:
        """FOLDER/NAME, which no other file has."""
        return f"{self.folder}/{self.name}"

    @property
    def catalogue_name(self) -> str:
        """The plain name, or FOLDER/NAME for the twin of a file that the paper uses."""
        return self.qualified_name if self.folder in TWIN_FOLDERS else self.name


@cache
def manifest() -> dict[str, ManifestEntry]:
    """All 195 files by catalogue name, in the order of the manifest."""
    with Path(__file__).with_name("manifest.csv").open(newline="", encoding="utf-8") as file:
        entries = [
            ManifestEntry(folder, name, sha1, _number(size), sha256 or None, Facts(*map(_number, facts)))
            for folder, name, sha1, size, sha256, *facts in islice(csv.reader(file), 1, None)
        ]
    return {entry.catalogue_name: entry for entry in entries}


def _number(text: str) -> int | None:
    return int(text) if text else None


def find_entry(name: str) -> ManifestEntry | None:
    """The file of this catalogue name or FOLDER/NAME; None if ADBench has no such file."""
    return manifest().get(name) or next((e for e in manifest().values() if e.qualified_name == name), None)


def git_blob_sha1(path: Path) -> str:
    """The hexadecimal SHA-1 under which git stores this file's content; OSError if it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verified_path(entry: ManifestEntry) -> Path | None:
    """The verified file on this machine, ANOONLY_DATA before the cache; None if there is none.

    Raises BadDataFile for another file of that name in ANOONLY_DATA. One in the cache counts as absent, so
    that it is fetched again.
    """
    given, cached = _given_path(entry), cached_path(entry)
    if given is not None and os.path.isfile(given):
        if not _is_genuine(given, entry):
            raise BadDataFile(f"{given} is not ADBench's file (its checksum differs): replace or remove it.")
        return given
    return cached if _is_genuine(cached, entry) else None


def find_file(entry: ManifestEntry) -> Path | None:
    """Where a file of that name lies on this machine, ANOONLY_DATA before the cache; for listings, unverified."""
    paths = (_given_path(entry), cached_path(entry))
    return next((path for path in paths if path is not None and os.path.isfile(path)), None)


def is_local(entry: ManifestEntry) -> bool:
    """Whether a file of that name lies on this machine; for listings, it is not verified."""
    return find_file(entry) is not None


def read_facts(entry: ManifestEntry) -> Facts | None:
    """What the file on this machine holds, from its header and its labels alone; None where that cannot be read."""
    path = find_file(entry)
    try:
        return _read_facts(path, path.stat().st_mtime_ns) if path is not None else None
    except UNREADABLE:
        return None


@cache
def _read_facts(path: Path, mtime_ns: int) -> Facts:
    """The facts of a file, read once a process for each state of it; raises one of UNREADABLE."""
    with zipfile.ZipFile(path) as archive, archive.open("X.npy") as features:
        old = np.lib.format.read_magic(features) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        rows, columns = read(features)[0]
    with np.load(path, allow_pickle=False) as archive:
        return Facts(rows, columns, int((archive["y"] == 1).sum()))


def fetch(entry: ManifestEntry, progress: ByteProgress | None = None) -> Path:
    """The verified file on this machine, downloaded into the cache if need be.

    progress is called with (bytes so far, whole size or None), rising also over a new try; what it raises
    ends the download. Whatever ends it early, only a verified file ever gets the file's name. Raises
    DatasetUnavailable (no network, or the server has no such file), DownloadFailed or BadDataFile.
    """
    if (found := verified_path(entry)) is not None:
        return found
    target = cached_path(entry)
    source = Source(entry.catalogue_name, _url(entry), entry.bytes)
    download(source, target, lambda part: _matches_manifest(part, entry), LIMITS, progress)
    return target


def load_arrays(entry: ManifestEntry, progress: ByteProgress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """X [rows, columns] and y [rows] as the file has them, fetched if need be.

    Raises BadDataFile if the file holds no such arrays, and what fetch raises.
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
    """Where the cache keeps this file, whether or not it lies there."""
    return cache_folder() / "adbench" / entry.folder / f"{entry.name}.npz"


def _url(entry: ManifestEntry) -> str:
    base = os.environ.get("ANOONLY_MIRROR") or BASE_URL
    return f"{base.rstrip('/')}/{quote(entry.folder, safe='')}/{quote(entry.name, safe='')}.npz"


def _is_genuine(path: Path, entry: ManifestEntry) -> bool:
    """Whether a readable file with the entry's git blob SHA-1 lies at this path."""
    try:
        state = path.stat()
        return _known_sha1(path, state.st_size, state.st_mtime_ns) == entry.git_blob_sha1
    except OSError:
        return False


@cache
def _known_sha1(path: Path, size: int, mtime_ns: int) -> str:
    """git_blob_sha1, computed once a process for each state of a file."""
    return git_blob_sha1(path)


def _matches_manifest(part: Path, entry: ManifestEntry) -> bool:
    """Whether a finished download is the entry's file; read back from disk, as it will be used."""
    if git_blob_sha1(part) != entry.git_blob_sha1:
        return False
    with part.open("rb") as file:
        return entry.sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
