"""AnoOnlyClassifier: the detector for tools of scikit-learn that take binary classifiers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Tags

from anoonly_core.detector.estimator import AnoOnlyDetector

__all__ = ["AnoOnlyClassifier"]


class AnoOnlyClassifier(AnoOnlyDetector):
    """The detector as a binary classifier: its class 1 are anomalies, and `decision_function` is 0 at the threshold.

    RocCurveDisplay.from_estimator, TunedThresholdClassifierCV and others refuse an outlier detector. Parameters,
    attributes and all other methods are those of `AnoOnlyDetector`. Integers for folds mean stratified ones, which need
    y of two values.
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        return tags

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the score of each row less `threshold_`, float64 [rows]: above 0 for the rows that `predict` flags.

        Raise as `AnoOnlyDetector.decision_function`.
        """
        return super().decision_function(X) - self.threshold_
