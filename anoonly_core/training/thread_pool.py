"""Run small host work of a stack, such as drawing batches, in several threads while a GPU computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from anoonly_core.machine import cores

__all__ = ["run_in_threads"]

MIN_ITEMS = 16  # per thread; fewer take less time than starting the thread
MAX_THREADS = 8


def run_in_threads(function: Callable[[Sequence[int]], None], items: Sequence[int]) -> None:
    """Cut items into parts and call a function with each part, in up to eight threads; block until all are done.

    Fewer than 32 items are passed at once, in the calling thread. An exception of the function is raised here.
    """
    parts = min(_threads(), len(items) // MIN_ITEMS)
    if parts < 2:
        function(items)
    else:
        list(_pool().map(function, [items[begin::parts] for begin in range(parts)]))


@cache
def _threads() -> int:
    """Return the number of threads to use: the cores of this process, at most eight."""
    return min(MAX_THREADS, cores())


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="draws")
