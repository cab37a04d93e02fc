"""Cleaning a pool: parts, order of the suspicion S, removed rows, and the runs for comparison."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig, StoreUnavailable, TrainingDiverged
from anoonly_core.metrics.ranking import metrics
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.purify import keys as purify_keys
from anoonly_core.purify import run as purify
from anoonly_core.purify.config import KEEP_20, POOL_SCORERS, PurifyConfig, make_purify_config
from anoonly_core.purify.keys import pool_scores_key, purify_key
from anoonly_core.purify.result import DEFAULT_REMOVED_SHARE, PurifyResult, pool_table, removal_curve
from anoonly_core.purify.run import compute_pool_scores, drop_pool_rows, partition, pool_rows, purify_many
from anoonly_core.results.store import Store
from anoonly_core.runs.run import run
from anoonly_core.runs.train_and_score import SCORING_METHODS, TrainingTask, _stacks, train_and_score
from anoonly_core.training.stack import Stack


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)


def config_of(
    seed: int = 0, scorer: str = "same", parts: int = 3, remove: float | None = None, **run: Any
) -> PurifyConfig:
    settings = {"dataset": "digits_only_3", "contamination": 0.2, "labeled_ratio": 0.01, "epochs": 3, **run}
    return make_purify_config(make_config(seed=seed, **settings), scorer=scorer, parts=parts, remove=remove)


@lru_cache
def purified(**settings: Any) -> PurifyResult:
    return purify_many([config_of(**settings)])[0]


# The pool and its parts


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_are_disjoint_cover_all_rows_and_keep_copies_together(parts: int) -> None:
    identical = np.random.default_rng(0).integers(0, 40, 160)
    part = partition(identical, parts, seed=1)
    assert set(part) == set(range(parts)) and len(part) == 160
    assert all(len(set(part[identical == group])) == 1 for group in set(identical))
    groups = [len(set(identical[part == number])) for number in range(parts)]
    assert max(groups) - min(groups) <= 1
    assert np.array_equal(part, partition(identical, parts, seed=1))
    assert parts == 1 or not np.array_equal(part, partition(identical, parts, seed=2))


def test_more_parts_than_distinct_rows_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="too few for 3 parts, only 2: take fewer parts"):
        partition(np.array([5, 9, 5]), 3, seed=0)


@pytest.mark.parametrize("protocol", ["leak_free", "published"])
def test_the_models_train_on_the_parts_of_a_resampled_pool(protocol: str) -> None:
    pool = purify._pool(config_of(dataset="breast_cancer", protocol=protocol, contamination="natural"))
    split = pool.split
    assert len(pool.rows) < int((~split.labeled).sum()) and len(set(pool.rows)) == len(pool.rows)
    assert set(pool.rows) == set(split.train[~split.labeled])
    models = purify._part_tasks(pool)
    seen = [set(model.split.train[~model.split.labeled]) for model in models]
    assert set.union(*seen) == set(pool.rows) and sum(map(len, seen)) == len(pool.rows)
    drawn = np.concatenate([model.split.train[~model.split.labeled] for model in models])
    assert np.array_equal(np.sort(drawn), np.sort(split.train[~split.labeled])), "as often as before"
    for model in models:
        assert np.array_equal(model.split.train[model.split.labeled], split.train[split.labeled])
        assert np.array_equal(model.split.minimum, split.minimum) and np.array_equal(model.split.scale, split.scale)
    assert len({model.config.seed for model in models} | {pool.config.run.seed}) == 4


@pytest.mark.parametrize("scorer", ["svdd", "autoencoder"])
def test_scorers_without_labels_train_on_the_pool_only(scorer: str) -> None:
    pool = purify._pool(config_of(scorer=scorer))
    for model in purify._part_tasks(pool):
        assert not model.split.labeled.any() and set(model.split.train) <= set(pool.rows)


# Suspicion S


@pytest.mark.parametrize("scorer", POOL_SCORERS)
def test_s_is_in_the_order_of_the_rows(scorer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with a pixel pattern that no digit has, at known indices of the pool."""
    dataset, config = load_cached("digits_only_3"), config_of(scorer=scorer)
    split = make_split(dataset, config.run)
    rows = pool_rows(split)
    planted = np.arange(5, len(rows), 31)
    X = dataset.X.copy()
    X[rows[planted]] = 40 * (np.arange(64) % 2 == 0) + np.arange(len(planted))[:, None]
    odd = replace(dataset, name=f"odd {scorer}", X=X)
    monkeypatch.setattr(purify, "load_cached", lambda name: odd)
    monkeypatch.setattr(purify, "make_split", lambda dataset, config: split)
    (found,) = compute_pool_scores([config])
    assert np.array_equal(found.rows, rows)
    assert np.array_equal(found.is_contaminant, dataset.y[rows] == 1)
    assert set(found.rows_to_remove(len(planted) / len(rows))) == set(planted)


def test_s_is_the_mean_over_separately_trained_models() -> None:
    pool = purify._pool(config_of())
    alone = [train_and_score([model])[0] for model in purify._part_tasks(pool)]
    (found,) = compute_pool_scores([config_of()])
    assert np.array_equal(found.score, np.mean(alone, axis=0, dtype=np.float64))


def test_a_model_also_scores_the_other_parts() -> None:
    (thirds,), (whole,) = (
        compute_pool_scores([config_of(epochs=30)]),
        compute_pool_scores([config_of(epochs=30, parts=1)]),
    )
    assert thirds.aucroc is not None and whole.aucroc is not None and thirds.aucroc > whole.aucroc + 0.05
    assert whole.aucroc == metrics(whole.is_contaminant.astype(np.int8), whole.score).aucroc


@pytest.mark.parametrize(
    ("settings", "norm"),
    [
        ({"lambda_n": 0.0, "baseline": "DevNet"}, "none"),
        ({"lambda_n": 0.0, "baseline": "DevNet", "norm": "layer"}, "layer"),
        ({"lambda_n": 0.0, "baseline": "DeepSAD"}, "batch_no_affine"),
        ({"lambda_n": 1.0, "baseline": "DevNet", "norm": "batch"}, "batch"),
    ],
)
def test_the_same_head_is_the_published_baseline_unless_a_norm_was_chosen(settings: dict[str, Any], norm: str) -> None:
    run = config_of(**settings).run
    assert POOL_SCORERS["same"].system(run) == run.with_(lambda_n=1.0, norm=norm)


def test_every_scorer_has_a_scoring_method() -> None:
    assert set(SCORING_METHODS) == set(POOL_SCORERS)
    assert all(own.label and own.summary for own in POOL_SCORERS.values())


# Removed rows


def test_without_removal_the_run_is_unchanged_to_the_bit() -> None:
    found = purified(remove=0.0)
    plain = run(found.config.run, "cpu")
    assert found.after == found.random == found.pool_scores.before == plain.metrics
    pool = purify._pool(found.config)
    (scores,) = train_and_score([pool.final(np.zeros(0, dtype=np.int64))])
    assert np.array_equal(scores, plain.scores)


@pytest.mark.parametrize("remove", [0.1, KEEP_20, None])
def test_the_most_suspicious_rows_are_removed_and_as_many_at_random(remove: float | None) -> None:
    pool, (suspicion,) = purify._pool(config_of()), compute_pool_scores([config_of()])
    taken = suspicion.rows_to_remove(remove)
    left = np.delete(np.arange(len(pool.rows)), taken)
    assert len(taken) == round((0.2 if remove is None else remove) * 160)
    assert suspicion.score[taken].min() >= suspicion.score[left].max()
    blind = purify._random_rows(pool, len(taken))
    assert len(set(blind)) == len(taken) and set(blind) != set(taken)
    assert set(purify._random_rows(pool, 3)) <= set(blind)
    final = pool.final(taken)
    assert set(final.split.train[~final.split.labeled]) == set(pool.rows[left])
    assert np.array_equal(final.rows, pool.split.test) and final.config == pool.config.run


def test_metrics_are_those_of_training_on_the_remaining_rows_and_of_the_clean_pool() -> None:
    found = purified()
    config, suspicion = found.config.run, found.pool_scores
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    oracle = drop_pool_rows(split, suspicion.rows[suspicion.is_contaminant])
    assert (dataset.y[oracle.train[~oracle.labeled]] == 0).all() and len(oracle.train) == len(split.train) - 32
    scores = train_and_score(
        [
            TrainingTask(dataset, config, own, split.test)
            for own in (oracle, drop_pool_rows(split, suspicion.rows[found.removed]))
        ]
    )
    assert [suspicion.oracle, found.after] == [metrics(dataset.y[split.test], own) for own in scores]
    assert list(found.variants) == ["before", "after", "random", "oracle"]


def test_recall_and_precision_need_no_training() -> None:
    is_contaminant = np.array([False, True, False, True])
    found = removal_curve(is_contaminant, np.array([1.0, 4.0, 2.0, 2.0]))
    assert found.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.recall.tolist() == [0, 0.5, 0.5, 1, 1], "equals stand in their old order"
    assert np.isnan(found.precision[0]) and found.precision[1:].tolist() == [1, 0.5, 2 / 3, 0.5]


def test_without_known_contamination_there_is_no_oracle_and_no_recall() -> None:
    found = purified(contamination=0.0)
    assert found.pool_scores.aucroc is None and found.pool_scores.oracle is None
    assert list(found.variants) == ["before", "after", "random"]
    assert len(found.removed) == round(DEFAULT_REMOVED_SHARE * len(found.pool_scores.rows))
    summary = found.summary()
    assert summary["recall"] is summary["precision"] is summary["s_aucroc"] is None
    table = pool_table(found.pool_scores, None, load_cached("digits_only_3"))
    assert table["removed"].sum() == len(found.removed) and table["removed"][: len(found.removed)].all()
    assert (np.diff(table["suspicion"]) <= 0).all() and set(table["row"]) == set(found.pool_scores.rows)


def test_at_least_one_row_is_kept() -> None:
    suspicion = replace(purified().pool_scores, score=np.arange(2.0), is_contaminant=np.array([True, True]))
    assert len(replace(suspicion, rows=np.arange(2)).rows_to_remove(0.95)) == 1
    assert len(replace(suspicion, rows=np.arange(2)).rows_to_remove(None)) == 1


# Stacks, store, stopping


@pytest.mark.parametrize("settings", [{}, {"baseline": "DevNet"}, {"scorer": "svdd"}, {"scorer": "autoencoder"}])
def test_results_are_equal_to_the_bit_in_any_stack(settings: dict[str, Any]) -> None:
    together = purify_many([config_of(seed, **settings) for seed in (3, 0, 0)])
    (alone,) = purify_many([config_of(**settings)])
    for found in together[1:]:
        assert np.array_equal(found.pool_scores.score, alone.pool_scores.score)
        assert found.variants == alone.variants
    assert not np.array_equal(together[0].pool_scores.score, alone.pool_scores.score)


def test_parts_of_several_seeds_share_a_stack() -> None:
    models = [
        model for seed in range(4) for model in purify._part_tasks(purify._pool(config_of(seed, baseline="DevNet")))
    ]
    assert [len(stack) for stack in _stacks(models)] == [12]


def test_stored_results_are_used_and_a_new_q_trains_only_the_final_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, trained = Store(tmp_path / "store"), list[int]()

    def counting(trainings: Any, report: Any) -> list[np.ndarray]:
        trained.append(len(trainings))
        return train_and_score(trainings, report)

    monkeypatch.setattr(purify, "train_and_score", counting)
    configs = [config_of(seed) for seed in (0, 1)]
    first, again = purify_many(configs, store), purify_many(configs, store)
    moved = purify_many([config_of(0, remove=0.4), config_of(1)], store)
    assert trained == [2 * (3 + 2), 2 * 2, 0, 0, 0, 2]
    assert len(moved[0].removed) == 64 and moved[1].after == first[1].after
    for one, other in zip(first, again, strict=True):
        assert one.variants == other.variants and one.config == other.config
        for name in ("rows", "is_contaminant", "score"):
            np.testing.assert_array_equal(getattr(one.pool_scores, name), getattr(other.pool_scores, name), strict=True)


def test_a_stored_result_without_known_contamination_is_equal(tmp_path: Path) -> None:
    store, config = Store(tmp_path / "store"), config_of(contamination=0.0)
    assert purify_many([config], store)[0].variants == purify_many([config], store)[0].variants
    assert len(purify_many([config], store)[0].variants) == 3


def test_a_store_that_cannot_be_written_does_not_stop_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: Any) -> None:
        raise StoreUnavailable("There is no room.")

    monkeypatch.setattr(Store, "put_arrays", refuse)
    assert purify_many([config_of(epochs=1)], Store(tmp_path / "store"))
    assert "There is no room." in caplog.text


def test_different_inputs_have_different_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [config_of(1), config_of(scorer="svdd"), config_of(parts=4), config_of(epochs=4)]
    assert len({pool_scores_key(one) for one in [config_of(), *others]}) == 5
    assert pool_scores_key(config_of(remove=0.3)) == pool_scores_key(config_of())
    assert len({purify_key(one) for one in [config_of(), config_of(remove=0.3), *others]}) == 6
    before = pool_scores_key(config_of())
    monkeypatch.setattr(purify_keys, "PURIFY_REVISION", 99)
    assert pool_scores_key(config_of()) != before


def test_progress_is_reported_and_the_run_can_be_stopped() -> None:
    told: list[tuple[int, int]] = []
    compute_pool_scores([config_of(baseline="FEAWAD")], report=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-1][0] == told[-1][1]

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        purify_many([config_of()], report=stop)


def test_a_diverging_training_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    nan = [np.full(1, np.nan)]
    monkeypatch.setattr(Stack, "map_rows", lambda stack, function, rows: nan * len(rows))
    with pytest.raises(TrainingDiverged):
        compute_pool_scores([config_of(epochs=1)])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"parts": 0}, "parts must be a whole number from 1 to 20, not '0'."),
        ({"parts": 2.5}, "parts must be"),
        ({"remove": 0.96}, "remove must be a number from 0 to 0.95"),
        ({"remove": float("nan")}, "remove must be"),
        ({"scorer": "oracle"}, "scorer must be one of same, svdd, autoencoder"),
        ({"q": 0.1}, "There is no setting called 'q'."),
    ],
)
def test_an_invalid_setting_is_refused_in_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words.replace(".", r"\.")):
        make_purify_config(make_config(), **settings)


@pytest.mark.parametrize("baseline", [name for name in BASELINES if not BASELINES[name].has("lambda_n")])
def test_a_system_without_a_loss_on_the_pool_is_refused(baseline: str) -> None:
    with pytest.raises(
        InvalidConfig, match=f"{baseline} cannot be the final head: take DeepSAD, DevNet, FEAWAD, PReNet"
    ):
        make_purify_config(make_config(baseline=baseline))


@pytest.mark.parametrize("baseline", ["DevNet", "PReNet", "FEAWAD"])
def test_every_head_can_be_the_final_head(baseline: str) -> None:
    found = purified(baseline=baseline, epochs=1)
    assert all(0 <= own.aucroc <= 1 for own in found.variants.values())


def test_the_autoencoder_scores_rows_by_their_error() -> None:
    model = purify._part_tasks(purify._pool(config_of(scorer="autoencoder")))[0]
    stack = Stack(model.dataset, [model.config], [model.split])
    head = stack.head
    assert isinstance(head, FEAWAD)
    (x,) = [stack.scale(0, model.rows)]
    (found,) = stack.map_rows(head.reconstruction_error, [model.rows])
    with torch.no_grad():
        rebuilt = head.parts["decoder"](head.parts["encoder"](x[None]))[0]
    np.testing.assert_allclose(found, (x - rebuilt).square().mean(dim=1).numpy(), rtol=1e-5)
