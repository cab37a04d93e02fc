"""Runs on a GPU, by one of paper: stacks as large as its memory, halves where it is short, the CPU where it fails."""

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
from anoonly_core.runs import gpu as module
from anoonly_core.runs import run as run_module
from anoonly_core.runs.gpu import FAILED, FULL, SHORT, Gpu, run_on_gpu
from anoonly_core.runs.run import run, run_many
from anoonly_core.runs.stacking import PlannedRun
from tests.core.training.stacks import made_table

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
GIB = 2**30
MINE = module._need(PlannedRun("", make_config(), make_split(made_table(300), make_config())), 7)


class PaperGpu(Gpu):
    """A GPU with so many bytes free, on which nothing is computed."""

    def __init__(self, free: int = GIB) -> None:
        super().__init__()
        self.free = free

    def free_bytes(self) -> int:
        return self.free

    @contextmanager
    def lane(self) -> Iterator[None]:
        yield


class Trainer:
    """In place of run._run_stack: notes what it is given; fails on the GPU as it is told."""

    def __init__(self, fails: Callable[[Sequence[PlannedRun]], BaseException | None] = lambda part: None) -> None:
        self.fails = fails
        self.stacks: list[tuple[str, list[str]]] = []
        self._lock = threading.Lock()

    def __call__(
        self, dataset: Dataset, part: Sequence[PlannedRun], device: str, report: Callable[[int, int], None]
    ) -> list[RunResult | AnoOnlyError]:
        with self._lock:
            self.stacks.append((device, [one.key for one in part]))
        if device == "cuda" and (error := self.fails(part)) is not None:
            raise error
        for epoch in (1, 2):
            report(epoch, 2)
        nothing: Any = None
        return [
            RunResult(one.key, one.config, device, nothing, {}, {}, nothing, nothing, nothing, nothing, nothing)
            for one in part
        ]

    def sizes(self, device: str = "cuda") -> list[int]:
        return sorted(len(keys) for own, keys in self.stacks if own == device)


def asked(count: int = 8, **settings: Any) -> dict[str, RunConfig]:
    return {f"{seed}": make_config(seed=seed, **settings) for seed in range(count)}


def done(
    configs: Mapping[str, RunConfig],
    trainer: Trainer,
    gpu: Gpu | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, RunResult]:
    outcomes = dict(run_on_gpu(configs, trainer, report, lambda name: made_table(300), gpu or PaperGpu()))
    assert outcomes.keys() == configs.keys()
    assert all(isinstance(outcome, RunResult) for outcome in outcomes.values()), outcomes
    return outcomes  # type: ignore[return-value]


def test_what_fits_trains_as_one_stack_under_the_gpus_key() -> None:
    trainer, configs = Trainer(), asked()
    results = done(configs, trainer)
    assert trainer.sizes() == [8] and trainer.sizes("cpu") == []
    for key, result in results.items():
        assert (result.device, result.note, result.key) == ("cuda", "", run_key(configs[key], "cuda"))


def test_stacks_are_as_large_as_the_free_memory_and_it_says_so() -> None:
    trainer = Trainer()
    results = done(asked(), trainer, PaperGpu(free=int(3.5 * MINE / module.TAKEN_SHARE)))
    assert trainer.sizes() == [2, 3, 3]
    assert {result.note for result in results.values()} == {SHORT}


def test_stacks_that_train_at_once_share_the_memory() -> None:
    """Two of them would not fit, so the second waits for the first."""
    at_work, most, lock = 0, 0, threading.Lock()
    both = threading.Event()

    class Counting(Trainer):
        def __call__(self, *arguments: Any) -> list[RunResult | AnoOnlyError]:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
                if at_work == 2:
                    both.set()
            both.wait(0.2)
            try:
                return super().__call__(*arguments)
            finally:
                with lock:
                    at_work -= 1

    room_for_one = PaperGpu(free=int(8.5 * MINE / module.TAKEN_SHARE))
    two_shapes = asked() | {f"other {key}": own for key, own in asked(batch_size=64).items()}
    done(two_shapes, Counting(), room_for_one)
    assert most == 1
    done(two_shapes, Counting())
    assert most == 2, "with memory enough they train side by side"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_stack_that_does_not_fit_after_all_is_halved(error: Exception) -> None:
    trainer = Trainer(lambda part: error if len(part) > 3 else None)
    results = done(asked(), trainer)
    assert trainer.sizes() == [2, 2, 2, 2, 4, 4, 8] and trainer.sizes("cpu") == []
    assert {(result.device, result.note) for result in results.values()} == {("cuda", SHORT)}


def test_a_run_that_does_not_fit_alone_goes_on_with_the_cpu() -> None:
    def fails(part: Sequence[PlannedRun]) -> BaseException | None:
        return torch.OutOfMemoryError("CUDA out of memory") if any(one.key == "5" for one in part) else None

    configs = asked()
    results = done(configs, Trainer(fails))
    assert {key for key, result in results.items() if result.device == "cpu"} == {"5"}
    assert (results["5"].note, results["5"].key) == (FULL, run_key(configs["5"], "cpu"))


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: operation failed due to a previous error during capture")])
def test_a_gpu_that_fails_leaves_the_work_to_the_cpu(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    results = done(asked(), Trainer(lambda part: error))
    assert {(result.device, result.note) for result in results.values()} == {("cpu", FAILED)}
    assert "previous error during capture" in caplog.text


def test_a_gpu_that_cannot_be_asked_leaves_the_work_to_the_cpu() -> None:
    class Dead(PaperGpu):
        def free_bytes(self) -> int:
            raise RuntimeError("CUDA error: no CUDA-capable device is detected")

    trainer = Trainer()
    results = done(asked(), trainer, Dead())
    assert trainer.sizes() == [] and trainer.sizes("cpu") == [8]
    assert {result.note for result in results.values()} == {FAILED}


def test_what_a_gpu_leaves_to_the_cpu_takes_the_memory_of_one_of_its_stacks() -> None:
    """As large as there, and one after the other: a GPU's are larger, and several train at once."""
    at_work, most, lock = 0, 0, threading.Lock()

    class Counting(Trainer):
        def __call__(self, *arguments: Any) -> list[RunResult | AnoOnlyError]:
            nonlocal at_work, most
            on_cpu = arguments[2] == "cpu"
            with lock:
                at_work += on_cpu
                most = max(most, at_work)
            try:
                time.sleep(0.02 * on_cpu)
                return super().__call__(*arguments)
            finally:
                with lock:
                    at_work -= on_cpu

    trainer = Counting(lambda part: RuntimeError("CUDA error: unspecified launch failure"))
    results = done(asked(150) | {f"other {key}": own for key, own in asked(70, batch_size=64).items()}, trainer)
    assert trainer.sizes() == [70, 150]
    assert trainer.sizes("cpu") == [6, 22, 64, 64, 64] and most == 1
    assert {result.note for result in results.values()} == {FAILED}


def test_what_is_no_network_trains_on_the_cpu_and_is_known_there() -> None:
    trainer, configs = Trainer(), asked(3, baseline="XGBOD", lambda_n=None)
    results = done(configs, trainer)
    assert trainer.sizes() == [] and trainer.sizes("cpu") == [1, 1, 1]
    for key, config in configs.items():
        assert (results[key].device, results[key].note) == ("cpu", "")
        assert results[key].key == run_key(config, "cpu") == run_key(config, "cuda")


def test_what_is_wrong_with_a_run_is_its_own_affair() -> None:
    configs = asked(3) | {"impossible": make_config(labeled_ratio=1.0, contamination=0.2)}
    diverged = Trainer(lambda part: TrainingDiverged())
    outcomes = dict(run_on_gpu(configs, diverged, lambda *_: None, lambda name: made_table(300), PaperGpu()))
    assert isinstance(outcomes.pop("impossible"), SplitImpossible)
    assert {type(outcome) for outcome in outcomes.values()} == {TrainingDiverged}
    assert diverged.sizes("cpu") == [], "no reason to try another device"


def test_progress_is_that_of_all_stacks_together() -> None:
    """Also of those that have not begun: twenty shapes and six lanes."""
    seen: list[tuple[int, int]] = []
    configs = {f"{size} {seed}": make_config(batch_size=size, seed=seed) for size in range(2, 22) for seed in range(3)}
    done(configs, Trainer(), report=lambda *at: seen.append(at))
    assert {total for _, total in seen} == {60 * 50}
    assert [done for done, _ in seen] == [75 * stack_half for stack_half in range(1, 41)]


def test_progress_counts_what_is_tried_again_once() -> None:
    seen: list[tuple[int, int]] = []
    trainer = Trainer(lambda part: torch.OutOfMemoryError("CUDA out of memory") if len(part) > 3 else None)
    impossible = {"impossible": make_config(labeled_ratio=1.0, contamination=0.2)}
    dict(
        run_on_gpu(asked() | impossible, trainer, lambda *at: seen.append(at), lambda name: made_table(300), PaperGpu())
    )
    assert seen[-1] == (8 * 50, 8 * 50)


def test_what_the_report_raises_stops_every_stack() -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    trainer = Trainer()
    with pytest.raises(Stop):
        done({f"{size}": make_config(batch_size=size) for size in range(2, 60)}, trainer, report=stop)
    assert len(trainer.stacks) < 58, "those that had not begun never do"


def test_the_same_loop_runs_on_a_gpu_that_fails_as_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """To the end, with this machine's own trainer: the bits are the CPU's, and one sentence says what happened."""

    class Failing(PaperGpu):
        @contextmanager
        def lane(self) -> Iterator[None]:
            raise RuntimeError("CUDA error")
            yield

    monkeypatch.setattr(run_module, "Gpu", Failing)
    monkeypatch.setattr(run_module, "resolve_device", lambda device: "cuda")
    configs = [make_config(epochs=2, seed=seed) for seed in range(3)]
    found = run_many(configs, "cuda")
    assert caplog.messages.count(FAILED) == 1
    for result, config in zip(found, configs, strict=True):
        expected = on_cpu(config, monkeypatch)
        assert (result.key, result.device) == (expected.key, "cpu")
        assert np.array_equal(result.scores, expected.scores)


def on_cpu(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> RunResult:
    monkeypatch.setattr(run_module, "resolve_device", lambda device: device)
    return run(config, "cpu")


@needs_gpu
def test_two_sweeps_on_a_gpu_are_equal_to_the_bit() -> None:
    configs = [make_config(epochs=3, seed=seed, lambda_n=value) for seed in range(3) for value in (1, 0)]
    configs += [make_config(baseline="PReNet", epochs=3, seed=seed) for seed in range(3)]
    for one, other in zip(run_many(configs, "cuda"), run_many(configs, "cuda"), strict=True):
        assert one.device == other.device == "cuda"
        assert np.array_equal(one.scores, other.scores) and one.metrics == other.metrics


@needs_gpu
@pytest.mark.parametrize("baseline", ["DeepSAD", "DevNet", "FEAWAD"])
def test_a_run_on_a_gpu_is_about_the_run_on_the_cpu(baseline: str) -> None:
    config = make_config(baseline=baseline, epochs=3)
    here, there = run(config, "cpu"), run(config, "cuda")
    assert np.array_equal(here.test_rows, there.test_rows) and here.counts == there.counts
    assert there.metrics.aucroc == pytest.approx(here.metrics.aucroc, abs=0.005)
