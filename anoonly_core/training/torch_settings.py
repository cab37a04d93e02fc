"""Default settings of PyTorch for training and scoring, whatever the calling thread or process has set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

__all__ = ["default_torch_settings"]

_CPU_PRODUCTS: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # PyTorch adds it when imported
_GPU_PRODUCTS: Any = torch.backends.cuda.matmul
_FULL_PRECISION = ("none", "ieee")  # "none" is unset
# Settings of the whole process: how to read them, how to set them, and the values with which the core computes.
_PROCESS_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], None], tuple[Any, ...]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype, (torch.float32,)),
    (lambda: _CPU_PRODUCTS.fp32_precision, partial(setattr, _CPU_PRODUCTS, "fp32_precision"), _FULL_PRECISION),
    (lambda: _GPU_PRODUCTS.fp32_precision, partial(setattr, _GPU_PRODUCTS, "fp32_precision"), _FULL_PRECISION),
)
_lock = threading.Lock()
_contexts = 0  # entered in all threads
_found: list[Any] = []  # values of the process settings before the first context


@contextmanager
def default_torch_settings() -> Iterator[None]:
    """Context that computes with the default settings of PyTorch, and restores those of the caller on exit.

    Covers no_grad, inference_mode, autocast, the default device, the default dtype and the precision of matrix
    products. The last two belong to the process: other threads see the defaults until the last context ends.
    Also usable as a decorator; must not enclose a yield of a generator.
    """
    with ExitStack() as stack:
        stack.enter_context(_default_process_settings())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":  # the context slows every call, so it is entered only if needed
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def _default_process_settings() -> Iterator[None]:
    """Context that sets default dtype and precision of the process to their defaults while any thread is in it.

    The last thread to leave restores the earlier values.
    """
    global _contexts
    with _lock:
        if _contexts == 0:
            _found[:] = [read() for read, _, _ in _PROCESS_SETTINGS]
            for value, (_, write, allowed) in zip(_found, _PROCESS_SETTINGS, strict=True):
                if value not in allowed:
                    write(allowed[-1])
        _contexts += 1
    try:
        yield
    finally:
        with _lock:
            _contexts -= 1
            if _contexts == 0:
                for value, (_, write, allowed) in zip(_found, _PROCESS_SETTINGS, strict=True):
                    if value not in allowed:
                        write(value)
