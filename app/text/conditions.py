"""Parts of the line below a headline: the data set, the pool and the seeds of the runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import FileEntry, UploadEntry, find
from anoonly_core.data.split import TEST_SHARE
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.snippets import source_file

from .labels import format_axis_value

__all__ = ["dataset_text", "pool_text", "sample_words", "seeds_text", "split_text", "split_warnings", "split_words"]


def dataset_text(name: str) -> str:
    """Return the name of a data set as a page shows it; for an uploaded table or a file, the name of the file.

    A sample of its rows is named behind it.
    """
    source = source_file(name)
    shown = name if source is None else Path(source).name
    return shown if (sample := _sample(name)) is None else f"{shown} ({sample})"


def sample_words(name: str) -> str:
    """Return words such as " on a sample of 20,000 of 286,048 rows" for a headline; "" if all rows are used.

    `name` is that of the data set.
    """
    return "" if (sample := _sample(name)) is None else f" on a {sample}"


def _sample(name: str) -> str | None:
    """Return "sample of 20,000 of 286,048 rows" if the schema of a table draws one; None for all rows.

    The rows of a file are not counted, since that would read it.
    """
    match find(name):
        case UploadEntry(upload=upload) if upload.get_schema().rows is not None and upload.counts is not None:
            rows, whole = upload.counts["rows"], upload.counts["rows_in_file"]
            return f"sample of {rows:,} of {whole:,} rows" if rows < whole else None
        case FileEntry() as entry if entry.schema.rows is not None:
            return f"sample of up to {entry.schema.rows:,} rows"
    return None


def pool_text(contamination: float | str) -> str:
    """Describe the contamination of a pool, as in `RunConfig`, such as "clean pool" or "5 % of the pool anomalous"."""
    if contamination == "natural":
        return "anomalies in the pool as found"
    if contamination == 0:
        return "clean pool"
    return f"{format_axis_value('contamination', contamination)} of the pool anomalous"


def seeds_text(seeds: Collection[int]) -> str:
    """Return consecutive seeds as text, such as "seed 0" or "seeds 0 to 4"."""
    first, last = min(seeds), max(seeds)
    return f"seed {first}" if first == last else f"seeds {first} to {last}"


# Test rows of a protocol, to complete "tested on".
_TESTED_ON = {"by_time": "the latest rows", "by_group": "unseen groups", "test_file": "the test file"}


def split_words(protocol: str) -> str:
    """Return words such as ", tested on the latest rows," for a headline; "" for a random split."""
    return f", tested on {_TESTED_ON[protocol]}," if protocol in _TESTED_ON else ""


def split_text(config: RunConfig) -> str:
    """Describe the split of a run and the column that it follows, such as "split by time (when): ..."; "" if random."""
    schema: TableSchema | None = None
    match find(config.dataset):
        case UploadEntry(upload=upload):
            schema = upload.get_schema()
        case FileEntry() as entry:
            schema = entry.schema
    share = f"{TEST_SHARE:.0%}"
    match config.protocol:
        case "published":
            return "published split"
        case "by_time":
            column = f" ({schema.time})" if schema is not None and schema.time else ""
            return f"split by time{column}: the latest {share} of the labeled rows are the test, in every seed"
        case "by_group":
            column = f" ({schema.group})" if schema is not None and schema.group else ""
            return f"split by group{column}: about {share} of the labeled rows are the test, no group on both sides"
        case "test_file":
            return "tested on the test file, in every seed"
    return "random split" if schema is not None and schema.protocols else ""


def split_warnings(protocol: str, counts: Mapping[str, int]) -> list[str]:
    """Return sentences on rows and groups that stand on both sides of a split.

    Parameters
    ----------
    protocol : str
        Protocol of the run.
    counts : mapping of str to int
        Row counts of its split, as in `RunResult.counts`.
    """
    sentences = []
    if copies := counts["test_copies_of_training_part"]:
        words = f"{copies / counts['test']:.0%} of the test rows are copies of training rows"
        of_data = protocol in _TESTED_ON
        sentences.append(f"{words}, as in the table." if of_data else f"Leak: {words}. Choose another protocol.")
    if groups := counts.get("groups_on_both_sides", 0):
        are = "group has" if groups == 1 else "groups have"
        sentences.append(f"{groups:,} {are} rows in training and in the test. The protocol by group avoids this.")
    return sentences
