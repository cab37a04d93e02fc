"""Detectors of change over the scores of a stream, of the package river."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from anoonly_core.drift.result import DriftResult
from anoonly_core.errors import InvalidConfig
from anoonly_core.extras import extra_missing

__all__ = ["DETECTORS", "SIGNALS", "Detector", "find_changes", "signal"]


@dataclass(frozen=True)
class Detector:
    """A detector that reads one number after another and says when their distribution has changed.

    Attributes
    ----------
    label : str
        Name on pages and the command line.
    summary : str
        One sentence with the source.
    class_name : str
        Class in river.drift.
    """

    label: str
    summary: str
    class_name: str

    def make(self) -> Any:
        """Return a new detector of river, with `update` and `drift_detected`; raise ExtraMissing without river."""
        try:
            module = import_module("river.drift")  # only now: it takes seconds to load
        except ModuleNotFoundError as error:
            raise extra_missing("A detector of change", "drift") from error
        return getattr(module, self.class_name)()


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        "adwin": Detector(
            "ADWIN",
            "Compares the means of the older and newer part of a window that grows while they agree (Bifet and "
            "Gavaldà, SDM 2007).",
            "ADWIN",
        ),
        "page_hinkley": Detector(
            "Page–Hinkley",
            "Adds up the distances from the mean so far until they pass a bound (Page, Biometrika 1954).",
            "PageHinkley",
        ),
    }
)

SIGNALS: Mapping[str, str] = MappingProxyType(
    {"scores": "the scores of the rows", "alarms": "which rows the promised threshold flags"}
)


def signal(result: DriftResult, way: int, kind: str = "scores") -> np.ndarray:
    """Return what a detector reads of one way, which needs no labels: float64 [B, n].

    Parameters
    ----------
    result : DriftResult
        Scores of a stream.
    way : int
        Index of the way in WAYS.
    kind : str
        A key of SIGNALS.
    """
    scores: np.ndarray = result.scores[way].astype(np.float64)
    if kind == "scores":
        return scores
    return np.asarray(scores > result.thresholds(recalibrated=False)[way][:, None], dtype=np.float64)


def find_changes(values: np.ndarray, detector: str = "adwin") -> tuple[int, ...]:
    """Return the batches in which a detector finds a change, ascending, each once.

    Parameters
    ----------
    values : float [B, n]
        Values of the rows of each batch in their order, such as `signal` returns.
    detector : str
        A key of DETECTORS.

    Raises
    ------
    InvalidConfig
        If there is no such detector.
    ExtraMissing
        If river is not installed.
    """
    if detector not in DETECTORS:
        raise InvalidConfig(f"detector must be one of {', '.join(DETECTORS)}, not {str(detector)[:60]!r}.")
    reader = DETECTORS[detector].make()
    found: list[int] = []
    for batch, of_batch in enumerate(values.tolist()):
        for value in of_batch:
            reader.update(value)
            if reader.drift_detected and batch not in found[-1:]:
                found.append(batch)
    return tuple(found)
