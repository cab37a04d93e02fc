"""The task of the page that makes features: in a worker process, which starts decoders of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.errors import BadDataFile
from anoonly_core.execution import tasks
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.features.run import partial_folder
from anoonly_core.progress import Cancelled
from tests.core.features.sources import made_images, start_empty

NAMES = [f"{number}.png" for number in range(40)]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, start_empty)
    yield pool
    pool.close()


def test_a_worker_makes_features_and_reports_rows(pool: WorkerPool, tmp_path: Path) -> None:
    out = tmp_path / "parts.npz"
    find_rows = partial(made_images, [*NAMES, "kills.png"], ["good"] * 30 + ["bad"] * 11)
    task = pool.schedule(tasks.make_features, find_rows, "pixels", out, None, {"crop": 8}, ("bad",))
    summary = task.result()
    assert (summary.rows, summary.features, summary.left_out) == (40, 64, 1)
    with np.load(out) as archive:
        assert archive["y"].tolist() == [0] * 30 + [1] * 10
    assert task.progress is not None and task.progress.total == 41


def test_a_canceled_task_keeps_the_rows_done(pool: WorkerPool, tmp_path: Path) -> None:
    out = tmp_path / "parts.npz"
    names = [*NAMES, "hangs.png"]
    task = pool.schedule(tasks.make_features, partial(made_images, names), "pixels", out, None, {"crop": 8})
    while task.progress is None or task.progress.done < 32:
        time.sleep(0.01)
    pool.stop(task)
    with pytest.raises(Cancelled):
        task.result()
    assert partial_folder(out).is_dir() and not out.exists()


def test_an_error_reaches_the_page(pool: WorkerPool, tmp_path: Path) -> None:
    task = pool.schedule(tasks.make_features, partial(made_images, ["damaged.png"]), "pixels", tmp_path / "out.npz")
    with pytest.raises(BadDataFile, match=r"None of the 1 images of parts can be read; damaged\.png: it is truncated"):
        task.result()
