"""Sentences of the Label page: its headline, and the agreement of two rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["agreement_sentence", "label_sentence"]


def label_sentence(
    name: str,
    trained: bool,
    rows: int,
    anomalies: Sequence[int],
    known_labels: Mapping[int, bool],
    top_rows: Sequence[int],
) -> str:
    """Return the headline: how many of the first rows of the ranking are known or new, and what to do next.

    Parameters
    ----------
    name : str
        Scorer or system that ranked the rows.
    trained : bool
        True if the ranking was trained on the marked anomalies.
    rows : int
        Number of rows in the table.
    anomalies : sequence of int
        Row numbers in the file of the known anomalies.
    known_labels : mapping of int to bool
        Known labels by row number in the file, True for an anomaly.
    top_rows : sequence of int
        Row numbers in the file of the first rows of the ranking.
    """
    if len(known_labels) == rows:
        return f"Every row is marked or labeled: {len(anomalies):,} anomalies of {rows:,} rows."
    new = sum(row not in known_labels for row in top_rows)
    if not trained:
        ranking = f"{name[0].upper()}{name[1:]} puts the strangest of {rows:,} rows on top, without any label"
        return f"{ranking}: {new} of the first {len(top_rows)} are not marked yet. Mark the anomalies among them."
    found = sum(known_labels.get(row) is True for row in top_rows)
    refuted_count = sum(known_labels.get(row) is False for row in top_rows)
    refuted = f", {refuted_count} known to be normal" if refuted_count else ""
    marked = f"{len(anomalies):,} marked anomal{'y' if len(anomalies) == 1 else 'ies'}"
    ranking = (
        f"Trained on {marked}, {name} puts {found} of them among the first {len(top_rows)} of {rows:,} rows{refuted}"
    )
    if not new:
        return f"{ranking}. All of them are marked: look further down the list."
    return f"{ranking}: {new} {'is' if new == 1 else 'are'} not marked yet. Look at them and mark them."


def agreement_sentence(first: str, second: str, shared: int, top: int) -> str:
    """Return how many of their first rows two rankings share, and what to do where they differ.

    Parameters
    ----------
    first, second : str
        Names of the rankings.
    shared : int
        Number of rows that are among the first `top` of both.
    top : int
        Number of first rows that are compared.
    """
    if shared == top:
        return f"{first} and {second} have the same first {top} rows."
    agree = f"{first} and {second} share {shared} of their first {top} rows."
    return f"{agree} Look at the first rows of both: one may find anomalies that the other misses."
