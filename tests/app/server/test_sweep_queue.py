"""The queue of sweeps: start, stop, resume and share a sweep, and pause it while a page waits for a run."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.plan import Plan
from anoonly_core.execution.pool import Task
from anoonly_core.results.keys import run_key
from anoonly_core.sweeps.sweep import Sweep, SweepOutline, make_sweep
from app.server import sweep_queue
from app.server.evidence_cache import CellRuns
from app.server.jobs import Jobs
from app.server.sweep_queue import SweepQueue, _Entry, _key
from tests.app.conftest import MakeJobs, wait_for

seeds = itertools.count(10**6)


@pytest.fixture(scope="module")
def jobs(make_jobs: MakeJobs) -> Jobs:
    return make_jobs(cores=1)


@pytest.fixture(scope="module")
def shared(jobs: Jobs) -> Iterator[SweepQueue]:
    made = SweepQueue(jobs)
    yield made
    made.close()


@pytest.fixture
def sweeps(shared: SweepQueue) -> Iterator[SweepQueue]:
    yield shared
    for entry in list(shared._entries.values()):
        shared.stop(entry.sweep)
    wait_for(lambda: all(entry.state == "idle" for entry in shared._entries.values()), "the end of all sweeps")


def a_sweep(number: int = 2, **settings: Any) -> Sweep:
    """Return a sweep without finished runs."""
    seed = 10 * next(seeds)
    return make_sweep({"epochs": 2, "seed": seed, **settings}, [("lambda_n", [1, 0])], number)


def listed(sweeps: SweepQueue) -> list[str]:
    """The keys of the previous sweeps."""
    return [sweep.key for sweep in sweeps.previous_sweeps()]


def number_of(text: str) -> int:
    """The number of epochs in the description of a sweep."""
    return int(json.loads(text)["settings"]["epochs"])


def wait_until(sweeps: SweepQueue, sweep: Sweep, state: str) -> None:
    wait_for(lambda: sweeps.view(sweep).state == state, f"{state}: {sweeps.view(sweep)}")


def test_a_sweep_is_trained_kept_and_listed(sweeps: SweepQueue) -> None:
    sweep = a_sweep()
    view = sweeps.view(sweep)
    assert (view.state, view.runs) == ("idle", {})
    wait_for(lambda: sweeps.estimate(sweep, sweep.configs) is not None, "the estimate")
    expected = sweeps.estimate(sweep, sweep.configs)
    assert expected is not None and 0 < expected < 60
    sweeps.start(sweep)
    sweeps.start(sweep)  # a second session asks for the same
    wait_until(sweeps, sweep, "idle")
    view = sweeps.view(sweep)
    assert set(view.runs) == set(sweep.configs) and view.failures == {} and view.problem == ""
    latest = sweeps.previous_sweeps()[0]
    assert (latest.key, latest.at_work) == (_key(sweep), False)
    assert latest.outline == SweepOutline("digits_3", {"lambda_n": 2}, 2)
    assert sweeps.open_previous(latest.key) == sweep
    after_a_restart = SweepQueue(sweeps.jobs)
    assert set(after_a_restart.view(sweep).runs) == set(sweep.configs)
    sweeps.jobs.on_busy_change = sweeps.devices.pause_processes


def test_stopped_it_keeps_what_is_finished_and_goes_on_from_there(sweeps: SweepQueue) -> None:
    sweep = a_sweep(3, epochs=60)
    first = dict(itertools.islice(sweep.configs.items(), 1))
    sweeps.jobs.request_runs("one", [list(first.values())])
    wait_for(lambda: sweeps.view(sweep).runs, "the first run")
    created = sweeps.view(sweep).runs[next(iter(first))].created
    sweeps.start(sweep)
    wait_until(sweeps, sweep, "running")
    sweeps.stop(sweep)
    wait_until(sweeps, sweep, "idle")
    assert next(iter(first)) in sweeps.view(sweep).runs
    sweeps.start(sweep)
    wait_for(lambda: len(sweeps.view(sweep).runs) == 6, "all runs")
    wait_until(sweeps, sweep, "idle")
    assert sweeps.view(sweep).runs[next(iter(first))].created == created, "what is kept is not trained again"


def test_a_run_that_ships_is_not_trained_again(sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = a_sweep()
    shipping, *others = sweep.configs
    trained: list[str] = []

    def execute(missing: dict[str, RunConfig], *_: object) -> Iterator[None]:
        trained.extend(missing)
        yield from ()

    monkeypatch.setattr(sweep_queue, "shipped_runs", lambda keys: {shipping: SimpleNamespace(key=shipping)})
    monkeypatch.setattr(sweep_queue, "execute", execute)
    assert list(sweeps.view(sweep).runs) == [shipping]
    sweeps.start(sweep)
    wait_until(sweeps, sweep, "idle")
    assert trained == others


def test_sweeps_wait_for_each_other(sweeps: SweepQueue) -> None:
    long, short = a_sweep(epochs=5000), a_sweep()
    sweeps.start(long)
    wait_until(sweeps, long, "running")
    sweeps.start(short)
    assert sweeps.view(short).state == "waiting"
    sweeps.forget(long)
    assert sweeps.view(long).state in ("stopping", "idle")  # a slow reader finds it stopped
    wait_for(lambda: len(sweeps.view(short).runs) == 4, "the one that waited")
    assert _key(long) not in listed(sweeps) and _key(short) in listed(sweeps)


def test_a_sweep_gives_way_to_what_a_page_waits_for(sweeps: SweepQueue, jobs: Jobs) -> None:
    """One core: while a page's run trains, the sweep stands still, and then it goes on."""
    sweep = a_sweep(1, epochs=5000)
    sweeps.start(sweep)
    wait_until(sweeps, sweep, "running")
    workers = sweeps.devices._on_cores
    assert workers is not None
    wait_for(lambda: any(task.progress for task in list(workers._tasks.values())), "its first epoch")
    config = make_config(epochs=300, seed=next(seeds))
    jobs.request_runs("one", [[config]])
    assert workers._paused == 1
    (task,) = workers._tasks.values()
    wait_for(lambda: jobs.view([run_key(config)]) and jobs.view([run_key(config)]).total, "the page's run")  # type: ignore[union-attr]
    stood = task.progress
    wait_for(lambda: jobs.results.run(run_key(config)), "the end of the page's run")
    assert stood is not None and task.progress is not None
    assert workers._paused == 0
    wait_for(lambda: task.progress.done > stood.done + 3, "the sweep to go on")  # type: ignore[union-attr]


def test_what_cannot_be_trained_is_a_sentence(sweeps: SweepQueue) -> None:
    sweep = make_sweep(
        {"epochs": 2, "labeled_ratio": 1.0, "seed": next(seeds)}, [("contamination", [0, 0.2]), ("lambda_n", [0])], 1
    )
    sweeps.start(sweep)
    wait_for(lambda: len(sweeps.view(sweep).runs) == 1 and sweeps.view(sweep).failures, "the sweep")
    (sentence,) = sweeps.view(sweep).failures.values()
    assert sentence.startswith("Every training anomaly is labeled")


def test_a_cluster_that_is_not_there_is_a_sentence(sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anoonly_core.execution.dask_cluster.CONNECT_S", 1)
    monkeypatch.setenv("ANOONLY_CLUSTERS", "tcp://10.0.0.1:8786, tcp://127.0.0.1:9")
    sweep = a_sweep()
    sweeps.start(sweep, "tcp://127.0.0.1:9")
    wait_for(lambda: sweeps.view(sweep).problem, "the sentence")
    assert "No Dask scheduler answers" in sweeps.view(sweep).problem
    wait_until(sweeps, sweep, "idle")


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("", "tcp://127.0.0.1:9"),
        ("tcp://127.0.0.1:90", "tcp://127.0.0.1:9"),
        ("tcp://127.0.0.1:9", "TCP://127.0.0.1:9"),
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9 "),
        ("tcp://a:1,tcp://b:1", "tcp://a:1,tcp://b:1"),
        ("tcp://a:1,,", ","),
    ],
)
def test_a_cluster_that_the_operator_does_not_list_is_never_connected_to(
    sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch, allowed: str, address: str
) -> None:
    monkeypatch.setenv("ANOONLY_CLUSTERS", allowed)
    monkeypatch.setattr(sweeps, "_begin", lambda *_: pytest.fail("the sweep begins"))
    sweep = a_sweep()
    sweeps.start(sweep, address)
    view = sweeps.view(sweep)
    assert view.state == "idle" and view.problem.startswith("This server does not use the cluster")
    assert _key(sweep) not in sweeps.jobs.store.sweep_keys()


def test_what_is_no_sweep_in_the_store_is_not_listed(sweeps: SweepQueue) -> None:
    before = sweeps.previous_sweeps()
    axis = '[{"name": "lambda_n", "values": [1]}]'
    for number, text in enumerate(
        (
            "",
            "[]",
            "{}",
            '{"settings": {"dataset": "none"}, "axes": [], "seeds": 1}',
            '{"settings": {}, "axes": [{"name": "color", "values": [1]}], "seeds": 1}',
            f'{{"settings": {{"dataset": 3}}, "axes": {axis}, "seeds": 1}}',
            f'{{"settings": {{}}, "axes": {axis}, "seeds": "many"}}',
            f'{{"settings": [], "axes": {axis}, "seeds": 1}}',
            '{"settings": {}, "axes": [{"name": "lambda_n", "values": 1}], "seeds": 1}',
            "[" * 100_000,
        )
    ):
        sweeps.jobs.store.put_sweep(f"broken {number}", text)
        assert sweeps.previous_sweeps() == before


@pytest.mark.parametrize(
    "text",
    [
        '{"settings": {"dataset": "gone"}, "axes": [{"name": "lambda_n", "values": [1]}], "seeds": 1}',
        '{"settings": {"color": 1}, "axes": [{"name": "lambda_n", "values": [1]}], "seeds": 1}',
        '{"settings": {}, "axes": [{"name": "lambda_n", "values": ["much"]}], "seeds": 1}',
        '{"settings": {}, "axes": [{"name": "lambda_n", "values": [1]}], "seeds": 100000}',
        '{"settings": {}, "axes": [{"name": "norm", "values": ["none such"]}], "seeds": 1}',
    ],
)
def test_a_listed_sweep_that_is_no_longer_valid_is_a_sentence(sweeps: SweepQueue, text: str) -> None:
    sweeps.jobs.store.put_sweep(f"sweep {text}", text)
    assert f"sweep {text}" in listed(sweeps)
    with pytest.raises(AnoOnlyError) as caught:
        sweeps.open_previous(f"sweep {text}")
    assert str(caught.value).endswith((".", "?")) and "\n" not in str(caught.value)
    sweeps.remove_previous(f"sweep {text}")
    assert f"sweep {text}" not in listed(sweeps)


def test_a_list_of_large_sweeps_builds_no_run_and_reads_each_once(
    sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty sweeps of 20 000 runs took a minute of each page run."""
    large = [
        make_sweep({"epochs": 10 + number}, [("contamination", [step / 1000 for step in range(10)])], 1)
        for number in range(30)
    ]
    for sweep in large:
        text = sweep.model_copy(update={"seeds": 1000}).canonical()
        sweeps.jobs.store.put_sweep(f"large {number_of(text)}", text)
    monkeypatch.setattr("anoonly_core.sweeps.sweep.make_config", lambda **_: pytest.fail("a run is built"))
    first = sweeps.previous_sweeps()
    assert [sweep.outline for sweep in first[:30]] == [SweepOutline("digits_3", {"contamination": 10}, 1000)] * 30
    monkeypatch.setattr(type(sweeps.jobs.store), "sweep", lambda *_: pytest.fail("a description is read again"))
    assert sweeps.previous_sweeps() == first


def test_a_sweep_at_work_is_canceled_and_not_removed_from_the_list(sweeps: SweepQueue) -> None:
    sweep = a_sweep(epochs=5000)
    sweeps.start(sweep)
    wait_until(sweeps, sweep, "running")
    assert next(entry for entry in sweeps.previous_sweeps() if entry.key == _key(sweep)).at_work
    sweeps.remove_previous(_key(sweep))
    assert _key(sweep) in listed(sweeps) and sweeps.view(sweep).state == "running"
    sweeps.stop(sweep)
    wait_until(sweeps, sweep, "idle")
    sweeps.remove_previous(_key(sweep))
    sweeps.remove_previous(_key(sweep))  # another page, drawn before
    assert _key(sweep) not in listed(sweeps)
    with pytest.raises(InvalidConfig, match="was removed from the list"):
        sweeps.open_previous(_key(sweep))


def test_a_cell_of_a_table_is_trained_as_a_sweep_is_but_not_listed_as_one(sweeps: SweepQueue) -> None:
    known = len(sweeps.previous_sweeps())
    cell = CellRuns(a_sweep(1).configs)
    sweeps.start(cell)
    wait_for(lambda: sweeps.view(cell).state == "idle", "the end of a cell's runs")
    assert sweeps.view(cell).runs.keys() == cell.configs.keys() and len(sweeps.previous_sweeps()) == known


def test_visitors_take_turns_with_their_sweeps(sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """One visitor queues four sweeps before another queues one: that one comes second, and not fifth."""
    order: list[str] = []
    mine, theirs = [a_sweep(1) for _ in range(4)], a_sweep(1)
    names = {_key(sweep): f"mine {number}" for number, sweep in enumerate(mine)} | {_key(theirs): "theirs"}
    monkeypatch.setattr(sweeps, "_train", lambda entry: finish(sweeps, entry, order, names))
    monkeypatch.setattr(sweeps, "_begin", lambda work, *arguments: None)
    for visitor, batch in (("me", mine), ("you", [theirs])):
        monkeypatch.setattr(sweep_queue, "owner", lambda visitor=visitor: visitor)
        for sweep in batch:
            sweeps.start(sweep)
    sweeps._work_through()
    assert order == ["mine 0", "theirs", "mine 1", "mine 2", "mine 3"]


def finish(sweeps: SweepQueue, entry: _Entry, order: list[str], names: dict[str, str]) -> None:
    """Note the name of a sweep in place of training it."""
    order.append(names[_key(entry.sweep)])
    entry.state = "idle"


@pytest.mark.parametrize(
    ("visitors", "queued", "refusal"),
    [
        (["me"] * 7, 6, "Your sweeps that wait or run have 12 runs, and at most 12 can be queued"),
        (["me", "you"] * 6, 12, ""),
        (["me"] * 6 + ["you"], 7, ""),
        ([f"visitor {number}" for number in range(15)], 15, ""),
        ([f"visitor {number}" for number in range(16)], 15, "The sweeps of all visitors that wait or run have 30 runs"),
    ],
)
def test_the_queued_runs_of_a_visitor_and_of_all_are_bounded(
    sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch, visitors: list[str], queued: int, refusal: str
) -> None:
    monkeypatch.setattr(sweep_queue, "MAX_RUNS_OF_A_VISITOR", 12)
    monkeypatch.setattr(sweep_queue, "MAX_RUNS_QUEUED", 30)
    monkeypatch.setattr(sweeps, "_begin", lambda work, *arguments: None)
    monkeypatch.setattr(sweeps, "_working", True)
    batch = [a_sweep(1) for _ in visitors]
    for visitor, sweep in zip(visitors, batch, strict=True):
        monkeypatch.setattr(sweep_queue, "owner", lambda visitor=visitor: visitor)
        sweeps.start(sweep)
    views = [sweeps.view(sweep) for sweep in batch]
    assert [view.state for view in views] == ["waiting"] * queued + ["idle"] * (len(batch) - queued)
    assert views[-1].problem.startswith(refusal) and bool(views[-1].problem) == bool(refusal)
    while sweeps._queue:
        sweeps._queue.pop().state = "idle"
    sweeps.start(batch[-1])  # there is room again
    assert sweeps.view(batch[-1]).state == "waiting"
    sweeps._queue.pop().state = "idle"


def test_of_sweeps_that_are_done_little_is_remembered(sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_queue, "MAX_RUNS_REMEMBERED", 9)
    monkeypatch.setattr(sweeps, "_begin", lambda work, *arguments: None)
    monkeypatch.setattr(sweeps, "_working", True)
    for _ in range(20):
        sweeps.start(a_sweep(1))
        sweeps._queue.pop().state = "idle"
    assert sum(len(entry.sweep.configs) for entry in sweeps._entries.values()) <= 9 + 2


def test_a_finished_sweep_keeps_no_copy_of_its_stored_runs(sweeps: SweepQueue) -> None:
    sweep = a_sweep(2)
    sweeps.start(sweep)
    wait_until(sweeps, sweep, "idle")
    assert set(sweeps.view(sweep).runs) == set(sweep.configs)
    assert sweeps._entries[_key(sweep)].runs == {}


def test_visitors_measure_beside_each_other_and_one_a_sweep_at_a_time(
    sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate of one visitor stopped that of another, which stopped it in turn, again and again."""
    stopped: list[Any] = []
    tasks = itertools.count(1)
    pool = SimpleNamespace(
        schedule=lambda *_, owners: Task(next(tasks)), stop=lambda task, insist: stopped.append(task.number)
    )
    monkeypatch.setattr(sweeps.devices, "gpus", lambda wait=False: {})
    monkeypatch.setattr(sweeps.devices, "planning_pool", lambda gpus: pool)
    first, second, third = a_sweep(1), a_sweep(1), a_sweep(1)
    for visitor, sweep in (("me", first), ("you", second), ("me", first), ("you", second), ("me", third)):
        monkeypatch.setattr(sweep_queue, "owner", lambda visitor=visitor: visitor)
        assert sweeps.estimate(sweep, sweep.configs) is None
    assert stopped == [1] and next(tasks) == 4


@pytest.mark.parametrize("outcome", [Plan((), {}), RuntimeError("broken"), WorkerDied()])
def test_an_estimate_is_kept_without_its_plan(
    sweeps: SweepQueue, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    task = Task(1)
    monkeypatch.setattr(sweeps.devices, "gpus", lambda wait=False: {})
    monkeypatch.setattr(sweeps.devices, "planning_pool", lambda gpus: SimpleNamespace(schedule=lambda *_, owners: task))
    sweep = a_sweep(1)
    assert sweeps.estimate(sweep, sweep.configs) is None
    if isinstance(outcome, Exception):
        task.future.set_exception(outcome)
    else:
        task.future.set_result(outcome)
    seconds = sweeps.estimate(sweep, sweep.configs)
    assert seconds is not None and (math.isnan(seconds) == isinstance(outcome, Exception))
    assert task not in [planning.task for planning in sweeps._planning.values()]
    monkeypatch.setattr(sweeps.devices, "planning_pool", lambda gpus: pytest.fail("it is measured again"))
    assert str(sweeps.estimate(sweep, sweep.configs)) == str(seconds)
