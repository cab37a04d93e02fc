"""Scorers that need no label: what to look at first in a table that nobody has labeled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["UNSUPERVISED_SCORERS", "UnsupervisedScorer"]

MAX_ROWS = 20_000  # that each row is compared with each other one of


@dataclass(frozen=True)
class UnsupervisedScorer:
    """One scorer. trained: whether it is a network of ours, see purify.config.SCORERS; max_rows: what it can take."""

    label: str
    summary: str
    trained: bool
    max_rows: int | None = None


UNSUPERVISED_SCORERS: Mapping[str, UnsupervisedScorer] = MappingProxyType(
    {
        "isolation_forest": UnsupervisedScorer(
            "isolation forest",
            "How few random cuts set a row apart from the others (scikit-learn, 200 trees).",
            trained=False,
        ),
        "local_outlier_factor": UnsupervisedScorer(
            "local outlier factor",
            "How much thinner it is around a row than around its 20 neighbors (scikit-learn).",
            trained=False,
            max_rows=MAX_ROWS,
        ),
        "svdd": UnsupervisedScorer("SVDD", "DeepSAD's network without any label: the distance to its center.", True),
        "autoencoder": UnsupervisedScorer("autoencoder", "FEAWAD's autoencoder: how badly it draws a row again.", True),
    }
)
