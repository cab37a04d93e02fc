"""GPU memory for stacks: estimate the need of a run, and divide the free memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anoonly_core.runs.gpu_device import GPU_ERRORS, Gpu
from anoonly_core.runs.stacking import PlannedRun, values_per_run

__all__ = ["MAX_RUNS", "MemoryBudget", "bytes_per_run", "max_runs_in", "max_runs_on_gpu", "memory_budget"]

MAX_RUNS = 2048  # in one stack
USABLE_SHARE = 0.7  # of the free memory, for all stacks together: fragmentation wastes the rest
BYTES_PER_VALUE = 8  # float32, and as much again for the intermediate results of a step

log = logging.getLogger(__name__)


class MemoryBudget:
    """GPU memory that stacks share; each reserves bytes while it trains.

    Attributes
    ----------
    total
        Bytes that all stacks together may use.
    """

    def __init__(self, total: int) -> None:
        self.total = self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, count: int) -> Iterator[None]:
        """Context that reserves `count` bytes; block until they are free.

        A request for more than the total reserves the total.
        """
        count = min(count, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= count)
            self._free -= count
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()


def memory_budget(gpu: Gpu) -> MemoryBudget | None:
    """Return a budget of 70 % of the memory that is free on a GPU now.

    Return None, with a warning in the log, if the GPU fails.
    """
    try:
        return MemoryBudget(int(USABLE_SHARE * gpu.free_bytes()))
    except GPU_ERRORS:
        log.warning("the GPU cannot be used", exc_info=True)
        return None


def max_runs_on_gpu(gpu: Gpu) -> Callable[[PlannedRun, int], int]:
    """Return a function for `group_runs` that tells how many runs fit into one stack on this GPU.

    The function takes a run and the number of columns. The free memory is read once, by this call.
    """
    return max_runs_in(memory_budget(gpu))


def max_runs_in(budget: MemoryBudget | None) -> Callable[[PlannedRun, int], int]:
    """Return a function for `group_runs` that tells how many runs fit into one stack within a memory budget.

    The function takes a run and the number of columns. For None, a GPU that cannot be used, it returns MAX_RUNS.
    """

    def max_runs(planned: PlannedRun, columns: int) -> int:
        if budget is None:
            return MAX_RUNS
        size = bytes_per_run(planned, columns)
        return max(1, min(MAX_RUNS, budget.total // size)) if size else 1

    return max_runs


def bytes_per_run(planned: PlannedRun, columns: int) -> int:
    """Estimate the bytes of GPU memory that one run takes; 0 if its system cannot train on a GPU.

    `columns` is the number of features of the data set.
    """
    return BYTES_PER_VALUE * (values_per_run(planned, columns) or 0)
