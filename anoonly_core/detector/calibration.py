"""Thresholds from the scores of held-back rows: for a share of new rows, or for the best separation of the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Calibration", "Cut", "FoldScores", "median_and_spread"]

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
    """

    pool: np.ndarray
    anomalies: np.ndarray
    normal: np.ndarray
    median: float
    spread: float

    def heights(self, scores: np.ndarray) -> np.ndarray:
        """Return scores as interquartile ranges above the median; the scale of scores differs between networks."""
        return (scores.astype(np.float64) - self.median) / self.spread


@dataclass(frozen=True)
class Cut:
    """A threshold with the reason for it.

    Attributes
    ----------
    score : float
        Rows with a higher score are flagged.
    rule : {"share", "balanced", "f1", "given"}
        Reason: a share of new rows, the best balanced accuracy or F1 on held-back rows, or a number that was given.
    share : float
        Share of the held-back pool rows, or of those known to be normal, above the threshold; for the rule "share" the
        share that was asked for.
    found : float or None
        Share of the held-back labeled anomalies above the threshold; None for the rules "share" and "given".
    """

    score: float
    rule: Literal["share", "balanced", "f1", "given"]
    share: float
    found: float | None = None

    @property
    def sentence(self) -> str:
        """Reason for the threshold, in a sentence."""
        if self.rule == "given":
            return "It was set to this number."
        if self.found is None:
            return f"About {100 * self.share:.3g} % of new rows like the pool exceed it."
        best = "balanced accuracy" if self.rule == "balanced" else "F1"
        return (
            f"It has the best {best} on held-back rows: {self.found:.0%} of the labeled anomalies and {self.share:.1%} "
            "of the other rows exceed it."
        )


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
        anomalies = self._heights("anomalies")
        pool, normal = self._heights("pool"), self._known_normal()
        others = pool[normal] if normal.sum() >= MIN_NORMAL else pool
        if not len(anomalies) or not len(others):
            return Cut(self.at_share(otherwise), "share", otherwise)
        heights = np.unique(np.concatenate([anomalies, others]))
        found, share = _share_above(anomalies, heights), _share_above(others, heights)
        if prevalence is None:
            value = found - share
        else:
            value = 2 * prevalence * found / (prevalence * (1 + found) + (1 - prevalence) * share)
        value = np.where(share > MAX_OTHERS, -1, value)  # the best F1 of useless scores flags everything
        best = len(heights) - 1 - int(np.argmax(value[::-1]))
        height = (heights[best] + heights[min(best + 1, len(heights) - 1)]) / 2
        median, spread = median_and_spread(self.pool)
        rule: Literal["balanced", "f1"] = "balanced" if prevalence is None else "f1"
        return Cut(median + float(height) * spread, rule, float(share[best]), float(found[best]))

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
            )
            for number, (median, spread) in enumerate(arrays.get("scales", np.empty((0, 2))))
        )
        for fold in folds:
            if fold.normal.dtype != bool or fold.normal.shape != fold.pool.shape or not fold.spread > 0:
                raise ValueError("arrays differ from those of a calibration")
        if set(arrays) != {*cls(arrays["pool"], folds).arrays()} or not len(arrays["pool"]):
            raise ValueError("arrays differ from those of a calibration")
        if not all(array.dtype == bool or np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("values are not finite")
        return cls(arrays["pool"], folds)


def _share_above(scores: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the share of the scores [n] that exceed each cut, float64 [cuts]."""
    share: np.ndarray = 1 - np.searchsorted(np.sort(scores), cuts, side="right") / len(scores)
    return share
