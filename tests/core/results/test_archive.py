"""Arrays and a head as bytes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.results.archive import pack, read_head, unpack

ARRAYS = {"a": np.arange(3, dtype=np.int8), "b.c": np.full((2, 2), np.nan, dtype=np.float32)}


def test_arrays_and_head_come_back() -> None:
    arrays = unpack(pack(ARRAYS, {"name": "λ", "count": 2}))
    assert read_head(arrays) == {"name": "λ", "count": 2}
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array, equal_nan=True)
    assert unpack(pack(ARRAYS)).keys() == ARRAYS.keys()


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        pack({"a": np.array([object()])})
