"""The processes that train this server's sweeps: one for each GPU, or else one per core."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import LocalEngine
from anoonly_core.execution.gpu_engine import GpuEngine, gpu_phrase, start_gpu_workers
from anoonly_core.execution.job import start_trainer
from anoonly_core.execution.pool import Task, WorkerPool
from anoonly_core.progress import Cancelled

from ..text.markdown import escape_markdown
from .jobs import Jobs

__all__ = ["Devices"]

log = logging.getLogger(__name__)


class Devices:
    """The GPUs and the CPU cores of this server, and the worker processes that train sweeps on them.

    There is one process for each GPU, or without a GPU one per core. Processes start when a sweep first needs them.

    Parameters
    ----------
    jobs : Jobs
        The job queue of the server; one of its training processes detects the GPUs.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.RLock()
        self._on_cores: WorkerPool | None = None
        self._on_gpus: list[WorkerPool] = []
        self._asked: Task | None = None

    def gpus(self, wait: bool = False) -> dict[str, str] | None:
        """Return the names of the GPUs by their entry in CUDA_VISIBLE_DEVICES; {} if there is none or detection fails.

        The first call asks a training process, since this process does not load PyTorch. Until the answer is there, the
        result is None; with `wait` the call blocks instead.
        """
        with self._lock:
            if self._asked is None:
                self._asked = self._jobs.trainers.schedule(tasks.gpu_names)
            asked = self._asked
        if not (wait or asked.done):
            return None
        try:
            return dict(asked.result())
        except (WorkerDied, Cancelled, RuntimeError) as error:
            log.warning("GPUs could not be detected: %r", error)
            with self._lock:
                self._asked = None  # ask another trainer next time
            return {}

    def device(self, wait: bool = False) -> str:
        """Return the device on which sweeps train, as in run keys: "cuda" once a GPU is known, else "cpu".

        With `wait`, block until it is known whether there is a GPU.
        """
        return "cuda" if self.gpus(wait) else "cpu"

    def gpu_phrase(self, configs: Iterable[RunConfig]) -> str:
        """Return a Markdown phrase with the names of the GPUs, such as "this machine's NVIDIA H200".

        "" if there is no GPU, none is known yet, or none of the runs has a network to train. Does not block.
        """
        gpus = self.gpus() or {}
        trains = any(BASELINES[config.baseline].network is not None for config in configs)
        return f"this machine's {escape_markdown(gpu_phrase(list(gpus.values())))}" if gpus and trains else ""

    def planning_pool(self, gpus: Mapping[str, str]) -> WorkerPool:
        """Return the worker pool in which the training steps of a sweep are timed, to estimate the sweep's duration.

        `gpus` are the GPUs as `gpus` returns them; if there is none, the pool of the training processes is returned.
        """
        return self._gpu_workers(gpus)[0] if gpus else self._jobs.trainers

    def engine(self) -> LocalEngine | GpuEngine:
        """Return the engine that trains sweeps on this server: on all GPUs if there is one, else on the cores.

        Blocks until it is known whether there is a GPU, and starts the processes on the first call.
        """
        if gpus := self.gpus(wait=True):
            return GpuEngine(self._gpu_workers(gpus), list(gpus.values()))
        with self._lock:
            if self._on_cores is None:
                self._on_cores = WorkerPool(self._jobs.cores, start_trainer, on_demand=self._jobs.is_small)
            on_cores = self._on_cores
        self.pause_processes(self._jobs.busy())
        return LocalEngine(on_cores)

    def pause_processes(self, processes: int) -> None:
        """Let this many fewer sweep runs train at a time on the cores; 0 resumes all.

        Runs of pages go first this way. Surplus runs pause at their next check. A GPU goes on.
        """
        if self._on_cores is not None:
            self._on_cores.pause_processes(processes)

    def close(self) -> None:
        """Kill the processes that train sweeps and wait for their end."""
        for workers in (self._on_cores, *self._on_gpus):
            if workers is not None:
                workers.close()

    def _gpu_workers(self, gpus: Mapping[str, str]) -> list[WorkerPool]:
        with self._lock:
            self._on_gpus = self._on_gpus or start_gpu_workers(gpus)
            return self._on_gpus
