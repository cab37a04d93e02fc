"""Scores of held-back rows, and the thresholds that follow: for a share of new rows, the labels or their cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anoonly_core.decision.cut import Cut
from anoonly_core.errors import InvalidInput

__all__ = ["Calibration", "FoldScores", "Reference", "median_and_spread", "share_sentence"]

MAX_OTHERS = 0.5  # share of the held-back rows that are no labeled anomalies
MIN_NORMAL = 30  # held-back rows known to be normal, from which on they stand for the pool


def median_and_spread(scores: np.ndarray) -> tuple[float, float]:
    """Return the median and the interquartile range of scores [n]."""
    first, median, third = np.quantile(scores.astype(np.float64), [0.25, 0.5, 0.75])
    return float(median), float(third - first)


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Scores of the rows that one network was trained without.

    Attributes
    ----------
    pool : float32 [n]
        Scores of the pool rows that were held back.
    anomalies : float32 [k]
        Scores of the labeled anomalies that were held back.
    normal : bool [n]
        True for rows of `pool` that are known to be normal.
    median, spread : float
        Median and interquartile range of the scores of the pool rows that the network was trained on.
    is_first : bool [n] or None
        False for a row of `pool` that copies an earlier one, as a resampled training part holds copies; None if there
        is no copy.
    """

    pool: np.ndarray
    anomalies: np.ndarray
    normal: np.ndarray
    median: float
    spread: float
    is_first: np.ndarray | None = None

    @property
    def distinct(self) -> np.ndarray:
        """True for the rows of `pool` that copy no earlier one, bool [n]."""
        return np.ones(len(self.pool), dtype=bool) if self.is_first is None else self.is_first

    def heights(self, scores: np.ndarray) -> np.ndarray:
        """Return scores as interquartile ranges above the median; the scale of scores differs between networks."""
        return (scores.astype(np.float64) - self.median) / self.spread


@dataclass(frozen=True, eq=False)
class Reference:
    """Scores of held-back rows, on the scale of the detector, that stand for new normal rows in conformal p-values.

    Attributes
    ----------
    scores : float64 [n]
        Scores of the held-back pool rows, or only of those known to be normal if these are at least `MIN_NORMAL`. A
        row that was resampled counts once, since its copies say nothing about new rows.
    is_normal : bool
        True if all these rows are known to be normal, False if anomalies may hide among them.
    is_split : bool
        True if the detector scored them itself, without having been trained on them: the promise then holds exactly.
        False if networks of folds did, whose scores were put on the scale of the detector.
    """

    scores: np.ndarray
    is_normal: bool
    is_split: bool


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores from which the threshold of a detector is computed.

    Attributes
    ----------
    pool : float64 [n]
        Scores of the pool rows by the network that was trained on all of them.
    folds : tuple of FoldScores
        Scores of held-back rows by further networks; empty if there is none.
    """

    pool: np.ndarray
    folds: tuple[FoldScores, ...] = ()

    def at_share(self, share: float) -> float:
        """Return the score that a share of new rows exceeds, if they are like the pool.

        For each fold, the (1 - share) quantile of the held-back pool scores is expressed as a height. The median
        height over the folds is turned into a score on the scale of `pool`. It is at least the (1 - share) quantile of
        `pool`, and equal to it without folds.
        """
        least = float(np.quantile(self.pool, 1 - share))
        if not self.folds:
            return least
        heights = [(float(np.quantile(fold.pool, 1 - share)) - fold.median) / fold.spread for fold in self.folds]
        median, spread = median_and_spread(self.pool)
        return max(least, median + float(np.median(heights)) * spread)

    @property
    def is_split(self) -> bool:
        """True if the network of `pool` scored the held-back rows itself, so that both have one scale."""
        return len(self.folds) == 1 and (self.folds[0].median, self.folds[0].spread) == median_and_spread(self.pool)

    @property
    def reference(self) -> Reference:
        """Scores that stand for new normal rows; raise InvalidInput if no row was held back."""
        if not self.folds:
            raise InvalidInput(
                "No unlabeled row was held back for p-values: they need three distinct ones with different scores."
            )
        if self.is_split:
            scores = self.folds[0].pool.astype(np.float64)
        else:
            median, spread = median_and_spread(self.pool)
            scores = median + self._heights("pool") * spread
        distinct = np.concatenate([fold.distinct for fold in self.folds])
        scores, normal = scores[distinct], self._known_normal()[distinct]
        is_normal = bool(normal.all() or normal.sum() >= MIN_NORMAL)
        return Reference(scores[normal] if is_normal else scores, is_normal, self.is_split)

    def best(self, otherwise: float, prevalence: float | None = None) -> Cut:
        """Return the threshold that separates held-back labeled anomalies best from the other held-back rows.

        With a known prevalence it has the best F1 on rows with that share of anomalies. Else it has the best balanced
        accuracy, whose threshold hidden anomalies in the pool do not move if they are like the labeled ones. With
        `MIN_NORMAL` rows known to be normal, only these stand for the other rows. At most `MAX_OTHERS` of the other
        rows exceed it.

        Parameters
        ----------
        otherwise : float
            Share of new rows to flag if no labeled anomaly was held back.
        prevalence : float, optional
            Share of anomalies among new rows.
        """
        candidates = self._candidates()
        if candidates is None:
            return Cut(self.at_share(otherwise), "pool_share", otherwise, share_sentence(otherwise))
        heights, found, share = candidates
        if prevalence is None:
            value = found - share
        else:
            value = 2 * prevalence * found / (prevalence * (1 + found) + (1 - prevalence) * share)
        value = np.where(share > MAX_OTHERS, -1, value)  # the best F1 of useless scores flags everything
        best = len(heights) - 1 - int(np.argmax(value[::-1]))
        rule, words = ("balanced", "balanced accuracy") if prevalence is None else ("f1", "F1")
        sentence = f"It has the best {words} on held-back rows: {_shares_in_words(found[best], share[best])}."
        return Cut(self._between(heights, best), rule, float(share[best]), sentence, float(found[best]))

    def cheapest(self, cost: float, prevalence: float) -> Cut:
        """Return the threshold with the lowest expected cost per new row, where a false alarm costs 1.

        The shares of both kinds above a threshold are those of the held-back rows, see `best`. Flagging no row and
        flagging all are among the choices.

        Parameters
        ----------
        cost : float
            Cost of a missed anomaly, in false alarms.
        prevalence : float
            Share of anomalies among new rows.

        Raises
        ------
        InvalidInput
            If no labeled anomaly was held back.
        """
        candidates = self._candidates()
        if candidates is None:
            raise InvalidInput(
                "No labeled anomaly was held back, so misses cannot be counted: fit for the rule cost, or with the "
                "contamination 'auto', and label at least six distinct anomalies."
            )
        heights, found, share = candidates
        below = float(heights[0]) - 1.0
        heights, found, share = np.r_[below, heights], np.r_[1.0, found], np.r_[1.0, share]
        costs = prevalence * cost * (1 - found) + (1 - prevalence) * share
        best = len(heights) - 1 - int(np.argmin(costs[::-1]))
        sentence = (
            f"It has the lowest cost on held-back rows, {costs[best]:.3g} false alarms per row, if a miss costs "
            f"{cost:.3g} and {prevalence:.3g} of new rows are anomalies: {_shares_in_words(found[best], share[best])}."
        )
        return Cut(self._between(heights, best), "cost", float(share[best]), sentence, float(found[best]))

    def _candidates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return heights to cut at, and the shares of labeled anomalies and of other rows above; None without both."""
        anomalies = self._heights("anomalies")
        pool, normal = self._heights("pool"), self._known_normal()
        others = pool[normal] if normal.sum() >= MIN_NORMAL else pool
        if not len(anomalies) or not len(others):
            return None
        heights = np.unique(np.concatenate([anomalies, others]))
        return heights, _share_above(anomalies, heights), _share_above(others, heights)

    def _between(self, heights: np.ndarray, index: int) -> float:
        """Return the score halfway between the height at `index` and the next higher one."""
        height = (heights[index] + heights[min(index + 1, len(heights) - 1)]) / 2
        median, spread = median_and_spread(self.pool)
        return median + float(height) * spread

    def confidence(self, scores: np.ndarray, threshold: float) -> np.ndarray:
        """Return the probability that rows stay on their side of the threshold if the pool is drawn again, [n].

        Source: Perini, Vercruyssen and Davis (2020), eq. 2 to 4.

        Parameters
        ----------
        scores : float64 [n]
            Scores of the rows.
        threshold : float
            Rows with a higher score are flagged.
        """
        from scipy.stats import binom  # takes a second to load, and pages need thresholds only

        median, spread = median_and_spread(self.pool)
        drawn = np.sort(median + self._heights("pool") * spread) if self.folds else np.sort(self.pool)
        flagged = int((drawn > threshold).sum())
        higher = (1 + np.searchsorted(drawn, scores, side="right")) / (2 + len(drawn))
        above = 1 - binom.cdf(len(drawn) - flagged, len(drawn), higher)
        confidence: np.ndarray = np.where(scores > threshold, above, 1 - above)
        return confidence

    def _heights(self, name: str) -> np.ndarray:
        return np.concatenate([np.empty(0), *(fold.heights(getattr(fold, name)) for fold in self.folds)])

    def _known_normal(self) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype=bool), *(fold.normal for fold in self.folds)])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays to save, by name; the inverse of `from_arrays`."""
        arrays = {"pool": self.pool}
        arrays["scales"] = np.array([(fold.median, fold.spread) for fold in self.folds]).reshape(-1, 2)
        for number, fold in enumerate(self.folds):
            for name in ("pool", "anomalies", "normal"):
                arrays[f"{name}.{number}"] = getattr(fold, name)
            if not fold.distinct.all():
                arrays[f"is_first.{number}"] = fold.distinct
        return {name: array for name, array in arrays.items() if array.size}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Calibration:
        """Rebuild a calibration from the arrays of `arrays`; raise ValueError or KeyError if they do not fit."""
        folds = tuple(
            FoldScores(
                arrays[f"pool.{number}"],
                arrays.get(f"anomalies.{number}", np.empty(0, dtype=np.float32)),
                arrays[f"normal.{number}"],
                float(median),
                float(spread),
                arrays.get(f"is_first.{number}"),
            )
            for number, (median, spread) in enumerate(arrays.get("scales", np.empty((0, 2))))
        )
        for fold in folds:
            masks = (fold.normal, fold.distinct)
            if any(mask.dtype != bool or mask.shape != fold.pool.shape for mask in masks) or not fold.spread > 0:
                raise ValueError("arrays differ from those of a calibration")
        if set(arrays) != {*cls(arrays["pool"], folds).arrays()} or not len(arrays["pool"]):
            raise ValueError("arrays differ from those of a calibration")
        if not all(array.dtype == bool or np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("values are not finite")
        return cls(arrays["pool"], folds)


def share_sentence(share: float) -> str:
    """Return the reason for a threshold that a share of new rows exceeds, in a sentence."""
    return f"About {100 * share:.3g} % of new rows like the pool exceed it."


def _shares_in_words(found: float, share: float) -> str:
    return f"{found:.0%} of the labeled anomalies and {share:.1%} of the other rows exceed it"


def _share_above(scores: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the share of the scores [n] that exceed each cut, float64 [cuts]."""
    share: np.ndarray = 1 - np.searchsorted(np.sort(scores), cuts, side="right") / len(scores)
    return share
