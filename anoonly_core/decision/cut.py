"""A threshold with the reason for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cut"]


@dataclass(frozen=True)
class Cut:
    """A threshold with the reason for it.

    Attributes
    ----------
    score : float
        Rows with a higher score are flagged.
    rule : str
        Reason: a key of RULES; "balanced" or "f1", the best value on held-back rows; or "given".
    share : float
        Share of the held-back pool rows, or of those known to be normal, above the threshold; for a rule with a number
        that number.
    sentence : str
        Reason for the threshold, in a sentence or two.
    found : float or None
        Share of the held-back labeled anomalies above the threshold; None for rules that do not use them.
    """

    score: float
    rule: str
    share: float
    sentence: str
    found: float | None = None
