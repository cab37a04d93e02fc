"""The rows that the command `score` scores: of a table, of a feature file, or raw images and texts."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.feature_files import read_previews
from anoonly_core.data.tables.columns import list_names
from anoonly_core.data.tables.files import file_suffix, printable
from anoonly_core.data.tables.readers import read_table
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.raw import check_features, encoder_of, score_rows
from anoonly_core.detector.scoring import ScoredTable, score_table
from anoonly_core.errors import BadDataFile, InvalidConfig
from anoonly_core.features.opening import NO_LABELS, holds_images, open_source

__all__ = ["FileRows", "score_file"]

RAW_OPTIONS = ("text", "weights", "workers")
LISTED = 3  # rows that cannot be read, in a sentence


@dataclass(frozen=True, eq=False)
class FileRows:
    """Scored rows of a file.

    Attributes
    ----------
    scored
        The scores.
    copied
        Columns that name the scored rows, as many rows: "name" for images and texts, then those of --id.
    left_out
        Number of rows without a score.
    notes
        Sentences for the user.
    """

    scored: ScoredTable
    copied: pd.DataFrame
    left_out: int
    notes: tuple[str, ...]


def score_file(detector: AnoOnlyDetector, path: Path, shown: str, options: argparse.Namespace) -> FileRows:
    """Score the rows of a file, folder or archive by the options of the command `score`; `shown` is its name.

    Raises
    ------
    AnoOnlyError
        If it cannot be read, does not fit the detector, or an option has no effect on it.
    """
    if _is_raw(detector, path, shown):
        return _score_raw(detector, path, options)
    if given := [f"--{name}" for name in RAW_OPTIONS if getattr(options, name) is not None]:
        raise InvalidConfig(f"{shown} holds no images or texts to encode: leave {list_names(given)} out.")
    table = read_table(path, shown)
    for name in options.ids:
        if name not in table.columns:
            raise BadDataFile(f"{shown} has no column {printable(name)} for --id.")
    check_features(detector, path)
    scored = score_table(detector, table, shown, options.ids)
    previews = read_previews(path)
    names = {} if previews is None else {"name": previews.names([int(row) for row in scored.rows])}
    ids = {name: table[name].to_numpy()[scored.rows] for name in dict.fromkeys(options.ids)}
    if names and "name" in ids:
        raise BadDataFile("--id cannot copy the column name: the output has one of this name. Rename it.")
    notes = list(scored.notes)
    if scored.left_out:
        notes.append(f"{scored.left_out} of {len(table)} rows lack a value and are not scored.")
    return FileRows(scored, pd.DataFrame({**names, **ids}), scored.left_out, tuple(notes))


def _is_raw(detector: AnoOnlyDetector, path: Path, shown: str) -> bool:
    """Return True for a folder or archive of images, and for a table without the features of a detector of texts."""
    if holds_images(path):
        return True
    origin = detector.origin_
    if origin is None or origin.encoder.kind != "text" or file_suffix(path) == ".npz":
        return False
    try:
        table = read_table(path, shown)
    except BadDataFile:  # a cell may be too long for a table; the reader of texts reports every other fault
        return True
    columns = detector.preparation_.columns if detector.preparation_ is not None else ()
    wanted = [column.name for column in columns] or [f"x{number}" for number in range(detector.n_features_in_)]
    return not {*wanted} <= {*table.columns}


def _score_raw(detector: AnoOnlyDetector, path: Path, options: argparse.Namespace) -> FileRows:
    if options.ids:
        raise InvalidConfig("--id copies columns of a table of features: leave it out for images and texts.")
    encoder = encoder_of(detector, options.weights)
    source = open_source(path, options.text, NO_LABELS)
    with progress_bar(source.kind, desc=source.title[:30]) as show:
        rows = score_rows(detector, source, encoder, show, options.workers)
    notes = [*rows.notes, *rows.scored.notes]
    if rows.left_out:
        listed = ", ".join(f"{printable(left.name)} ({left.reason})" for left in rows.left_out[:LISTED])
        more = f" and {len(rows.left_out) - LISTED:,} more" if len(rows.left_out) > LISTED else ""
        count = len(rows.left_out)
        what = f"1 {source.kind} is" if count == 1 else f"{count:,} {source.kind}s are"
        notes.append(f"{what} not scored: {listed}{more}.")
    return FileRows(rows.scored, pd.DataFrame({"name": rows.names}), len(rows.left_out), tuple(notes))
