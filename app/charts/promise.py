"""A rule with a promise that chooses the thresholds of A and B, and what it gives on the test rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anoonly_core.decision.bounds import contaminated_bounds, measured_band
from anoonly_core.decision.calibration import Calibration
from anoonly_core.decision.cut import Cut
from anoonly_core.decision.rules import ThresholdRule

from .style import Side

__all__ = ["Promise", "format_number", "lowest_above", "make_promise"]

PROMISED = {
    "false_alarms": "Promised: on average {number} of new normal rows are flagged.",
    "fdr": "Promised: on average at most {number} of the flagged rows are normal.",
    "fdr_storey": "Promised: on average at most {number} of the flagged rows are normal.",
    "pool_share": "Promised: {number} of new rows like the pool are flagged.",
    "iqr": "No rate is promised.",
    "cost": "Promised: the lowest cost on held-back rows, if a miss costs {number} false alarms.",
}


@dataclass(frozen=True, eq=False)
class Promise:
    """The rule, its number and the thresholds that it gives A and B.

    Attributes
    ----------
    rule : ThresholdRule
        The rule.
    number : float
        Its number; a share for rules of shares, not a percentage.
    cuts : tuple of Cut
        Thresholds of A and of B.
    held_back : int
        Number of held-back rows of B.
    hidden : float
        Share of anomalies in the pool, which the rule does not know.
    prevalence : float or None
        Share of anomalies among the test rows, for a rule that needs it.
    """

    rule: ThresholdRule
    number: float
    cuts: tuple[Cut, Cut]
    held_back: int
    hidden: float
    prevalence: float | None

    def lowest_flagged(self, sides: list[Side]) -> list[float]:
        """Return the lowest test score of A and of B that is flagged; infinite for none."""
        return [lowest_above(side.scores, cut.score) for side, cut in zip(sides, self.cuts, strict=True)]

    def sentences(self, sides: list[Side]) -> str:
        """Return what the rule promises beside what A and B measure on the test rows, and what theory expects."""
        promised = PROMISED[self.rule.name].format(number=format_number(self.rule, self.number))
        figures = []
        for side, cut in zip(sides, self.cuts, strict=True):
            flagged = side.scores.astype(np.float64) > cut.score
            value = self.rule.measure(flagged, side.y == 1, self.number)
            figures.append(f"{side.letter} {self._figure(value)}")
        measured = f"Measured on the test rows, {self.rule.measured}: {', '.join(figures)}."
        return " ".join(filter(None, [promised, measured, self._theory(sides[1])]))

    def _figure(self, value: float) -> str:
        return f"{value:.3g}" if self.rule.needs_anomalies else f"{100 * value:.3g} %"

    def _theory(self, side: Side) -> str:
        """Return what theory says about the rate of false alarms, for B; "" for other rules."""
        if self.rule.name != "false_alarms":
            return ""
        rows, tests = self.held_back, int((side.y == 0).sum())
        if self.hidden:
            low, high = contaminated_bounds(rows, self.number, self.hidden)
            return (
                f"With {100 * self.hidden:.2g} % hidden anomalies among {rows:,} held-back rows, theory allows "
                f"{100 * low:.2g} to {100 * high:.2g} % on average: the more of them score high, the fewer alarms."
            )
        low, high = measured_band(rows, self.number, tests)
        return (
            f"With {rows:,} held-back rows and {tests:,} normal test rows, nine of ten such runs measure "
            f"{100 * low:.2g} to {100 * high:.2g} %."
        )


def make_promise(
    rule: ThresholdRule,
    number: float,
    sides: list[Side],
    calibrations: tuple[Calibration, Calibration],
    hidden: float,
) -> Promise:
    """Return the promise of a rule for the test rows of A and B, each with the scores of its held-back rows.

    Raise InvalidInput as `ThresholdRule.cut` does.
    """
    prevalence = float(np.mean(sides[1].y == 1)) if rule.needs_anomalies else None
    a, b = (
        rule.cut(calibration, number, side.scores, prevalence)
        for side, calibration in zip(sides, calibrations, strict=True)
    )
    rows = sum(int(fold.distinct.sum()) for fold in calibrations[1].folds)
    return Promise(rule, number, (a, b), rows, hidden, prevalence)


def lowest_above(scores: np.ndarray, threshold: float) -> float:
    """Return the lowest of the scores [n] above a threshold; infinite if there is none."""
    above = scores[scores.astype(np.float64) > threshold]
    return float(above.min()) if len(above) else float("inf")


def format_number(rule: ThresholdRule, number: float) -> str:
    """Format the number of a rule for a page, such as "5 %"."""
    return f"{100 * number:g} %" if rule.is_share else f"{number:g}"
