"""Engine of the GPUs of this machine: a worker process for each, and the others go on if one fails."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from anoonly_core.config import RunConfig
from anoonly_core.errors import GpuFailed
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import Work
from anoonly_core.execution.job import JobProgress, start_trainer
from anoonly_core.execution.pool import Task, WorkerPool

__all__ = ["GpuEngine", "gpu_phrase", "start_gpu_workers"]

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"

log = logging.getLogger(__name__)


def start_gpu_workers(gpus: Mapping[str, str]) -> list[WorkerPool]:
    """Start a worker process for each GPU, which sees no other GPU; return one pool each, which the caller closes.

    `gpus` are names by their entry in CUDA_VISIBLE_DEVICES, as `tasks.gpu_names` returns them.
    """
    return [WorkerPool(1, start_trainer, environment={VISIBLE_GPUS: entry}) for entry in gpus]


def gpu_phrase(names: Sequence[str]) -> str:
    """Return the names of GPUs as a phrase, such as "NVIDIA H200" or "2 × NVIDIA H200"; "" for none."""
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in Counter(names).items())


class GpuEngine:
    """Engine of worker processes on this machine that own one GPU each.

    A GPU whose process dies or on which a stack fails gets no further stack, and the others train its unfinished runs.
    Where a second GPU fails on the same runs, its process trains them on the CPU, so that a faulty stack costs one GPU
    and not all. The last GPU stays in use in the same way.

    Parameters
    ----------
    workers
        A pool of one process for each GPU, see `start_gpu_workers`. The caller closes them.
    names
        Names of the GPUs.
    """

    device = "cuda"

    def __init__(self, workers: Sequence[WorkerPool], names: Sequence[str]) -> None:
        self.name = gpu_phrase(names)
        self._usable = list(workers)
        self._running: dict[WorkerPool, Task] = {}
        self._lost: set[str] = set()  # keys of runs whose GPU failed

    @property
    def slots(self) -> int:
        """Number of GPUs in use.

        A planned stack may hold several shapes, which train beside each other.
        """
        return len(self._usable)

    def plan(self, configs: dict[str, RunConfig]) -> _GpuWork:
        """Begin to pack runs into stacks on a free GPU, and return at once; the result of the work is a `Plan`.

        `configs` holds the runs by key.
        """
        return self._begin(tasks.plan_runs, configs, self.slots, self.device)

    def train(self, configs: dict[str, RunConfig]) -> _GpuWork:
        """Begin to train the runs of one stack on a free GPU, and return at once.

        `configs` holds the runs by key. The result of the work is a list of (key, result or error).
        """
        falls_back = self.slots == 1 or not self._lost.isdisjoint(configs)
        return self._begin(tasks.train_each, configs, self.device, falls_back)

    def _begin(self, function: Callable[..., Any], configs: dict[str, RunConfig], *arguments: Any) -> _GpuWork:
        """Schedule a task on the GPU that is free for longest, or else on the one that took its last task first."""
        free = [workers for workers in self._usable if (task := self._running.get(workers)) is None or task.done]
        workers = (free or self._usable)[0]
        self._usable.remove(workers)
        self._usable.append(workers)
        self._running[workers] = workers.schedule(function, configs, *arguments)
        return _GpuWork(self, workers, self._running[workers], frozenset(configs))

    def stop(self, work: Work) -> None:
        """Cancel work and return at once; the work stops at its next epoch, or its process is killed after 2 s."""
        assert isinstance(work, _GpuWork)
        work.workers.stop(work.task)

    def retire(self, workers: WorkerPool, lost: Iterable[str] = ()) -> None:
        """Give a GPU no further stack, unless it is the last one in use.

        `lost` holds the keys of the runs that it failed on; if the next GPU fails on them, too, the CPU trains them.
        """
        self._lost.update(lost)
        if workers in self._usable and len(self._usable) > 1:
            self._usable.remove(workers)
            log.warning("a GPU failed; %d still train", len(self._usable))


class _GpuWork:
    """Planning, or training of a stack, on one GPU, which implements the protocol `executor.Work`."""

    def __init__(self, engine: GpuEngine, workers: WorkerPool, task: Task, keys: frozenset[str]) -> None:
        self._engine, self.workers, self.task, self._keys = engine, workers, task, keys

    @property
    def done(self) -> bool:
        return self.task.done

    @property
    def progress(self) -> JobProgress | None:
        return self.task.progress

    def result(self) -> Any:
        try:
            return self.task.result()
        except WorkerDied:
            self._engine.retire(self.workers)
            raise
        except GpuFailed as error:
            self._engine.retire(self.workers, self._keys)
            raise WorkerDied("lost its GPU", "see the log, then try again") from error
