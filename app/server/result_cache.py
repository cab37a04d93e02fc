"""What the server's work came to, by key: remembered, stored, or shipped with the product."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from anoonly_core.errors import StoreUnavailable
from anoonly_core.execution.job import StoredOutcome
from anoonly_core.lru import LRU
from anoonly_core.paths import ASSETS
from anoonly_core.projection import project
from anoonly_core.results.result import RunResult, from_bytes
from anoonly_core.results.store import Store, default_store

__all__ = ["SHIPPED", "ResultCache"]

REMEMBERED = 160  # of about 0.15 MB each, and in the store for longer
REMEMBERED_FILMS = 16  # of up to a few MB each
SHIPPED = ASSETS / "first_light"

log = logging.getLogger(__name__)


class ResultCache:
    """Runs, projections and films that are finished, and why others failed; all sessions and workers share it.

    unkept: why the latest result could not be kept in the store, "" where it was.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or default_store()
        self.store_problem = ""
        self._finished = LRU[RunResult | np.ndarray](REMEMBERED)
        self._films = LRU[Any](REMEMBERED_FILMS)
        self._failures = LRU[str](REMEMBERED)

    def is_pending(self, key: str) -> bool:
        """Whether this is being made, so that it is not looked for in the store."""
        return False

    def result(self, key: str) -> RunResult | None:
        """A finished run: from memory, the store or the results that are shipped with the product."""
        found = self._recall(key, lambda key: self.store.get(key) or _shipped(key))
        return found if isinstance(found, RunResult) else None

    def points(self, key: str) -> np.ndarray | None:
        """A finished projection [rows, 2]."""
        found = self._recall(key, lambda key: (self.store.get_arrays(key, "points") or {}).get("points"))
        return found if isinstance(found, np.ndarray) and found.shape[1:] == (2,) else None

    def points_now(self, key: str, features: np.ndarray, projector: str) -> np.ndarray:
        """A projection that is quick enough not to need a worker, such as PCA."""
        found = self.points(key)
        if found is None:
            found = project(features, projector)
            self._finished.put(key, found)
        return found

    def worker_result(self, key: str) -> Any:
        """What was made for `want_film`, None where it is not there."""
        return self._films.get(key)

    def failure(self, key: str) -> str | None:
        """Why work with this key failed, in one sentence."""
        return self._failures.get(key)

    def forget_worker_result(self, key: str) -> None:
        """Let what was made under this key be made again."""
        self._films.remove(key)

    def forget_failures(self, keys: Iterable[str]) -> None:
        """Let failed work be tried again."""
        for key in keys:
            self._failures.remove(key)

    def _take_in(self, kind: str, key: str, outcome: Any, stored: bool) -> None:
        """Remember what a worker hands back for its first key; a projection goes into the store here, not there."""
        if isinstance(outcome, StoredOutcome):
            outcome, self.store_problem = outcome.outcome, outcome.store_problem
        if kind == "worker results":
            self._films.put(key, outcome)
        elif isinstance(outcome, list):
            for result in outcome:
                self._finished.put(result.key, result)
        elif isinstance(outcome, np.ndarray):
            self._finished.put(key, outcome)
            if stored:
                self._keep_points(key, outcome)

    def _keep_points(self, key: str, points: np.ndarray) -> None:
        try:
            self.store.put_arrays(key, "points", {"points": points})
        except StoreUnavailable as error:
            log.warning("%s", error)
        self.store_problem = self.store.problem

    def _recall(self, key: str, read: Callable[[str], Any]) -> Any:
        known = self._finished.get(key)
        if known is not None or self.is_pending(key):
            return known
        found = read(key)
        if found is not None:
            self._finished.put(key, found)
        return found


def _shipped(key: str) -> RunResult | None:
    """A result that comes with the product, so that the first page is full at once."""
    path = SHIPPED / f"{key}.npz"
    if not path.is_file():
        return None
    result = from_bytes(path.read_bytes())
    return result if result.key == key else None
