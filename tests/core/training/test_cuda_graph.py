"""Steps on tensors of fixed address: recorded once and replayed, they train to equal bits."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anoonly_core.models import METHODS
from anoonly_core.runs.run import warm_up
from anoonly_core.training import cuda_graph
from anoonly_core.training.cuda_graph import CAPTURES, BatchBuffer, step_repeater
from anoonly_core.training.optimizer import set_learning_rate
from anoonly_core.training.stack import Stack
from tests.core.training.stacks import (
    HEADS_NORMS_AND_A_RATE_THAT_FALLS,
    configs_of,
    heads_and_norms,
    made_split,
    made_table,
    stack_of,
    trained,
)

CPU = torch.device("cpu")


class Recorder(TorchDispatchMode):
    """Record each operation with the tensors that it reads and writes, as a CUDA graph does."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out


def recorded(step: Callable[[], None]) -> Callable[[], None]:
    """Replace a CUDA graph: replay operations without Python. The recording counts as the first replay."""
    with Recorder() as recorder:
        step()
    first_replay = True

    def replay() -> None:
        nonlocal first_replay
        if first_replay:
            first_replay = False
            return
        with torch.no_grad():
            for func, args, kwargs, out in recorder.operations:
                before = {id(leaf) for leaf in tree_leaves((args, kwargs))}
                for old, new in zip(tree_leaves(out), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(old, torch.Tensor) and id(old) not in before and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

    return replay


@pytest.mark.parametrize(("baseline", "norm"), heads_and_norms())
def test_a_recorded_step_trains_to_the_same_bits(
    baseline: str, norm: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Covers pretraining too. A step therefore reads and writes only tensors, and no Python values."""
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    dataset, configs = made_table(), configs_of(3, baseline=baseline, norm=norm)
    called = stack_of(dataset, configs)
    called.pretraining_keys = [f"{number}" for number in range(3)]  # no cached pretraining is used
    expected = trained(called).scores([called.splits[0].test] * 3)
    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    replayed = stack_of(dataset, configs)
    replayed.pretraining_keys = [f"{number} replayed" for number in range(3)]
    found = trained(replayed).scores([replayed.splits[0].test] * 3)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_the_recorder_does_not_replay_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA graph would not either, so the replacement can find such errors."""
    total, calls = torch.zeros(1), []

    def step() -> None:
        calls.append(1)
        total.add_(len(calls))

    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    with step_repeater(CPU) as repeat:
        for _ in range(4):
            repeat(step)
    assert (len(calls), total.item()) == (2, 1 + 2 + 2 + 2)


def test_a_device_without_capture_calls_each_step() -> None:
    calls: list[int] = []
    with step_repeater(CPU) as repeat:
        for _ in range(4):
            repeat(lambda: calls.append(1))
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("baseline", "norm", "capture"),
    [
        *((baseline, norm, recorded) for baseline, norm in heads_and_norms()),
        *((baseline, norm, None) for baseline, norm in heads_and_norms() if norm in ("batch", None)),
    ],
)
def test_a_trained_stack_is_freed_at_once(
    baseline: str, norm: str | None, capture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not wait for garbage collection: the next stack needs the memory of the GPU."""
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    if capture is not None:
        monkeypatch.setitem(CAPTURES, "cpu", capture)
    warm_up()  # modules loaded on first use refer to their caller
    gc.disable()
    try:
        stack = stack_of(made_table(), configs_of(2, baseline=baseline, norm=norm))
        left = weakref.ref(stack)
        trained(stack)
        del stack
        assert left() is None
    finally:
        gc.enable()


def test_a_learning_rate_in_a_tensor_changes_in_place() -> None:
    """A CUDA graph reads it at a fixed address."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=torch.tensor(0.5))
    rate = optimizer.param_groups[0]["lr"]
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25


def test_a_batch_buffer_steps_through_each_epoch_at_one_address() -> None:
    first = torch.arange(12).view(3, 2, 2)
    batches = BatchBuffer(first)
    address = batches.indices.data_ptr()
    for epoch in (first, first + 100):
        batches.fill(epoch)
        for number in range(3):
            assert torch.equal(batches.current(batches.indices), epoch[number])
            batches.cursor += 1
    assert batches.indices.data_ptr() == address


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@needs_gpu
@pytest.mark.parametrize(("baseline", "norm", "preset"), HEADS_NORMS_AND_A_RATE_THAT_FALLS)
def test_on_a_gpu_a_graph_trains_to_the_same_bits_as_calls(
    baseline: str, norm: str | None, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    dataset, split = made_table(), made_split(made_table())
    configs = configs_of(3, baseline=baseline, norm=norm, preset=preset)

    def scores(name: str) -> list[np.ndarray]:
        stack = Stack(dataset, configs, [split] * 3, "cuda")
        stack.pretraining_keys = [f"{number} {name}" for number in range(3)]
        return trained(stack).scores([split.test] * 3)

    replayed = scores("replayed")
    monkeypatch.delitem(CAPTURES, "cuda")
    for one, other in zip(replayed, scores("called"), strict=True):
        assert np.array_equal(one, other)


class FakeGraph:
    """Replacement of torch.cuda.CUDAGraph that fails at the end of a capture."""

    def capture_begin(self, capture_error_mode: str) -> None: ...

    def capture_end(self) -> None:
        raise RuntimeError("the capture was invalidated")


def test_an_error_within_a_capture_is_raised_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An out-of-memory error must be recognizable, because a smaller stack may fit."""

    class FakeStream:
        def wait_stream(self, other: FakeStream) -> None: ...

    @contextmanager
    def on(stream: FakeStream) -> Iterator[None]:
        yield

    for name, value in {"CUDAGraph": FakeGraph, "current_stream": FakeStream, "stream": on}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda: None)

    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        CAPTURES["cuda"](step)
    with pytest.raises(RuntimeError, match="invalidated"):
        CAPTURES["cuda"](lambda: None)
    assert gc.isenabled()


def test_only_gpus_capture() -> None:
    assert list(cuda_graph.CAPTURES) == ["cuda"]
