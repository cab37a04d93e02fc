"""Stacks: memory in proportion to the rows, complete splits, equal bits for any block size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import make_split
from anoonly_core.metrics.ranking import metrics
from anoonly_core.models import TrainingRows
from anoonly_core.models.deepsad import DeepSAD
from anoonly_core.training.stack import SCALED_ROWS, Stack
from tests.core.training.stacks import made_split, made_table


def peak(table: Dataset) -> int:
    """Return the peak bytes of NumPy for a split, scaled rows, scores and metrics, without the table."""
    tracemalloc.start()
    split = make_split(table, make_config(normal_ratio=1))
    stack = Stack(table, [make_config(epochs=1)], [split])
    (scores,) = stack.scores([split.test])
    metrics(table.y[split.test], scores)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak_bytes


def test_numpy_memory_grows_by_less_than_twice_the_features() -> None:
    """The table itself adds once its size; `make bench` measures the memory of torch."""
    small, large = made_table(30_000, 10), made_table(90_000, 10)
    peak(small)  # once before measuring, so that all modules are loaded
    slope = (peak(large) - peak(small)) / (large.X.nbytes - small.X.nbytes)
    assert 0.7 < slope < 2


def test_a_split_of_a_large_set_has_every_row(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    counts = make_split(resolve("10_cover").load(), make_config()).counts
    assert counts["rows"] == 286_048
    parts = ("labelled_anomalies", "pool_normal", "pool_anomalies", "test")
    assert sum(counts[part] for part in parts) == counts["rows"]
    assert counts["dropped"] == 0


@pytest.mark.parametrize("sizes", [(90,), (256,), (257, 4096), (5000, 4096, 8191), (4352, 100)], ids=str)
@pytest.mark.parametrize("preset", ["paper", "published_code"])
def test_deepsad_centers_equal_the_mean_of_all_outputs_to_the_bit(sizes: tuple[int, ...], preset: str) -> None:
    generators = [torch.Generator().manual_seed(run) for run in range(len(sizes))]
    X = torch.rand(sum(sizes), 7, generator=generators[0])
    first = torch.tensor([sum(sizes[:run]) for run in range(len(sizes))])
    rows = TrainingRows(X, torch.zeros(len(X), dtype=torch.bool), first, sizes)
    head = DeepSAD(len(sizes), 7, "batch", preset)
    head.initialize(generators)
    own = [rows.of_run(run)[0] for run in range(len(sizes))]
    expected = [outputs.mean(dim=0, keepdim=True) for outputs in head.map_rows(head.code, own)]
    assert torch.equal(head._mean_code(own), torch.stack(expected))


def test_scores_do_not_depend_on_the_rows_scaled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_table(SCALED_ROWS * 2 + 300, 5)
    stack = Stack(table, [make_config(epochs=1, seed=seed) for seed in (0, 1)], [made_split(table)] * 2)
    rows = [np.arange(table.rows), np.arange(0, table.rows, 2)]
    cut = stack.scores(rows)
    monkeypatch.setattr("anoonly_core.training.stack.SCALED_ROWS", 2**30)
    for one, other in zip(cut, stack.scores(rows), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
