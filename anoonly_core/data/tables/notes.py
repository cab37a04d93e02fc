"""Sentences on choices that reading a table makes without being asked, and on columns to check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from anoonly_core.data.tables.columns import CATEGORY, NUMBER, ColumnProfile, list_names
from anoonly_core.data.tables.files import printable

__all__ = [
    "cell_notes",
    "constant_notes",
    "exclusion_notes",
    "giveaway_notes",
    "label_notes",
    "missing_notes",
    "other_label_notes",
    "sample_notes",
]


def exclusion_notes(
    title: str, label: str, exclusions: Mapping[str, Sequence[str]], are_left_out: bool
) -> Iterator[str]:
    """Yield sentences for the user on columns that are row numbers, names of entities or copies of the label.

    Parameters
    ----------
    title
        Name of the table.
    label
        Name of the label column.
    exclusions
        Names of the columns that number the rows ("rows"), name entities ("entities") and equal the label ("label").
    are_left_out
        True if these columns are left out; False if they are features because no other column is left.
    """
    for key, verb, rest in (
        ("rows", "number", "the rows"),
        ("entities", "name", "entities"),
        ("label", "equal", f"the label column {printable(label[:60])}"),
    ):
        names = [*exclusions[key]]
        if not names:
            continue
        start = f"{title}: {list_names(names)} {_verb(verb, names)} {rest}"
        if are_left_out:
            by_group = f", and group={printable(names[0][:60])} keeps each on one side" if key == "entities" else ""
            yield (
                f"{start} and {'is' if len(names) == 1 else 'are'} left out; on the command line keep=NAME makes "
                f"such a column a feature{by_group}."
            )
        else:
            yield f"{start}, but no other column is left to be a feature."


def other_label_notes(title: str, names: Sequence[str]) -> Iterator[str]:
    """Yield one sentence on columns that may be labels, too, and are left out; `title` names the table."""
    if names:
        are = "may be a label, too, and is" if len(names) == 1 else "may be labels, too, and are"
        yield f"{title}: {list_names([*names])} {are} left out; on the command line keep=NAME makes it a feature."


def constant_notes(title: str, names: Sequence[str]) -> Iterator[str]:
    """Yield one sentence on columns that are the same in all rows and are left out; `title` names the table."""
    if names:
        are = "is the same in all rows and is" if len(names) == 1 else "are the same in all rows and are"
        yield f"{title}: {list_names([*names])} {are} left out; on the command line keep=NAME makes it a feature."


def giveaway_notes(title: str, giveaways: Mapping[str, float]) -> Iterator[str]:
    """Yield warnings on columns that alone separate anomalies from normal rows, at most two.

    Parameters
    ----------
    title
        Name of the table.
    giveaways
        Share of mistakes of each such column by name, as `find_giveaways` returns it.
    """
    for names, fact in (
        ([name for name, mistakes in giveaways.items() if mistakes == 0], "without a mistake"),
        ([name for name, mistakes in giveaways.items() if mistakes > 0], "nearly without a mistake"),
    ):
        if names:
            yield (
                f"{title}: {list_names(names)} alone {_verb('tell', names)} anomalies from normal rows {fact}: is that "
                "known when you must decide, or should such a column be left out?"
            )


def cell_notes(title: str, profiles: Sequence[ColumnProfile]) -> Iterator[str]:
    """Yield sentences on cells whose reading may surprise: words that count as missing, and numbers taken for words.

    Parameters
    ----------
    title
        Name of the table.
    profiles
        Profiles of the feature columns.
    """
    for kind, holds in ((NUMBER, "the columns of numbers"), (CATEGORY, "the columns of words")):
        if columns := [column for column in profiles if column.missing_words and column.kind == kind]:
            words = sorted({word for column in columns for word in column.missing_words})
            names = list_names([f"{column.name[:60]} ({column.missing:,} missing)" for column in columns])
            yield f"{title}: {list_names(words)} {_verb('count', words)} as missing in {holds} {names}."
    if mixed := [column for column in profiles if column.can_be_words]:
        first = mixed[0]
        yield (
            f"{title}: column {printable(first.name[:60])} holds numbers, but in row {first.row} {first.example}; each "
            f"of its {first.count} values is a word."
        )


def missing_notes(title: str, missing: Mapping[str, bool]) -> Iterator[str]:
    """Yield warnings on columns that are blank exactly in the rows of one class, at most two.

    Parameters
    ----------
    title
        Name of the table.
    missing
        True if the column is blank in anomalies, False if in normal rows, by name.
    """
    for is_anomaly, rows in ((True, "anomalies"), (False, "normal rows")):
        if names := [name for name, blank in missing.items() if blank == is_anomaly]:
            yield (
                f"{title}: {list_names(names)} {'is' if len(names) == 1 else 'are'} missing exactly in {rows}: is that "
                "known when you must decide, or should such a column be left out?"
            )


def label_notes(title: str, label: str, y: np.ndarray, is_default: bool) -> Iterator[str]:
    """Yield one sentence if more labeled rows are anomalies than normal and the anomalous value was not chosen.

    Parameters
    ----------
    title
        Name of the table.
    label
        Name of the label column; "" if there is none, which yields nothing.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, -1 without a label.
    is_default
        True if the user chose no value, so that 1 means anomaly.
    """
    anomalies, normals = int((y == 1).sum()), int((y == 0).sum())
    if label and is_default and anomalies > normals > 0:
        yield (
            f"{title}: {anomalies / (anomalies + normals):.0%} of the labeled rows are anomalies, since 1 means "
            f"anomaly in {printable(label[:60])}; choose the other value if it does not."
        )


def sample_notes(title: str, y: np.ndarray, drawn: np.ndarray, rows: int | None) -> Iterator[str]:
    """Yield one sentence if a table is sampled: its rows, and the share of anomalies that changes with them.

    Parameters
    ----------
    title
        Name of the table.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, -1 without a label.
    drawn
        Mask of the rows of the sample, bool [rows].
    rows
        Number of rows that the schema asks for; None if there is no sample.
    """
    if rows is None or drawn.all():
        return
    before, after = (float((part == 1).sum() / max((part >= 0).sum(), 1)) for part in (y, y[drawn]))
    yield (
        f"{title}: a sample of {int(drawn.sum()):,} of {len(y):,} rows with {int((y[drawn] == 1).sum()):,} labeled "
        f"anomalies, which are {after:.1%} of its labeled rows instead of {before:.1%}; AUCPR depends on that share, "
        "so it is not that of all rows."
    )


def _verb(verb: str, names: Sequence[str]) -> str:
    return f"{verb}s" if len(names) == 1 else verb
