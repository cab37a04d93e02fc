"""Random generators: distinct for each seed and purpose, and repeatable."""

from __future__ import annotations

from anoonly_core.rng import derived_seed, numpy_generator


def test_generators_differ_by_seed_and_purpose_and_repeat() -> None:
    seeds = {derived_seed(seed, purpose) for seed in range(50) for purpose in ("split", "weights", "batches")}
    assert len(seeds) == 150
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derived_seed(3, "split") == derived_seed(3, "split")
    assert (
        numpy_generator(3, "split").integers(0, 2**60, 4).tolist()
        == numpy_generator(3, "split").integers(0, 2**60, 4).tolist()
    )
