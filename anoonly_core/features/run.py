"""Make a feature file from raw rows, going on where an earlier run was interrupted."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anoonly_core.data.feature_files import MAX_ABOUT, FeatureAbout, LeftOut, write_features
from anoonly_core.data.tables.columns import list_names
from anoonly_core.data.tables.files import MAX_UNPACKED, printable
from anoonly_core.errors import BadDataFile, InvalidConfig, did_you_mean
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoding import CHUNK_ROWS, Encoding, check_encoding, counted_notes, nothing_readable
from anoonly_core.features.journal import Journal
from anoonly_core.features.source import RawSource
from anoonly_core.machine import cores
from anoonly_core.progress import Report
from anoonly_core.version import __version__

__all__ = ["FeatureSummary", "make_features", "partial_folder"]

MAX_LABEL = 200  # characters; every label takes the room of the longest in the file
MAX_LEFT_OUT = MAX_ABOUT * 3 // 4  # bytes of the list of rows left out, so that the description has room
JSON_BYTES = 30  # of an entry of that list, beside its words
FORMAT = 1  # raise it when a partial run of an earlier version cannot be continued


@dataclass(frozen=True)
class FeatureSummary:
    """Result of a run that made features.

    Attributes
    ----------
    path
        The feature file.
    rows, features
        Its shape.
    labels
        Number of rows of each label; "" counts those without one. Empty if no row has a label.
    left_out
        Number of raw rows without features.
    resumed_at
        Number of raw rows that an interrupted run had done; 0 if there was none.
    notes
        Sentences for the user.
    """

    path: Path
    rows: int
    features: int
    labels: Mapping[str, int]
    left_out: int
    resumed_at: int
    notes: tuple[str, ...]


def partial_folder(out: Path) -> Path:
    """Return the folder that holds the features of an interrupted run for the file `out`."""
    return out.with_name(f"{out.name}.partial")


def make_features(
    source: RawSource,
    encoder: Encoder,
    out: Path,
    progress: Report = lambda done, total: None,
    workers: int | None = None,
    *,
    anomalies: Sequence[str] = (),
    chunk_rows: int = CHUNK_ROWS,
    max_seconds: float | None = None,
) -> FeatureSummary:
    """Encode all rows of a source and write them to a feature file.

    Images are decoded in processes, texts in this one. A run that is interrupted leaves a folder beside `out`, and the
    same call goes on there. The file has the same bits for each number of workers and rows at a time, interrupted
    or not.

    Parameters
    ----------
    source
        Raw rows.
    encoder
        Encoder of the same kind.
    out
        .npz file to write; its folder must exist.
    progress
        Called with the rows done and all rows, at least five times a second; an exception stops the run.
    workers
        Number of processes that decode and of threads that encode; by default the cores of this machine.
    anomalies
        Labels of anomalies. The file then has the labels 0 and 1, else the words of the source.
    chunk_rows
        Rows that are read and encoded at a time; the memory that a run takes grows with them.
    max_seconds
        Time after which the run stops; None for no limit.

    Returns
    -------
    FeatureSummary
        What was made.

    Raises
    ------
    InvalidConfig
        If encoder and source are of two kinds, or a label of an anomaly does not occur.
    BadDataFile
        If no row can be read, a limit is exceeded, or the file cannot be written.
    """
    check_encoding(source, encoder, workers, chunk_rows)
    _check_labels(source, anomalies)
    deadline = None if max_seconds is None else time.monotonic() + max_seconds
    dimension = encoder.identity.dimension
    with Encoding(source, encoder, workers or cores(), chunk_rows) as encoding:
        with Journal(partial_folder(out), _header(source, encoder), dimension) as journal:
            resumed_at = journal.done
            _encode_rest(source, encoding, journal, progress, deadline)
            summary = _write(source, encoder, out, journal, anomalies, resumed_at)
        journal.remove()
    return summary


def _check_labels(source: RawSource, anomalies: Sequence[str]) -> None:
    """Raise InvalidConfig if a label of an anomaly does not occur, BadDataFile if a label is too long."""
    if (longest := max(map(len, source.labels or ()), default=0)) > MAX_LABEL:
        raise BadDataFile(
            f"{source.title} has a label of {longest} characters, and at most {MAX_LABEL} are read: shorten it, or "
            "take another column."
        )
    known = {*(source.labels or ())} - {""}
    for word in anomalies:
        if word not in known:
            hint = did_you_mean(word, known) or f"; the labels are {list_names(sorted(known))}." if known else "."
            raise InvalidConfig(f"No row of {source.title} has the label {printable(word[:60])!r}{hint}")


def _header(source: RawSource, encoder: Encoder) -> dict[str, object]:
    """Return what the features of a run depend on."""
    identity = hashlib.sha256(source.identity.encode()).hexdigest()
    return {
        "format": FORMAT,
        "version": __version__,
        "source": identity,
        "encoder": encoder.identity.model_dump(mode="json"),
    }


def _encode_rest(
    source: RawSource, encoding: Encoding, journal: Journal, progress: Report, deadline: float | None
) -> None:
    """Encode the rows that a journal lacks, and append them; raise BadDataFile where a limit is exceeded."""
    total = len(source.names)
    progress(journal.done, total)
    listed = sum(map(_listed_bytes, (*source.left_out, *journal.left_out.values())))
    for encoded in encoding.encode_from(journal.done, progress):
        journal.append(encoded)
        progress(journal.done, total)
        listed += sum(map(_listed_bytes, encoded.left_out.values()))
        if listed > MAX_LEFT_OUT:
            raise BadDataFile(f"{source.title} has too many rows that cannot be read to list them: clean it first.")
        if journal.bytes > MAX_UNPACKED:
            raise BadDataFile(
                f"{source.title} is too large: after {journal.done:,} of {total:,} {source.kind}s, features and "
                f"previews take more than {MAX_UNPACKED >> 20} MB. Split it."
            )
        if deadline is not None and time.monotonic() > deadline and journal.done < total:
            raise BadDataFile(
                f"{source.title} takes more time than allowed: {journal.done:,} of {total:,} {source.kind}s are done "
                f"and kept in {printable(journal.folder)}. Start again to go on there."
            )


def _listed_bytes(left: LeftOut) -> int:
    return len(left.name.encode("utf-8", "replace")) + len(left.reason.encode()) + JSON_BYTES


def _write(
    source: RawSource, encoder: Encoder, out: Path, journal: Journal, anomalies: Sequence[str], resumed_at: int
) -> FeatureSummary:
    """Write the feature file from a complete journal."""
    rows = journal.rows
    if not len(rows):
        journal.remove()
        raise nothing_readable(source, journal.left_out)
    left_out = (*source.left_out, *(left for _, left in sorted(journal.left_out.items())))
    words = None if source.labels is None else [source.labels[row] for row in rows]
    labels = Counter(words or ())
    of_rows = counted_notes(journal.notes, source.kind)
    notes = (*source.notes, *of_rows, *encoder.notes, *_notes(labels, anomalies))
    about = FeatureAbout(
        encoder=encoder.identity,
        source=source.title,
        saved_by=f"anoonly {__version__}",
        left_out=left_out,
        notes=notes,
    )
    X, previews = journal.arrays()
    try:
        write_features(out, X, _y(words, anomalies), [source.names[row] for row in rows], previews, about)
    except OSError as error:
        raise BadDataFile(f"The features could not be written to {printable(out)} ({error.strerror}).") from error
    return FeatureSummary(
        out, len(rows), X.shape[1], dict(sorted(labels.items())), len(left_out), resumed_at, about.sentences
    )


def _notes(labels: Mapping[str, int], anomalies: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on labels that no training can use."""
    known = {*labels} - {""}
    if not known:
        yield "No row has a label: rows can be ranked and labeled, and training needs labels."
    elif len(known) == 1 or known <= {*anomalies}:
        yield f"All labeled rows are {list_names(sorted(known))}: training needs rows of another label, too."


def _y(words: Sequence[str] | None, anomalies: Sequence[str]) -> np.ndarray | None:
    """Return the labels for a feature file: words, or 0 and 1 if `anomalies` says which words are anomalies."""
    if words is None or not any(words):
        return None
    if not anomalies:
        return np.array(words, dtype=np.str_)
    if all(words):
        return np.array([word in anomalies for word in words], dtype=np.uint8)
    return np.array(["" if not word else str(int(word in anomalies)) for word in words], dtype=np.str_)
