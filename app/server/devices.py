"""The processes that train this server's sweeps: one that owns the GPU, or else one per core."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import LocalEngine
from anoonly_core.execution.job import Cancelled, start_trainer
from anoonly_core.execution.pool import Task, WorkerPool

from ..text.markdown import escape_markdown
from .jobs import Jobs

__all__ = ["Devices"]

log = logging.getLogger(__name__)


class Devices:
    """The GPU and the cores of this server; processes start when a sweep first needs them."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.RLock()
        self._on_cores: WorkerPool | None = None
        self._on_gpu: WorkerPool | None = None
        self._asked: Task | None = None

    def gpu(self, wait: bool = False) -> str | None:
        """Return the GPU's name, "" if there is none; None while a trainer, which has PyTorch, is still asked.

        With wait, block until that is known.
        """
        with self._lock:
            if self._asked is None:
                self._asked = self._jobs.trainers.schedule(tasks.gpu_name)
            asked = self._asked
        if not (wait or asked.done):
            return None
        try:
            return str(asked.result())
        except (WorkerDied, Cancelled, RuntimeError) as error:
            log.warning("the GPU could not be detected: %r", error)
            with self._lock:
                self._asked = None  # ask another trainer next time
            return ""

    def device(self, wait: bool = False) -> str:
        """Return the device whose run keys apply: "cuda" once a GPU is known, else "cpu"."""
        return "cuda" if self.gpu(wait) else "cpu"

    def gpu_phrase(self, configs: Iterable[RunConfig]) -> str:
        """Return a Markdown phrase for the GPU; "" if it is unknown or trains none of these runs."""
        gpu = self.gpu()
        trains = any(BASELINES[config.baseline].network is not None for config in configs)
        return f"this machine's {escape_markdown(gpu)}" if gpu and trains else ""

    def planning_pool(self, gpu: str) -> WorkerPool:
        """Return the pool that times the steps of a sweep: the GPU's process or, without a GPU, the trainers."""
        return self._gpus_process() if gpu else self._jobs.trainers

    def engine(self) -> LocalEngine:
        """Return the engine of this server; block until it is known whether there is a GPU."""
        if gpu := self.gpu(wait=True):
            return LocalEngine(self._gpus_process(), gpu)
        with self._lock:
            if self._on_cores is None:
                self._on_cores = WorkerPool(self._jobs.cores, start_trainer, on_demand=self._jobs.is_small)
            on_cores = self._on_cores
        self.pause_processes(self._jobs.busy())
        return LocalEngine(on_cores)

    def pause_processes(self, processes: int) -> None:
        """Pause this number of the sweep processes on cores, so that the runs of pages go first; never the GPU."""
        if self._on_cores is not None:
            self._on_cores.pause_processes(processes)

    def close(self) -> None:
        """Kill all processes of this object and wait for their end."""
        for workers in (self._on_cores, self._on_gpu):
            if workers is not None:
                workers.close()

    def _gpus_process(self) -> WorkerPool:
        with self._lock:
            if self._on_gpu is None:
                self._on_gpu = WorkerPool(1, start_trainer)
            return self._on_gpu
