"""What the Clean page's figures say, in sentences made from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.purify.result import PoolScores, PurifyResult
from app.text.verdict import PairedDifference, describe_run, format_difference, paired_difference

__all__ = ["WHERE_IT_HELPS", "clean_sentence", "suspicion_sentence"]

# Measured on a CPU; the README says the same.
WHERE_IT_HELPS = """
AUCROC in % before → after, mean over seeds 0 to 4, and the mean gain ± 95 %; λₙ = 1, three parts, the same head as
judge, q as known:

| | digits_only_3, 20 % contamination, 1 % labeled | the same, 10 % labeled | SVHN_0, natural, 10 % labeled |
|---|---|---|---|
| DeepSAD | **93.6 → 96.8 (+3.2 ± 1.2)** | 99.1 → 99.5 (+0.4 ± 0.4) | 69.2 → 70.7 (+1.5 ± 4.7) |
| DevNet | 94.0 → 95.1 (+1.1 ± 1.2) | 97.5 → 97.3 (−0.3 ± 0.4) | 84.7 → 84.6 (−0.1 ± 0.4) |
| FEAWAD | **87.9 → 94.6 (+6.7 ± 3.7)** | 99.2 → 99.6 (+0.4 ± 0.4) | not measured |
| PReNet | **83.0 → 90.2 (+7.2 ± 5.6)** | 98.6 → 98.7 (+0.1 ± 0.7) | 83.6 → 84.3 (+0.6 ± 1.1) |

S ranks the contaminants in the first of these pools with AUCROC 0.84, 0.93, 0.70 and 0.81 (in the table's order)
where one model judges its own training rows, and 0.97, 0.94, 0.94 and 0.88 with three parts. Cleaning helps where the
pool misleads the head: many contaminants, few labels, a loss that believes the pool. With more labels little is left
to gain, and on SVHN_0 there is no clear difference. On a **clean** pool it costs a little, for what goes is normal:
DeepSAD on digits_only_3 without contamination, 98.7 → 98.4 (−0.4 ± 0.3). FEAWAD's gain on digits is not clearly above
that of removing as many rows at random.
"""


def clean_sentence(found: Sequence[PurifyResult]) -> str:
    """The sentence over the page: whether the final head gains by the cleaning, and more than by chance."""
    by_name = {name: [own.variants[name].aucroc for own in found] for name in ("before", "after", "random")}
    gain = paired_difference(by_name["before"], by_name["after"])
    beyond = paired_difference(by_name["random"], by_name["after"])
    head = f"**{describe_run(found[0].config.run)}**"
    figures = f"AUCROC {gain.a:.3f} → {gain.b:.3f} ({format_difference(gain, 3)})"
    chance = f"against as many rows removed at random {format_difference(beyond, 3)}"
    if not any(len(own.removed) for own in found):
        return f"No row is removed, so that {head} is the plain run: AUCROC {gain.a:.3f}."
    if len(found) == 1:
        return (
            f"On one seed: {head} without the suspicious rows, {figures}; {chance}. "
            "One seed shows no spread: use more seeds before you trust it."
        )
    over = f"Over {len(found)} seeds"
    if not gain.is_clear:
        return f"No clear difference. {over}, {head} without the suspicious rows: {figures}; {chance}."
    if gain.delta < 0:
        return f"Cleaning hurts here. {over}, {head} without the suspicious rows: {figures}; {chance}."
    return f"{over}, {head} is better without the suspicious rows: {figures}; {_beyond_chance(beyond, chance)}."


def _beyond_chance(beyond: PairedDifference, chance: str) -> str:
    return chance if beyond.is_clear and beyond.delta > 0 else f"but {chance}, no clear difference"


def suspicion_sentence(suspicions: Sequence[PoolScores], remove: float | None) -> str:
    """What S knows of the pool, and what goes with the chosen share: needs no training of the final head."""
    config = suspicions[0].config
    models = f"{config.parts} models" if config.parts > 1 else "One model, which judges the rows it was trained on"
    taken = [own.rows_to_remove(remove) for own in suspicions]
    if any(own.aucroc is None for own in suspicions):
        return (
            f"{models}. No contaminant of this pool is known, so nobody can say which of the {len(taken[0])} rows that "
            "go is one; look at them below."
        )
    ranked = np.mean([own.aucroc for own in suspicions if own.aucroc is not None])
    words = f"{models}: S ranks the contaminants above the other rows with AUCROC **{ranked:.2f}**"
    if not len(taken[0]):
        return f"{words}. No row goes."
    caught = [own.is_contaminant[places] for own, places in zip(suspicions, taken, strict=True)]
    recall = np.mean([own.sum() / one.is_contaminant.sum() for own, one in zip(caught, suspicions, strict=True)])
    precision = np.mean([own.mean() for own in caught])
    share = len(taken[0]) / len(suspicions[0].rows)
    found = f"**{recall:.0%}** of its contaminants; {precision:.0%} of what goes is a contaminant"
    return f"{words}. With {share:.0%} of the pool go {found}."
