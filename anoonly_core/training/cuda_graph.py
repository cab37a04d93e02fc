"""A step that is taken again and again: on a CPU called each time; on a GPU captured once as a graph and replayed.

On a GPU most of a small step's time is the launching of its many kernels, which a replay does as one.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

__all__ = ["CAPTURES", "BatchBuffer", "RepeatStep", "step_repeater"]

Step = Callable[[], None]
RepeatStep = Callable[[Step], None]
_capturing = threading.Lock()


class BatchBuffer:
    """An epoch's batches at one place in memory, and which of them comes next: all that a step need be told.

    indices: int64 [steps, R, rows]; place: int64 [1].
    """

    def __init__(self, epoch: Tensor) -> None:
        self.indices = torch.empty_like(epoch)
        self.place = torch.zeros(1, dtype=torch.int64, device=epoch.device)

    def fill(self, epoch: Tensor) -> None:
        """Put an epoch's batches in the place of the one before."""
        self.indices.copy_(epoch)
        self.place.zero_()

    def of(self, epoch: Tensor) -> Tensor:
        """What an epoch's tensor [steps, ...] says of the batch that comes next."""
        return epoch.index_select(0, self.place)[0]


@contextmanager
def step_repeater(device: torch.device) -> Iterator[RepeatStep]:
    """What takes a step many times, always the same one; it must read and write tensors alone, always the same ones.

    Whatever else the step does in Python happens on a GPU at its first two calls only. Raises RuntimeError
    where the GPU fails. What was captured is freed at the end, when the GPU must be through with it.
    """
    if (capture := CAPTURES.get(device.type)) is None:
        yield _called
        return
    captured = _Captured(capture)
    try:
        yield captured
    finally:
        with _capturing:  # not within another thread's capture
            captured.end()


def _called(step: Step) -> None:
    step()


class _Captured:
    """Calls the step once as it is, so that everything it needs has been made; then captures it, and replays it.

    The step itself is not kept: it holds whoever takes it, and neither would be freed at once.
    """

    def __init__(self, capture: Callable[[Step], Step]) -> None:
        self._capture = capture
        self._was_called = False
        self._replay: Step | None = None

    def __call__(self, step: Step) -> None:
        if self._replay is not None:
            self._replay()
        elif self._was_called:
            self._replay = self._capture(step)
            self._replay()
        else:
            self._was_called = True
            step()

    def end(self) -> None:
        """Keep nothing of it."""
        self._replay = None


def _as_graph(step: Step) -> Step:
    """A CUDA graph of what the step does; nothing is computed yet."""
    graph = torch.cuda.CUDAGraph()
    here = torch.cuda.current_stream()
    # What is collected within a capture may free what must not be freed then; the default stream cannot be captured.
    with _capturing:
        stream = here
        if here == torch.cuda.default_stream():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(here)
        collects = gc.isenabled()
        gc.disable()
        try:
            with torch.cuda.stream(stream):
                graph.capture_begin(capture_error_mode="thread_local")  # other stacks' threads go on meanwhile
                try:
                    step()
                except BaseException:
                    with suppress(RuntimeError):  # which would stand in the place of what went wrong
                        graph.capture_end()
                    raise
                graph.capture_end()
        finally:
            if collects:
                gc.enable()
        here.wait_stream(stream)
    return graph.replay


# By the type of the device: what makes a step into one that need not go through Python.
CAPTURES: dict[str, Callable[[Step], Step]] = {"cuda": _as_graph}
