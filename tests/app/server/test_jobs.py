"""Jobs in real worker processes: a run is trained once, stops without sessions, and a failure stays its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.execution import tasks
from anoonly_core.execution.job import JobProgress
from anoonly_core.execution.pool import Task
from anoonly_core.results.keys import hidden_points_key, run_key
from anoonly_core.results.store import default_store
from app.controls.choice import default_choice
from app.server import jobs as jobs_module
from app.server import result_cache
from app.server.jobs import Job, JobKind, Jobs, JobView, dataset_key
from tests.app.conftest import MakeJobs, wait_for

seeds = count(100)
PATIENCE_S = 120.0


def short(**settings: Any) -> RunConfig:
    """A run that nobody has trained yet and that takes a moment."""
    return make_config(**{"epochs": 2, "seed": next(seeds), **settings})


def long() -> RunConfig:
    """A run that would outlast the test."""
    return short(epochs=5000)


@pytest.fixture(scope="module")
def one_core(make_jobs: MakeJobs, cache: Path) -> Iterator[Jobs]:
    """One trainer for the whole module, offline, so that what waits and what runs is certain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_MIRROR", "http://127.0.0.1:9")
        jobs = make_jobs(cores=1)
        train(jobs, short())  # the worker has started with this environment
    yield jobs


@pytest.fixture
def jobs(one_core: Jobs) -> Iterator[Jobs]:
    yield one_core
    for session in ("one", "two", "three"):
        one_core.release(session)
        one_core.note_visitor(session, session)


def train(jobs: Jobs, config: RunConfig, session: str = "one") -> None:
    jobs.request_runs(session, [[config]])
    wait_for(lambda: jobs.results.run(run_key(config)), f"{config} ({jobs.results.failure(run_key(config))})")


def epoch(jobs: Jobs, config: RunConfig) -> int:
    view = jobs.view([run_key(config)])
    return view.done if view else 0


def begin(jobs: Jobs, session: str, config: RunConfig) -> None:
    jobs.request_runs(session, [[config]])
    wait_for(lambda: epoch(jobs, config) > 0, "the run to begin")


def test_a_run_finishes_and_is_stored(jobs: Jobs) -> None:
    jobs.results.store_problem = "The one before could not be kept."
    config = short()
    key = run_key(config)
    assert jobs.results.run(key) is None
    train(jobs, config)
    found = jobs.results.run(key)
    assert found is not None
    assert (found.config, found.key) == (config, key)
    assert (jobs.view([key]), jobs.results.failure(key)) == (None, None)
    stored = default_store().get(key)
    assert stored is not None and jobs.results.store_problem == ""
    np.testing.assert_array_equal(stored.scores, found.scores)


def test_what_is_finished_is_not_trained_again(jobs: Jobs, scheduled: list[tuple[Any, ...]]) -> None:
    config = short()
    train(jobs, config)
    jobs.request_runs("two", [[config], [config]])
    jobs.request_runs("two", [default_choice().seeded(default_choice().b)])  # shipped with the product
    assert len(scheduled) == 1
    assert jobs.view([run_key(config)]) is None


def test_waiting_ends_with_the_job_of_anybody(jobs: Jobs) -> None:
    """A page that waits for a run is woken by its end, not by its own patience."""
    config = short()
    woken: list[bool] = []

    def wait() -> None:
        while jobs.results.run(run_key(config)) is None:
            jobs.wait(PATIENCE_S)
        woken.append(True)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    jobs.request_runs("two", [[config]])
    waiting.join(PATIENCE_S / 2)
    assert woken, "the end of the run did not wake the page"


def test_waiting_ends_without_a_job(jobs: Jobs) -> None:
    waiting = threading.Thread(target=jobs.wait, args=(0.01,), daemon=True)
    waiting.start()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


@pytest.fixture
def scheduled(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls that reach the trainers' pool."""
    calls: list[tuple[Any, ...]] = []
    schedule = jobs.trainers.schedule

    def count_and_schedule(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return schedule(*arguments, **named)

    monkeypatch.setattr(jobs.trainers, "schedule", count_and_schedule)
    return calls


def test_a_group_is_one_job_and_its_runs_arrive_together(jobs: Jobs, scheduled: list[tuple[Any, ...]]) -> None:
    group = [short(), short(), short()]
    jobs.request_runs("one", [group[:1], group[1:]])
    wait_for(lambda: all(jobs.results.run(run_key(config)) for config in group), "all of the group")
    assert len(scheduled) == 2


def test_two_sessions_share_one_job(jobs: Jobs, scheduled: list[tuple[Any, ...]]) -> None:
    config = long()
    begin(jobs, "one", config)
    before = epoch(jobs, config)
    jobs.request_runs("two", [[config]])
    assert len(scheduled) == 1
    assert epoch(jobs, config) >= before


def test_the_only_session_leaves_and_the_worker_is_free_again(jobs: Jobs) -> None:
    config = long()
    workers = jobs.trainers.processes()
    begin(jobs, "one", config)
    jobs.release("one")
    assert jobs.view([run_key(config)]) is None
    train(jobs, short())
    assert jobs.results.run(run_key(config)) is None
    assert jobs.results.failure(run_key(config)) is None, "to be stopped is no failure"
    assert jobs.trainers.processes() >= workers, "a run that stops by itself leaves its process warm"


def test_with_a_second_session_waiting_it_goes_on(jobs: Jobs) -> None:
    config = long()
    begin(jobs, "one", config)
    jobs.request_runs("two", [[config]])
    jobs.release("one")
    before = epoch(jobs, config)
    assert before > 0
    wait_for(lambda: epoch(jobs, config) > before + 2, "further epochs")
    jobs.release("two")
    train(jobs, short())


def test_a_session_that_moves_on_gives_up_what_it_wanted(jobs: Jobs) -> None:
    left, last = [long(), long(), long()], short()
    begin(jobs, "one", left[0])
    for config in (*left[1:], last):
        jobs.request_runs("one", [[config]])
    wait_for(lambda: jobs.results.run(run_key(last)), "the last settings")
    assert jobs.view([run_key(config) for config in left]) is None


def test_a_stopped_run_can_be_asked_for_again(jobs: Jobs) -> None:
    config = short(epochs=120)
    begin(jobs, "one", config)
    jobs.release("one")
    train(jobs, config)


def test_an_error_is_one_sentence_and_can_be_tried_again(jobs: Jobs, scheduled: list[tuple[Any, ...]]) -> None:
    config = short(labeled_ratio=1.0, contamination=0.2)
    key = run_key(config)
    jobs.request_runs("one", [[config]])
    wait_for(lambda: jobs.results.failure(key), "the failure")
    sentence = jobs.results.failure(key)
    assert sentence is not None
    assert sentence.startswith("Every training anomaly is labeled")
    assert jobs.view([key]) is None
    jobs.request_runs("one", [[config]])
    assert len(scheduled) == 1, "it is not tried again unasked"
    jobs.results.forget_failures([key])
    assert jobs.results.failure(key) is None
    jobs.request_runs("one", [[config]])
    wait_for(lambda: jobs.results.failure(key), "the second failure")
    assert len(scheduled) == 2
    train(jobs, short())


def test_of_several_jobs_the_slowest_is_shown(jobs: Jobs) -> None:
    for number, (done, total) in enumerate(((40, 50), (7, 500)), start=10**6):
        progress = JobProgress(done, total)
        jobs._active[f"made {number}"] = Job(number, JobKind.RUNS, (f"made {number}",), Task(number, progress=progress))
    try:
        assert jobs.view(["made 1000000", "made 1000001"]) == JobView(ahead=0, done=7, total=500)
    finally:
        del jobs._active["made 1000000"], jobs._active["made 1000001"]


def test_a_data_set_that_cannot_be_had_is_one_sentence(jobs: Jobs) -> None:
    config = short(dataset="CIFAR10_0")
    jobs.request_runs("one", [[config]])
    key = dataset_key("CIFAR10_1")
    jobs.request_downloads("one", ["CIFAR10_1"])
    wait_for(lambda: jobs.results.failure(run_key(config)) and jobs.results.failure(key), "the failures")
    for sentence in (jobs.results.failure(run_key(config)), jobs.results.failure(key)):
        assert sentence is not None
        assert "CIFAR10_" in sentence
        assert len(sentence.splitlines()) == 1
        assert not any(word in sentence for word in ("Traceback", "Error("))


def test_of_several_data_sets_only_those_that_failed_have_a_failure(jobs: Jobs) -> None:
    names = ["CIFAR10_1", "CIFAR10_2", "digits_3"]
    jobs.request_downloads("one", names)
    jobs.request_downloads("two", names[:1])
    wait_for(lambda: not jobs.downloads(), "the end of the downloads")
    failures = [jobs.results.failure(dataset_key(name)) for name in names]
    assert failures[0] == failures[1] and failures[2] is None
    assert str(failures[0]).startswith("2 of 2 data sets could not be fetched and can be tried again: CIFAR10_1 is not")
    assert str(failures[0]).endswith("the network cannot be reached, likewise CIFAR10_2.")


def test_what_waits_says_how_many_come_first(jobs: Jobs) -> None:
    for session in ("one", "two", "three"):
        jobs.note_visitor(session, "one person")
    running, second, third = long(), short(), short()
    begin(jobs, "one", running)
    jobs.request_runs("two", [[second]])
    jobs.request_runs("three", [[third]])
    views = [jobs.view([run_key(config)]) for config in (running, second, third)]
    assert all(view is not None for view in views)
    assert [view.ahead for view in views if view] == [0, 1, 2]
    jobs.release("one")
    wait_for(lambda: jobs.results.run(run_key(third)), "the last in the queue")


def test_whoever_waits_need_not_wait_for_those_who_have_gone(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "GRACE_S", 3600.0)  # so that none passes while this test looks, however slow
    for session in ("one", "two", "three"):
        jobs.note_visitor(session, "one person")
    running, queued, last = long(), long(), short()
    begin(jobs, "one", running)
    jobs.request_runs("two", [[queued]])
    jobs.request_runs("three", [[last]])
    monkeypatch.setattr(jobs, "is_session_active", lambda session: session != "one")
    assert jobs.view([run_key(last)]) == JobView(ahead=2, done=0, total=0)
    monkeypatch.setattr(jobs, "is_session_active", lambda session: True)  # the page was only loaded anew
    time.sleep(0.5)
    monkeypatch.setattr(jobs_module, "GRACE_S", 0.3)
    before = epoch(jobs, running)
    wait_for(lambda: epoch(jobs, running) > before + 2, "further epochs")
    monkeypatch.setattr(jobs, "is_session_active", lambda session: session == "three")
    wait_for(lambda: jobs.view([run_key(last)]) is None, "the last in the queue")
    assert jobs.results.run(run_key(last)) is not None
    assert jobs.view([run_key(running), run_key(queued)]) is None
    assert jobs.results.failure(run_key(queued)) is None


@pytest.mark.parametrize("which", ["running", "queued", "both", "a table", "a projection in the queue"])
def test_jobs_of_closed_tabs_end_though_no_page_asks_for_anything(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr(jobs_module, "GRACE_S", 0.3)
    running, queued = long(), long()
    if which == "a table":
        jobs.request_worker_result("one", f"table {next(seeds)}", time.sleep, 600)
    elif which == "a projection in the queue":
        tables = {f"points {next(seeds)}": np.random.default_rng(0).random((400, 3)) for _ in range(9)}
        jobs.request_points("one", "t-SNE", tables, stored=False)
    else:
        begin(jobs, "one", running)
    if which in ("queued", "both"):
        jobs.request_runs("two", [[queued]])
    closed = {"queued": {"two"}, "both": {"one", "two"}}.get(which, {"one"})
    monkeypatch.setattr(jobs, "is_session_active", lambda session: session not in closed)
    wait_for(lambda: not any(job.sessions <= closed for job in jobs._active.values()), "the end of the jobs")
    if which == "queued":
        before = epoch(jobs, running)
        wait_for(lambda: epoch(jobs, running) > before, "the run of the open tab to go on")
    else:
        wait_for(lambda: jobs.busy() == 0, "idle trainers")


def test_projections_do_not_stand_before_a_run(jobs: Jobs) -> None:
    tables = {f"elsewhere {number}": np.zeros((20, 3)) + np.arange(20)[:, None] for number in range(6)}
    begin(jobs, "one", long())
    jobs.request_points("two", "tsne", tables)
    config = short()
    jobs.request_runs("three", [[config]])
    view = jobs.view([run_key(config)])
    assert view is not None
    assert view.ahead <= 1


def test_a_killed_worker_is_a_sentence_and_the_next_run_works(jobs: Jobs) -> None:
    config = long()
    begin(jobs, "one", config)
    for process in jobs.trainers.processes():
        with suppress(ProcessLookupError):  # a spare may have ended
            os.kill(process, signal.SIGKILL)
    wait_for(lambda: jobs.results.failure(run_key(config)), "the sentence")
    assert jobs.results.failure(run_key(config)) == (
        "The worker process was killed by SIGKILL, possibly out of memory: see the kernel log, then try again."
    )
    jobs.results.forget_failures([run_key(config)])
    train(jobs, short())


def test_an_idle_worker_that_is_killed_is_replaced(jobs: Jobs) -> None:
    train(jobs, short())
    process, *_ = jobs.trainers.processes()
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{process}").exists() or is_zombie(process), "its end")
    wait_for(lambda: process not in jobs.trainers.processes(), "its replacement")
    train(jobs, short())


def is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True  # it has ended meanwhile


def features(rows: int = 60) -> np.ndarray:
    return np.random.default_rng(next(seeds)).normal(size=(rows, 5)).astype(np.float32)


def test_a_projection_finishes_and_the_next_server_finds_it(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    key, table = hidden_points_key("a run", "tsne"), features()
    jobs.request_points("one", "tsne", {key: table})
    wait_for(lambda: jobs.results.points(key) is not None, "t-SNE")
    points = jobs.results.points(key)
    assert points is not None
    assert points.shape == (60, 2)
    assert np.isfinite(points).all()
    wait_for(lambda: default_store().get_arrays(key, "points") is not None, "the store")
    monkeypatch.setattr(jobs_module, "WorkerPool", lambda *arguments, **named: None)  # it needs no processes
    np.testing.assert_array_equal(Jobs(store=default_store(), cores=1).results.points(key), points)


@pytest.mark.parametrize("points", [np.zeros(4), np.zeros((4, 3)), np.zeros((2, 2, 2)), np.array(1.0)])
def test_stored_points_of_another_shape_count_as_absent(jobs: Jobs, points: np.ndarray) -> None:
    key = hidden_points_key(f"a run with points of shape {points.shape}", "pca")
    jobs.store.put_arrays(key, "points", {"points": points})
    assert jobs.results.points(key) is None


def test_pca_is_there_at_once(jobs: Jobs) -> None:
    table = features()
    first = jobs.results.points_now("pca of a table", table, "pca")
    np.testing.assert_array_equal(jobs.results.points_now("pca of a table", table, "pca"), first)
    assert first.shape == (60, 2)


def test_projections_given_up_leave_the_projectors_warm(jobs: Jobs) -> None:
    tables = {f"given up {number}": features(400 if number < 2 else 60) for number in range(5)}  # two run, three wait
    jobs.request_points("one", "tsne", {"warm": features()})
    wait_for(lambda: jobs.results.points("warm") is not None, "the projectors")
    projectors = jobs.projectors.processes()
    jobs.request_points("one", "tsne", tables)
    jobs.request_points("one", "tsne", {"the last": features()})
    wait_for(lambda: jobs.results.points("the last") is not None, "the last projection")
    assert jobs.projectors.processes() == projectors, "a queued projection that is given up ends a warm process"


@pytest.fixture(scope="module")
def homeless(make_jobs: MakeJobs, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Jobs whose store cannot be written, by whatever user the tests run as."""
    blocker = tmp_path_factory.mktemp("blocked") / "a file"
    blocker.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_CACHE", str(blocker / "folder"))
        jobs = make_jobs(cores=1)
        train(jobs, short())
    return jobs


def test_a_small_server_keeps_one_trainer_alone(make_jobs: MakeJobs) -> None:
    jobs = make_jobs(cores=8, is_small=True)
    assert jobs.cores == 1
    train(jobs, short(epochs=4))
    wait_for(lambda: len(jobs.trainers.processes()) == 1, "the trainer")
    assert jobs.projectors.processes() | jobs.readers.processes() == set()
    jobs.request_points("one", "tsne", {"on a small server": features()})
    wait_for(lambda: jobs.results.points("on a small server") is not None, "t-SNE")
    assert len(jobs.projectors.processes()) == 1 and len(jobs.trainers.processes()) == 1


def test_results_arrive_where_the_store_cannot_be_written(homeless: Jobs) -> None:
    assert not homeless.store.path.exists()
    train(homeless, short())
    assert homeless.results.store_problem.startswith(f"The run could not be stored in {homeless.store.path}")
    homeless.results.store_problem = ""
    homeless.request_points("one", "tsne", {"store_problem": features()})
    wait_for(lambda: homeless.results.points("store_problem") is not None and homeless.results.store_problem, "t-SNE")
    assert not homeless.store.path.exists()


def test_close_ends_all_processes_even_in_mid_run(homeless: Jobs) -> None:
    begin(homeless, "one", long())
    processes = homeless.trainers.processes() | homeless.projectors.processes()
    assert len(processes) == 3
    homeless.close()
    assert not any(Path(f"/proc/{process}").exists() and not is_zombie(process) for process in processes)


def test_a_result_is_computed_once_for_all_sessions(jobs: Jobs, scheduled: list[tuple[Any, ...]]) -> None:
    config = short(epochs=3)
    for session in ("one", "two"):
        jobs.request_worker_result(session, "result", tasks.observe_gradients, config)
    wait_for(lambda: jobs.results.worker_result("result"), "the result")
    assert [one.location for one in jobs.results.worker_result("result")] == [
        "norm 1 of 2, 128 features",
        "norm 2 of 2, 64 features",
    ]
    jobs.request_worker_result("one", "result", tasks.observe_gradients, config)
    assert len(scheduled) == 1
    jobs.request_worker_result("one", "long", tasks.record_replay, [long()], "pca")
    wait_for(lambda: (view := jobs.view(["long"])) is not None and view.done > 0, "the recording to begin")
    assert jobs.busy() == 1
    jobs.request_worker_result("one", "result", tasks.observe_gradients, config)  # another one is wanted now
    wait_for(lambda: jobs.view(["long"]) is None and jobs.busy() == 0, "the recording to stop")
    assert jobs.results.worker_result("long") is None and jobs.results.failure("long") is None


def test_why_a_result_failed_is_one_sentence(jobs: Jobs) -> None:
    jobs.request_worker_result("one", "refused", tasks.observe_gradients, make_config(baseline="REPEN"))
    wait_for(lambda: jobs.results.failure("refused"), "the sentence")
    assert jobs.results.failure("refused") == "REPEN has no norm to observe."


def test_twenty_long_runs_of_a_visitor_delay_nobody_else(jobs: Jobs) -> None:
    """On one core, in many sessions of one person; the others' runs finish while the long ones go on."""
    wait_for(lambda: not jobs.trainers._running_tasks(), "the end of the runs of earlier tests")
    runs = [long() for _ in range(20)]
    for number, config in enumerate(runs):
        jobs.note_visitor(f"tab {number}", "the busy one")
        jobs.request_runs(f"tab {number}", [[config]])
    wait_for(lambda: epoch(jobs, runs[0]) > 0, "the first long run")
    for session in ("two", "three"):
        train(jobs, short(), session)
    unfinished = [config for config in runs if jobs.view([run_key(config)])]
    assert len(unfinished) == 20 and jobs.view([run_key(runs[-1])]) == JobView(ahead=19, done=0, total=0)
    before = epoch(jobs, runs[0])
    wait_for(lambda: epoch(jobs, runs[0]) > before + 2, "the long run to go on")
    for number in range(20):
        jobs.release(f"tab {number}")


def test_a_run_that_a_second_visitor_wants_too_need_not_wait_behind_the_first(jobs: Jobs) -> None:
    jobs.note_visitor("one", "the busy one")
    shared = short()
    jobs.request_runs("one", [[long()], [long()], [long()], [shared]])
    assert jobs.results.run(run_key(shared)) is None
    train(jobs, shared, "two")


@pytest.mark.parametrize(
    "key", ["", "../first_light/x", "settle ../../secret", "x" * 300, "0" * 63, "A" * 64, "a" * 64, "a" * 64 + "\n"]
)
def test_a_poll_for_what_does_not_ship_leaves_the_disk_alone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (result_cache.SHIPPED, result_cache.SHIPPED_RECORDS):
        assert result_cache._shipped_keys(folder)
    for name in ("stat", "glob", "read_bytes"):
        monkeypatch.setattr(Path, name, lambda path, *_: pytest.fail(f"asked the disk for {path.name[:20]}"))
    assert result_cache._shipped_record(key) is None and result_cache._shipped(key) is None
