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

__all__ = ["GUESSED_SHARE", "Purified", "Removal", "Suspicion", "by_suspicion", "removal", "suspicion_table"]

GUESSED_SHARE = 0.05  # is taken away where nobody knows the contamination


@dataclass(frozen=True, eq=False)
class Removal:
    """What would be taken away with the m most suspicious rows, for m = 0 to n.

    share: m / n [n + 1]. recall: the share of the contaminants that is among them. precision: the
    share of them that contaminates, NaN for m = 0.
    """

    share: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def removal(contaminates: np.ndarray, suspicion: np.ndarray) -> Removal:
    """Recall and precision of taking rows away from the most suspicious on; bool [n] with one at least, float [n]."""
    found = np.append(0, np.cumsum(contaminates[by_suspicion(suspicion)]))
    count = np.arange(len(found))
    with np.errstate(invalid="ignore"):
        return Removal(count / len(contaminates), found / found[-1], found / count)


def by_suspicion(suspicion: np.ndarray) -> np.ndarray:
    """Places from the most suspicious on; equals in their old order."""
    return np.argsort(-suspicion, kind="stable")


@dataclass(frozen=True, eq=False)
class Suspicion:
    """One pool after the first stage.

    rows: int64 [n], the pool's rows as positions in the Dataset, in the split's order, each once
    however often training repeats it. contaminates: bool [n], whether each is really an anomaly.
    score: float64 [n], S, the mean over the K models, higher is more suspicious. before: the plain run's
    metrics on the test rows; oracle: those without the contaminants, None where none is known.
    """

    config: PurifyConfig
    rows: np.ndarray
    contaminates: np.ndarray
    score: np.ndarray
    before: Metrics
    oracle: Metrics | None

    @cached_property
    def aucroc(self) -> float | None:
        """How well S tells the contaminants from the other rows, 0 to 1; None where there is one kind alone."""
        if self.contaminates.all() or not self.contaminates.any():
            return None
        return metrics(self.contaminates.astype(np.int8), self.score).aucroc

    def share(self, remove: float | None) -> float:
        """q: as it is asked for, or else the pool's contamination, or GUESSED_SHARE where none is known."""
        return (float(self.contaminates.mean()) or GUESSED_SHARE) if remove is None else remove

    def suspects(self, remove: float | None) -> np.ndarray:
        """Places of the rows that are taken away, the most suspicious first, int64 [round(q · n)]; one row stays."""
        count = min(round(self.share(remove) * len(self.rows)), len(self.rows) - 1)
        return by_suspicion(self.score)[:count]

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the config, for Store.put_arrays."""
        found = {name: getattr(self, name) for name in ("rows", "contaminates", "score")}
        found |= {"before": np.array(astuple(self.before))}
        return found if self.oracle is None else found | {"oracle": np.array(astuple(self.oracle))}

    @classmethod
    def from_arrays(cls, config: PurifyConfig, arrays: Mapping[str, np.ndarray]) -> Suspicion:
        """What `arrays` gave; KeyError where one is missing."""
        oracle = Metrics(*arrays["oracle"].tolist()) if "oracle" in arrays else None
        before = Metrics(*arrays["before"].tolist())
        return cls(config, arrays["rows"], arrays["contaminates"], arrays["score"], before, oracle)


@dataclass(frozen=True, eq=False)
class Purified:
    """The final head without the suspicious rows.

    after: its metrics on the test rows. random: the same where as many rows were drawn blindly.
    """

    config: PurifyConfig
    suspicion: Suspicion
    after: Metrics
    random: Metrics

    @property
    def removed(self) -> np.ndarray:
        """Places of the rows that were taken away, see Suspicion.suspects."""
        return self.suspicion.suspects(self.config.remove)

    @property
    def variants(self) -> dict[str, Metrics]:
        """The metrics by the pool that was trained on; no oracle where no contaminant is known."""
        found = {"before": self.suspicion.before, "after": self.after, "random": self.random}
        return found if self.suspicion.oracle is None else found | {"oracle": self.suspicion.oracle}

    def summary(self) -> dict[str, Any]:
        """As the command line prints it; s_aucroc, recall and precision are None where they have no meaning."""
        contaminates, removed = self.suspicion.contaminates, self.removed
        known, found = int(contaminates.sum()), int(contaminates[removed].sum())
        return {
            "config": self.config.model_dump(mode="json"),
            "counts": {
                "pool": len(contaminates),
                "contaminants": known,
                "removed": len(removed),
                "contaminants_removed": found,
            },
            "s_aucroc": self.suspicion.aucroc,
            "recall": found / known if known else None,
            "precision": found / len(removed) if known and len(removed) else None,
            "metrics": {name: own.as_dict() for name, own in self.variants.items()},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """What the suspicion does not hold, for Store.put_arrays."""
        return {"after": np.array(astuple(self.after)), "random": np.array(astuple(self.random))}

    @classmethod
    def from_arrays(cls, config: PurifyConfig, suspicion: Suspicion, arrays: Mapping[str, np.ndarray]) -> Purified:
        """What `arrays` gave; KeyError where one is missing."""
        return cls(config, suspicion, Metrics(*arrays["after"].tolist()), Metrics(*arrays["random"].tolist()))


def suspicion_table(suspicion: Suspicion, remove: float | None, dataset: Dataset) -> pd.DataFrame:
    """The pool's rows, the most suspicious first: row id in the source, S, whether it is taken away, what it is."""
    labels = np.where(dataset.y == 1, "anomaly", np.where(dataset.known, "normal", ""))
    table = pd.DataFrame(
        {
            "row": dataset.row_ids[suspicion.rows],
            "suspicion": suspicion.score,
            "removed": False,
            "labelled_in_file": labels[suspicion.rows],
        }
    )
    table.loc[suspicion.suspects(remove), "removed"] = True
    return table.iloc[by_suspicion(suspicion.score)].reset_index(drop=True)
