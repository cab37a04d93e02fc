"""What a table that was brought holds, in plain words, before anything trains; what users wrote is escaped."""

from __future__ import annotations

from anoonly_core.data.split import TEST_SHARE
from anoonly_core.data.tables.uploads import Upload
from app.text.markdown import escape_markdown

__all__ = ["EMPTY", "reading_sentences", "table_sentence"]

EMPTY = (
    "Bring a table of your own: the page says what it holds before anything trains, then Compare, Clean and the "
    "other pages take it like any other."
)
FEW_ANOMALIES = 30
LISTED = 5


def table_sentence(table: Upload) -> str:
    """One sentence: what the table is, and what it is good for."""
    assert table.counts is not None
    counts, name = table.counts, escape_markdown(table.file_name)
    rows = f"{counts['rows']:,} rows of {counts['features']:,} features"
    known = counts["anomalies"] + counts["normals"]
    if not known:
        return f"{name}: {rows} and no label. Mark a few anomalies by hand, and the others are searched."
    if not counts["normals"]:
        return (
            f"{name}: {rows}, {counts['anomalies']:,} of them known to be anomalies and none to be "
            "normal: it can be trained on and searched, but not tested."
        )
    if not counts["anomalies"]:
        return f"{name}: {rows}, none of them an anomaly: say which values mean anomaly, or mark some."
    share = f"{counts['anomalies']:,} anomalies, {counts['anomalies'] / known:.1%} of the {known:,} labeled rows"
    return f"{name}: {rows}, {share}."


def reading_sentences(table: Upload) -> list[str]:
    """How it is read, a sentence each, in Markdown."""
    assert table.counts is not None
    read, counts = table.get_schema(), table.counts
    parts = [_label(table), _features(table)]
    if table.missing_counts and read.missing == "drop":
        dropped = counts["rows_in_file"] - counts["rows"] - (counts["anomalies_in_file"] - counts["anomalies"])
        parts.append(f"**{dropped:,} rows were dropped** because a value is missing in {_columns(table)}.")
    elif table.missing_counts:
        parts.append(
            f"**Missing values** in {_columns(table)}: the column's median stands in for a number, taken over the "
            "whole table, rows to be tested on included, but never from a label; a missing word is none of its words."
        )
    if read.without:
        parts.append(f"**Left out**: {_names(read.without)}.")
    if counts["copies"]:
        parts.append(
            f"**{counts['copies']:,} rows are copies** of others. Copies of a row stay on one side of the split, so "
            "that no row is tested on that was trained on."
        )
    if table.can_be_tested:
        parts.append(_about_the_test(counts["anomalies"]))
    return parts


def _label(table: Upload) -> str:
    counts, read = table.counts, table.get_schema()
    assert counts is not None
    if not table.label_column:
        return "**No label column**: no row is known to be an anomaly or to be normal."
    values = read.anomaly or read.normal or ("1",)
    side = "anomaly" if read.anomaly or not read.normal else "normal, everything else anomaly"
    said = f"**Label column {escape_markdown(table.label_column)}**: {_names(values)} means {side}; "
    said += f"{counts['anomalies_in_file']:,} anomalies, {counts['normals']:,} normal rows"
    if counts["unlabelled"]:
        said += f", {counts['unlabelled']:,} without a label, which train in the pool and are never tested on"
    if counts["anomalies_in_file"] > counts["anomalies"]:
        said += f". {counts['anomalies']:,} of the anomalies are drawn, always the same ones"
    return f"{said}."


def _features(table: Upload) -> str:
    columns = table.get_preprocessing().columns
    words = [column for column in columns if column.words is not None]
    said = f"**{len(columns) - len(words):,} columns of numbers** as they are"
    if words:
        made = sum(len(column.features) for column in words)
        said += f", {len(words):,} of words as {made:,} features of 0 and 1: {_names([own.name for own in words])}"
    return f"{said}."


def _about_the_test(anomalies: int) -> str:
    tested = max(1, round(anomalies * TEST_SHARE))
    said = f"A run trains on 70 % of the labeled rows and is tested on the rest, with about {tested:,} anomalies."
    if anomalies < FEW_ANOMALIES:
        said += " **That is few**: look at the interval over the seeds before you believe a difference."
    return said


def _columns(table: Upload) -> str:
    filled = dict(sorted((table.missing_counts or {}).items(), key=lambda own: -own[1]))
    cells = [f"{escape_markdown(name)} ({count:,})" for name, count in list(filled.items())[:LISTED]]
    return ", ".join(cells) + (f" and {len(filled) - LISTED} more columns" if len(filled) > LISTED else "")


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(escape_markdown(name) for name in names[:LISTED]) + more
