"""A thread-safe cache that drops the least recently used values."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LRU"]

Value = TypeVar("Value")


class LRU(Generic[Value]):
    """A cache of limited total weight that drops the least recently used values first.

    Every method may be called from any thread and returns at once.

    Parameters
    ----------
    limit
        The largest total weight. The newest value stays, even if its weight alone exceeds the limit.
    weight
        A function of a value that returns its weight. By default each value weighs 1, so the limit is a count.
    """

    def __init__(self, limit: int, weight: Callable[[Value], int] = lambda value: 1) -> None:
        self.limit = limit
        self._weight = weight
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        """Return True if a value is stored under the key; does not count as a use."""
        with self._lock:
            return key in self._values

    def __len__(self) -> int:
        """Return the number of stored values."""
        with self._lock:
            return len(self._values)

    def get(self, key: str) -> Value | None:
        """Return the value stored under this key and mark it as just used; None if there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Store a value under this key as just used, and drop the least recently used ones over the limit."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > 1 and sum(map(self._weight, self._values.values())) > self.limit:
                self._values.popitem(last=False)

    def values(self) -> list[Value]:
        """Return a snapshot of all values, the least recently used first; does not count as a use."""
        with self._lock:
            return list(self._values.values())

    def remove(self, key: str) -> None:
        """Remove the value stored under this key; do nothing if there is none."""
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._values.clear()
