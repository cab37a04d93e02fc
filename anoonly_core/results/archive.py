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
    """Encode arrays of plain types and, if given, a head that JSON can express."""
    first = {} if head is None else {HEAD: np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **first, **arrays)
    return buffer.getvalue()


def unpack(body: bytes) -> dict[str, np.ndarray]:
    """Decode the arrays of `pack` by name, the head among them; raise ValueError or the like if they are damaged."""
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_head(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Decode the head of unpacked arrays; raise KeyError or ValueError if there is none."""
    head: dict[str, Any] = json.loads(arrays[HEAD].tobytes())
    return head
