"""Explanation of the scores of rows by any detector: contributions, their check and their test."""

from __future__ import annotations

import numpy as np

from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.deletion import DRAWS, Scores, delete_columns, occlude
from anoonly_core.explanation.gradients import integrated_gradients, network_scores
from anoonly_core.explanation.result import GRADIENTS, OCCLUSION, Explanation
from anoonly_core.models import Head
from anoonly_core.progress import Report
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["explain"]


@default_torch_settings()
def explain(
    model: Head | Scores,
    X: np.ndarray,
    median: np.ndarray,
    scaling: tuple[np.ndarray, np.ndarray],
    columns: SourceColumns,
    draws: int = DRAWS,
    report: Report = lambda done, total: None,
) -> Explanation:
    """Explain the scores of rows by the columns that set them apart from the median row of the pool.

    Parameters
    ----------
    model : Head or callable
        Trained network of one run in eval mode, which is explained by integrated gradients. Or a function from scaled
        rows, float32 [n, features], to scores, float64 [n], which is explained by occlusion.
    X : float [n, features]
        Unscaled rows without missing values, n at least 1.
    median : float [features]
        Unscaled median row of the pool.
    scaling : tuple of ndarray
        Minimum and scale of the features, [features] each.
    columns : SourceColumns
        Columns to which the features belong.
    draws : int
        Random orders of the deletion test; 0 leaves the test out.
    report : callable
        Called after the test of each row with (rows done, all rows); an exception stops it.

    Returns
    -------
    Explanation
        Contributions of the columns, the check by occlusion, and the test.
    """
    minimum, scale = scaling
    x, reference = (((rows - minimum) / scale).astype(np.float32) for rows in (X, median))
    members = columns.members

    def score(rows: np.ndarray) -> np.ndarray:
        return network_scores(model, rows) if isinstance(model, Head) else model(rows)

    occlusion = occlude(score, x, reference, members)
    if isinstance(model, Head):
        parts = integrated_gradients(model, x, reference)
        begins = np.searchsorted(members, np.arange(len(columns.names)))
        contributions = np.add.reduceat(parts, begins, axis=1)
    else:
        contributions = occlusion
    tested = delete_columns(score, x, reference, members, contributions, draws, report) if draws else None
    return Explanation(
        columns.names,
        columns.values(X),
        columns.values(median[None])[0],
        score(x),
        float(score(reference[None])[0]),
        GRADIENTS if isinstance(model, Head) else OCCLUSION,
        contributions,
        occlusion,
        tested,
    )
