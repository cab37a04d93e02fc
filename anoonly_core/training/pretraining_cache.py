"""What this process has pretrained, kept for the next run that begins with the very same.

Of FEAWAD's 130 epochs, 100 depend on neither λ_n nor norm: moving one of those need not repeat them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["CachedPretraining", "add_to_cache", "find_cached", "pretraining_key", "reserve"]

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class CachedPretraining:
    """One run's pretrained parameters, and the seconds that they took."""

    parameters: list[Tensor]
    seconds: float


_cache: OrderedDict[str, CachedPretraining] = OrderedDict()
_reserved: set[str] = set()
_lock = threading.Condition()


def pretraining_key(
    dataset: Dataset, config: RunConfig, split: Split, epochs: int, device: torch.device, dtype: torch.dtype
) -> str:
    """The key of all that a run's pretraining depends on."""
    digest = hashlib.sha256(repr((config.baseline, config.preset, config.batch_size, config.seed)).encode())
    digest.update(repr((dataset.fingerprint, epochs, device.type, str(dtype))).encode())
    for part in (split.train, split.labeled, split.minimum, split.scale):
        digest.update(part.tobytes())
    return digest.hexdigest()


@contextmanager
def reserve(keys: Sequence[str]) -> Iterator[None]:
    """Let no other thread claim any of these keys meanwhile: it waits, and may then recall what was kept.

    On a GPU the stacks of one sweep train beside each other, and those that differ in their norm begin alike.
    """
    own = set(keys)
    with _lock:
        _lock.wait_for(lambda: own.isdisjoint(_reserved))
        _reserved.update(own)
    try:
        yield
    finally:
        with _lock:
            _reserved.difference_update(own)
            _lock.notify_all()


def find_cached(keys: Sequence[str]) -> list[CachedPretraining] | None:
    """What was kept under each key, or None where one of them is not there."""
    with _lock:
        if not all(key in _cache for key in keys):
            return None
        for key in keys:
            _cache.move_to_end(key)
        return [_cache[key] for key in keys]


def add_to_cache(key: str, parameters: list[Tensor], seconds: float) -> None:
    """Keep one run's parameters, and drop those that were used longest ago once there are too many."""
    with _lock:
        _cache[key] = CachedPretraining(parameters, seconds)
        while len(_cache) > 1 and sum(_bytes(own.parameters) for own in _cache.values()) > MAX_BYTES:
            _cache.popitem(last=False)


def _bytes(parameters: list[Tensor]) -> int:
    return sum(parameter.nbytes for parameter in parameters)
