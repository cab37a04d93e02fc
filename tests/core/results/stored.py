"""Stored test runs, and direct changes of the store's file."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.errors import StoreUnavailable
from anoonly_core.metrics.ranking import Metrics
from anoonly_core.results.result import History, RunResult, Sample
from anoonly_core.results.store import Store


def a_result(key: str = "key", seed: int = 0) -> RunResult:
    rng = np.random.default_rng(seed)
    sample = Sample(
        rows=rng.integers(0, 99, 7),
        role=rng.integers(0, 3, 7, dtype=np.int8),
        hidden=rng.normal(size=(7, 5)).astype(np.float32),
        minimum=np.array([-0.0, 1e-45, 3], dtype=np.float32),
        scale=np.array([1, 3e38, 0.1], dtype=np.float32),
    )
    per_epoch = [rng.random(4, dtype=np.float32) for _ in range(4)]
    history = History(*per_epoch, np.array([1, 4]), *(rng.random(2) for _ in range(3)))
    return RunResult(
        key=key,
        config=make_config(dataset="a folder/ä\n.csv", lambda_n=0.1 + 0.2, contamination=1 / 3, seed=seed),
        device="cpu",
        metrics=Metrics(*rng.random(4).tolist()),
        seconds={"train": 0.1 + 0.2, "score": 5e-324},
        counts={"rows": 2**40, "train": 0},
        test_rows=rng.integers(0, 2**62, 9),
        y_test=rng.integers(0, 2, 9, dtype=np.int8),
        scores=rng.normal(size=9).astype(np.float32),
        sample=sample,
        history=history,
    )


def assert_same(found: Any, expected: Any) -> None:
    """Check that all fields are equal, arrays in bits and type."""
    assert type(found) is type(expected)
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes()), field.name
        elif isinstance(other, (Sample, History)):
            assert_same(one, other)
        else:
            assert one == other and repr(one) == repr(other), field.name


def rewrite(store: Store, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def store_body(store: Store, body: Any, kind: str = "run", key: str = "key") -> None:
    """Write a row with a valid digest for any body."""
    digest = hashlib.sha256(body if isinstance(body, bytes) else str(body).encode()).digest()
    rewrite(store, "INSERT OR REPLACE INTO entries VALUES (?, ?, '{}', '{}', 0.0, 0, 9, ?, ?)", key, kind, digest, body)


def set_aside(store: Store) -> list[Path]:
    return sorted(store.path.parent.glob(f"{store.path.name}.damaged-*"))


def assert_unavailable(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        store.put(a_result())
    text = str(caught.value)
    assert text.startswith(f"The run could not be stored in {store.path} (")
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    assert store.get("key") is None
