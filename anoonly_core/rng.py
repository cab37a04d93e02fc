"""Random generators: one for each purpose of a run, derived from the seed of the run.

Runs with equal seeds therefore share split, first weights and batch order. Other code in the
process cannot change them, because no generator is global.
"""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["derived_seed", "numpy_generator"]


def derived_seed(seed: int, purpose: str) -> int:
    """Derive a 63-bit seed from the seed of a run and a purpose such as "weights" or "batches"."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Return a new NumPy generator for one purpose of a run, such as "split"; equal arguments give equal numbers.

    Its seed is that of `derived_seed`.
    """
    return np.random.default_rng(derived_seed(seed, purpose))
