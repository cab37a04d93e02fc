"""The figures of Drift as a table, for the download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.result import ABSORPTION_FIGURES, DriftResult
from anoonly_core.drift.summary import stream_figures
from anoonly_core.drift.ways import WAYS

__all__ = ["stream_table"]


def stream_table(configs: Sequence[DriftConfig], results: Sequence[DriftResult]) -> pd.DataFrame:
    """Return the figures of each seed, way and batch, a row each, without averages.

    Columns: seed, way, batch (from 1), intensity, anomalies (a number), the figures by the promised and by the
    recalibrated threshold, and path. Ways whose scores are those of another way are left out.

    Parameters
    ----------
    configs : sequence of DriftConfig
        The configuration of each seed.
    results : sequence of DriftResult
        The result of each seed.
    """
    parts = []
    for config, result in zip(configs, results, strict=True):
        promised, recalibrated = stream_figures(result), stream_figures(result, recalibrated=True)
        for index, way in enumerate(WAYS):
            if way in config.distinct_ways:
                part = {
                    "seed": config.run.seed,
                    "way": way,
                    "batch": np.arange(1, len(result.rows) + 1),
                    "intensity": result.intensity,
                    "anomalies": result.anomalous.sum(axis=1),
                    **{figure: promised.of(figure)[index] for figure in ABSORPTION_FIGURES},
                    "false_alarms_recalibrated": recalibrated.false_alarms[index],
                    "missed_recalibrated": recalibrated.missed[index],
                    "path": result.path[index],
                }
                parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
