"""Unsupervised scorers, which rank an unlabeled table before the first label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["UNSUPERVISED_SCORERS", "UnsupervisedScorer"]

MAX_ROWS = 20_000  # local outlier factor compares each row with every other


@dataclass(frozen=True)
class UnsupervisedScorer:
    """Unsupervised scorer of a table: its texts and limits.

    Attributes
    ----------
    label, summary : str
        Texts of the page.
    trained : bool
        True for a network of this engine, whose name is then a key of POOL_SCORERS, too.
    max_rows : int or None
        Largest number of rows that it takes; None for no limit.
    """

    label: str
    summary: str
    trained: bool
    max_rows: int | None = None


UNSUPERVISED_SCORERS: Mapping[str, UnsupervisedScorer] = MappingProxyType(
    {
        "isolation_forest": UnsupervisedScorer(
            "isolation forest",
            "Few random cuts separate an anomaly from the other rows (scikit-learn, 200 trees).",
            trained=False,
        ),
        "local_outlier_factor": UnsupervisedScorer(
            "local outlier factor",
            "Density around a row compared with the density around its 20 nearest neighbors (scikit-learn).",
            trained=False,
            max_rows=MAX_ROWS,
        ),
        "svdd": UnsupervisedScorer(
            "SVDD", "DeepSAD's network trained without labels: the distance to its center.", True
        ),
        "autoencoder": UnsupervisedScorer(
            "autoencoder", "FEAWAD's autoencoder: the reconstruction error of a row.", True
        ),
    }
)
