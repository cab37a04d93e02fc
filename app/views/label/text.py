"""Sentences of the Label page: its headline, the progress of the loop, and the agreement of two rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anoonly_core.labeling.history import History, Label

__all__ = ["LABEL_NAMES", "agreement_sentence", "label_sentence", "progress_sentence"]

LABEL_NAMES = {Label.ANOMALY: "★ anomaly", Label.NORMAL: "× normal", Label.UNSURE: "? unsure"}


def progress_sentence(history: History, round_number: int, truth: np.ndarray | None, row_ids: np.ndarray) -> str:
    """Return what the labels have earned: their numbers, and for a data set to practise on what was found of it.

    Parameters
    ----------
    history : History
        The labels so far.
    round_number : int
        Number of the present round.
    truth : np.ndarray or None
        1 for an anomaly, 0 for a normal row, int8 [rows]; None if unknown.
    row_ids : np.ndarray
        Row numbers, int64 [rows].
    """
    labels = history.labels
    counts = {label: sum(given == label for given in labels.values()) for label in Label}
    parts = [f"{counts[Label.ANOMALY]} anomal{'y' if counts[Label.ANOMALY] == 1 else 'ies'}"]
    parts += [f"{counts[label]} {label.value}" for label in (Label.NORMAL, Label.UNSURE) if counts[label]]
    sentence = f"Round {round_number}, {len(labels)} label{'' if len(labels) == 1 else 's'}: {', '.join(parts)}."
    if truth is None or not labels:
        return sentence
    true = dict(zip(row_ids.tolist(), truth.tolist(), strict=True))
    found = sum(true[row] == 1 for row, label in labels.items() if label == Label.ANOMALY)
    wrong = sum((label == Label.ANOMALY) != bool(true[row]) for row, label in labels.items() if label != Label.UNSURE)
    errors = f"; {wrong} label{' is' if wrong == 1 else 's are'} wrong" if wrong else ""
    return f"{sentence} {found} of {int(truth.sum())} hidden anomalies found{errors}."


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
        True if the ranking was trained on the labeled anomalies.
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
        return f"Every row is labeled: {len(anomalies):,} anomalies of {rows:,} rows."
    new = sum(row not in known_labels for row in top_rows)
    if not trained:
        ranking = f"{name[0].upper()}{name[1:]} puts the strangest of {rows:,} rows on top, without any label"
        return f"{ranking}: {new} of the first {len(top_rows)} are not labeled yet. Label the anomalies among them."
    found = sum(known_labels.get(row) is True for row in top_rows)
    refuted_count = sum(known_labels.get(row) is False for row in top_rows)
    refuted = f", {refuted_count} known to be normal" if refuted_count else ""
    labeled = f"{len(anomalies):,} labeled anomal{'y' if len(anomalies) == 1 else 'ies'}"
    ranking = (
        f"Trained on {labeled}, {name} puts {found} of them among the first {len(top_rows)} of {rows:,} rows{refuted}"
    )
    if not new:
        return f"{ranking}. All of them are labeled: look further down the list."
    return f"{ranking}: {new} {'is' if new == 1 else 'are'} not labeled yet. Look at them and label them."


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
