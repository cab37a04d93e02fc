"""Cache of pretrained parameters in this process, by everything that a pretraining depends on.

Of FEAWAD's 130 epochs, 100 are pretraining and depend on neither λ_n nor norm.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.lru import LRU

__all__ = ["CachedPretraining", "add_to_cache", "find_cached", "pretraining_key", "reserve"]

MAX_BYTES = 64 * 2**20
GPU_SHARE = 1 / 32  # of the memory of a GPU: a stack there holds hundreds of runs


@dataclass(frozen=True, eq=False)
class CachedPretraining:
    """Pretrained parameters of one run, and the seconds that its pretraining took."""

    parameters: list[Tensor]
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes of memory that the parameters take."""
        return sum(parameter.nbytes for parameter in self.parameters)


_cache = LRU[CachedPretraining](MAX_BYTES, lambda entry: entry.bytes)


@cache
def _gpu_cache() -> LRU[CachedPretraining]:
    """Return the cache of the pretrainings whose parameters are on the GPU."""
    _, total = torch.cuda.mem_get_info()
    return LRU[CachedPretraining](int(GPU_SHARE * total), lambda entry: entry.bytes)


_reserved: set[str] = set()
_lock = threading.Condition()


def pretraining_key(
    dataset: Dataset, config: RunConfig, split: Split, epochs: int, device: torch.device, dtype: torch.dtype
) -> str:
    """Return the cache key of the pretraining of a run: the hexadecimal SHA-256 of everything it depends on.

    λ_n and the norm do not change it.
    """
    digest = hashlib.sha256(repr((config.baseline, config.preset, config.batch_size, config.seed)).encode())
    digest.update(repr((dataset.fingerprint, epochs, device.type, str(dtype))).encode())
    for array in (split.train, split.labeled, split.minimum, split.scale, split.fill):
        digest.update(b"" if array is None else array.tobytes())
    return digest.hexdigest()


@contextmanager
def reserve(keys: Sequence[str]) -> Iterator[None]:
    """Context that reserves cache keys while they are pretrained; block while another thread holds one of them.

    On a GPU the stacks of a sweep train in parallel, and those that differ only in norm share a
    pretraining. The thread that waited finds it in the cache.
    """
    wanted = set(keys)
    with _lock:
        _lock.wait_for(lambda: wanted.isdisjoint(_reserved))
        _reserved.update(wanted)
    try:
        yield
    finally:
        with _lock:
            _reserved.difference_update(wanted)
            _lock.notify_all()


def find_cached(keys: Sequence[str]) -> list[CachedPretraining] | None:
    """Return the cached pretraining of each key, in order; None if at least one is missing."""
    caches = (_cache, _gpu_cache()) if torch.cuda.is_initialized() else (_cache,)  # type: ignore[no-untyped-call]
    entries = [entry for key in keys for cached in caches if (entry := cached.get(key)) is not None]
    return entries if len(entries) == len(keys) else None


def add_to_cache(key: str, parameters: list[Tensor], seconds: float) -> None:
    """Cache the pretrained parameters of one run under its key, with the seconds that they took.

    The least recently used entries above 64 MiB, or above a 32nd of the memory of a GPU, are evicted. The newest entry
    stays, even if it is larger than that. The tensors are not copied.
    """
    (_gpu_cache() if parameters[0].is_cuda else _cache).put(key, CachedPretraining(parameters, seconds))
