"""AUCPR of the six columns: of five seeds where the shipped experiment holds these settings, else of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from anoonly_core.baselines import GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.metrics.confidence import clear_together, margin_of_error
from anoonly_core.paths import ASSETS
from anoonly_core.supervision.columns import COLUMNS, column_configs

from ...text.verdict import PairedDifference, paired_difference

__all__ = ["Outcome", "outcomes", "shipped_values"]

FILE = ASSETS / "results" / "gradient.csv"
FIELDS = ("dataset", "baseline", "lambda_n", "norm", *GRADIENT_SHARES)


@dataclass(frozen=True)
class Outcome:
    """AUCPR of the anomalies in one column of the page.

    Attributes
    ----------
    mean : float
        Mean over the seeds.
    margin : float or None
        Half the width of the 95 % interval of the mean; None with one seed.
    difference : PairedDifference
        This column against the first one, batch norm, paired over the seeds.
    is_clear : bool
        True if the difference is clear after Holm's correction for the five comparisons of the page.
    seeds : int
        Number of seeds.
    """

    mean: float
    margin: float | None
    difference: PairedDifference
    is_clear: bool
    seeds: int


def shipped_values(config: RunConfig) -> dict[str, np.ndarray] | None:
    """Look up the AUCPR of all columns in the shipped experiment, `assets/results/gradient.csv`.

    Parameters
    ----------
    config : RunConfig
        Settings of the page.

    Returns
    -------
    dict of str to np.ndarray, or None
        AUCPR by the name of the column, one value a seed in ascending order. None if the file lacks these settings.
    """
    columns = column_configs(config)
    as_shipped = make_config(**{name: getattr(columns[0], name) for name in FIELDS}, seed=config.seed)
    if columns[0] != as_shipped:
        return None
    runs = _runs()
    values = {}
    for column, one in zip(COLUMNS, columns, strict=True):
        key = tuple(getattr(one, name) for name in FIELDS)
        if key not in runs:
            return None
        values[column.name] = runs[key]
    return values


@cache
def _runs() -> dict[tuple[object, ...], np.ndarray]:
    """Read the shipped experiment: AUCPR by a tuple of the settings in FIELDS, one value a seed in ascending order."""
    frame = pd.read_csv(FILE, dtype=dict.fromkeys(("lambda_n", *GRADIENT_SHARES), float))
    grouped = frame.sort_values("seed").groupby(list(FIELDS), sort=False)["aucpr_anomaly"]
    return {key: values.to_numpy() for key, values in grouped}


def outcomes(values: Mapping[str, Sequence[float] | np.ndarray]) -> dict[str, Outcome]:
    """Compute mean, interval and difference from batch norm for each column, by its name.

    `values` holds the AUCPR by the name of the column, one value a seed in the same order of seeds.
    """
    whole = list(map(float, values[COLUMNS[0].name]))
    differences = {name: paired_difference(whole, list(map(float, each))) for name, each in values.items()}
    others = [name for name in values if name != COLUMNS[0].name]
    clear = dict(zip(others, clear_together([differences[name].p for name in others]), strict=True))
    return {
        name: Outcome(
            mean=float(np.mean(each)),
            margin=margin_of_error([float(value) for value in each]),
            difference=differences[name],
            is_clear=clear.get(name, False),
            seeds=len(each),
        )
        for name, each in values.items()
    }
