"""A Dask cluster as an engine: its workers train stacks, and this client stores the results.

Scheduler and workers need this package but no shared disk: a data set that they lack is sent to each of them once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import logging
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import AnoOnlyError, DatasetUnavailable, EngineUnavailable
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.job import JobProgress
from anoonly_core.extras import install_command
from anoonly_core.results.keys import ENGINE_REVISION
from anoonly_core.version import __version__

if TYPE_CHECKING:
    from anoonly_core.execution.executor import Work

__all__ = ["DaskCluster", "check_address"]

CONNECT_S = 10
COUNT_INTERVAL_S = 1.0
STOP_CHECK_INTERVAL_S = 0.5
RECONNECT_S = 60.0  # all workers may be gone this long, while a nanny restarts them
MISSING = f"A cluster needs Dask, which is optional: {install_command('cluster')}."

ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx|ucxx)://)?(?P<host>[\w.-]+|\[[\da-f:.]+\]):(?P<port>\d{1,5})", re.I | re.A)
MAX_PORT = 65535
MAX_LABEL = 63  # letters between two dots of a host's name

log = logging.getLogger(__name__)


def check_address(address: str) -> None:
    """Raise EngineUnavailable unless the address has the form HOST:PORT, optionally after a scheme such as tcp://.

    Dask's client would fail late on a malformed address and then hang.
    """
    found = ADDRESS.fullmatch(address)
    is_host = found is not None and all(0 < len(label) <= MAX_LABEL for label in found["host"].rstrip(".").split("."))
    if found is None or not is_host or int(found["port"]) > MAX_PORT:
        raise EngineUnavailable(f"{address[:60]!r} is no scheduler's address, such as tcp://10.0.0.5:8786.")


class DaskCluster:
    """Engine that trains on the workers of a running Dask scheduler.

    Connecting blocks up to 10 s. As a context manager, it disconnects on exit.

    Parameters
    ----------
    address
        Address of the scheduler, such as tcp://10.0.0.5:8786.

    Raises
    ------
    EngineUnavailable
        If Dask is missing here, no scheduler answers, there is no worker, or a worker lacks this package or has
        other versions of it, Python, PyTorch or NumPy.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise EngineUnavailable(MISSING) from error
        check_address(address)
        self.address = address
        self._names = itertools.count()
        self._sent: dict[str, Any] = {}  # futures of the data sets sent to the cluster, by name
        self._present: set[str] = set()  # names of the data sets that every worker has already
        self._lock = threading.Lock()
        self._counted, self._seen, self._threads = float("-inf"), time.monotonic(), 0
        try:
            with warnings.catch_warnings():  # _check_versions names a difference that matters
                warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
                self._client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise EngineUnavailable(
                f"No Dask scheduler answers at {address!r}: is it running, and reachable?"
            ) from error
        try:
            self.check_package()
            self._check_versions()
            assert self.slots
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def slots(self) -> int:
        """Number of stacks that train at once: the threads of all workers, counted at most once a second.

        Raise EngineUnavailable if there has been no worker for 60 s.
        """
        now = time.monotonic()
        if now - self._counted > COUNT_INTERVAL_S:
            threads = sum(self._asked(self._client.nthreads).values())
            self._counted = now
            if threads:
                self._threads, self._seen = threads, now
        if now - self._seen > RECONNECT_S or not self._threads:
            raise EngineUnavailable(f"The cluster at {self.address} has no workers: start some with `dask worker`.")
        return self._threads

    device = "cpu"

    @property
    def name(self) -> str:
        """Number of worker threads in words, such as "4 workers"."""
        return f"{self.slots} workers"

    def plan(self, configs: dict[str, RunConfig]) -> Work:
        """Begin to pack runs into stacks on a worker of the cluster; the result of the work is a `Plan`.

        `configs` holds the runs by key. Returns after sending data sets that the workers lack.
        """
        return self._submit(_plan_here, configs, self.slots)

    def train(self, configs: dict[str, RunConfig]) -> Work:
        """Begin to train the runs of one stack on a worker of the cluster.

        `configs` holds the runs by key. Returns after sending data sets that the workers lack. The result of the
        work is a list of (key, result or error).
        """
        return self._submit(_train_here, configs)

    def stop(self, work: Work) -> None:
        """Cancel work and return at once; a worker that has begun stops at its next epoch. Errors are ignored."""
        assert isinstance(work, _ClusterWork)
        with contextlib.suppress(Exception):  # a cluster that is gone has stopped too
            work.stopped.set()
            work.future.cancel()

    def close(self) -> None:
        """Disconnect from the cluster, which goes on running."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)

    def _submit(self, function: Callable[..., Any], configs: dict[str, RunConfig], *arguments: Any) -> Work:
        import distributed

        names = {config.dataset for config in configs.values()}
        stopped = distributed.Event(f"anoonly-stop-{self._client.id}-{next(self._names)}", client=self._client)
        with self._lock:
            tables = {name: self._table(name) for name in names}
        future = self._asked(
            lambda: self._client.submit(
                function,
                configs,
                {name: resolve(name).identity for name in names},
                tables,
                stopped.name,
                *arguments,
                pure=False,
            )
        )
        return _ClusterWork(self, future, stopped, names)

    def _table(self, name: str) -> Any:
        """Return None if every worker has the data set of this name, else a future of its copy on the cluster.

        The copy is sent first if that has not happened yet.
        """
        if name not in self._sent and name not in self._present:
            if all(self._asked(lambda: self._client.run(_has, name, resolve(name).identity)).values()):
                self._present.add(name)
            else:
                self._send(name)
        return self._sent.get(name)

    def _send(self, name: str) -> None:
        dataset = load_cached(name)
        self._sent[name] = self._asked(lambda: self._client.scatter(dataset, broadcast=True, hash=False))

    def resend(self, names: set[str]) -> None:
        """Send data sets, given by name, to all workers again.

        Needed if a worker has joined without them or left with the only copy.
        """
        with self._lock:
            for name in names:
                self._present.discard(name)
                self._send(name)

    def check_package(self) -> None:
        """Raise EngineUnavailable unless scheduler and all workers can import this package.

        The message names one that cannot, and the command that installs the package.
        """
        # A function of Python, since a function of this package could not be unpickled where it is missing.
        package = __name__.partition(".")[0]
        specs = {"scheduler": self._asked(lambda: self._client.run_on_scheduler(importlib.util.find_spec, package))}
        by_worker = self._asked(lambda: self._client.run(importlib.util.find_spec, package))
        specs |= {f"worker {worker}": spec for worker, spec in by_worker.items()}
        if lacking := [name for name, spec in specs.items() if spec is None]:
            others = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise EngineUnavailable(
                f"The {lacking[0]}{others} lacks this package: install its wheel there, "
                f"`pip install anoonly-{__version__}-py3-none-any.whl`, then start it again."
            )

    def _check_versions(self) -> None:
        """Raise EngineUnavailable unless each worker has this client's versions; others could change scores."""
        mine = _versions()
        try:
            theirs = self._asked(lambda: self._client.run(_versions))
        except (ImportError, AttributeError, TypeError) as error:
            raise EngineUnavailable(
                f"A worker at {self.address} cannot import this package ({error}): install version {__version__} there."
            ) from error
        for worker, versions in theirs.items():
            if different := [name for name in mine if mine[name] != versions.get(name)]:
                raise EngineUnavailable(
                    f"The worker {worker} has {different[0]} {versions.get(different[0])}, here it is "
                    f"{mine[different[0]]}: its scores could differ."
                )

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Call a function that asks the scheduler, and return its value.

        Raise EngineUnavailable if the scheduler does not answer.
        """
        try:
            return question()
        except OSError as error:  # TimeoutError and Dask's CommClosedError too
            raise EngineUnavailable(f"The cluster at {self.address} does not answer any more.") from error


class _ClusterWork:
    """Call on a worker of the cluster, which implements the protocol `executor.Work`.

    `names` are the data sets that the call needs; they are sent again if the worker is lost.
    """

    progress: JobProgress | None = None  # cluster workers do not report epochs

    def __init__(self, cluster: DaskCluster, future: Any, stopped: Any, names: set[str]) -> None:
        self.cluster, self.future, self.stopped, self.names = cluster, future, stopped, names

    @property
    def done(self) -> bool:
        return bool(self.future.done())

    def result(self) -> Any:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        if self.future.status == "lost":
            raise EngineUnavailable(f"The cluster at {self.cluster.address} does not answer any more.")
        try:
            return self.future.result()
        except (KilledWorker, CancelledError, DatasetUnavailable) as error:
            # Its worker died, or the one that held the data; or a new one has none.
            self.cluster.resend(self.names)
            raise WorkerDied("of the cluster was lost", "see the log of the Dask worker") from error
        except (OSError, TimeoutError) as error:
            raise EngineUnavailable(f"The cluster at {self.cluster.address} does not answer any more.") from error
        except ImportError as error:  # a worker that has joined since
            self.cluster.check_package()
            raise EngineUnavailable(f"A worker of the cluster lacks a package ({error}): install it there.") from error


# -- what runs on a worker


def _versions() -> dict[str, str]:
    """Return the versions on this machine of all software that decides the bits of a run, by name."""
    import numpy
    import torch

    return {
        "AnoOnly": __version__,
        "Python": ".".join(map(str, sys.version_info[:2])),
        "PyTorch": torch.__version__.split("+")[0],
        "NumPy": numpy.__version__,
        "the heads' revision": f"{ENGINE_REVISION}.{'.'.join(str(own.revision) for own in BASELINES.values())}",
    }


def _has(name: str, expected: str) -> bool:
    """Return True if a data set of this name and identity is on this machine, bundled or in its cache."""
    try:
        entry = resolve(name)
        return entry.identity == expected and entry.is_local()
    except AnoOnlyError:
        return False


Tables = dict[str, Dataset | None]


def _train_here(
    configs: dict[str, RunConfig], identities: dict[str, str], tables: Tables, stop: str
) -> list[tuple[str, Any]]:
    from anoonly_core.runs.run import run_each, warm_up

    _one_thread()
    warm_up()
    check = _check(stop)
    return list(run_each(configs, "cpu", lambda epoch, epochs: check(), _loader(identities, tables)))


def _plan_here(
    configs: dict[str, RunConfig],
    identities: dict[str, str],
    tables: dict[str, Dataset | None],
    stop: str,
    workers: int,
) -> Any:
    from anoonly_core.execution.planner import make_plan

    _one_thread()
    return make_plan(configs, workers, _loader(identities, tables), _check(stop))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _loader(identities: dict[str, str], tables: Tables) -> Callable[[str], Dataset]:
    """Return a function that loads a data set by name on a worker.

    Parameters
    ----------
    identities
        Identity of each data set by name, as the client knows it.
    tables
        Data sets sent by the client, by name; None for one to load from this machine.

    Raises
    ------
    DatasetUnavailable
        If a data set is missing on this machine or has another identity; raised now, not when it is loaded.
    """

    def load(name: str) -> Dataset:
        if (table := tables[name]) is not None:
            return table
        if not _has(name, identities[name]):
            raise DatasetUnavailable(f"This worker does not have {name}.")
        return load_cached(name)

    for name in identities:
        load(name)  # now, since a missing data set must not fail a run: the client sends the data and tries again
    return load


def _check(stop: str) -> Callable[[], None]:
    """Return a function that raises Cancelled once the client has set the Dask event named `stop`.

    The function asks the scheduler at most twice a second.
    """
    import distributed

    from anoonly_core.progress import Cancelled

    event, asked = distributed.Event(stop), time.monotonic()

    def check() -> None:
        nonlocal asked
        if time.monotonic() - asked > STOP_CHECK_INTERVAL_S:
            asked = time.monotonic()
            if event.is_set():
                raise Cancelled

    return check
