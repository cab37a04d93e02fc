"""Results of cleaning a pool, for the page and the store; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.row_names import insert_names
from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.purify.config import PurifyConfig

__all__ = [
    "DEFAULT_REMOVED_SHARE",
    "PoolScores",
    "PurifyResult",
    "RemovalCurve",
    "descending_order",
    "pool_table",
    "removal_curve",
]

DEFAULT_REMOVED_SHARE = 0.05  # removed if the contamination is unknown


@dataclass(frozen=True, eq=False)
class RemovalCurve:
    """Effect of removing the m rows with the highest scores, for m = 0 to n.

    Attributes
    ----------
    share : float64 [n + 1]
        m / n.
    recall : float64 [n + 1]
        Share of all contaminants that is removed.
    precision : float64 [n + 1]
        Share of contaminants among the removed rows; NaN for m = 0.
    """

    share: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def removal_curve(is_contaminant: np.ndarray, scores: np.ndarray) -> RemovalCurve:
    """Compute recall and precision of the removed rows if rows are removed in descending order of score.

    Parameters
    ----------
    is_contaminant : bool [n]
        Mask of the pool rows that are anomalies; at least one is.
    scores : float [n]
        Scores of the pool rows; higher is more suspicious.

    Returns
    -------
    RemovalCurve
        One point per number of removed rows, from 0 to n.
    """
    hits = np.append(0, np.cumsum(is_contaminant[descending_order(scores)]))
    count = np.arange(len(hits))
    with np.errstate(invalid="ignore"):
        return RemovalCurve(count / len(is_contaminant), hits / hits[-1], hits / count)


def descending_order(scores: np.ndarray) -> np.ndarray:
    """Return the indices that sort scores in descending order; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


@dataclass(frozen=True, eq=False)
class PoolScores:
    """Scores of the rows of one pool by the first stage, and test metrics of the final head without removal.

    Attributes
    ----------
    config : PurifyConfig
        Settings of both stages.
    rows : int64 [n]
        Pool rows as indices in the Dataset, in the order of the split, each once even if training repeats it.
    is_contaminant : bool [n]
        True for a row that is really an anomaly; all False if the data set has unlabeled rows.
    score : float64 [n]
        Mean score S over the K models; higher is more suspicious.
    before : Metrics
        Test metrics of the final head trained on the whole pool.
    oracle : Metrics or None
        Test metrics of the final head trained without the contaminants; None if no contaminant is known.
    """

    config: PurifyConfig
    rows: np.ndarray
    is_contaminant: np.ndarray
    score: np.ndarray
    before: Metrics
    oracle: Metrics | None

    @cached_property
    def aucroc(self) -> float | None:
        """AUCROC, 0 to 1, of the scores in telling contaminants from other pool rows; None unless the pool has both."""
        if self.is_contaminant.all() or not self.is_contaminant.any():
            return None
        return metrics(self.is_contaminant.astype(np.int8), self.score).aucroc

    def share(self, remove: float | None) -> float:
        """Return the share of the pool to remove, 0 to 1: `remove`, or the contamination of the pool for None.

        If the contamination is 0 or unknown, the share is DEFAULT_REMOVED_SHARE.
        """
        return (float(self.is_contaminant.mean()) or DEFAULT_REMOVED_SHARE) if remove is None else remove

    def rows_to_remove(self, remove: float | None) -> np.ndarray:
        """Return the pool rows to remove, as indices in `rows`, int64, in descending order of score.

        `remove` is the share with the highest scores to remove, or None for the default of `share`. At least one row
        stays.
        """
        count = min(round(self.share(remove) * len(self.rows)), len(self.rows) - 1)
        return descending_order(self.score)[:count]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all fields but the config as arrays by name, for Store.put_arrays."""
        arrays = {"rows": self.rows, "contaminates": self.is_contaminant, "score": self.score}
        arrays |= {"before": np.array(astuple(self.before))}
        return arrays if self.oracle is None else arrays | {"oracle": np.array(astuple(self.oracle))}

    @classmethod
    def from_arrays(cls, config: PurifyConfig, arrays: Mapping[str, np.ndarray]) -> PoolScores:
        """Rebuild the scores from the config and the arrays that `arrays` returned.

        Raise KeyError if an array is missing.
        """
        oracle = Metrics(*arrays["oracle"].tolist()) if "oracle" in arrays else None
        before = Metrics(*arrays["before"].tolist())
        return cls(config, arrays["rows"], arrays["contaminates"], arrays["score"], before, oracle)


@dataclass(frozen=True, eq=False)
class PurifyResult:
    """Test metrics of the final head after suspicious rows were removed from its pool.

    Attributes
    ----------
    config : PurifyConfig
        Settings of both stages.
    pool_scores : PoolScores
        Result of the first stage.
    after : Metrics
        Metrics if the rows with the highest scores are removed.
    random : Metrics
        Metrics if as many rows, drawn at random, are removed.
    """

    config: PurifyConfig
    pool_scores: PoolScores
    after: Metrics
    random: Metrics

    @property
    def removed(self) -> np.ndarray:
        """Indices in `pool_scores.rows` of the rows that were removed, the highest score first."""
        return self.pool_scores.rows_to_remove(self.config.remove)

    @property
    def variants(self) -> dict[str, Metrics]:
        """Test metrics of the final head by its training pool.

        The keys are "before" (whole pool), "after" (cleaned), "random" (as many random rows removed), and "oracle" (all
        contaminants removed) if a contaminant is known.
        """
        variants = {"before": self.pool_scores.before, "after": self.after, "random": self.random}
        return variants if self.pool_scores.oracle is None else variants | {"oracle": self.pool_scores.oracle}

    def summary(self) -> dict[str, Any]:
        """Return config, counts, quality of the removal and test metrics as plain values for the command line.

        s_aucroc, recall and precision are None if undefined.
        """
        is_contaminant, removed = self.pool_scores.is_contaminant, self.removed
        contaminants, removed_contaminants = int(is_contaminant.sum()), int(is_contaminant[removed].sum())
        return {
            "config": self.config.model_dump(mode="json"),
            "counts": {
                "pool": len(is_contaminant),
                "contaminants": contaminants,
                "removed": len(removed),
                "contaminants_removed": removed_contaminants,
            },
            "s_aucroc": self.pool_scores.aucroc,
            "recall": removed_contaminants / contaminants if contaminants else None,
            "precision": removed_contaminants / len(removed) if contaminants and len(removed) else None,
            "metrics": {name: variant.as_dict() for name, variant in self.variants.items()},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return `after` and `random` as arrays by name, for Store.put_arrays; PoolScores stores the rest."""
        return {"after": np.array(astuple(self.after)), "random": np.array(astuple(self.random))}

    @classmethod
    def from_arrays(
        cls, config: PurifyConfig, pool_scores: PoolScores, arrays: Mapping[str, np.ndarray]
    ) -> PurifyResult:
        """Rebuild the result from its config, its first stage and the arrays that `arrays` returned.

        Raise KeyError if an array is missing.
        """
        return cls(config, pool_scores, Metrics(*arrays["after"].tolist()), Metrics(*arrays["random"].tolist()))


def pool_table(pool_scores: PoolScores, remove: float | None, dataset: Dataset) -> pd.DataFrame:
    """Return a table with one line per pool row, the highest mean score first.

    Parameters
    ----------
    pool_scores : PoolScores
        Scores of the pool.
    remove : float or None
        Share of the pool to remove; None for its contamination, or DEFAULT_REMOVED_SHARE if that is unknown.
    dataset : Dataset
        Data set of the pool.

    Returns
    -------
    DataFrame
        Columns: row (row id in the source), suspicion (score), removed (bool), and labelled_in_file ("anomaly",
        "normal" or ""); with the names of images or texts, see `insert_names`.
    """
    labels = np.where(dataset.y == 1, "anomaly", np.where(dataset.known, "normal", ""))
    table = pd.DataFrame(
        {
            "row": dataset.row_ids[pool_scores.rows],
            "suspicion": pool_scores.score,
            "removed": False,
            "labelled_in_file": labels[pool_scores.rows],
        }
    )
    table.loc[pool_scores.rows_to_remove(remove), "removed"] = True
    listed = table.iloc[descending_order(pool_scores.score)].reset_index(drop=True)
    return insert_names(listed, dataset.previews)
