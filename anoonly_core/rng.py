"""Random streams: each purpose of a run draws from a generator of its own, all derived from the run's seed.

Two runs with the same seed therefore share their split, first weights and batch order, whatever
else differs between them, and nothing else that runs in the process can disturb them.
"""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["derived_seed", "numpy_generator"]


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose ("weights", "batches", ...) of the run with this seed."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """NumPy's generator for one purpose of the run with this seed."""
    return np.random.default_rng(derived_seed(seed, purpose))
