"""Every data set by name: the bundled ones, ADBench's 195 files, and files of the user's own."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from anoonly_core.data import bundled
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.dataset import Dataset, Facts, Provenance, make_dataset
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.readers import check_file
from anoonly_core.data.tables.uri import is_file_uri, load_uri, parse_uri, uri_identity
from anoonly_core.errors import UnknownDataset

__all__ = ["DATASETS", "Entry", "check_name", "find", "identity", "load", "load_cached"]

ByteProgress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Entry:
    """One data set of the catalogue.

    identity: changes whenever its rows would. bundled: needs neither a file nor the network. facts, provenance:
    what is known of it without loading it. file: ADBench's, None where it is bundled.
    """

    name: str
    family: str
    identity: str
    bundled: bool
    facts: Facts
    provenance: Provenance
    load: Callable[[ByteProgress | None], Dataset]
    is_local: Callable[[], bool]
    file: adbench.ManifestEntry | None = None

    def known_facts(self) -> Facts:
        """The facts, measured in the file where they are not known and it is on this machine."""
        if self.file is None or self.facts.anomalies is not None:
            return self.facts
        return adbench.read_facts(self.file) or self.facts


def _bundled(name: str, make: Callable[[str], Dataset], family: str) -> Entry:
    about = bundled.DESCRIPTIONS[name]
    identity = f"bundled:{name}:1"
    return Entry(name, family, identity, True, about.facts, about.provenance, lambda progress: make(name), lambda: True)


def _digit(name: str) -> Dataset:
    return bundled.digit_against_rest(name, int(name.removeprefix("digits_")))


def _digit_alone(name: str) -> Dataset:
    return bundled.digit_alone(name, int(name.removeprefix("digits_only_")))


def _adbench(name: str, entry: adbench.ManifestEntry) -> Entry:
    note = f"{entry.qualified_name} at commit {adbench.COMMIT[:7]}"
    provenance = Provenance(adbench.SOURCE, "BSD 2-clause", note)

    def load_entry(progress: ByteProgress | None) -> Dataset:
        X, y = adbench.load_arrays(entry, progress)
        return make_dataset(name, X, y.ravel(), provenance)

    identity = f"adbench:{entry.git_blob_sha1}"
    here = partial(adbench.is_local, entry)
    return Entry(name, entry.folder, identity, False, entry.facts, provenance, load_entry, here, entry)


DATASETS = MappingProxyType(
    {
        **{f"digits_{d}": _bundled(f"digits_{d}", _digit, "digits") for d in range(10)},
        **{f"digits_only_{d}": _bundled(f"digits_only_{d}", _digit_alone, "digits") for d in range(10)},
        "digits_low": _bundled("digits_low", bundled.digits_low, "digits"),
        "breast_cancer": _bundled("breast_cancer", bundled.breast_cancer, "breast_cancer"),
        **{name: _adbench(name, entry) for name, entry in adbench.manifest().items()},
    }
)


def _own(table: uploads.Upload) -> Entry:
    counts = table.counts or {}
    facts = Facts(counts.get("rows"), counts.get("features"), counts.get("anomalies"))
    return Entry(
        *(table.name, "yours", table.identity, False, facts, uploads.provenance(table)),
        *(lambda progress: uploads.load_dataset(table), lambda: True),
    )


def find(name: str) -> Entry | None:
    """The data set of this name, in the catalogue or among the tables that were brought to the page; None if none."""
    if name in DATASETS:
        return DATASETS[name]
    if (table := uploads.find(name)) is not None:
        return _own(table)
    twin = adbench.find_entry(name)
    return DATASETS.get(twin.catalogue_name) if twin else None


def check_name(name: str) -> str:
    """The name itself if a data set or a file has it; raises UnknownDataset with a suggestion, or InvalidConfig."""
    if find(name) is not None:
        return name
    if is_file_uri(name):
        check_file(parse_uri(name)[0])
        return name
    if uploads.is_upload_name(name):
        uploads.get(name)  # which says that it is gone
    folded = {known.casefold(): known for known in DATASETS}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)]
    hint = f": did you mean {' or '.join(near)}?" if near else "; `datasets` lists them all."
    short = name if len(name) <= 60 else f"{name[:57]}..."
    raise UnknownDataset(f"There is no data set called {short!r}{hint}")


def identity(name: str) -> str:
    """What the run's key knows a data set by; the content's hash for a file."""
    entry = find(check_name(name))
    return entry.identity if entry else uri_identity(name)


def load(name: str, progress: ByteProgress | None = None) -> Dataset:
    """A data set by name or path, downloaded if need be; progress(bytes so far, bytes in all or None).

    Raises UnknownDataset, DatasetUnavailable, DownloadFailed, BadDataFile or InvalidConfig with one sentence.
    """
    entry = find(check_name(name))
    return entry.load(progress) if entry else load_uri(name)


def load_cached(name: str, progress: ByteProgress | None = None) -> Dataset:
    """The same, remembered while its identity stays the same."""
    key = identity(name)
    dataset = _recent.get(key)
    if dataset is None:
        dataset = load(name, progress)
        while len(_recent) >= 4:
            _recent.pop(next(iter(_recent)))
        _recent[key] = dataset
    return dataset


_recent: dict[str, Dataset] = {}
