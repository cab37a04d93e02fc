"""Who trains the sweeps of this server: the one process that owns its GPU, or as many as there are cores."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import LocalEngine
from anoonly_core.execution.job import Cancelled, start_trainer
from anoonly_core.execution.pool import Task, WorkerDied, WorkerPool
from app.server.jobs import Jobs
from app.text.markdown import escape_markdown

__all__ = ["Devices"]

log = logging.getLogger(__name__)


class Devices:
    """Its processes start when they are first needed: most servers never sweep."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.RLock()
        self._on_cores: WorkerPool | None = None
        self._on_gpu: WorkerPool | None = None
        self._asked: Task | None = None

    def gpu(self, wait: bool = False) -> str | None:
        """The GPU that sweeps train on, "" where there is none; None while that is not known yet.

        A trainer is asked, since only it knows what PyTorch can use. wait: until it has answered.
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
            log.warning("this machine's GPU could not be looked for: %r", error)
            with self._lock:
                self._asked = None  # a trainer that died says nothing of the GPU: ask another one next time
            return ""

    def device(self, wait: bool = False) -> str:
        """What finished runs are looked for under: the GPU's keys as soon as it is known that there is one."""
        return "cuda" if self.gpu(wait) else "cpu"

    def gpu_phrase(self, configs: Iterable[RunConfig]) -> str:
        """Its GPU in a sentence, in Markdown; "" where none of these runs trains there, or none is known."""
        gpu = self.gpu()
        trains = any(BASELINES[config.baseline].network is not None for config in configs)
        return f"this machine's {escape_markdown(gpu)}" if gpu and trains else ""

    def planning_pool(self, gpu: str) -> WorkerPool:
        """The processes that measure how long a sweep takes: on cores those of the pages, which are there already."""
        return self._gpus_process() if gpu else self._jobs.trainers

    def engine(self) -> LocalEngine:
        """What trains a sweep here; waits until it is known whether there is a GPU."""
        if gpu := self.gpu(wait=True):
            return LocalEngine(self._gpus_process(), gpu)
        with self._lock:
            if self._on_cores is None:
                self._on_cores = WorkerPool(self._jobs.cores, start_trainer)
            on_cores = self._on_cores
        self.pause_processes(self._jobs.busy())
        return LocalEngine(on_cores)

    def pause_processes(self, processes: int) -> None:
        """Let as many processes wait as the pages' own runs keep busy: the cores are for both, the GPU is not."""
        if self._on_cores is not None:
            self._on_cores.pause_processes(processes)

    def close(self) -> None:
        """End all processes."""
        for workers in (self._on_cores, self._on_gpu):
            if workers is not None:
                workers.close()

    def _gpus_process(self) -> WorkerPool:
        with self._lock:
            if self._on_gpu is None:
                self._on_gpu = WorkerPool(1, start_trainer)
            return self._on_gpu
