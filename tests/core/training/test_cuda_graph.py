"""The step as a function of tensors that stay where they are: recorded once and replayed, it trains the same bits."""

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
    """Takes down each operation with the very tensors that it reads and writes, as a graph of kernels does."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out


def recorded(step: Callable[[], None]) -> Callable[[], None]:
    """A stand-in for a CUDA graph: no Python of the step's runs again. What is recorded counts as the first replay."""
    with Recorder() as recorder:
        step()
    taken_down = True

    def replay() -> None:
        nonlocal taken_down
        if taken_down:
            taken_down = False
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
    """Pretraining too. So a step reads and writes tensors alone, and Python adds nothing to the later ones."""
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    dataset, configs = made_table(), configs_of(3, baseline=baseline, norm=norm)
    called = stack_of(dataset, configs)
    called.pretraining_keys = [f"{number}" for number in range(3)]  # nothing is taken from another training
    expected = trained(called).scores([called.splits[0].test] * 3)
    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    replayed = stack_of(dataset, configs)
    replayed.pretraining_keys = [f"{number} replayed" for number in range(3)]
    found = trained(replayed).scores([replayed.splits[0].test] * 3)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_the_recorder_would_notice_a_number_that_python_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a graph would not: the stand-in is worth something."""
    total, calls = torch.zeros(1), []

    def step() -> None:
        calls.append(1)
        total.add_(len(calls))

    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    with step_repeater(CPU) as repeat:
        for _ in range(4):
            repeat(step)
    assert (len(calls), total.item()) == (2, 1 + 2 + 2 + 2)


def test_without_a_way_to_capture_a_step_is_called() -> None:
    calls: list[int] = []
    with step_repeater(CPU) as repeat:
        for _ in range(4):
            repeat(lambda: calls.append(1))
    assert len(calls) == 4


@pytest.mark.parametrize("capture", [None, recorded])
@pytest.mark.parametrize(("baseline", "norm"), heads_and_norms())
def test_a_trained_stack_is_freed_at_once(
    baseline: str, norm: str | None, capture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by whatever collection of garbage comes next: a GPU's memory is wanted for the next stack."""
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    if capture is not None:
        monkeypatch.setitem(CAPTURES, "cpu", capture)
    warm_up()  # whatever torch loads then holds on to who called it
    gc.collect()
    gc.disable()
    try:
        stack = stack_of(made_table(), configs_of(2, baseline=baseline, norm=norm))
        left = weakref.ref(stack)
        trained(stack)
        del stack
        assert left() is None
    finally:
        gc.enable()


def test_a_rate_that_stands_in_a_tensor_changes_where_it_stands() -> None:
    """A graph reads it there."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=torch.tensor(0.5))
    rate = optimizer.param_groups[0]["lr"]
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25


def test_batches_come_one_after_the_other_and_an_epoch_replaces_the_last() -> None:
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


class PaperGraph:
    """In the place of torch.cuda.CUDAGraph; its capture cannot be ended properly."""

    def capture_begin(self, capture_error_mode: str) -> None: ...

    def capture_end(self) -> None:
        raise RuntimeError("the capture was invalidated")


def test_what_goes_wrong_within_a_capture_is_what_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the memory was short must be known, for then a smaller stack may do."""

    class PaperStream:
        def wait_stream(self, other: PaperStream) -> None: ...

    @contextmanager
    def on(stream: PaperStream) -> Iterator[None]:
        yield

    for name, value in {"CUDAGraph": PaperGraph, "current_stream": PaperStream, "stream": on}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda: None)

    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        CAPTURES["cuda"](step)
    with pytest.raises(RuntimeError, match="invalidated"):
        CAPTURES["cuda"](lambda: None)
    assert gc.isenabled()


def test_captures_are_of_gpus_alone() -> None:
    assert list(cuda_graph.CAPTURES) == ["cuda"]
