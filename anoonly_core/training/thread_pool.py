"""Threads that do a stack's small work on the host, such as drawing batches, while a GPU computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["run_in_threads"]

LEAST = 16  # fewer draws than these are done before a thread has begun with them
MAX_THREADS = 8


def run_in_threads(function: Callable[[Sequence[int]], None], items: Sequence[int]) -> None:
    """`function` of parts that make up items, several at once where there are many; raises what it raises."""
    parts = min(MAX_THREADS, os.cpu_count() or 1, len(items) // LEAST)
    if parts < 2:
        function(items)
    else:
        list(_pool().map(function, [items[begin::parts] for begin in range(parts)]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="draws")
