"""Texts of the page Drift: captions and explanations, made from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.summary import BREAKING_LOSS, mean_over_batches, stream_figures
from anoonly_core.drift.ways import GUARDS, WAYS
from anoonly_core.metrics.confidence import clear_together

from ...text.verdict import PairedDifference, format_difference, paired_difference
from .view import StreamView, way_index

__all__ = ["explanation", "stream_note", "threshold_sentence"]


def threshold_sentence(config: DriftConfig, results: Sequence[DriftResult], view: StreamView) -> str:
    """Return a sentence on what the thresholds do from the start of the shift on: running statistics and another way.

    The other way is the chosen one, or the next that differs. A difference that is not clear over the seeds, after
    Holm's correction for both, is called so.

    Parameters
    ----------
    config : DriftConfig
        The configuration of the first seed.
    results : sequence of DriftResult
        One result a seed.
    view : StreamView
        The chosen way and thresholds.
    """
    running = _rates(config, results, "running", view)
    if not np.isfinite(running).all():
        return ""
    thresholds = f"thresholds {'set anew for' if view.recalibrated else 'that promise'} {config.level:.0%}"
    flagged, missed = running.mean(axis=0)
    said = (
        f"At {thresholds} of false alarms, running statistics flag {flagged:.0%} of the normal rows and miss "
        f"{missed:.0%} of the anomalies"
    )
    way = next((way for way in (view.way, *view.ways) if way != "running"), None)
    if way is None:
        return f"{said}."
    other = _rates(config, results, way, view)
    differences = [paired_difference(*each) for each in zip(running.T, other.T, strict=True)]
    clear = clear_together([each.p for each in differences])
    leads = [
        f"{label} {format_difference(_in_points(each), 0)} points{'' if is_clear or each.p is None else ', not clear'}"
        for label, each, is_clear in zip(("flagged", "missed"), differences, clear, strict=True)
    ]
    flagged, missed = other.mean(axis=0)
    name = f"{'a ' if way == 'retrained' else ''}{WAYS[way].label}"
    return f"{said}; {name} {flagged:.0%} and {missed:.0%} ({', '.join(leads)})."


def _rates(config: DriftConfig, results: Sequence[DriftResult], way: str, view: StreamView) -> np.ndarray:
    """Return the shares of false alarms and of missed anomalies of a way after the start, float64 [seeds, 2].

    They are means over the batches that have rows of the class; NaN if none has.
    """
    after = slice(min(config.start, len(results[0].rows) - 1), None)
    figures = [stream_figures(result, view.recalibrated) for result in results]
    values = [[each.of(name)[way_index(way), after] for name in ("false_alarms", "missed")] for each in figures]
    return mean_over_batches(np.array(values))


def _in_points(difference: PairedDifference) -> PairedDifference:
    """Return a difference of shares in percentage points."""
    margin = None if difference.margin is None else 100 * difference.margin
    return replace(difference, delta=100 * difference.delta, margin=margin)


def stream_note(config: DriftConfig, result: DriftResult, seeds: int) -> str:
    """Return the caption of the animation in Markdown: the shift, the origin of the rows, and what is drawn.

    Parameters
    ----------
    config : DriftConfig
        The configuration of the first seed.
    result : DriftResult
        Its stream.
    seeds : int
        Number of seeds behind the curves.
    """
    batches, rows = result.rows.shape
    origin = f"{batches} batches of {rows} test rows that the training has not seen"
    if result.rows_return:
        origin += f", drawn from {int(result.distinct_rows[0])} distinct ones, so that rows return"
    parts = [
        f"{SHIFTS[config.shift].label}: {SHIFTS[config.shift].summary}",
        f"{origin}.",
        f"Curves are means over {seeds} seeds with the 95 % interval of the chosen way."
        if seeds > 1
        else "Curves are of one seed, without an interval.",
        "Scores, features and pictures are of the first seed, pictures in order of the score: orange frames are "
        "anomalies, pale pictures are not flagged.",
    ]
    if not config.follows:
        parts.append(
            "This norm has no statistics over rows that could follow, so the ways coincide: only running statistics "
            "are drawn."
        )
    return " ".join(parts)


def explanation(config: DriftConfig) -> str:
    """Return the text in Markdown that explains the ways and the charts."""
    ways = "\n".join(f"- **{name}**: {way.summary}" for name, way in WAYS.items())
    return (
        "One trained network scores a stream of batches in several ways. They differ in the mean and variance that its "
        f"norms use:\n\n{ways}\n\n"
        f"The guard here: {GUARDS[config.guard]}. The gray ground shows the course of the shift. Thresholds promise at "
        f"the start that {config.level:.0%} of normal rows are flagged. The thick line is the threshold that the "
        "curves count with; the thin line is the other one, set anew or promised. The distance of the mean in use is "
        "that at the first norm from its mean after the training, in its deviations. Hidden features are in one plane "
        "for all batches: the first two principal components of the training rows.\n\n"
        f"A way is broken from a share of anomalies on if its AUCROC is {BREAKING_LOSS:g} or more below that of "
        "running statistics there and at all larger shares, clearly over the seeds: it takes the anomalies in."
    )
