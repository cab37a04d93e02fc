"""Rules that turn a number, such as a rate of false alarms, into a threshold; one registry for all callers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anoonly_core.decision.bounds import contaminated_bounds, rate_band
from anoonly_core.decision.calibration import Calibration, Reference, median_and_spread, share_sentence
from anoonly_core.decision.conformal import conformal_p_values, conformal_threshold, discoveries, rank_of_level
from anoonly_core.decision.cut import Cut
from anoonly_core.errors import InvalidInput

__all__ = ["RULES", "RuleInput", "ThresholdRule", "find_rule"]


@dataclass(frozen=True)
class RuleInput:
    """Input of a rule: held-back scores, the number, and the rows to flag.

    Attributes
    ----------
    calibration : Calibration
        Scores of held-back rows.
    number : float
        Number of the rule, such as a rate.
    scores : float64 [m]
        Scores of the rows that are flagged together.
    prevalence : float or None
        Share of anomalies among new rows, if known.
    """

    calibration: Calibration
    number: float
    scores: np.ndarray
    prevalence: float | None


@dataclass(frozen=True)
class ThresholdRule:
    """A rule that chooses a threshold by one number.

    Attributes
    ----------
    name : str
        Key of RULES.
    label : str
        Name on pages, of at most four words.
    meaning : str
        Meaning of the number, for help texts; no full stop.
    default : float
        Number where none is given.
    most : float
        Largest number; all numbers are above 0.
    is_per_batch : bool
        True if the threshold depends on the rows that are flagged together.
    needs_anomalies : bool
        True if labeled anomalies must have been held back.
    choose : callable
        Returns the Cut.
    measured : str
        Name of the figure that `measure` returns, or "" if the rule promises none.
    measure : callable
        Returns the figure from flags and labels, bool [m] each, and the number of the rule.
    """

    name: str
    label: str
    meaning: str
    default: float
    most: float
    choose: Callable[[RuleInput], Cut]
    measured: str
    measure: Callable[[np.ndarray, np.ndarray, float], float]
    is_per_batch: bool = False
    needs_anomalies: bool = False

    @property
    def is_share(self) -> bool:
        """True if the number is a share of rows, 0 to 1."""
        return self.most <= 1

    def check(self, number: float) -> float:
        """Return the number of the rule as a float; raise InvalidInput if it is none of the allowed ones."""
        is_number = isinstance(number, (int, float, np.integer, np.floating)) and not isinstance(number, bool)
        if not is_number or not (0 < float(number) <= self.most and math.isfinite(number)):
            raise InvalidInput(
                f"{self.name} must be a number above 0 and up to {self.most:g}, the {self.meaning}, not {number!r}."
            )
        return float(number)

    def cut(self, calibration: Calibration, number: float, scores: np.ndarray, prevalence: float | None = None) -> Cut:
        """Return the threshold for the rows with these scores.

        Parameters
        ----------
        calibration : Calibration
            Scores of held-back rows.
        number : float
            Number of the rule.
        scores : float [m]
            Scores of the rows that are flagged together; they matter only if `is_per_batch`.
        prevalence : float, optional
            Share of anomalies among new rows, for the cost and for what contamination does to a promise.

        Raises
        ------
        InvalidInput
            If the number is not allowed, or the held-back rows are too few for it.
        """
        return self.choose(RuleInput(calibration, self.check(number), np.asarray(scores, dtype=np.float64), prevalence))


def find_rule(name: object) -> ThresholdRule:
    """Return the rule of a name; raise InvalidInput if there is none."""
    if not isinstance(name, str) or name not in RULES:
        raise InvalidInput(f"rule must be one of {', '.join(RULES)}, not {str(name)[:60]!r}.")
    return RULES[name]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _by_false_alarms(given: RuleInput) -> Cut:
    reference, level = given.calibration.reference, given.number
    rows = len(reference.scores)
    if not rank_of_level(rows, level):
        raise InvalidInput(
            f"A rate of {_percent(level)} needs at least {math.ceil(1 / level - 1e-9) - 1} held-back rows, and the "
            f"detector has {rows}: choose a higher rate, or fit it to more unlabeled rows."
        )
    low, high = rate_band(rows, level)
    sentence = (
        f"{'At most' if reference.is_split else 'About'} {_percent(level)} of new normal rows exceed it on average; "
        f"with these {rows} held-back rows the rate is between {_percent(low)} and {_percent(high)} in nine of ten "
        f"cases.{_contamination_sentence(reference, level, given.prevalence)}"
    )
    return Cut(conformal_threshold(reference.scores, level), "false_alarms", level, sentence)


def _contamination_sentence(reference: Reference, level: float, prevalence: float | None) -> str:
    """Return what anomalies among the held-back rows do to the rate, after a space; "" if there is none."""
    if reference.is_normal or prevalence == 0:
        return ""
    if prevalence is None:
        return " Anomalies among them lower it if they score higher than normal rows."
    low, high = contaminated_bounds(len(reference.scores), level, prevalence)
    return (
        f" If {_percent(prevalence)} of them are anomalies, it is {_percent(low)} where these score above all normal "
        f"rows, and never above {_percent(high)} on average."
    )


def _by_discoveries(name: str, estimates_share: bool) -> Callable[[RuleInput], Cut]:
    def choose(given: RuleInput) -> Cut:
        reference, scores = given.calibration.reference, given.scores
        p_values = conformal_p_values(reference.scores, scores)
        flagged = discoveries(p_values, given.number, estimates_share)
        if flagged.any():
            threshold = conformal_threshold(reference.scores, float(p_values[flagged].max()))
            sentence = (
                f"{'At most' if reference.is_split else 'About'} {_percent(given.number)} of the flagged rows are "
                f"normal on average, as judged for these {len(scores)} rows together."
            )
        else:
            threshold = float(scores.max()) if len(scores) else conformal_threshold(reference.scores, 1.0)
            sentence = (
                f"No row is flagged: among {len(scores)} rows no p-value is low enough for "
                f"{_percent(given.number)} false discoveries; the lowest one possible with {len(reference.scores)} "
                f"held-back rows is {1 / (1 + len(reference.scores)):.2g}."
            )
        return Cut(threshold, name, given.number, sentence)

    return choose


def _by_pool_share(given: RuleInput) -> Cut:
    share = given.number
    return Cut(given.calibration.at_share(share), "pool_share", share, share_sentence(share))


def _by_spreads(given: RuleInput) -> Cut:
    median, spread = median_and_spread(given.calibration.reference.scores)
    sentence = (
        f"It lies {given.number:.3g} interquartile ranges above the median of held-back rows; it promises no rate."
    )
    return Cut(median + given.number * spread, "iqr", given.number, sentence)


def _by_cost(given: RuleInput) -> Cut:
    if given.prevalence is None:
        raise InvalidInput(
            "The rule cost needs the share of anomalies among new rows: give it as --prevalence, or as a number for "
            "contamination."
        )
    return given.calibration.cheapest(given.number, given.prevalence)


def _false_alarm_rate(flagged: np.ndarray, anomalous: np.ndarray, number: float) -> float:
    return float(flagged[~anomalous].mean()) if (~anomalous).any() else math.nan


def _false_discovery_share(flagged: np.ndarray, anomalous: np.ndarray, number: float) -> float:
    return float((flagged & ~anomalous).sum() / max(1, flagged.sum()))


def _flagged_share(flagged: np.ndarray, anomalous: np.ndarray, number: float) -> float:
    return float(flagged.mean()) if len(flagged) else math.nan


def _cost_per_row(flagged: np.ndarray, anomalous: np.ndarray, number: float) -> float:
    return float((number * (anomalous & ~flagged) + (~anomalous & flagged)).mean()) if len(flagged) else math.nan


RULES = {
    rule.name: rule
    for rule in (
        ThresholdRule(
            "false_alarms",
            "False-alarm rate",
            "share of new normal rows that are flagged",
            0.05,
            0.5,
            _by_false_alarms,
            "false alarms among normal rows",
            _false_alarm_rate,
        ),
        ThresholdRule(
            "fdr",
            "False-discovery rate",
            "expected share of normal rows among the flagged ones (Benjamini and Hochberg)",
            0.1,
            0.5,
            _by_discoveries("fdr", estimates_share=False),
            "normal rows among the flagged",
            _false_discovery_share,
            is_per_batch=True,
        ),
        ThresholdRule(
            "fdr_storey",
            "False discoveries, Storey",
            "same share, with the share of normal rows estimated (Storey), which flags more where anomalies are many",
            0.1,
            0.5,
            _by_discoveries("fdr_storey", estimates_share=True),
            "normal rows among the flagged",
            _false_discovery_share,
            is_per_batch=True,
        ),
        ThresholdRule(
            "pool_share",
            "Share of new rows",
            "share of new rows like the pool that are flagged, the contamination of PyOD",
            0.1,
            0.5,
            _by_pool_share,
            "flagged rows",
            _flagged_share,
        ),
        ThresholdRule(
            "iqr",
            "Interquartile ranges",
            "number of interquartile ranges above the median of held-back scores",
            2.0,
            1000.0,
            _by_spreads,
            "false alarms among normal rows",
            _false_alarm_rate,
        ),
        ThresholdRule(
            "cost",
            "Cost of a miss",
            "cost of a missed anomaly, where a false alarm costs 1",
            10.0,
            1e6,
            _by_cost,
            "cost per row",
            _cost_per_row,
            needs_anomalies=True,
        ),
    )
}
