"""Rows of a data set on a GPU: equal bits after scaling, scores in blocks, metrics of all runs at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.models import METHODS
from anoonly_core.training import gpu_rows as module
from anoonly_core.training.evaluation import _CpuEvaluator, _GpuEvaluator
from anoonly_core.training.gpu_rows import GpuRows
from anoonly_core.training.stack import Stack
from anoonly_core.training.thread_pool import MIN_ITEMS, run_in_threads
from tests.core.training.stacks import configs_of, made_split, made_table, trained

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_rows_are_scaled_to_the_bits_of_the_cpu(device: str) -> None:
    dataset = load_cached("breast_cancer")
    splits = [make_split(dataset, make_config(dataset="breast_cancer", seed=seed)) for seed in range(2)]
    rows = GpuRows(dataset, [splits[1], splits[0], splits[1]], torch.device(device))
    for split in splits:
        out = torch.empty(len(split.train), dataset.columns, device=device)
        rows.scale_into(out, split, split.train)
        assert np.array_equal(out.cpu().numpy(), split.scaled(dataset, split.train))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("block", [1, 7 * 5 * 3, 2**26])
def test_each_run_gets_the_results_of_its_rows(device: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cover blocks of one row, of three and of all; runs that share split and rows; runs with fewer rows."""
    monkeypatch.setattr(module, "BLOCK_VALUES", block)
    dataset = made_table()
    shared, other = made_split(dataset), make_split(dataset, make_config())
    splits = [shared, shared, other, shared, other]
    rows = [shared.test, shared.test, other.test, shared.test[:4], other.test]
    results = GpuRows(dataset, splits, torch.device(device)).map_rows(lambda x: x * 2, splits, rows)
    assert results.shape == (5, max(map(len, rows)), dataset.columns)
    for run, (split, positions) in enumerate(zip(splits, rows, strict=True)):
        expected = 2 * split.scaled(dataset, positions)
        assert np.array_equal(results[run, : len(positions)].cpu().numpy(), expected)


@pytest.mark.parametrize("baseline", METHODS)
def test_evaluating_all_runs_at_once_equals_evaluating_run_by_run(
    baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    dataset = made_table(200)
    configs = configs_of(3, baseline=baseline)
    stack = trained(Stack(dataset, configs, [made_split(dataset), made_split(dataset, 4), made_split(dataset)]))
    run_by_run, at_once = _CpuEvaluator(stack), _GpuEvaluator(stack)
    with monkeypatch.context() as patched:
        patched.setattr(stack, "_gpu", GpuRows(dataset, stack.splits, stack.device))
        at_once.evaluate()
    run_by_run.evaluate()
    for one, other in zip(run_by_run.evaluations(), at_once.evaluations(), strict=True):
        assert one is not None and other is not None
        for name in METRICS:
            assert getattr(one[0], name) == pytest.approx(getattr(other[0], name), abs=1e-6)


def test_a_diverged_run_has_no_metrics_and_does_not_affect_others() -> None:
    dataset = made_table()
    stack = Stack(dataset, configs_of(3), [made_split(dataset)] * 3)
    stack._gpu = GpuRows(dataset, stack.splits, stack.device)
    with torch.no_grad():
        next(stack.head.parameters())[1] = torch.nan
    evaluator = _GpuEvaluator(stack)
    evaluator.evaluate()
    assert [evaluations is None for evaluations in evaluator.evaluations()] == [False, True, False]


def test_centers_of_all_runs_at_once_equal_those_run_by_run() -> None:
    dataset = made_table(2000)
    splits = [made_split(dataset, train_rows=rows) for rows in (1300, 1296, 1311)]
    stack = Stack(dataset, configs_of(3), splits)
    rows = stack.rows
    one_by_one = stack.head._mean_code([rows.of_run(run)[0] for run in range(3)])
    with torch.no_grad():
        at_once = stack.head._mean_on_gpu(rows)
    np.testing.assert_allclose(at_once.numpy(), one_by_one.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, MIN_ITEMS, 5 * MIN_ITEMS + 3, 100 * MIN_ITEMS])
def test_threads_process_each_item_once(count: int) -> None:
    calls = np.zeros(count, dtype=np.int64)

    def work(items: range) -> None:
        for item in items:
            calls[item] += 1

    run_in_threads(work, range(count))  # type: ignore[arg-type]
    assert (calls == 1).all()


def test_an_exception_in_a_thread_is_raised() -> None:
    def work(items: range) -> None:
        if 40 in items:
            raise KeyError(40)

    with pytest.raises(KeyError):
        run_in_threads(work, range(100))  # type: ignore[arg-type]
