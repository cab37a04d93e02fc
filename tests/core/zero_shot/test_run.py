"""Zero-shot runs: results, drawn rows, references, storage and refused settings."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from anoonly_core.data.dataset import Provenance
from anoonly_core.errors import InvalidConfig
from anoonly_core.results.store import default_store
from anoonly_core.zero_shot import run as zero_shot
from anoonly_core.zero_shot.class_table import ClassTable, load_class_table
from anoonly_core.zero_shot.config import (
    ZeroShotConfig,
    check_classes,
    make_zero_shot_config,
    smaller_class_sets,
    zero_shot_key,
)
from anoonly_core.zero_shot.episodes import episode_rows, growing_batches, test_batches, training_tasks
from anoonly_core.zero_shot.references import batch_aucrocs, distance_to_neighbors
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SIZES, ZeroShotResult
from anoonly_core.zero_shot.run import ZeroShotStack, run_zero_shot, train_zero_shot

DIGITS = tuple("0123456789")
LOW, HIGH = DIGITS[:5], DIGITS[5:]
batches_of = test_batches
batches_of.__test__ = False  # type: ignore[attr-defined]


def half(**changes: Any) -> ZeroShotConfig:
    return make_zero_shot_config(**{"meta": LOW, "held_out": HIGH, **changes})


def short(**changes: Any) -> ZeroShotConfig:
    return half(**{"steps": 3, "tasks": 2, "test_rows": 20, **changes})


def products(classes: int = 4) -> ClassTable:
    """Return classes that have anomalies."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(classes * 50, 6)).astype(np.float32)
    anomalous = np.tile(np.arange(50) >= 40, classes)
    names = tuple(f"product {number}" for number in range(classes))
    return ClassTable("products", X, np.repeat(np.arange(classes), 50), anomalous, names, Provenance("here", "none"))


@pytest.fixture(scope="module")
def found() -> list[ZeroShotResult]:
    return run_zero_shot([half(seed=seed) for seed in range(2)])


# Results


def test_half_of_the_digits_find_anomalies_among_the_others(found: list[ZeroShotResult]) -> None:
    means = np.stack([result.by_ratio for result in found]).mean(axis=(0, 3, 4))
    at = dict(zip(SCORER_LABELS, means[:, RATIOS.index(0.05)], strict=True))
    assert at["batch"] >= 0.88
    assert at["batch"] >= at["running"] + 0.25 and at["batch"] >= at["none"] + 0.25
    assert at["neighbors"] > at["batch"], "what the page says of its rivals"
    assert means[0, -1] < 0.6, "at 80 % the statistics speak for the anomalies"


def test_one_class_held_out_at_few_anomalies() -> None:
    """A class of medium difficulty reaches the mean over the classes in the README."""
    config = half(held_out=("4",), meta=[digit for digit in DIGITS if digit != "4"])
    (result,) = run_zero_shot([config])
    few = [place for place, share in enumerate(RATIOS) if share <= 0.2]
    assert (result.by_ratio[0, few].mean(axis=(1, 2)) >= 0.95).all()


def test_batch_statistics_move_with_the_number_of_anomalies(found: list[ZeroShotResult]) -> None:
    for result in found:
        normals, (moments, classes, _) = int(result.shift_normals[0]), result.shift_scores.shape
        assert classes == len(HIGH) and moments == len(result.shift_counts) == len(result.shift_away)
        assert (np.isfinite(result.shift_scores).sum(axis=2) == normals + result.shift_counts[:, None]).all()
        assert (result.shift_away[0] < 1e-6).all() and (np.diff(result.shift_away.mean(axis=1)) > 0).all()
        assert result.shift_counts[-1] == 4 * normals, "up to 80 %"


def test_stored_arrays_are_equal_to_the_bit(found: list[ZeroShotResult]) -> None:
    store = default_store()
    store.put_arrays("z", "zero-shot", found[0].arrays())
    again = ZeroShotResult.from_arrays(store.get_arrays("z", "zero-shot"))
    assert again is not None
    for name, own in found[0].arrays().items():
        np.testing.assert_array_equal(getattr(again, name), own, strict=True)
    assert ZeroShotResult.from_arrays({"by_ratio": np.zeros(3)}) is None and ZeroShotResult.from_arrays(None) is None


@pytest.mark.parametrize("objective", ["svdd", "bce"])
def test_a_run_is_equal_in_any_stack(objective: str) -> None:
    own = short(objective=objective, meta=LOW[:3])
    configs = [own.with_(seed=1), *smaller_class_sets(own)]
    together = run_zero_shot(configs)
    for config, result in zip(configs, together, strict=True):
        (alone,) = run_zero_shot([config])
        for name, own in alone.arrays().items():
            np.testing.assert_array_equal(getattr(result, name), own, err_msg=name)


# Drawn rows


def test_training_never_sees_a_class_held_out() -> None:
    table, config = load_class_table("digits"), half(meta=("2", "0", "7"), held_out=("1", "5"))
    for tasks in islice(training_tasks(config, episode_rows(config, table)), 50):
        assert tasks.shape == (16, 60)
        digits = table.classes[tasks]
        assert set(digits.ravel()) <= {0, 2, 7}
        assert (digits[:, :48] == digits[:, :1]).all() and (digits[:, 48:] != digits[:, :1]).all()
        assert all(len(set(task)) == 60 for task in tasks), "no row twice"


@pytest.mark.parametrize("held_out", [("3",), ("3", "8")])
def test_training_and_test_rows_are_disjoint(held_out: tuple[str, ...]) -> None:
    table = load_class_table("digits")
    config = half(held_out=held_out, meta=[digit for digit in DIGITS if digit not in held_out])
    pools = episode_rows(config, table)
    trained = set(np.concatenate(list(pools.train.values())))
    batches, anomalies = batches_of(config, pools, 0.2, 100, 10)
    grown, normals = growing_batches(config, pools, 0.8)
    assert not trained & (set(batches.ravel()) | set(grown.ravel()))
    assert batches.shape == (len(held_out), 10, 100) and anomalies == 20
    for place, name in enumerate(held_out):
        digits = table.classes[batches[place]]
        assert (digits[:, 20:] == int(name)).all() and (digits[:, :20] != int(name)).all()
        grown_digits = table.classes[grown[place]]
        assert (grown_digits[:normals] == int(name)).all() and (grown_digits[normals:] != int(name)).all()
    assert len(set(batches[0, 0])) == 100


def test_a_product_is_tested_on_its_anomalies() -> None:
    table = products()
    config = half(table="products", meta=table.names[:2], held_out=table.names[2:], rows=20)
    pools = episode_rows(config, table)
    assert not table.anomalous[np.concatenate(list(pools.train.values()))].any(), "nor trained on any"
    batches, anomalies = batches_of(config, pools, 0.5, 100, 3)
    assert batches.shape[2] == 20 and anomalies == 10, "as many as there are, at the share asked for"
    for place in range(2):
        assert (table.classes[batches[place]] == 2 + place).all()
        assert table.anomalous[batches[place]][:, :10].all() and not table.anomalous[batches[place]][:, 10:].any()


@pytest.mark.parametrize("rows", SIZES)
def test_every_batch_holds_an_anomaly_and_a_normal_row(rows: int) -> None:
    table, config = load_class_table("digits"), half()
    for share in RATIOS:
        batches, anomalies = batches_of(config, episode_rows(config, table), share, rows, 1)
        assert 1 <= anomalies < batches.shape[2] <= rows


# References and metric


def test_aucroc_with_ties_equals_scikit_learn() -> None:
    scores = np.random.default_rng(0).integers(0, 6, size=(4, 5, 30)).astype(float)
    y = np.arange(30) < 7
    wanted = [[roc_auc_score(y, own) for own in some] for some in scores]
    np.testing.assert_allclose(batch_aucrocs(scores, 7), wanted)


@pytest.mark.parametrize("rows", [2, 4, 6, 40])
def test_neighbors_equal_scikit_learn(rows: int) -> None:
    X = np.random.default_rng(0).normal(size=(rows, 3))
    distances, _ = NearestNeighbors(n_neighbors=min(5, rows - 1)).fit(X).kneighbors()
    np.testing.assert_allclose(distance_to_neighbors(X), distances.mean(axis=1))


# Refused settings, storage, stopping


def test_a_batch_of_one_row_is_refused() -> None:
    stack = ZeroShotStack.of(load_class_table("digits"), [short()])
    trained = train_zero_shot(stack)
    with pytest.raises(InvalidConfig, match="one row has no statistics"):
        trained.scores([np.zeros((3, 1), dtype=np.int64)])
    with pytest.raises(InvalidConfig, match="test_rows must be a whole number from 2"):
        half(test_rows=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"meta": ("1",)}, "meta must be"),
        ({"held_out": ()}, "held_out must be"),
        ({"objective": "mse"}, "objective must be 'svdd' or 'bce'"),
        ({"normal_share": float("nan")}, "normal_share must be"),
        ({"depth": 3}, "depth must be left out"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        half(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"meta": ("0", "eleven")}, "meta names 'eleven'"),
        ({"held_out": ("5", "5")}, "held_out names a class twice"),
        ({"held_out": ("5", "4")}, "'4' is held out and cannot be trained on"),
        ({"rows": 300}, "a task draws 240 of a class it trains on"),
    ],
)
def test_unsuitable_classes_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        check_classes(half(**changes), load_class_table("digits"))


def test_too_few_rows_beside_the_test_rows_are_refused() -> None:
    config = half(held_out=("5",), meta=("8", "1"), rows=180, normal_share=0.9)
    with pytest.raises(InvalidConfig, match=r"A task draws 162 rows .* take fewer rows a task"):
        episode_rows(config, load_class_table("digits"))


def test_stored_runs_are_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store, configs = default_store(), [short(seed=seed) for seed in (5, 6)]
    first = run_zero_shot(configs, store)
    monkeypatch.setattr(zero_shot, "train_zero_shot", None)
    again = run_zero_shot(configs[::-1], store)
    np.testing.assert_array_equal(again[0].by_ratio, first[1].by_ratio)
    assert len({zero_shot_key(config) for config in (*configs, short(seed=5, steps=4))}) == 3


def test_an_exception_of_the_report_stops_the_run() -> None:
    told = []

    def report(done: int, total: int) -> None:
        told.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_zero_shot([short()], report=report)
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6)], "with and without batch norm"


def test_global_random_state_is_neither_used_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    (one,) = run_zero_shot([short()])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    (other,) = run_zero_shot([short()])
    np.testing.assert_array_equal(one.by_ratio, other.by_ratio)
