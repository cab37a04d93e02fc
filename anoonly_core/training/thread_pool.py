"""Threads that do a stack's small work on the host, such as drawing batches, while a GPU computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from anoonly_core.machine import cores

__all__ = ["run_in_threads"]

LEAST = 16  # fewer draws than these are done before a thread has begun with them
MAX_THREADS = 8


def run_in_threads(function: Callable[[Sequence[int]], None], items: Sequence[int]) -> None:
    """`function` of parts that make up items, several at once where there are many; raises what it raises."""
    parts = min(_threads(), len(items) // LEAST)
    if parts < 2:
        function(items)
    else:
        list(_pool().map(function, [items[begin::parts] for begin in range(parts)]))


@cache
def _threads() -> int:
    """Count the threads that this process may use."""
    return min(MAX_THREADS, cores())


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="draws")
