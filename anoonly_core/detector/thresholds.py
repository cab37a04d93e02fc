"""Decisions of a detector: its threshold by contamination or by a rule, p-values and flags."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from anoonly_core.decision.calibration import Calibration
from anoonly_core.decision.conformal import conformal_p_values
from anoonly_core.decision.cut import Cut
from anoonly_core.decision.rules import ThresholdRule, find_rule
from anoonly_core.errors import InvalidInput

__all__ = ["AUTO", "DEFAULT_SHARE", "ThresholdMixin", "given_cut"]

AUTO = "auto"
DEFAULT_SHARE = 0.1


class ThresholdMixin:
    """Methods of a fitted detector that turn scores into p-values and flags."""

    contamination: float | str
    rule: str | None
    level: float | None
    decision_scores_: np.ndarray
    _calibration: Calibration | None
    _prevalence: float | None
    _fixed_cut: Cut | None  # threshold that was assigned, or saved without held-back scores
    _cuts: dict[float | str, Cut]  # thresholds by contamination

    def _scores(self, X: ArrayLike) -> np.ndarray:
        """Return the anomaly scores of rows, float64 [rows]."""
        raise NotImplementedError

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return 1 for each row of X [rows, features] whose score exceeds threshold_, else 0, int64 [rows].

        A rule that judges rows together, such as "fdr", judges those of X. Raise ValueError, InfiniteScore or
        NotFittedError as `decision_function` does, and InvalidInput as `cut` does.
        """
        return self._flags(self._scores(X))

    def p_value(self, X: ArrayLike) -> np.ndarray:
        """Return the conformal p-value of each row: the share of held-back rows that score at least as high.

        For a new normal row it is at most α with a probability of at most α, over draws of the held-back rows: exactly
        with `hold_back="split"`, about so with "folds". It is no probability that the row is normal. Anomalies among
        the held-back rows make it larger if they score high. Source: Bates et al. (2023), Testing for outliers with
        conformal p-values, eq. 2; docs/methods.md § 15.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows with the features of `fit`.

        Returns
        -------
        float64 [rows]
            p-values, from 1 / (held-back rows + 1) to 1; ties count against the row.

        Raises
        ------
        ValueError, InfiniteScore, NotFittedError
            As `decision_function` does.
        InvalidInput
            If no row was held back, or the detector is from a file of a version without held-back scores.
        """
        scores = self._scores(X)
        return conformal_p_values(self.calibration.reference.scores, scores)

    def predict_confidence(self, X: ArrayLike) -> np.ndarray:
        """Return the probability that `predict` gives the same answer for each row after training on another sample.

        It counts the held-back unlabeled rows, or without any the unlabeled training rows, with a lower score.
        Source: Perini, Vercruyssen and Davis (2020), Quantifying the confidence of anomaly detectors in their
        example-wise predictions, eq. 2 to 4.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows with the features of `fit`.

        Returns
        -------
        float64 [rows]
            Probabilities, 0 to 1.

        Raises
        ------
        ValueError, InfiniteScore, NotFittedError
            As `decision_function` does.
        InvalidInput
            If the detector is from a file of a version without held-back scores.
        """
        scores = self._scores(X)
        return self.calibration.confidence(scores, self._cut(scores).score)

    @property
    def threshold_(self) -> float:
        """Score above which a row is flagged; see the class."""
        return self._lone_cut().score

    @threshold_.setter
    def threshold_(self, score: float) -> None:
        self._check_network()
        if not np.isfinite(score):
            raise InvalidInput(f"threshold_ must be a finite number, not {score!r}.")
        self._fixed_cut = given_cut(score)

    @property
    def threshold_reason_(self) -> str:
        """Reason for the threshold, in a sentence or two."""
        return self._lone_cut().sentence

    @property
    def labels_(self) -> np.ndarray:
        """1 for training rows with a score above threshold_, else 0, int64 [rows]."""
        self._check_network()
        return self._flags(self.decision_scores_)

    def cut(
        self, scores: np.ndarray, rule: str | None = None, level: float | None = None, prevalence: float | None = None
    ) -> Cut:
        """Return the threshold for rows with these scores, with its reason.

        Parameters
        ----------
        scores : float64 [rows]
            Scores of the rows that are flagged together.
        rule : str, optional
            Key of RULES; None is the threshold of the detector, whatever chose it.
        level : float, optional
            Number of the rule; None is its default.
        prevalence : float, optional
            Share of anomalies among new rows and held-back ones; for the rule "cost" by default the share known from
            `fit`, or `contamination` if that is a number.

        Raises
        ------
        NotFittedError
            If the detector is not fitted.
        InvalidInput
            If rule or level is unknown, the held-back rows are too few for the level, the rule needs labeled anomalies
            that were not held back, or the detector is from a file of a version without held-back scores.
        """
        check_is_fitted(self)
        if rule is None:
            return self._cut(scores)
        chosen = find_rule(rule)
        if chosen.needs_anomalies and prevalence is None:
            share = self._share()
            prevalence = self._prevalence if self._prevalence is not None or share == AUTO else float(share)
        return chosen.cut(self.calibration, chosen.default if level is None else level, scores, prevalence)

    @property
    def calibration(self) -> Calibration:
        """Scores of held-back rows, from which thresholds are computed; raise as `p_value`."""
        check_is_fitted(self)
        if self._calibration is None:
            raise InvalidInput("A detector file of an earlier version has no held-back scores: fit the detector again.")
        return self._calibration

    def _flags(self, scores: np.ndarray) -> np.ndarray:
        labels: np.ndarray = (scores > self._cut(scores).score).astype(np.int64)
        return labels

    def _cut(self, scores: np.ndarray) -> Cut:
        """Return the threshold for rows that are scored together: an assigned or saved one, or that of the settings."""
        self._check_network()
        rule = self._rule()
        if self._fixed_cut is not None:
            return self._fixed_cut
        return self._share_cut() if rule is None else self.cut(scores, rule.name, self.level)

    def _lone_cut(self) -> Cut:
        """Return the threshold that no batch of rows moves; raise InvalidInput if the rule has none."""
        self._check_network()
        rule = self._rule()
        if rule is not None and rule.is_per_batch and self._fixed_cut is None:
            raise InvalidInput(
                f"The rule {rule.name} chooses a threshold for the rows that are scored together: call predict or cut, "
                "or take the rule false_alarms."
            )
        return self._cut(np.empty(0))

    def _share_cut(self) -> Cut:
        """Return the threshold for the present `contamination`, which also old versions know."""
        share = self._share()
        if share not in self._cuts:
            calibration = self.calibration
            self._cuts[share] = (
                calibration.best(DEFAULT_SHARE, self._prevalence)
                if share == AUTO
                else find_rule("pool_share").cut(calibration, float(share), np.empty(0))
            )
        return self._cuts[share]

    def _check_network(self) -> None:
        """Raise AttributeError before `fit`, as for an attribute that is not there."""
        if "network_" not in vars(self):
            raise AttributeError("The detector is not fitted: call fit first.")

    def _rule(self) -> ThresholdRule | None:
        """Return the rule of the settings, None for `contamination`; raise InvalidInput if it or its level is none."""
        if self.rule is None:
            if self.level is not None:
                raise InvalidInput("level is the number of a rule: set rule, too, or leave level at None.")
            return None
        rule = find_rule(self.rule)
        if self.level is not None:
            rule.check(self.level)
        return rule

    def _share(self) -> float | str:
        """Return `contamination` as a float or AUTO; raise InvalidInput if it is neither."""
        share: object = self.contamination
        if isinstance(share, str) and share == AUTO:
            return AUTO
        if not (isinstance(share, Real) and 0 < float(share) <= 0.5):
            raise InvalidInput(f"contamination must be a number above 0 and up to 0.5, or 'auto', not {share!r}.")
        return float(share)


def given_cut(score: float) -> Cut:
    """Return a threshold that was assigned."""
    return Cut(float(score), "given", 0.0, "It was set to this number.")
