"""Sentences on the contributions to a score: whether to believe them, and what they are."""

from __future__ import annotations

import numpy as np

from anoonly_core.explanation.result import GRADIENTS, NOT_EXPLAINED, Explanation

__all__ = ["METHOD_NOTE", "summary_sentence", "verdict_sentence"]

METHOD_NOTE = (
    "Contributions add up to the difference between the score of the row and that of the pool's median row; the median "
    "stands in parentheses. The test sets columns to their medians, the largest contribution first: the score must "
    "fall faster than by 95 % of random orders, and no slower than by the order of |x − median| or in a straight line."
)
COMPLETE = 0.01


def verdict_sentence(explanation: Explanation, row: int) -> str:
    """Return the verdict of the deletion test on the contributions of one row, with its reason, in Markdown.

    `row` is an index of the rows of the explanation, which has a deletion test.
    """
    test = explanation.deletion
    assert test is not None
    score = f"Score {explanation.scores[row]:.4g}, median row {explanation.median_score:.4g}."
    if test.believed[row]:
        faster = f"{100 * test.slower_share[row]:.0f} of 100 random orders"
        verdict = f"**Believe it**: by this order the score falls at least as fast as by {faster}, and by |x − median|."
    else:
        verdict = f"**{NOT_EXPLAINED}** {_reason(explanation, row)}"
    return " ".join(part for part in (verdict, score, _method(explanation, row)) if part)


def _reason(explanation: Explanation, row: int) -> str:
    test = explanation.deletion
    assert test is not None
    if not np.isfinite(test.area[row]):
        return "The row scores as the median row does."
    if not test.beats_random[row]:
        faster = round(100 * (1 - test.slower_share[row]))
        if faster > 5:
            return f"It falls faster by {faster} of 100 random orders."
        return "All orders let it fall equally fast."
    if test.area[row] > test.magnitude_area[row]:
        return "It falls faster by the order of |x − median|, without the network."
    return "It rises on the way, where a sum of parts would fall."


def _method(explanation: Explanation, row: int) -> str:
    """Return what limits the contributions: another method, or a sum that differs from the change of the score."""
    if explanation.method != GRADIENTS:
        return "By occlusion, since this system has no gradient; the parts need not add up."
    gap = float(explanation.completeness_gap[row])
    return f"The parts miss {100 * gap:.0f} % of the difference." if gap > COMPLETE else ""


def summary_sentence(explanation: Explanation) -> str:
    """Return the number of rows whose contributions pass the deletion test, as a phrase."""
    believed = explanation.believed
    assert believed is not None
    return f"contributions explain {int(believed.sum())} of {len(believed)} rows"
