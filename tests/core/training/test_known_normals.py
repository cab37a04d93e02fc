"""Tests of the weight of known normal rows in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.split import Split
from anoonly_core.microscope.run import fullest_batches, probe_each
from anoonly_core.models import METHODS, ItemHead
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import weighted_losses
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of, trained_scores

WEIGHTED = [name for name, head in METHODS.items() if issubclass(head, ItemHead) and BASELINES[name].has("lambda_n")]


def with_known(split: Split, count: int = 20) -> Split:
    """Return a split in which the first `count` rows of the pool are known to be normal."""
    known = np.zeros(len(split.train), dtype=bool)
    known[np.flatnonzero(~split.labeled)[:count]] = True
    return replace(split, known_normal=known)


def batch(stack: Stack) -> tuple[torch.Tensor, ...]:
    indices = fullest_batches(stack)
    assert stack.rows.known_normal is not None
    return stack.rows.X[indices], stack.rows.labeled[indices], stack.rows.known_normal[indices]


def total(terms: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    return sum((loss * weight for loss, weight in terms), torch.zeros(()))


@pytest.mark.parametrize("baseline", WEIGHTED)
def test_known_normal_items_weigh_1_and_the_rest_of_the_pool_weighs_lambda(baseline: str) -> None:
    stack = stack_of(made_table(), configs_of(4, baseline=baseline), with_known(made_split(made_table())))
    x, labeled, known = batch(stack)
    head = stack.head.eval()  # without batch statistics the loss of an item depends on its rows only
    assert isinstance(head, ItemHead)
    normal, anomaly = head.item_losses(x, labeled)
    per_item = known.reshape(4, head.rows_per_item, -1).all(dim=1)
    weights = torch.where(per_item, 1, head.lambda_n[:, None])
    assert per_item.any() and not per_item.all()
    expected = ((weights * normal + anomaly).sum(dim=1) / normal.shape[1]).detach()
    torch.testing.assert_close(total(weighted_losses(head, x, labeled, known)).detach(), expected)


@pytest.mark.parametrize("baseline", WEIGHTED)
def test_without_known_rows_and_at_lambda_1_the_bits_stay(baseline: str) -> None:
    table, split = made_table(), made_split(made_table())
    for weight, same in ((1.0, True), (0.0, False)):
        configs = configs_of(1, baseline=baseline, lambda_n=weight)
        plain, known = (trained_scores(table, configs, each)[0] for each in (split, with_known(split)))
        assert np.array_equal(plain, known) is same


def test_a_run_with_known_rows_scores_the_same_bits_in_any_stack() -> None:
    table, configs = made_table(), configs_of(4)
    split = with_known(made_split(table))
    together = trained_scores(table, configs, split)
    for run in (0, 1):  # λ_n = 1, which alone leaves the term of known rows out, and λ_n = 0
        assert np.array_equal(trained_scores(table, [configs[run]], split)[0], together[run])


@pytest.mark.parametrize("baseline", [name for name in METHODS if not BASELINES[name].has("lambda_n")])
def test_a_system_without_lambda_takes_known_rows_as_the_pool(baseline: str) -> None:
    stack = stack_of(made_table(), configs_of(1, baseline=baseline), with_known(made_split(made_table())))
    assert stack.rows.known_normal is None


def test_the_microscope_sees_the_gradient_of_known_rows() -> None:
    table = made_table()
    config = make_config(lambda_n=0, norm="none", epochs=1, batch_size=60)
    for split, moves in ((made_split(table), False), (with_known(made_split(table)), True)):
        (one, *_) = probe_each(stack := stack_of(table, [config], split), fullest_batches(stack))[0]
        known = split.is_known_normal[one.rows]
        assert one.gradient[known].any() == moves
        assert not one.gradient[~known & ~one.labeled].any()
