"""The CUDA GPU of this process: its free memory, its streams and its errors; and the names of all GPUs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["GPU_ERRORS", "Gpu", "gpu_names", "is_out_of_memory"]

GPU_ERRORS = (RuntimeError, AssertionError)  # a PyTorch build without CUDA raises the latter
OUT_OF_MEMORY_TEXTS = ("out of memory", "ALLOC_FAILED")  # in errors that are no torch.OutOfMemoryError


def gpu_names() -> dict[str, str]:
    """Return the names of the CUDA GPUs that this process may use, by their entry in CUDA_VISIBLE_DEVICES.

    Without that variable the entries are the numbers from 0.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    entries = [entry.strip() for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()]
    entries = entries or [str(number) for number in range(count)]
    return {entry: torch.cuda.get_device_name(number) for number, entry in enumerate(entries[:count])}


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
