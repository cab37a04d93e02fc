"""Lessons about a stream of rows: A and B score it each by a way of its own, in place of a run on test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.config import RunConfig, make_config
from anoonly_core.drift.config import RULES, DriftConfig, make_drift_config
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.summary import mean_over_batches, stream_figures
from anoonly_core.drift.ways import WAYS
from anoonly_core.errors import InvalidConfig

__all__ = ["WAY", "Scoring", "StreamRun", "make_scoring", "network_of", "words_of"]

WAY = "way"  # the setting that makes a comparison one of a stream


@dataclass(frozen=True)
class Scoring:
    """One side of a comparison: a stream, and the way that scores it.

    Attributes
    ----------
    config : DriftConfig
        The stream, with its network.
    way : str
        A key of WAYS.
    """

    config: DriftConfig
    way: str

    def canonical(self) -> str:
        """Return a text that identifies the stream and the way."""
        return f"{self.way} {self.config.canonical()}"


@dataclass(frozen=True, eq=False)
class StreamRun:
    """A scored stream of one seed.

    Attributes
    ----------
    scoring : Scoring
        The stream and the way.
    result : DriftResult
        The scores by all ways.
    """

    scoring: Scoring
    result: DriftResult

    def curve(self, figure: str) -> np.ndarray:
        """Return a figure of each batch, one of ABSORPTION_FIGURES, by the promised threshold, float64 [B]."""
        index = list(WAYS).index(self.scoring.way)
        return np.asarray(stream_figures(self.result).of(figure)[index])

    def after(self, figure: str) -> float:
        """Return the mean of a figure over the batches from the first one on in which a shift would be."""
        return float(mean_over_batches(self.curve(figure)[self.scoring.config.start :]))


def network_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of a side that are fields of `RunConfig`, by name: all but those of a stream."""
    return {name: value for name, value in settings.items() if name != WAY and name not in RULES}


def make_scoring(settings: Mapping[str, Any], seed: int = 0) -> Scoring:
    """Make one side of a comparison from its settings: fields of `RunConfig` and `DriftConfig`, and a way.

    Raises
    ------
    InvalidConfig
        If a setting is invalid, or there is no such way.
    """
    way = settings[WAY]
    if way not in WAYS:
        raise InvalidConfig(f"way must be one of {', '.join(WAYS)}, not {str(way)[:60]!r}.")
    run: RunConfig = make_config(**network_of(settings), seed=seed)
    stream = {name: value for name, value in settings.items() if name in RULES}
    return Scoring(make_drift_config(run, **stream), way)


def words_of(scoring: Scoring) -> dict[str, str]:
    """Return what a side does with which stream in words, by setting: the way, the shift and the share of anomalies."""
    config = scoring.config
    shift = f"{config.schedule} shift: {SHIFTS[config.shift].label.lower()}"
    return {
        WAY: WAYS[scoring.way].label,
        "shift": "no shift" if config.schedule == "none" else shift,
        "anomaly_share": f"{config.anomaly_share:.0%} anomalies in the stream",
    }
