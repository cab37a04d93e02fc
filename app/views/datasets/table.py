"""The catalogue as one table, and its texts, for the page Data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.cache import CacheUsage
from anoonly_core.data.catalogue import DATASETS, Entry

from ...text.labels import MEGABYTE
from ...widgets.download import download_size

__all__ = [
    "ABSENT",
    "BUNDLED",
    "CACHED",
    "GIVEN",
    "catalogue_sentence",
    "datasets_table",
    "describe_dataset",
    "filter_datasets",
    "format_download_size",
    "format_megabytes",
    "missing_datasets",
]

# States of a data set.
BUNDLED = "bundled"
CACHED = "on this machine"
GIVEN = "in ANOONLY_DATA"
ABSENT = "to download"


def datasets_table() -> pd.DataFrame:
    """Return the catalogue of data sets as a table, one data set a row, indexed by name; unknown facts are missing.

    Columns: name, family, rows, columns, share (of anomalies, 0 to 1), state (BUNDLED, CACHED, GIVEN or ABSENT), size
    (MB), license, source.
    """
    entries = DATASETS.values()
    facts = [entry.known_facts() for entry in entries]
    table = pd.DataFrame(index=pd.Index(list(DATASETS), dtype="str"))
    table["name"] = list(DATASETS)
    table["family"] = [entry.family for entry in entries]
    table["rows"] = pd.array([known.rows for known in facts], dtype="Int64")
    table["columns"] = pd.array([known.columns for known in facts], dtype="Int64")
    table["share"] = pd.array([known.anomaly_share for known in facts], dtype="Float64")
    table["state"] = [_state(entry) for entry in entries]
    table["size"] = pd.array(
        [None if (size := _bytes(entry)) is None else size / MEGABYTE for entry in entries], "Float64"
    )
    table["license"] = [entry.provenance.license for entry in entries]
    table["source"] = [_origin(entry) for entry in entries]
    return table


def _origin(entry: Entry) -> str:
    """Return the collection that a data set comes from."""
    if entry.file is not None:
        return "ADBench"
    return "scikit-learn" if entry.provenance.source.startswith("scikit-learn") else "novels"


def filter_datasets(table: pd.DataFrame, family: str | None, is_local_only: bool, words: str) -> pd.DataFrame:
    """Return the rows of a table from `datasets_table` that match all filters.

    Parameters
    ----------
    table : pd.DataFrame
        The table.
    family : str or None
        Family of the data sets; None for all families.
    is_local_only : bool
        True to leave out data sets that are not on this machine.
    words : str
        Words separated by spaces; each must occur in the name, in upper or lower case.
    """
    keep = (table["state"] != ABSENT) | (not is_local_only)
    if family is not None:
        keep &= table["family"] == family
    for word in words.casefold().split():
        keep &= table["name"].str.casefold().str.contains(word, regex=False)
    return table[keep]


def catalogue_sentence(table: pd.DataFrame, listed: int, cache: Sequence[CacheUsage], folder: Path) -> str:
    """Return the headline: number of data sets by state, size of the cache, and number of data sets in the list.

    Parameters
    ----------
    table : pd.DataFrame
        All data sets, from `datasets_table`.
    listed : int
        Number of data sets that the filters leave; not mentioned if it is all of them.
    cache : sequence of CacheUsage
        Files in the cache folder by kind.
    folder : Path
        The cache folder.
    """
    counts = table["state"].value_counts()
    absent = int(counts.get(ABSENT, 0))
    parts = [f"{counts[BUNDLED]} bundled"]
    if fetched := counts.get(CACHED, 0):
        parts.append(f"{fetched} downloaded")
    if given := counts.get(GIVEN, 0):
        parts.append(f"{given} in ANOONLY_DATA")
    of_these = "" if listed == len(table) else f" {listed} of them {'is' if listed == 1 else 'are'} listed."
    return (
        f"{len(table)} data sets, {len(table) - absent} on this machine ({', '.join(parts)}), {absent} to download; "
        f"the cache in {folder} takes {format_megabytes(sum(share.bytes for share in cache))}.{of_these}"
    )


def describe_dataset(entry: Entry) -> tuple[str, str]:
    """Return two texts on a data set of the catalogue: its numbers of rows, columns and anomalies, and its origin."""
    known, provenance = entry.known_facts(), entry.provenance
    size = "size unknown until it is downloaded"
    if known.rows is not None and known.anomalies is not None:
        size = f"{known.rows} rows of {known.columns} columns, {known.anomalies} anomalies ({known.anomaly_share:.2%})"
    elif known.columns is not None:
        size = f"{known.columns} columns; number of rows unknown until it is downloaded"
    origin = f"From {provenance.source}, {provenance.license}"
    if entry.file is None:
        return f"{size}; {provenance.note}.", f"{origin}."
    checked = "a downloaded file is used only if its checksum matches that commit"
    return f"{size}.", f"{origin}, {provenance.note}; {checked}."


def missing_datasets(names: Sequence[str]) -> list[str]:
    """Return those of these names of data sets that are not on this machine, in the same order."""
    return [name for name in names if not DATASETS[name].is_local()]


def format_download_size(names: Sequence[str]) -> str:
    """Format the total download size of these data sets in MB, with "at least" if some sizes are unknown.

    Returns "of unknown size" if no size is known.
    """
    sizes = [download_size(name) for name in names]
    known = [size for size in sizes if size is not None]
    if not known:
        return "of unknown size"
    least = "at least " if len(known) < len(sizes) else ""
    return least + format_megabytes(sum(known))


def format_megabytes(size: float) -> str:
    """Format a number of bytes in MB: without decimals from 10 MB, with one from 0.1 MB, else with two."""
    size /= MEGABYTE
    return f"{size:.{0 if size >= 10 or not size else 1 if size >= 0.1 else 2}f} MB"


def _state(entry: Entry) -> str:
    if entry.file is None:
        return BUNDLED
    path = adbench.find_file(entry.file)
    if path is None:
        return ABSENT
    return CACHED if path == adbench.cached_path(entry.file) else GIVEN


def _bytes(entry: Entry) -> int | None:
    if entry.file is None:
        return None
    path = adbench.find_file(entry.file)
    try:
        return path.stat().st_size if path is not None else entry.file.bytes
    except OSError:  # it has just been removed
        return entry.file.bytes
