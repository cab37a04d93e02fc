"""What comes of cleaning a pool, as the page draws it and the store keeps it; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset
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

DEFAULT_REMOVED_SHARE = 0.05  # is taken away where nobody knows the contamination


@dataclass(frozen=True, eq=False)
class RemovalCurve:
    """What would be taken away with the m most suspicious rows, for m = 0 to n.

    share: m / n [n + 1]. recall: the share of the contaminants that is among them. precision: the
    share of them that contaminates, NaN for m = 0.
    """

    share: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def removal_curve(is_contaminant: np.ndarray, scores: np.ndarray) -> RemovalCurve:
    """Recall and precision of taking rows away from the most suspicious on; bool [n] with one at least, float [n]."""
    found = np.append(0, np.cumsum(is_contaminant[descending_order(scores)]))
    count = np.arange(len(found))
    with np.errstate(invalid="ignore"):
        return RemovalCurve(count / len(is_contaminant), found / found[-1], found / count)


def descending_order(scores: np.ndarray) -> np.ndarray:
    """Places from the most suspicious on; equals in their old order."""
    return np.argsort(-scores, kind="stable")


@dataclass(frozen=True, eq=False)
class PoolScores:
    """One pool after the first stage.

    rows: int64 [n], the pool's rows as positions in the Dataset, in the split's order, each once
    however often training repeats it. contaminates: bool [n], whether each is really an anomaly.
    score: float64 [n], S, the mean over the K models, higher is more suspicious. before: the plain run's
    metrics on the test rows; oracle: those without the contaminants, None where none is known.
    """

    config: PurifyConfig
    rows: np.ndarray
    is_contaminant: np.ndarray
    score: np.ndarray
    before: Metrics
    oracle: Metrics | None

    @cached_property
    def aucroc(self) -> float | None:
        """How well S tells the contaminants from the other rows, 0 to 1; None where there is one kind alone."""
        if self.is_contaminant.all() or not self.is_contaminant.any():
            return None
        return metrics(self.is_contaminant.astype(np.int8), self.score).aucroc

    def share(self, remove: float | None) -> float:
        """q: as it is asked for, or else the pool's contamination, or GUESSED_SHARE where none is known."""
        return (float(self.is_contaminant.mean()) or DEFAULT_REMOVED_SHARE) if remove is None else remove

    def rows_to_remove(self, remove: float | None) -> np.ndarray:
        """Places of the rows that are taken away, the most suspicious first, int64 [round(q · n)]; one row stays."""
        count = min(round(self.share(remove) * len(self.rows)), len(self.rows) - 1)
        return descending_order(self.score)[:count]

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the config, for Store.put_arrays."""
        found = {"rows": self.rows, "contaminates": self.is_contaminant, "score": self.score}
        found |= {"before": np.array(astuple(self.before))}
        return found if self.oracle is None else found | {"oracle": np.array(astuple(self.oracle))}

    @classmethod
    def from_arrays(cls, config: PurifyConfig, arrays: Mapping[str, np.ndarray]) -> PoolScores:
        """What `arrays` gave; KeyError where one is missing."""
        oracle = Metrics(*arrays["oracle"].tolist()) if "oracle" in arrays else None
        before = Metrics(*arrays["before"].tolist())
        return cls(config, arrays["rows"], arrays["contaminates"], arrays["score"], before, oracle)


@dataclass(frozen=True, eq=False)
class PurifyResult:
    """The final head without the suspicious rows.

    after: its metrics on the test rows. random: the same where as many rows were drawn blindly.
    """

    config: PurifyConfig
    pool_scores: PoolScores
    after: Metrics
    random: Metrics

    @property
    def removed(self) -> np.ndarray:
        """Places of the rows that were taken away, see Suspicion.suspects."""
        return self.pool_scores.rows_to_remove(self.config.remove)

    @property
    def variants(self) -> dict[str, Metrics]:
        """The metrics by the pool that was trained on; no oracle where no contaminant is known."""
        found = {"before": self.pool_scores.before, "after": self.after, "random": self.random}
        return found if self.pool_scores.oracle is None else found | {"oracle": self.pool_scores.oracle}

    def summary(self) -> dict[str, Any]:
        """As the command line prints it; s_aucroc, recall and precision are None where they have no meaning."""
        is_contaminant, removed = self.pool_scores.is_contaminant, self.removed
        known, found = int(is_contaminant.sum()), int(is_contaminant[removed].sum())
        return {
            "config": self.config.model_dump(mode="json"),
            "counts": {
                "pool": len(is_contaminant),
                "contaminants": known,
                "removed": len(removed),
                "contaminants_removed": found,
            },
            "s_aucroc": self.pool_scores.aucroc,
            "recall": found / known if known else None,
            "precision": found / len(removed) if known and len(removed) else None,
            "metrics": {name: own.as_dict() for name, own in self.variants.items()},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """What the suspicion does not hold, for Store.put_arrays."""
        return {"after": np.array(astuple(self.after)), "random": np.array(astuple(self.random))}

    @classmethod
    def from_arrays(
        cls, config: PurifyConfig, pool_scores: PoolScores, arrays: Mapping[str, np.ndarray]
    ) -> PurifyResult:
        """What `arrays` gave; KeyError where one is missing."""
        return cls(config, pool_scores, Metrics(*arrays["after"].tolist()), Metrics(*arrays["random"].tolist()))


def pool_table(pool_scores: PoolScores, remove: float | None, dataset: Dataset) -> pd.DataFrame:
    """The pool's rows, the most suspicious first: row id in the source, S, whether it is taken away, what it is."""
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
    return table.iloc[descending_order(pool_scores.score)].reset_index(drop=True)
