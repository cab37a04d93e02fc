"""Repeat one step many times: by calling it on a CPU, by replaying a CUDA graph of it on a GPU.

A small step spends most of its time on a GPU launching many kernels; a replay launches them as one.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

__all__ = ["CAPTURES", "BatchBuffer", "RepeatStep", "step_repeater"]

StepFunction = Callable[[], None]
RepeatStep = Callable[[StepFunction], None]
_capturing = threading.Lock()


class BatchBuffer:
    """Buffer of the batch indices of an epoch at a fixed address, with a cursor to the next batch.

    A captured step reads its inputs at fixed addresses, so each epoch is copied into the same memory.

    Parameters
    ----------
    epoch
        Batches of an epoch, int64 [steps, R, rows]; it sets shape and device, its values are not copied.

    Attributes
    ----------
    indices
        Batches of the current epoch, int64 [steps, R, rows].
    cursor
        Number of the next batch, from 0, int64 [1].
    """

    def __init__(self, epoch: Tensor) -> None:
        self.indices = torch.empty_like(epoch)
        self.cursor = torch.zeros(1, dtype=torch.int64, device=epoch.device)

    def fill(self, epoch: Tensor) -> None:
        """Overwrite the batches with those of a new epoch, int64 [steps, R, rows], and set the cursor to 0."""
        self.indices.copy_(epoch)
        self.cursor.zero_()

    def current(self, epoch: Tensor) -> Tensor:
        """Return the entry of a tensor [steps, ...] for the next batch, which the cursor selects on the device."""
        return epoch.index_select(0, self.cursor)[0]


@contextmanager
def step_repeater(device: torch.device) -> Iterator[RepeatStep]:
    """Context that yields a function to call one step many times; on a GPU a CUDA graph of the step is replayed.

    On a GPU the first call runs the step, the second captures it, and later calls only replay it.
    The step must therefore always be the same, and may read and write only tensors of fixed address.
    The graph is freed when the context ends; the GPU must have finished its work by then.

    Raises
    ------
    RuntimeError
        If capturing or replaying fails on the GPU.
    """
    if (capture := CAPTURES.get(device.type)) is None:
        yield _call
        return
    repeater = _GraphRepeater(capture)
    try:
        yield repeater
    finally:
        with _capturing:  # freeing a graph would break a capture in another thread
            repeater.end()


def _call(step: StepFunction) -> None:
    step()


class _GraphRepeater:
    """Callable that runs a step at its first call, captures it at the second, and replays it from then on.

    The first run allocates what the step needs. The step is not stored: it refers to its owner, and a reference cycle
    would delay freeing both.
    """

    def __init__(self, capture: Callable[[StepFunction], StepFunction]) -> None:
        self._capture = capture
        self._was_called = False
        self._replay: StepFunction | None = None

    def __call__(self, step: StepFunction) -> None:
        if self._replay is not None:
            self._replay()
        elif self._was_called:
            self._replay = self._capture(step)
            self._replay()
        else:
            self._was_called = True
            step()

    def end(self) -> None:
        """Free the CUDA graph."""
        self._replay = None


def _capture_graph(step: StepFunction) -> StepFunction:
    """Capture a step as a CUDA graph without executing it; return a function that replays the graph."""
    graph = torch.cuda.CUDAGraph()
    current = torch.cuda.current_stream()
    # Garbage collection during a capture could free memory, which a capture does not allow.
    # The default stream cannot be captured.
    with _capturing:
        stream = current
        if current == torch.cuda.default_stream():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        collects = gc.isenabled()
        gc.disable()
        try:
            with torch.cuda.stream(stream):
                graph.capture_begin(capture_error_mode="thread_local")  # the threads of other stacks go on
                try:
                    step()
                except BaseException:
                    with suppress(RuntimeError):  # it would hide the first error
                        graph.capture_end()
                    raise
                graph.capture_end()
        finally:
            if collects:
                gc.enable()
        current.wait_stream(stream)
    return graph.replay


# By device type: a function that turns a step into one that replays it without Python.
CAPTURES: dict[str, Callable[[StepFunction], StepFunction]] = {"cuda": _capture_graph}
