"""Memory grows with the rows, by no more than a few times their features, and no row is left out."""

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
    """Bytes that NumPy takes at most for a split, its scaled rows, all scores and their metrics, the table left out."""
    tracemalloc.start()
    split = make_split(table, make_config(normal_ratio=1))
    stack = Stack(table, [make_config(epochs=1)], [split])
    (scores,) = stack.scores([split.test])
    metrics(table.y[split.test], scores)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_what_numpy_takes_grows_with_the_rows_by_less_than_twice_their_features() -> None:
    """With the table itself, three times; what torch takes is measured by `make bench`."""
    small, large = made_table(30_000, 10), made_table(90_000, 10)
    peak(small)  # once, so that nothing is loaded within what is measured
    slope = (peak(large) - peak(small)) / (large.X.nbytes - small.X.nbytes)
    assert 0.7 < slope < 2


def test_no_row_of_a_large_set_is_left_out(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    counts = make_split(resolve("10_cover").load(), make_config()).counts
    assert counts["rows"] == 286_048
    parts = ("labelled_anomalies", "pool_normal", "pool_anomalies", "test")
    assert sum(counts[part] for part in parts) == counts["rows"]
    assert counts["dropped"] == 0


@pytest.mark.parametrize("sizes", [(90,), (256,), (257, 4096), (5000, 4096, 8191), (4352, 100)], ids=str)
@pytest.mark.parametrize("preset", ["paper", "published_code"])
def test_deepsads_centers_are_the_bits_of_the_mean_of_all_outputs_at_once(sizes: tuple[int, ...], preset: str) -> None:
    generators = [torch.Generator().manual_seed(run) for run in range(len(sizes))]
    X = torch.rand(sum(sizes), 7, generator=generators[0])
    first = torch.tensor([sum(sizes[:run]) for run in range(len(sizes))])
    rows = TrainingRows(X, torch.zeros(len(X), dtype=torch.bool), first, sizes)
    head = DeepSAD(len(sizes), 7, "batch", preset)
    head.initialize(generators)
    own = [rows.of_run(run)[0] for run in range(len(sizes))]
    expected = [outputs.mean(dim=0, keepdim=True) for outputs in head.map_rows(head.code, own)]
    assert torch.equal(head._mean_code(own), torch.stack(expected))


def test_scores_are_the_same_bits_however_many_rows_are_scaled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_table(SCALED_ROWS * 2 + 300, 5)
    stack = Stack(table, [make_config(epochs=1, seed=seed) for seed in (0, 1)], [made_split(table)] * 2)
    rows = [np.arange(table.rows), np.arange(0, table.rows, 2)]
    cut = stack.scores(rows)
    monkeypatch.setattr("anoonly_core.training.stack.SCALED_ROWS", 2**30)
    for one, other in zip(cut, stack.scores(rows), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
