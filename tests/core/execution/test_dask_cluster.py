"""A sweep of 40 runs survives the death of client or worker: none is trained twice, none is missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from anoonly_core.cli.main import main
from anoonly_core.errors import EngineUnavailable
from anoonly_core.execution.dask_cluster import DaskCluster
from anoonly_core.execution.executor import execute
from anoonly_core.execution.start_method import context
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import FILE_NAME, RunSummary, Store
from anoonly_core.runs.run import run_many
from anoonly_core.sweeps.sweep import make_sweep, sweep_table

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0
LAMBDAS = (1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 0)
SWEEP = make_sweep({"dataset": "digits_3", "epochs": 12}, [("lambda_n", LAMBDAS)], 5)
COMMAND = ["sweep", "--dataset", "digits_3", "--epochs", "12", "--lambda-n", ",".join(map(str, LAMBDAS))]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed() -> pd.DataFrame:
    """The table of the sweep, trained in one stack in this process."""
    results = run_many(list(SWEEP.configs.values()))
    return without_times(sweep_table(SWEEP, {result.key: RunSummary.of(result) for result in results}, {}))


def without_times(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="train_seconds")


def assert_whole(store: Store, before: dict[str, RunSummary], undisturbed: pd.DataFrame) -> None:
    """All 40 rows are there, those of before as they were, all as undisturbed."""
    after = store.runs()
    assert set(after) == set(SWEEP.configs) and len(after) == 40
    again = {key for key, run in before.items() if after[key].created != run.created}
    assert not again, "what was stored was trained again"
    pd.testing.assert_frame_equal(without_times(sweep_table(SWEEP, after, {})), undisturbed, check_exact=True)


# -- this machine


def start_sweep(cache: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "ANOONLY_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "anoonly_core", *COMMAND, *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == process and state != "Z":
            found.append(int(folder.name))
    return sorted(found)


def trainers_of(process: int) -> list[int]:
    """The trainers of a process: spawned by it, or forked from a child of it that has loaded torch."""
    if context().get_start_method() == "spawn":
        return [child for child in children(process) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return [trainer for child in children(process) for trainer in children(child)]


def is_alive(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_sweep_and_a_killed_worker(
    tmp_path: Path, undisturbed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / FILE_NAME)
    sweep = start_sweep(tmp_path)
    wait_for(lambda: store.runs() or sweep.poll() is not None, "the first stack")
    trainers = trainers_of(sweep.pid)
    assert trainers
    sweep.kill()
    sweep.communicate()
    before = store.runs()
    assert 0 < len(before) < 40, "it was to be killed in the middle"
    wait_for(lambda: not any(is_alive(process) for process in trainers), "the end of its trainers")

    sweep = start_sweep(tmp_path, "--out", str(tmp_path / "sweep.csv"))
    wait_for(lambda: len(store.runs()) > len(before) or sweep.poll() is not None, "the next stack")
    in_between = store.runs()
    assert len(in_between) < 40, "a worker was to be killed in the middle"
    os.kill(trainers_of(sweep.pid)[0], signal.SIGKILL)
    printed, said = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 0, said
    assert f"40 runs, {len(before)} of them already in the store" in said
    assert_whole(store, in_between, undisturbed)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert list(table["aucroc"]) == list(undisturbed["aucroc"]) and list(table["key"]) == list(undisturbed["key"])
    assert len(printed.splitlines()) == 1 + len(LAMBDAS)

    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    assert main(COMMAND) == 0
    assert capsys.readouterr() == (printed, "40 runs, 40 of them already in the store.\n"), "it trains what is kept"


# -- a cluster


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    address = f"tcp://127.0.0.1:{port}"
    wait_for(lambda: is_listening(port), "the scheduler")
    yield address
    started.kill()
    started.wait()


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def dask(part: str, *options: str, cache: Path | None = None) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__LIFETIME__RESTART": "False"}
    environment.pop("ANOONLY_DATA", None)
    if cache is not None:
        environment["ANOONLY_CACHE"] = str(cache)
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{part}", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def start_worker(scheduler: str, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a worker with an empty cache of its own and no data."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        own = tmp_path / f"worker {len(started)}"
        own.mkdir()
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(own)]
        started.append(dask("worker", scheduler, *options, cache=own))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


def connected(address: str, workers: int) -> DaskCluster:
    """The cluster, once so many workers are there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < deadline, "waited in vain for the workers"
        try:
            cluster = DaskCluster(address)
        except EngineUnavailable as error:
            assert "no workers" in str(error)
            continue
        if cluster.slots == workers:
            return cluster
        cluster.close()


def test_a_killed_dask_worker(
    scheduler: str, start_worker: Callable[[], subprocess.Popen[bytes]], tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    """One of two workers dies, another joins; then the client dies, and another takes over."""
    store = Store(tmp_path / FILE_NAME)
    first, _ = start_worker(), start_worker()
    with connected(scheduler, 2) as cluster:
        states = execute(SWEEP.configs, cluster, store)
        for _ in states:
            if store.runs():
                break
        states.close()  # type: ignore[attr-defined]  # this client gives up: what is stored stays
    before = store.runs()
    assert 0 < len(before) < 40
    missing = {key: config for key, config in SWEEP.configs.items() if key not in before}
    with connected(scheduler, 2) as cluster:
        states = execute(missing, cluster, store)
        for _ in states:
            if len(store.runs()) > len(before):
                break
        in_between = store.runs()
        assert len(in_between) < 40
        first.kill()
        start_worker()
        failures = {key: sentence for state in states for key, sentence in state.failures.items()}
    assert failures == {}
    assert_whole(store, in_between, undisturbed)


def test_a_missing_data_set_is_sent_to_the_workers(
    scheduler: str, start_worker: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    frame = pd.DataFrame(
        {
            "a": [37 * n % 211 for n in range(200)],
            "b": [n % 7 for n in range(200)],
            "y": [int(n % 10 == 0) for n in range(200)],
        }
    )
    frame.to_csv(table, index=False)
    sweep = make_sweep({"dataset": str(table), "epochs": 2}, [("lambda_n", [1, 0])], 2)
    here = {result.key: result.metrics.as_dict() for result in run_many(list(sweep.configs.values()))}
    start_worker()
    with connected(scheduler, 1) as cluster:
        cluster._table(str(table))
        assert cluster._present == {str(table)}, "a worker that has the very file is sent nothing"
        cluster.resend({str(table)})
        store = Store(tmp_path / FILE_NAME)
        states = execute(sweep.configs, cluster, store)
        next(states)
        found = {key: run.metrics for state in states for key, run in state.runs.items()}
    assert found == here


def test_an_unusable_cluster_is_one_sentence(
    scheduler: str, start_worker: Callable[[], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineUnavailable, match="has no workers"):
        DaskCluster(scheduler)
    start_worker()
    connected(scheduler, 1).close()
    monkeypatch.setattr("anoonly_core.execution.dask_cluster.__version__", "9.9")
    with pytest.raises(EngineUnavailable, match=r"has AnoOnly 0\.2\.0, here it is 9\.9"):
        DaskCluster(scheduler)
    monkeypatch.setattr("anoonly_core.execution.dask_cluster.CONNECT_S", 1)
    with pytest.raises(EngineUnavailable, match="No Dask scheduler answers"):
        DaskCluster("tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "address",
    [
        *("nowhere", "", "tcp://", "tcp://:8786", "tcp://a b:1", "tcp://127.0.0.1:x", "127.0.0.1:٣"),
        *("ftp://127.0.0.1:9", "tcp://127.0.0.1:65536", "tcp://a:b:1", "tcp://a..b:1", f"{'a' * 64}:1"),
    ],
)
def test_a_malformed_address_is_refused_before_a_client_connects(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that raises while it is made prints a traceback, after twenty seconds, when it goes."""
    monkeypatch.setattr("distributed.Client", lambda *arguments, **named: pytest.fail("it was asked"))
    with pytest.raises(EngineUnavailable, match="is no scheduler's address"):
        DaskCluster(address)


def test_sweep_keys_are_run_keys() -> None:
    assert all(run_key(config) == key for key, config in SWEEP.configs.items())
