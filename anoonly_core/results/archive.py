"""Arrays by name, and a head of plain values, as the bytes of a compressed .npz archive."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["pack", "read_head", "unpack"]

HEAD = "head"  # name of the array with the JSON of the head


def pack(arrays: Mapping[str, np.ndarray], head: Mapping[str, Any] | None = None) -> bytes:
    """Encode arrays by name, and a head if given, as the bytes of a compressed .npz archive.

    Arrays must have plain types, without objects; the head holds values that JSON can express.
    """
    first = {} if head is None else {HEAD: np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **first, **arrays)
    return buffer.getvalue()


def unpack(body: bytes) -> dict[str, np.ndarray]:
    """Decode the bytes of `pack` to arrays by name; the head stays encoded, see `read_head`.

    Raise ValueError, BadZipFile or the like if the bytes are damaged.
    """
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_head(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Decode the head from the arrays that `unpack` returned; raise KeyError or ValueError if there is none."""
    head: dict[str, Any] = json.loads(arrays[HEAD].tobytes())
    return head
