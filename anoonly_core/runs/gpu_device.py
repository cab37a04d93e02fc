"""The CUDA GPU of this process: its name, its free memory, its streams and its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["GPU_ERRORS", "Gpu", "gpu_name", "is_out_of_memory"]

GPU_ERRORS = (RuntimeError, AssertionError)  # a PyTorch build without CUDA raises the latter
OUT_OF_MEMORY_TEXTS = ("out of memory", "ALLOC_FAILED")  # in errors that are no torch.OutOfMemoryError


def gpu_name() -> str:
    """Return the name of the CUDA GPU of this process, or "" if there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if an error that the GPU raised means that its memory is exhausted."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)


class Gpu:
    """CUDA GPU of this process; its methods raise one of GPU_ERRORS where it fails."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def free_bytes(self) -> int:
        """Return the bytes of free memory on the GPU, including those that PyTorch has reserved and does not use."""
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Context in which the work of the calling thread runs in its own CUDA stream, parallel to other threads."""
        if not hasattr(self._thread, "stream"):
            self._thread.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._thread.stream):
            yield
