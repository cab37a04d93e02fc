"""The microscope for every head and norm: parts add up, and the training is unchanged."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.baselines import BASELINES, PAPER_NORMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.microscope import run as microscope
from anoonly_core.microscope.result import Observation, RowKind, norm_locations
from anoonly_core.microscope.run import observe, watch_norms
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.models.norms import BatchNorm
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from tests.core.training.stacks import made_table, stack_of

HEADS = [name for name in METHODS if BASELINES[name].has("norm")]
STATISTICS = ("batch", "batch_no_affine")


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)


def config(**settings: Any) -> RunConfig:
    return make_config(**{"epochs": 2, "batch_size": 16, "lambda_n": 0.0, **settings})


def stack(**settings: Any) -> Stack:
    made = stack_of(made_table(), [config(**settings)])
    for _ in pretrain(made):
        pass
    return made


@pytest.mark.parametrize("lambda_n", [1.0, 0.1, 0.0])
@pytest.mark.parametrize("norm", PAPER_NORMS)
@pytest.mark.parametrize("baseline", HEADS)
def test_the_three_parts_add_up_to_the_gradient_of_autograd(baseline: str, norm: str, lambda_n: float) -> None:
    """Within 1e-5 of the largest number among them, in every step of a float32 training."""
    steps = 0
    for passes in watch_norms(stack(baseline=baseline, norm=norm, lambda_n=lambda_n)):
        for look in passes:
            split = look.parts
            compared = (split.direct, split.through_variance, split.through_mean, look.gradient)
            largest = max(float(np.abs(own).max()) for own in compared)
            assert np.abs(split.total - look.gradient).max() <= 1e-5 * largest
            steps += bool(look.gradient.any())
    assert steps > 5


@pytest.mark.parametrize(
    ("place", "is_cut"), [("all", [True, True]), ("first", [True, False]), ("last", [False, True])]
)
def test_a_cut_part_is_absent_where_its_share_holds(place: str, is_cut: list[bool]) -> None:
    """The other parts still add up to the gradient of autograd."""
    cut = stack(norm="batch", grad_mean=0.0, grad_place=place)
    seen = [False, False]
    for passes in watch_norms(cut):
        for number, of_norm in enumerate(passes):
            parts = of_norm.parts
            largest = max(float(np.abs(part).max()) for part in (*parts.in_order, of_norm.gradient))
            assert np.abs(parts.total - of_norm.gradient).max() <= 1e-5 * largest
            seen[number] |= bool(parts.through_mean.any())
    assert seen == [not cut for cut in is_cut]


@pytest.mark.parametrize("norm", PAPER_NORMS)
@pytest.mark.parametrize("baseline", HEADS)
def test_observing_changes_no_bit(baseline: str, norm: str) -> None:
    looked, plain = stack(baseline=baseline, norm=norm), stack(baseline=baseline, norm=norm)
    assert sum(1 for _ in watch_norms(looked)) > 1
    for _ in train(plain):
        pass
    test = [plain.splits[0].test]
    assert np.array_equal(looked.scores(test)[0], plain.scores(test)[0])
    for norm_module in looked.head.norms():
        assert not norm_module._forward_hooks


@pytest.mark.parametrize("norm", PAPER_NORMS)
@pytest.mark.parametrize("baseline", ["DeepSAD", "DevNet", "FEAWAD"])
def test_at_lambda_0_pool_rows_get_a_gradient_only_through_batch_statistics(baseline: str, norm: str) -> None:
    moved = 0
    for *_, last in watch_norms(stack(baseline=baseline, norm=norm)):
        pool = ~last.labeled
        assert not last.parts.direct[pool].any()
        moved += bool(last.gradient[pool].any())
    assert bool(moved) is (norm in (*STATISTICS, "bn_loss"))


def test_pool_rows_of_prenet_have_a_direct_loss_in_pairs_with_an_anomaly() -> None:
    for one, other in watch_norms(stack(baseline="PReNet", norm="none")):
        assert not one.parts.direct[~one.labeled].any()  # a first row that is not labeled is paired with the pool
        beside = one.labeled & ~other.labeled
        assert beside.any() and other.parts.direct[beside].any()


def test_an_observation_has_the_rows_of_the_batch_and_the_features_of_the_network() -> None:
    made = stack(baseline="DeepSAD", norm="none", epochs=1)
    network = [step for step in made.head.parts["features"].steps if hasattr(step, "weight")]
    weights = [step.weight.detach().clone() for step in network]
    first = next(watch_norms(made))[0]
    x = made.rows.X[torch.from_numpy(first.rows)]
    np.testing.assert_allclose(first.before, (x @ weights[0][0]).numpy(), rtol=1e-5, atol=1e-6)
    assert np.array_equal(first.labeled, made.splits[0].labeled[first.rows])
    assert np.array_equal(first.before, first.after)


def test_running_statistics_are_those_of_the_network() -> None:
    made = stack(baseline="DevNet", norm="batch")
    for (look,) in watch_norms(made):
        last = look
    (norm,) = made.head.norms()
    assert isinstance(norm, BatchNorm) and last.running_mean is not None and last.running_variance is not None
    np.testing.assert_allclose(last.running_mean, norm.running_mean[0, 0].numpy(), rtol=1e-6)
    np.testing.assert_allclose(last.running_variance, norm.running_variance[0, 0].numpy(), rtol=1e-6)


def test_a_step_is_taken_only_on_request() -> None:
    made = stack(baseline="DeepSAD", norm="batch")
    weights = made.head.parts["code"].steps[0].weight
    seeing, values = watch_norms(made), [weights.detach().clone()]
    for _ in range(3):
        next(seeing)
        values.append(weights.detach().clone())
    rate = made.configs[0].learning_rate
    for before, after in itertools.pairwise(values):
        assert 0 < (after - before).abs().max() < 1.5 * rate  # Adam moves a weight by its learning rate a step


def test_several_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="one run"):
        next(watch_norms(stack_of(made_table(), [config(), config(seed=1)])))


def observed(**settings: Any) -> list[Observation]:
    return observe(config(dataset="digits_3", **settings))


def test_an_observation_has_the_kind_and_gradient_parts_of_each_row() -> None:
    seen = observed(epochs=2, batch_size=128)
    dataset = load_cached("digits_3")
    split = make_split(dataset, config(dataset="digits_3"))
    labeled = set(dataset.row_ids[split.train[split.labeled]].tolist())
    first, second = seen
    assert [one.location for one in seen] == ["norm 1 of 2, 128 features", "norm 2 of 2, 64 features"]
    assert first.lengths.shape == (18, 3, 128) and first.mean.shape == (18, 128) and second.mean.shape == (18, 64)
    assert first.epoch.tolist() == [1] * 9 + [2] * 9
    assert (first.steps_an_epoch, first.all_steps) == (9, 18)
    position = {int(row): place for place, row in enumerate(dataset.row_ids)}
    for row, kind in zip(first.row_ids.ravel(), first.kind.ravel(), strict=True):
        assert (kind != RowKind.NORMAL) == dataset.y[position[int(row)]]
        assert (kind == RowKind.LABELED_ANOMALY) == (int(row) in labeled)
    normal = second.shares(RowKind.NORMAL)
    assert normal is not None
    assert normal[0] == 0 and normal.sum() == pytest.approx(1)
    assert second.error.max() < 1e-5 < second.error_printed.min(where=second.lengths.any(axis=(1, 2)), initial=1)


def test_values_that_do_not_apply_are_nan() -> None:
    for seen in observed(norm="layer"):
        assert np.isnan(seen.running_mean).all() and np.isnan(seen.error_printed).all()
        assert seen.shares(RowKind.NORMAL) is None


def test_a_long_training_is_observed_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microscope, "MAX_STEPS", 5)
    assert len(observed()[0].epoch) == 5
    monkeypatch.setattr(microscope, "MAX_ROWS", 50)
    assert len(observed()[0].epoch) == 3  # of 16 rows each
    rows = len(make_split(load_cached("digits_3"), config(dataset="digits_3")).train)
    assert observed()[0].all_steps == 2 * (rows // 16)


def test_progress_is_reported_and_can_stop_the_run() -> None:
    told: list[tuple[int, int]] = []
    observe(config(dataset="digits_3", baseline="FEAWAD"), lambda done, total: told.append((done, total)))
    assert told == [(done, 4) for done in range(1, 5)]  # two epochs of pretraining, two of training

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        observe(config(dataset="digits_3"), stop)


@pytest.mark.parametrize("baseline", [name for name in BASELINES if not BASELINES[name].has("norm")])
def test_a_system_without_a_norm_is_refused(baseline: str) -> None:
    with pytest.raises(InvalidConfig, match=f"{baseline} has no norm to observe"):
        observe(make_config(baseline=baseline))


def test_norm_positions_are_named_after_the_network() -> None:
    assert norm_locations("DevNet", 7, "paper", 1) == ["20 features"]
    assert norm_locations("PReNet", 7, "paper", 2) == [
        "20 features, first rows of a pair",
        "20 features, second rows of a pair",
    ]
    assert norm_locations("DeepSAD", 7, "published_code", 2) == [
        "norm 1 of 2, 100 features",
        "norm 2 of 2, 20 features",
    ]
