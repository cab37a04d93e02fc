"""Sentences of the Clean page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.purify.result import PoolScores, PurifyResult

from ...text.verdict import PairedDifference, describe_run, format_difference, paired_difference

__all__ = ["WHERE_IT_HELPS", "clean_sentence", "suspicion_sentence"]

# Measured on a CPU; the README has the same figures.
WHERE_IT_HELPS = """
AUCROC in % before → after, mean over seeds 0 to 4, and the mean gain ± 95 %; λₙ = 1, three parts, the same head as
scorer, known q:

| | digits_only_3, 20 % contamination, 1 % labeled | the same, 10 % labeled | SVHN_0, natural, 10 % labeled |
|---|---|---|---|
| DeepSAD | **93.6 → 96.8 (+3.2 ± 1.2)** | 99.1 → 99.5 (+0.4 ± 0.4) | 69.2 → 70.7 (+1.5 ± 4.7) |
| DevNet | 94.0 → 95.1 (+1.1 ± 1.2) | 97.5 → 97.3 (−0.3 ± 0.4) | 84.7 → 84.6 (−0.1 ± 0.4) |
| FEAWAD | **87.9 → 94.6 (+6.7 ± 3.7)** | 99.2 → 99.6 (+0.4 ± 0.4) | not measured |
| PReNet | **83.0 → 90.2 (+7.2 ± 5.6)** | 98.6 → 98.7 (+0.1 ± 0.7) | 83.6 → 84.3 (+0.6 ± 1.1) |

S ranks the contaminants in the first of these pools with AUCROC 0.84, 0.93, 0.70 and 0.81 (in the table's order)
with one model that scores its own training rows, and 0.97, 0.94, 0.94 and 0.88 with three parts. Cleaning helps if the
pool misleads the head: many contaminants, few labels, a loss that trusts the pool. With more labels little is left
to gain, and on SVHN_0 there is no clear difference. On a **clean** pool it costs a little, as all removed rows are
normal: DeepSAD on digits_only_3 without contamination, 98.7 → 98.4 (−0.4 ± 0.3). FEAWAD's gain on digits
is not clearly above that of removing the same number of rows at random.
"""


def clean_sentence(results: Sequence[PurifyResult]) -> str:
    """Return the headline: the change of AUCROC by the cleaning, and the same against random removal.

    `results` holds one result a seed.
    """
    by_name = {name: [result.variants[name].aucroc for result in results] for name in ("before", "after", "random")}
    gain = paired_difference(by_name["before"], by_name["after"])
    beyond = paired_difference(by_name["random"], by_name["after"])
    head = f"**{describe_run(results[0].config.run)}**"
    figures = f"AUCROC {gain.a:.3f} → {gain.b:.3f} ({format_difference(gain, 3)})"
    chance = f"against the same number of random rows {format_difference(beyond, 3)}"
    if not any(len(result.removed) for result in results):
        return f"No row is removed, so {head} is unchanged: AUCROC {gain.a:.3f}."
    if len(results) == 1:
        return (
            f"On one seed: {head} without the suspicious rows, {figures}; {chance}. "
            "One seed shows no spread: use more seeds before you trust it."
        )
    over = f"Over {len(results)} seeds"
    if not gain.is_clear:
        return f"No clear difference. {over}, {head} without the suspicious rows: {figures}; {chance}."
    if gain.delta < 0:
        return f"Cleaning hurts here. {over}, {head} without the suspicious rows: {figures}; {chance}."
    return f"{over}, {head} is better without the suspicious rows: {figures}; {_beyond_chance(beyond, chance)}."


def _beyond_chance(beyond: PairedDifference, chance: str) -> str:
    return chance if beyond.is_clear and beyond.delta > 0 else f"but {chance}, no clear difference"


def suspicion_sentence(suspicions: Sequence[PoolScores], remove: float | None) -> str:
    """Return Markdown on how well S ranks the contaminants, and on recall and precision of the removal.

    Parameters
    ----------
    suspicions : sequence of PoolScores
        The scored pool of each seed; figures are means over them.
    remove : float or None
        Share of the pool that is removed; None for the known share of contaminants.
    """
    config = suspicions[0].config
    models = f"{config.parts} models" if config.parts > 1 else "One model, which scores its own training rows"
    removed = [scores.rows_to_remove(remove) for scores in suspicions]
    if any(scores.aucroc is None for scores in suspicions):
        return (
            f"{models}. No contaminant of this pool is known, so the {len(removed[0])} removed rows cannot be checked; "
            "look at them below."
        )
    ranked = np.mean([scores.aucroc for scores in suspicions if scores.aucroc is not None])
    ranking = f"{models}: S ranks the contaminants above the other rows with AUCROC **{ranked:.2f}**"
    if not len(removed[0]):
        return f"{ranking}. No row is removed."
    is_caught = [scores.is_contaminant[positions] for scores, positions in zip(suspicions, removed, strict=True)]
    recall = np.mean([hits.sum() / pool.is_contaminant.sum() for hits, pool in zip(is_caught, suspicions, strict=True)])
    precision = np.mean([hits.mean() for hits in is_caught])
    share = len(removed[0]) / len(suspicions[0].rows)
    outcome = f"**{recall:.0%}** of its contaminants; {precision:.0%} of the removed rows are contaminants"
    return f"{ranking}. Removing {share:.0%} of the pool removes {outcome}."
