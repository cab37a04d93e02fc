"""Cached pretrainings: equal bits to training again, and never those of other data or settings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.config import RunConfig, make_config
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run_each
from anoonly_core.training import pretraining_cache
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import PretrainingStep
from tests.core.models.plain import in_double
from tests.core.training.stacks import made_split, made_table, stack_of, trained


@pytest.fixture(autouse=True)
def _enable_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("anoonly_core.training.pretraining.add_to_cache", pretraining_cache.add_to_cache)
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 3)
    pretraining_cache._cache.clear()
    yield
    pretraining_cache._cache.clear()


def feawad(**settings: Any) -> RunConfig:
    return make_config(**{"baseline": "FEAWAD", "batch_size": 16, "epochs": 2, **settings})


def scores(*configs: RunConfig) -> list[np.ndarray]:
    stack = trained(stack_of(made_table(), list(configs)))
    return stack.scores([stack.splits[0].test] * len(configs))


def test_other_lambda_n_and_norm_reuse_the_pretraining_with_equal_bits() -> None:
    moved = feawad(lambda_n=0, norm="layer")
    alone = scores(moved)[0]
    pretraining_cache._cache.clear()
    scores(feawad(lambda_n=1))
    stack = stack_of(made_table(), [moved])
    assert stack.pretraining_epochs == 0
    assert list(pretrain(stack)) == []
    assert np.array_equal(scores(moved)[0], alone)


def test_parallel_stacks_train_a_shared_pretraining_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[str] = []
    barrier = threading.Barrier(2, timeout=60)
    original = PretrainingStep.take
    norms = ["none", "batch"]

    def count(step: PretrainingStep) -> None:
        learned.append(threading.current_thread().name)
        original(step)

    def train(norm: str) -> np.ndarray:
        barrier.wait()
        (outcome,) = dict(run_each({"a run": feawad(norm=norm)}, load=lambda name: made_table())).values()
        assert isinstance(outcome, RunResult)
        return outcome.scores

    monkeypatch.setattr(PretrainingStep, "take", count)
    with ThreadPoolExecutor(2) as lanes:
        beside = list(lanes.map(train, norms))
    assert len(set(learned)) == 1 and len(learned) == 3 * FEAWAD.steps, "one thread trains it and the other waits"
    assert not pretraining_cache._reserved
    barrier = threading.Barrier(1)
    for norm, found in zip(norms, beside, strict=True):
        pretraining_cache._cache.clear()
        assert np.array_equal(found, train(norm))


def test_a_reservation_ends_with_its_context() -> None:
    with pytest.raises(ZeroDivisionError), pretraining_cache.reserve(["a", "b"]):
        raise ZeroDivisionError
    came = threading.Event()

    def come() -> None:
        with pretraining_cache.reserve(["c"]):
            came.set()

    waiting = threading.Thread(target=come, daemon=True)
    with pretraining_cache.reserve(["b", "c"]), pretraining_cache.reserve(["a"]):
        waiting.start()
        assert not came.wait(0.2)
    assert came.wait(60)


def test_runs_are_cached_one_by_one_and_found_in_any_order() -> None:
    together = scores(feawad(seed=0), feawad(seed=1))
    stack = stack_of(made_table(), [feawad(seed=1), feawad(seed=0)])
    assert list(pretrain(stack)) == []
    found = stack.scores([stack.splits[0].test] * 2)
    assert not np.array_equal(found[0], found[1])
    turned = scores(feawad(seed=1), feawad(seed=0))
    assert np.array_equal(turned[0], together[1]) and np.array_equal(turned[1], together[0])


def test_runs_of_one_seed_in_a_stack_are_pretrained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [feawad(lambda_n=value, seed=seed, norm="batch") for seed in (0, 1) for value in (0, 0.1, 1)]
    alone = []
    for config in configs:
        pretraining_cache._cache.clear()
        alone.append(scores(config)[0])
    pretraining_cache._cache.clear()
    learned: list[int] = []
    original = PretrainingStep.take

    def count(step: PretrainingStep) -> None:
        learned.append(len(step.stack.configs))
        original(step)

    monkeypatch.setattr(PretrainingStep, "take", count)
    dataset = made_table()
    split = made_split(dataset)
    stack = trained(Stack(dataset, configs, [split] * len(configs)))
    assert set(learned) == {2}, "a run for each seed"
    for found, expected in zip(stack.scores([split.test] * len(configs)), alone, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("other", [{"seed": 1}, {"batch_size": 8}, {"preset": "published_code"}])
def test_other_settings_are_pretrained_again(other: dict[str, Any]) -> None:
    scores(feawad(norm="batch"))
    assert stack_of(made_table(), [feawad(norm="batch")]).pretraining_epochs == 0
    assert stack_of(made_table(), [feawad(norm="batch", **other)]).pretraining_epochs == 3


def test_other_rows_labels_and_scaling_are_pretrained_again() -> None:
    dataset = made_table()
    split = made_split(dataset)
    trained(Stack(dataset, [feawad()], [split]))
    assert Stack(dataset, [feawad()], [made_split(dataset)]).pretraining_epochs == 0
    others = [made_split(dataset, labels=2), made_split(dataset, train_rows=50), made_split(dataset)]
    others[2].scale[0] = 2
    for other in others:
        assert Stack(dataset, [feawad()], [other]).pretraining_epochs == 3
    assert Stack(made_table(seed=1), [feawad()], [split]).pretraining_epochs == 3


def test_a_stopped_pretraining_is_not_cached() -> None:
    stack = stack_of(made_table(), [feawad()])
    for epoch in pretrain(stack):
        if epoch == 2:
            break
    assert stack_of(made_table(), [feawad()]).pretraining_epochs == 3


def test_cached_parameters_are_copies() -> None:
    first = stack_of(made_table(), [feawad()])
    list(pretrain(first))
    with torch.no_grad():
        for parameter in first.head.parameters():
            parameter.fill_(7)
    second = stack_of(made_table(), [feawad()])
    list(pretrain(second))
    assert all((parameter != 7).all() for parameter in second.head.parts["encoder"].parameters())
    before = [parameter.detach().clone() for parameter in second.head.parameters()]
    trained(stack_of(made_table(), [feawad()]))
    for parameter, value in zip(second.head.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_the_cache_evicts_above_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining_cache._cache, "limit", 100)
    for name in "abc":
        pretraining_cache.add_to_cache(name, [torch.zeros(10)], 0.0)  # 40 bytes
    assert pretraining_cache.find_cached(["a"]) is None
    assert pretraining_cache.find_cached(["b", "c"]) is not None
    pretraining_cache.add_to_cache("large", [torch.zeros(1000)], 0.0)
    assert pretraining_cache.find_cached(["large"]) is not None  # the newest entry stays, however large
    assert pretraining_cache.find_cached(["c"]) is None


def test_a_stack_knows_the_seconds_of_cached_pretrainings() -> None:
    first = stack_of(made_table(), [feawad(lambda_n=1)])
    list(pretrain(first))
    second = stack_of(made_table(), [feawad(lambda_n=0)])
    list(pretrain(second))
    assert first.cached_pretraining_seconds == 0 < second.cached_pretraining_seconds


def test_a_detector_caches_no_pretraining() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(60) % 6 == 0).astype(int)
    AnoOnlyDetector("FEAWAD", epochs=1, batch_size=16, random_state=0).fit(random.normal(size=(60, 3)), y)
    assert len(pretraining_cache._cache) == 0


def test_a_float64_stack_does_not_use_float32_parameters() -> None:
    scores(feawad())
    stack = in_double(stack_of(made_table(), [feawad()]))
    assert stack.pretraining_epochs == 3
