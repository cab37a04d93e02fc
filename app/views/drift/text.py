"""Texts of the page Drift: captions and explanations, made from the settings."""

from __future__ import annotations

from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.summary import BREAKING_LOSS
from anoonly_core.drift.ways import GUARDS, WAYS

__all__ = ["explanation", "stream_note"]


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
