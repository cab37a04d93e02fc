"""Results of the server's jobs by key: in memory, in the run store, or shipped with the product."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from anoonly_core.errors import StoreBusy
from anoonly_core.execution.job import StoredOutcome
from anoonly_core.lru import LRU
from anoonly_core.paths import ASSETS
from anoonly_core.projection import project
from anoonly_core.results.result import RunResult, from_bytes
from anoonly_core.results.store import BUSY_S, Store
from anoonly_core.supervision.result import SupervisionRecord
from anoonly_core.supervision.result import from_bytes as record_from_bytes

from .shipped_streams import shipped_streams

__all__ = ["SHIPPED", "SHIPPED_RECORDS", "ResultCache"]

T = TypeVar("T")

MAX_RESULTS = 160  # about 0.15 MB each
MAX_WORKER_RESULTS = 64 * 2**20  # bytes
MIN_WORKER_RESULT = 4 * 2**20  # bytes that each counts at least, so that there are 16 at most
MAX_FAILURES = 160
SHIPPED = ASSETS / "first_light"
SHIPPED_RECORDS = ASSETS / "why"


@dataclass(frozen=True)
class _Sized:
    """A worker result and its size in bytes."""

    value: Any
    size: int


def _size(value: Any) -> int:
    """Estimate the memory of a value in bytes: the sum of its arrays, tables and texts.

    Containers, dataclasses and pydantic models are searched through.
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.nbytes
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(deep=True).sum())
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(content) for key, content in value.items())
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return sum(map(_size, value))
    if is_dataclass(value) or isinstance(value, BaseModel):
        return sum(map(_size, vars(value).values()))
    return sys.getsizeof(value)


class ResultCache:
    """Results of jobs by key (runs, projections, worker results), and the reasons of failed ones; for all sessions.

    All methods may be called from any thread.

    Parameters
    ----------
    store : Store
        The run store, searched for what is not in memory. While another process holds it locked, only memory and
        the shipped results are searched.
    is_pending : callable
        Takes a key and returns True if a job that computes it is queued or runs; the store is then not searched.
    """

    def __init__(self, store: Store, is_pending: Callable[[str], bool] = lambda key: False) -> None:
        self.store = store
        self.store_problem = ""  # why the latest result could not be stored, "" if it was
        self.is_problem_busy = False  # whether that was a lock, so that the problem ends with the lock
        self._is_pending = is_pending
        self._results = LRU[RunResult | np.ndarray](MAX_RESULTS)
        self._worker_results = LRU[_Sized](MAX_WORKER_RESULTS, weight=lambda sized: sized.size)
        self._failures = LRU[str](MAX_FAILURES)

    def run(self, key: str) -> RunResult | None:
        """Return the finished run of a run key, from memory, the store or the shipped files; None without one."""
        result = self._find(key, lambda key: _readable(self.store.get, key) or _shipped(key))
        return result if isinstance(result, RunResult) else None

    def points(self, key: str) -> np.ndarray | None:
        """Return the projection of a key, float [rows, 2], from memory or the store; None if it is not finished."""
        read = partial(self.store.get_arrays, kind="points")
        points = self._find(key, lambda key: (_readable(read, key) or {}).get("points"))
        return points if isinstance(points, np.ndarray) and points.shape[1:] == (2,) else None

    def points_now(self, key: str, features: np.ndarray, projector: str) -> np.ndarray:
        """Return the projection of a key, float [rows, 2]; compute a missing one here and keep it in memory.

        Blocks, so only for a fast projector such as "pca". `features` are the rows to project, float [rows, columns].
        """
        points = self.points(key)
        if points is None:
            points = project(features, projector)
            self._results.put(key, points)
        return points

    def worker_result(self, key: str) -> Any:
        """Return the finished value of a worker result, from memory or the shipped files; None without one.

        `key` is that of `Jobs.request_worker_result`. Does not block.
        """
        sized = self._worker_results.get(key)
        if sized is not None:
            return sized.value
        record = _shipped_record(key) or shipped_streams(key)
        if record is not None:
            self.put_worker_result(key, record)
        return record

    def failure(self, key: str) -> str | None:
        """Return the sentence that tells why the job for this key failed; None if no failure is recorded."""
        return self._failures.get(key)

    def put_runs(self, results: Iterable[RunResult]) -> None:
        """Keep finished runs in memory, each by its run key; the worker process has written them to the store."""
        for result in results:
            self._results.put(result.key, result)

    def put_points(self, key: str, points: np.ndarray, stored: bool) -> None:
        """Keep the projection of a key, float [rows, 2], in memory; if `stored`, write it to the run store too.

        A failed write raises nothing: `store_problem` then tells why, and is "" after a success.
        """
        self._results.put(key, points)
        if stored:
            store = self.store.with_wait(BUSY_S)
            store.try_put_arrays(key, "points", {"points": points})
            self._note_problem(store.problem, store.is_problem_busy)

    def put_worker_result(self, key: str, value: Any) -> None:
        """Keep the value of a finished worker result in memory.

        Beyond 64 MiB in all, the least recently used ones are dropped.
        """
        self._worker_results.put(key, _Sized(value, max(_size(value), MIN_WORKER_RESULT)))

    def put_failure(self, key: str, sentence: str) -> None:
        """Record the sentence that tells why the job for this key failed."""
        self._failures.put(key, sentence)

    def unwrap(self, outcome: Any) -> Any:
        """Return the value within a StoredOutcome and record its problem with the store; return others unchanged."""
        if isinstance(outcome, StoredOutcome):
            self._note_problem(outcome.store_problem, outcome.is_busy)
            return outcome.outcome
        return outcome

    def forget_past_lock(self) -> None:
        """Clear `store_problem` if it was another process's lock on the store, and this lock is gone."""
        if self.is_problem_busy and not self.store.is_busy():
            self._note_problem("", False)

    def forget_worker_result(self, key: str) -> None:
        """Remove the worker result of this key from memory, if any, so that it can be requested again."""
        self._worker_results.remove(key)

    def forget_failures(self, keys: Iterable[str]) -> None:
        """Remove the recorded failures of these keys, if any, so that their jobs can be tried again."""
        for key in keys:
            self._failures.remove(key)

    def _note_problem(self, sentence: str, is_busy: bool) -> None:
        """Set `store_problem` to a sentence, "" for none; `is_busy` is True if a lock is the problem."""
        self.store_problem, self.is_problem_busy = sentence, is_busy

    def _find(self, key: str, read: Callable[[str], Any]) -> Any:
        """Return the value of a key from memory, else `read(key)`, which is then kept in memory.

        None if `read` returns None, or if a job that computes the key is pending; `read` is then not called.
        """
        known = self._results.get(key)
        if known is not None or self._is_pending(key):
            return known
        value = read(key)
        if value is not None:
            self._results.put(key, value)
        return value


def _readable(read: Callable[[str], T | None], key: str) -> T | None:
    """Return `read(key)`, a value from the store; None if another process holds the store locked."""
    try:
        return read(key)
    except StoreBusy:
        return None


@cache
def _shipped_keys(folder: Path) -> frozenset[str]:
    """Return the keys of the result files in a folder, read once, since waiting pages ask ten times a second."""
    return frozenset(path.stem for path in folder.glob("*.npz"))


def _shipped_bytes(folder: Path, key: str) -> bytes | None:
    """Return the bytes of a key's result file in a folder of the assets; None if there is none.

    A key may hold words of users, so only a listed key becomes part of a path.
    """
    return (folder / f"{key}.npz").read_bytes() if key in _shipped_keys(folder) else None


def _shipped(key: str) -> RunResult | None:
    """Return the run with this run key from the files that ship for Compare; None if it is not among them."""
    content = _shipped_bytes(SHIPPED, key)
    result = None if content is None else from_bytes(content)
    return result if result is not None and result.key == key else None


def _shipped_record(key: str) -> SupervisionRecord | None:
    """Return the record with this key from the files that ship for Why it works; None if it is not among them."""
    content = _shipped_bytes(SHIPPED_RECORDS, key)
    record = None if content is None else record_from_bytes(content)
    return record if record is not None and record.key == key else None
