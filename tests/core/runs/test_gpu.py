"""Runs on a simulated GPU: stack sizes, halves if memory is short, the CPU if the GPU fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import make_split
from anoonly_core.errors import AnoOnlyError, SplitImpossible, TrainingDiverged
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs import run as run_module
from anoonly_core.runs.gpu import NOTES, Fallback, run_on_gpu
from anoonly_core.runs.gpu_device import Gpu
from anoonly_core.runs.gpu_memory import USABLE_SHARE, bytes_per_run
from anoonly_core.runs.run import run, run_many
from anoonly_core.runs.stacking import PlannedRun
from tests.core.training.stacks import made_table

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
GIB = 2**30
RUN_BYTES = bytes_per_run(PlannedRun("", make_config(), make_split(made_table(300), make_config())), 7)


class FakeGpu(Gpu):
    """A GPU with a given number of free bytes that computes nothing."""

    def __init__(self, free: int = GIB) -> None:
        super().__init__()
        self.free = free

    def free_bytes(self) -> int:
        return self.free

    @contextmanager
    def lane(self) -> Iterator[None]:
        yield


class Trainer:
    """Replace train_stack: record each stack, and raise on the GPU what `error_of` returns for it."""

    def __init__(self, error_of: Callable[[Sequence[PlannedRun]], BaseException | None] = lambda runs: None) -> None:
        self.error_of = error_of
        self.stacks: list[tuple[str, list[str]]] = []
        self._lock = threading.Lock()

    def __call__(
        self, dataset: Dataset, runs: Sequence[PlannedRun], device: str, report: Callable[[int, int], None]
    ) -> list[RunResult | AnoOnlyError]:
        with self._lock:
            self.stacks.append((device, [run.key for run in runs]))
        if device == "cuda" and (error := self.error_of(runs)) is not None:
            raise error
        for epoch in (1, 2):
            report(epoch, 2)
        empty: Any = None
        return [
            RunResult(run.key, run.config, device, empty, {}, {}, empty, empty, empty, empty, empty) for run in runs
        ]

    def sizes(self, device: str = "cuda") -> list[int]:
        return sorted(len(keys) for stack_device, keys in self.stacks if stack_device == device)


def configs_by_key(count: int = 8, **settings: Any) -> dict[str, RunConfig]:
    return {f"{seed}": make_config(seed=seed, **settings) for seed in range(count)}


def train_all(
    configs: Mapping[str, RunConfig],
    trainer: Trainer,
    gpu: Gpu | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, RunResult]:
    outcomes = dict(run_on_gpu(configs, trainer, report, lambda name: made_table(300), gpu or FakeGpu()))
    assert outcomes.keys() == configs.keys()
    assert all(isinstance(outcome, RunResult) for outcome in outcomes.values()), outcomes
    return outcomes  # type: ignore[return-value]


def test_runs_that_fit_train_as_one_stack_with_keys_of_the_gpu() -> None:
    trainer, configs = Trainer(), configs_by_key()
    results = train_all(configs, trainer)
    assert trainer.sizes() == [8] and trainer.sizes("cpu") == []
    for key, result in results.items():
        assert (result.device, result.note, result.key) == ("cuda", "", run_key(configs[key], "cuda"))


def test_stacks_are_as_large_as_the_free_memory_and_results_note_it() -> None:
    trainer = Trainer()
    results = train_all(configs_by_key(), trainer, FakeGpu(free=int(3.5 * RUN_BYTES / USABLE_SHARE)))
    assert trainer.sizes() == [2, 3, 3]
    assert {result.note for result in results.values()} == {NOTES[Fallback.SMALLER_STACKS]}


def test_a_norm_whose_steps_cannot_be_recorded_trains_on_the_cpu() -> None:
    trainer = Trainer()
    results = train_all(configs_by_key(2, norm="whiten") | {"batch": make_config(norm="batch")}, trainer)
    assert trainer.sizes() == [1] and trainer.sizes("cpu") == [2]
    assert {result.note for key, result in results.items() if key != "batch"} == {NOTES[Fallback.NORM]}
    assert results["batch"].note == ""


def test_parallel_stacks_share_the_memory() -> None:
    """Two stacks do not fit at once, so the second waits for the first."""
    running, peak, lock = 0, 0, threading.Lock()
    both = threading.Event()

    class Counting(Trainer):
        def __call__(self, *arguments: Any) -> list[RunResult | AnoOnlyError]:
            nonlocal running, peak
            with lock:
                running += 1
                peak = max(peak, running)
                if running == 2:
                    both.set()
            both.wait(0.2)
            try:
                return super().__call__(*arguments)
            finally:
                with lock:
                    running -= 1

    memory_for_one = FakeGpu(free=int(8.5 * RUN_BYTES / USABLE_SHARE))
    two_shapes = configs_by_key() | {f"other {key}": config for key, config in configs_by_key(batch_size=64).items()}
    train_all(two_shapes, Counting(), memory_for_one)
    assert peak == 1
    train_all(two_shapes, Counting())
    assert peak == 2, "with enough memory they train in parallel"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_stack_that_runs_out_of_memory_is_halved(error: Exception) -> None:
    trainer = Trainer(lambda runs: error if len(runs) > 3 else None)
    results = train_all(configs_by_key(), trainer)
    assert trainer.sizes() == [2, 2, 2, 2, 4, 4, 8] and trainer.sizes("cpu") == []
    assert {(result.device, result.note) for result in results.values()} == {("cuda", NOTES[Fallback.SMALLER_STACKS])}


def test_a_run_that_does_not_fit_alone_trains_on_the_cpu() -> None:
    def error_of(runs: Sequence[PlannedRun]) -> BaseException | None:
        return torch.OutOfMemoryError("CUDA out of memory") if any(run.key == "5" for run in runs) else None

    configs = configs_by_key()
    results = train_all(configs, Trainer(error_of))
    assert {key for key, result in results.items() if result.device == "cpu"} == {"5"}
    assert (results["5"].note, results["5"].key) == (NOTES[Fallback.OUT_OF_MEMORY], run_key(configs["5"], "cpu"))


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: operation failed due to a previous error during capture")])
def test_the_cpu_trains_if_the_gpu_fails(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    results = train_all(configs_by_key(), Trainer(lambda runs: error))
    assert {(result.device, result.note) for result in results.values()} == {("cpu", NOTES[Fallback.FAILED])}
    assert "previous error during capture" in caplog.text


def test_the_cpu_trains_if_the_gpu_cannot_be_queried() -> None:
    class Dead(FakeGpu):
        def free_bytes(self) -> int:
            raise RuntimeError("CUDA error: no CUDA-capable device is detected")

    trainer = Trainer()
    results = train_all(configs_by_key(), trainer, Dead())
    assert trainer.sizes() == [] and trainer.sizes("cpu") == [8]
    assert {result.note for result in results.values()} == {NOTES[Fallback.FAILED]}


def test_cpu_fallbacks_train_one_at_a_time_in_stacks_of_cpu_size() -> None:
    """Stacks for a GPU are larger, and several train in parallel."""
    running, peak, lock = 0, 0, threading.Lock()

    class Counting(Trainer):
        def __call__(self, *arguments: Any) -> list[RunResult | AnoOnlyError]:
            nonlocal running, peak
            on_cpu = arguments[2] == "cpu"
            with lock:
                running += on_cpu
                peak = max(peak, running)
            try:
                time.sleep(0.02 * on_cpu)
                return super().__call__(*arguments)
            finally:
                with lock:
                    running -= on_cpu

    trainer = Counting(lambda runs: RuntimeError("CUDA error: unspecified launch failure"))
    results = train_all(
        configs_by_key(150) | {f"other {key}": config for key, config in configs_by_key(70, batch_size=64).items()},
        trainer,
    )
    assert trainer.sizes() == [70, 150]
    assert trainer.sizes("cpu") == [6, 22, 64, 64, 64] and peak == 1
    assert {result.note for result in results.values()} == {NOTES[Fallback.FAILED]}


def test_a_system_without_a_network_trains_on_the_cpu_with_its_key() -> None:
    trainer, configs = Trainer(), configs_by_key(3, baseline="XGBOD", lambda_n=None)
    results = train_all(configs, trainer)
    assert trainer.sizes() == [] and trainer.sizes("cpu") == [1, 1, 1]
    for key, config in configs.items():
        assert (results[key].device, results[key].note) == ("cpu", "")
        assert results[key].key == run_key(config, "cpu") == run_key(config, "cuda")


def test_an_error_of_a_run_is_its_outcome_and_no_reason_for_the_cpu() -> None:
    configs = configs_by_key(3) | {"impossible": make_config(labeled_ratio=1.0, contamination=0.2)}
    diverged = Trainer(lambda runs: TrainingDiverged())
    outcomes = dict(run_on_gpu(configs, diverged, lambda *_: None, lambda name: made_table(300), FakeGpu()))
    assert isinstance(outcomes.pop("impossible"), SplitImpossible)
    assert {type(outcome) for outcome in outcomes.values()} == {TrainingDiverged}
    assert diverged.sizes("cpu") == [], "another device would not help"


def test_progress_counts_all_stacks() -> None:
    """Twenty shapes in six lanes: stacks that have not begun count in the total."""
    seen: list[tuple[int, int]] = []
    configs = {f"{size} {seed}": make_config(batch_size=size, seed=seed) for size in range(2, 22) for seed in range(3)}
    train_all(configs, Trainer(), report=lambda *at: seen.append(at))
    assert {total for _, total in seen} == {60 * 50}
    assert [done for done, _ in seen] == [75 * stack_half for stack_half in range(1, 41)]


def test_progress_counts_a_retried_stack_once() -> None:
    seen: list[tuple[int, int]] = []
    trainer = Trainer(lambda runs: torch.OutOfMemoryError("CUDA out of memory") if len(runs) > 3 else None)
    impossible = {"impossible": make_config(labeled_ratio=1.0, contamination=0.2)}
    dict(
        run_on_gpu(
            configs_by_key() | impossible, trainer, lambda *at: seen.append(at), lambda name: made_table(300), FakeGpu()
        )
    )
    assert seen[-1] == (8 * 50, 8 * 50)


def test_an_exception_in_report_stops_every_stack() -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    trainer = Trainer()
    with pytest.raises(Stop):
        train_all({f"{size}": make_config(batch_size=size) for size in range(2, 60)}, trainer, report=stop)
    assert len(trainer.stacks) < 58, "waiting stacks never begin"


def test_run_many_on_a_failing_gpu_gives_the_results_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Train for real on the CPU: equal bits, and one warning in the log."""

    class Failing(FakeGpu):
        @contextmanager
        def lane(self) -> Iterator[None]:
            raise RuntimeError("CUDA error")
            yield

    monkeypatch.setattr(run_module, "Gpu", Failing)
    monkeypatch.setattr(run_module, "resolve_device", lambda device: "cuda")
    configs = [make_config(epochs=2, seed=seed) for seed in range(3)]
    results = run_many(configs, "cuda")
    assert caplog.messages.count(NOTES[Fallback.FAILED]) == 1
    for result, config in zip(results, configs, strict=True):
        expected = on_cpu(config, monkeypatch)
        assert (result.key, result.device) == (expected.key, "cpu")
        assert np.array_equal(result.scores, expected.scores)


def on_cpu(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> RunResult:
    monkeypatch.setattr(run_module, "resolve_device", lambda device: device)
    return run(config, "cpu")


@needs_gpu
def test_repeated_runs_on_a_gpu_are_equal_to_the_bit() -> None:
    configs = [make_config(epochs=3, seed=seed, lambda_n=value) for seed in range(3) for value in (1, 0)]
    configs += [make_config(baseline="PReNet", epochs=3, seed=seed) for seed in range(3)]
    for one, other in zip(run_many(configs, "cuda"), run_many(configs, "cuda"), strict=True):
        assert one.device == other.device == "cuda"
        assert np.array_equal(one.scores, other.scores) and one.metrics == other.metrics


@needs_gpu
@pytest.mark.parametrize("baseline", ["DeepSAD", "DevNet", "FEAWAD"])
def test_a_run_on_a_gpu_nearly_equals_the_run_on_the_cpu(baseline: str) -> None:
    config = make_config(baseline=baseline, epochs=3)
    cpu, gpu = run(config, "cpu"), run(config, "cuda")
    assert np.array_equal(cpu.test_rows, gpu.test_rows) and cpu.counts == gpu.counts
    assert gpu.metrics.aucroc == pytest.approx(cpu.metrics.aucroc, abs=0.005)
