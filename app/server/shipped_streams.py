"""The streams and absorptions with which Drift opens: they ship, so that the first figures need no training."""

from __future__ import annotations

import io
import lzma
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np

from anoonly_core.drift.result import Absorption, DriftResult
from anoonly_core.paths import ASSETS

__all__ = ["STREAMS", "pack_results", "shipped_streams", "unpack_results", "write_streams"]

STREAMS = ASSETS / "drift"
SUFFIX = ".npz.xz"
KINDS: Mapping[str, type[DriftResult] | type[Absorption]] = {"stream": DriftResult, "absorption": Absorption}
KEPT_BITS = np.uint32(0xFFFFE000)  # sign, exponent and ten bits of the fraction: three digits
ROUNDED = ("scores", "plane", "training_plane")

Result = TypeVar("Result", DriftResult, Absorption)


def pack_results(results: Sequence[Result]) -> bytes:
    """Serialize results of one kind, one a seed, for the assets; scores and planes keep three digits.

    The plane of the second and further seeds becomes zero, since the page draws that of the first.
    """
    kind = next(name for name, type_ in KINDS.items() if isinstance(results[0], type_))
    arrays: dict[str, Any] = {}
    for number, result in enumerate(results):
        for name, array in result.arrays().items():
            rounded = (array.view(np.uint32) & KEPT_BITS).view(np.float32) if name in ROUNDED else array
            arrays[f"{kind} {number} {name}"] = np.zeros_like(array) if name == "plane" and number else rounded
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return lzma.compress(content.getvalue(), preset=9)


def unpack_results(content: bytes) -> list[DriftResult] | list[Absorption] | None:
    """Parse the bytes of `pack_results`; None if the results are not of the ways that this version knows."""
    by_seed: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    with np.load(io.BytesIO(lzma.decompress(content)), allow_pickle=False) as file:
        for entry in file.files:
            kind, number, name = entry.split()
            by_seed.setdefault((kind, int(number)), {})[name] = file[entry]
    results = [KINDS[kind].from_arrays(arrays) for (kind, _), arrays in sorted(by_seed.items())]
    return None if None in results else results  # type: ignore[return-value]


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in STREAMS.glob(f"*{SUFFIX}"))


def shipped_streams(key: str) -> list[DriftResult] | list[Absorption] | None:
    """Return the results of a worker result's key that ship with the app, one a seed; None if there are none.

    A key may hold words of users, so only a listed key becomes part of a path.
    """
    name = f"{key}{SUFFIX}"
    return unpack_results((STREAMS / name).read_bytes()) if name in _names() else None


def write_streams(key: str, results: Sequence[Result]) -> None:
    """Write results of one kind, one a seed, into the assets under the key of their worker result."""
    STREAMS.mkdir(parents=True, exist_ok=True)
    (STREAMS / f"{key}{SUFFIX}").write_bytes(pack_results(results))
