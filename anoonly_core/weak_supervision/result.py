"""Measures of one run, and the table of many; free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import pandas as pd

from anoonly_core.config import RunConfig

__all__ = ["COLUMNS", "MEASURES", "SETTINGS", "Measures", "measures_table"]


@dataclass(frozen=True)
class Measures:
    """Measures of a trained run: its test metrics, the gradient at its last norm, and its collapse.

    The gradient is that of one batch, the one with the most labeled anomalies in the first epoch, summed over several
    epochs. Lengths of a row's gradient are Euclidean norms over the features.

    Attributes
    ----------
    aucroc, aucpr_anomaly, aucpr_normal, aucpr_normal_published : float
        Metrics on the test rows.
    reach : float
        Lengths summed over the pool rows, divided by those summed over all rows.
    direct, through_variance, through_mean : float
        Share of each part in the lengths of the parts summed over the pool rows; NaN if no gradient reaches them.
        See `microscope.mechanisms.split_gradient`.
    score_spread, feature_spread : float
        Standard deviation over root mean square of the scores, and of the hidden features, of the pool after training:
        0 if all rows are equal, at most 1.
    effective_rank : float
        exp of the entropy of the singular values of the centered hidden features of the pool, at least 1; 0 if all
        rows are equal. Source: Roy and Vetterli, EUSIPCO 2007.
    """

    aucroc: float
    aucpr_anomaly: float
    aucpr_normal: float
    aucpr_normal_published: float
    reach: float
    direct: float
    through_variance: float
    through_mean: float
    score_spread: float
    feature_spread: float
    effective_rank: float


MEASURES = tuple(field.name for field in fields(Measures))
# "strength" is that of the mechanism, its standard one included; NaN without a dial.
SETTINGS = ("dataset", "baseline", "lambda_n", "norm", "strength", "seed")
COLUMNS = (*SETTINGS, *MEASURES)


def measures_table(configs: Sequence[RunConfig], measures: Sequence[Measures | None]) -> pd.DataFrame:
    """Return a table with one row per run and the columns COLUMNS: settings and measures.

    `measures` has one entry per config; None, for a run that diverged, gives NaN.
    """
    rows = []
    for config, values in zip(configs, measures, strict=True):
        settings = {name: getattr(config, name) for name in SETTINGS}
        rows.append(settings | (dict.fromkeys(MEASURES, float("nan")) if values is None else asdict(values)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"strength": float})
