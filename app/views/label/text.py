"""The sentence over the Label page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["label_sentence"]


def label_sentence(
    name: str, trained: bool, rows: int, anomalies: Sequence[int], judged: Mapping[int, bool], on_top: Sequence[int]
) -> str:
    """What the ranking says, and what to do next.

    name: what ranked the rows; trained: whether on the marks; anomalies: the marked rows; judged: what is known of
    rows; on_top: the rows that rank highest.
    """
    if len(judged) == rows:
        return (
            f"Every row is marked or labeled: {len(anomalies):,} anomalies of {rows:,} rows, nothing is left to find."
        )
    new = sum(row not in judged for row in on_top)
    if not trained:
        said = f"{name[0].upper()}{name[1:]} puts the strangest of {rows:,} rows on top, without any label"
        return f"{said}: {new} of the first {len(on_top)} are new to you. Mark the anomalies among them."
    found = sum(judged.get(row) is True for row in on_top)
    none = sum(judged.get(row) is False for row in on_top)
    refuted = f", {none} known to be none" if none else ""
    marked = f"{len(anomalies):,} marked anomal{'y' if len(anomalies) == 1 else 'ies'}"
    said = f"Trained on {marked}, {name} puts {found} of them among the first {len(on_top)} of {rows:,} rows{refuted}"
    if not new:
        return f"{said}. Nothing new is on top: look further down the list."
    return f"{said}: {new} {'is' if new == 1 else 'are'} new. Look at them, mark what they are."
