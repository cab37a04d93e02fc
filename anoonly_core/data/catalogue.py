"""The catalogue: every data set by name, from bundled sets and ADBench files to uploads and table files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from anoonly_core.data import bundled
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.download import ByteProgress
from anoonly_core.data.dataset import Dataset, Facts, Provenance, make_dataset
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.files import check_file
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload, is_upload_name
from anoonly_core.data.tables.uri import file_identity, file_provenance, is_file_uri, load_file, parse_file, parse_uri
from anoonly_core.errors import UnknownDataset, did_you_mean
from anoonly_core.lru import LRU

__all__ = ["DATASETS", "Entry", "FileEntry", "UploadEntry", "find", "load_cached", "resolve"]

CACHED_DATASETS = 4


@dataclass(frozen=True)
class Entry(ABC):
    """One data set that a name stands for, before its rows are loaded.

    Attributes
    ----------
    name
        Name in the catalogue, of the upload, or the URI of a table file.
    family
        Group of data sets for listings, such as ``digits`` or an ADBench folder.
    facts
        Rows, columns and anomalies as far as known without reading a file.
    provenance
        Source and license.
    """

    name: str
    family: str
    facts: Facts
    provenance: Provenance

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that changes whenever the rows change; run keys contain it.

        Raises
        ------
        UnknownDataset, BadDataFile
            If the data set is a file that cannot be read.
        """

    @abstractmethod
    def load(self, progress: ByteProgress | None = None) -> Dataset:
        """Load the rows, downloading the ADBench file first if it is missing.

        Parameters
        ----------
        progress
            Called during a download with the bytes so far and the total bytes, None while unknown.

        Raises
        ------
        UnknownDataset
            If the file or the upload is missing.
        DatasetUnavailable, DownloadFailed
            If the file cannot be downloaded.
        BadDataFile
            If the file is damaged, does not fit the schema, or lacks a labeled row of a class.
        """

    @property
    def bundled(self) -> bool:
        """True if the data set ships with this package or scikit-learn: no download is needed."""
        return False

    @property
    def file(self) -> adbench.ManifestEntry | None:
        """Manifest entry of the ADBench file that holds the rows; None for other data sets."""
        return None

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Steps from table columns to features; None if the rows are stored as features."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user on choices made while reading a table file; () for other data sets.

        Reads the whole file.
        """
        return ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols that need a time, a group or a test file and for which the table has it; () for most data sets."""
        return ()

    def is_local(self) -> bool:
        """Return True if loading needs no download; the file is not verified."""
        return True

    def known_facts(self) -> Facts:
        """Return rows, columns and anomalies of the data set; a number that is unknown is None.

        Unknown numbers are read from the ADBench file if it is on this machine; nothing is downloaded.
        """
        return self.facts


@dataclass(frozen=True)
class _BundledEntry(Entry):
    make: Callable[[str], Dataset]

    @property
    def identity(self) -> str:
        return f"bundled:{self.name}:1"

    @property
    def bundled(self) -> bool:
        return True

    def load(self, progress: ByteProgress | None = None) -> Dataset:
        return self.make(self.name)


@dataclass(frozen=True)
class _AdbenchEntry(Entry):
    manifest_entry: adbench.ManifestEntry

    @property
    def identity(self) -> str:
        return f"adbench:{self.manifest_entry.git_blob_sha1}"

    @property
    def file(self) -> adbench.ManifestEntry:
        return self.manifest_entry

    def load(self, progress: ByteProgress | None = None) -> Dataset:
        X, y = adbench.load_arrays(self.manifest_entry, progress)
        return make_dataset(self.name, X, y.ravel(), self.provenance)

    def is_local(self) -> bool:
        return adbench.is_local(self.manifest_entry)

    def known_facts(self) -> Facts:
        if self.facts.anomalies is not None:
            return self.facts
        return adbench.read_facts(self.manifest_entry) or self.facts


@dataclass(frozen=True)
class UploadEntry(Entry):
    """A table uploaded to this server."""

    upload: Upload

    @property
    def identity(self) -> str:
        """Digest of the parsed rows and labels; "" before a schema was applied."""
        return self.upload.identity

    @property
    def preprocessing(self) -> Preprocessing:
        """Steps from table columns to features."""
        return self.upload.get_preprocessing()

    @property
    def protocols(self) -> tuple[str, ...]:
        return self.upload.get_schema().protocols

    def load(self, progress: ByteProgress | None = None) -> Dataset:
        """Load the parsed rows; `progress` is ignored.

        Raise BadDataFile unless both classes are labeled, UnknownDataset if the upload was removed.
        """
        return uploads.load_dataset(self.upload)


@dataclass(frozen=True)
class FileEntry(Entry):
    """A table file on this machine, addressed by path and schema."""

    path: Path
    schema: TableSchema

    @property
    def identity(self) -> str:
        """Text with a digest of the file, the schema unless it is the default one, and the revision of the reader.

        Reads the whole file.
        """
        return file_identity(self.path, self.schema)

    @property
    def preprocessing(self) -> Preprocessing:
        """Steps from table columns to features; reads the whole file."""
        return parse_file(self.path, self.schema).preprocessing

    @property
    def notes(self) -> tuple[str, ...]:
        return parse_file(self.path, self.schema).notes

    @property
    def protocols(self) -> tuple[str, ...]:
        return self.schema.protocols

    def load(self, progress: ByteProgress | None = None) -> Dataset:
        """Read the rows; `progress` is ignored.

        Raise BadDataFile unless both classes are labeled, or if the file does not fit the schema.
        """
        return load_file(self.path, self.schema)


def _bundled(name: str, family: str, make: Callable[[str], Dataset]) -> Entry:
    description = bundled.DESCRIPTIONS[name]
    return _BundledEntry(name, family, description.facts, description.provenance, make)


def _adbench(name: str, file: adbench.ManifestEntry) -> Entry:
    note = f"{file.qualified_name} at commit {adbench.COMMIT[:7]}"
    return _AdbenchEntry(name, file.folder, file.facts, Provenance(adbench.SOURCE, "BSD 2-clause", note), file)


def _upload(upload: Upload) -> UploadEntry:
    counts = upload.counts or {}
    facts = Facts(counts.get("rows"), counts.get("features"), counts.get("anomalies"))
    return UploadEntry(upload.name, "yours", facts, uploads.provenance(upload), upload)


def _file(uri: str) -> FileEntry:
    path, schema = parse_uri(uri)
    return FileEntry(uri, "yours", Facts(), file_provenance(path), path, schema)


# Names of the bundled sets and of the ADBench files, each with its entry.
DATASETS = MappingProxyType(
    {
        **{
            f"digits_{d}": _bundled(f"digits_{d}", "digits", partial(bundled.digit_against_rest, digit=d))
            for d in range(10)
        },
        **{
            f"digits_only_{d}": _bundled(f"digits_only_{d}", "digits", partial(bundled.digit_alone, digit=d))
            for d in range(10)
        },
        "digits_low": _bundled("digits_low", "digits", bundled.digits_low),
        "breast_cancer": _bundled("breast_cancer", "breast_cancer", bundled.breast_cancer),
        "novels": _bundled("novels", "novels", bundled.novels),
        "novels_words": _bundled("novels_words", "novels", bundled.novels),
        **{name: _adbench(name, file) for name, file in adbench.manifest().items()},
    }
)


def find(name: str) -> Entry | None:
    """Return the entry of a name, or None if there is none; a table file need not exist.

    Catalogue names come first, then uploads, then qualified ADBench names (FOLDER/NAME), then table files.

    Raises
    ------
    InvalidConfig
        If the name is a file URI with a malformed schema.
    """
    if name in DATASETS:
        return DATASETS[name]
    if (upload := uploads.find(name)) is not None:
        return _upload(upload)
    if (file := adbench.find_entry(name)) is not None:
        return DATASETS[file.catalogue_name]
    return _file(name) if is_file_uri(name) else None


def resolve(name: str) -> Entry:
    """Return the entry of a name; raise UnknownDataset if there is none.

    Parameters
    ----------
    name
        Catalogue name, FOLDER/NAME of an ADBench file, name of an upload, or file URI
        such as ``cars.csv?label=state&anomaly=broken``.

    Raises
    ------
    UnknownDataset
        If nothing has this name, with up to three similar names, or a table file or an upload is missing.
    InvalidConfig
        If the name is a file URI with a malformed schema.
    """
    entry = find(name)
    if entry is None and is_upload_name(name):
        return _upload(uploads.get(name))  # raises: the upload was removed
    if entry is None:
        raise _unknown(name)
    if isinstance(entry, FileEntry):
        check_file(entry.path)
    return entry


def load_cached(name: str) -> Dataset:
    """Load a data set by name, downloading a missing ADBench file.

    The four data sets used last stay in memory, by identity and name: equal rows may have other previews.

    Raises
    ------
    UnknownDataset, DatasetUnavailable, DownloadFailed, BadDataFile, InvalidConfig
        If the name is unknown, or the file is missing, cannot be downloaded, or does not fit.
    """
    entry = resolve(name)
    key = f"{entry.identity} {entry.name}"
    dataset = _cache.get(key)
    if dataset is None:
        dataset = entry.load()
        _cache.put(key, dataset)
    return dataset


_cache: LRU[Dataset] = LRU(CACHED_DATASETS)


def _unknown(name: str) -> UnknownDataset:
    """Build the error for an unknown name, suggesting up to three similar catalogue names."""
    hint = did_you_mean(name, DATASETS, most=3, cutoff=0.5) or "; `datasets` lists them all."
    short = name if len(name) <= 60 else f"{name[:57]}..."
    return UnknownDataset(f"There is no data set called {short!r}{hint}")
