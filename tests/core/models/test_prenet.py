"""PReNet against a reference in torch.nn and DeepOD."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from deepod.models.tabular.prenet import DualInputNet
from torch import Tensor, nn

from anoonly_core.models.prenet import PReNet
from anoonly_core.training.stack import Stack
from tests.core.models.plain import LAMBDAS, assert_agrees, plain_chain, small_stack, steps
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of, trained


def pair_scores(features: nn.Module, score: nn.Module, left: Tensor, right: Tensor) -> Tensor:
    found: Tensor = score(torch.cat([features(left), features(right)], dim=1))[:, 0]
    return found


@pytest.mark.parametrize("preset", ["paper", "published_code"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_a_whole_training_agrees_with_plain_torch(norm: str, preset: str) -> None:
    """The reference scores pair by pair, and a row partner by partner."""
    stack = small_stack("PReNet", norm, preset)
    parts = [[plain_chain(stack, part, run) for part in ("features", "score")] for run in range(3)]
    for run, (features, score) in enumerate(parts):
        both = nn.ModuleList([features, score])
        optimizer = torch.optim.RMSprop(both.parameters(), lr=1e-3, weight_decay=1e-2)
        for number, (x, labeled) in enumerate(steps(stack, run, 3)):
            if preset == "published_code":
                along = math.cos(math.pi * (number // 20) / 3)
                optimizer.param_groups[0]["lr"] = 1e-5 + (1e-3 - 1e-5) * (1 + along) / 2
            found = pair_scores(features, score, x[:16], x[16:])
            loss = torch.zeros((), dtype=torch.float64)
            for value, left, right in zip(found, labeled[:16].tolist(), labeled[16:].tolist(), strict=True):
                if left and right:
                    loss = loss + (value - 8).abs()
                elif left or right:
                    loss = loss + (value - 4).abs()
                else:
                    loss = loss + LAMBDAS[run] * value.abs()
            optimizer.zero_grad()
            (loss / 16).backward()
            optimizer.step()
        both.eval()
    head = stack.head
    assert isinstance(head, PReNet)

    def one_by_one(run: int, x: Tensor) -> Tensor:
        partners = zip(head.partners_anomaly[run], head.partners_pool[run], strict=True)
        sums = [
            pair_scores(*parts[run], a.expand_as(x), x) + pair_scores(*parts[run], x, u.expand_as(x))
            for a, u in partners
        ]
        return torch.stack(sums).mean(dim=0)

    assert_agrees(stack, one_by_one)


def test_a_quarter_of_the_pairs_has_two_anomalies_a_quarter_one_and_half_none() -> None:
    stack = small_stack("PReNet", "none")
    for _, labeled in steps(stack, 0, 2):
        count = labeled[:16].long() + labeled[16:].long()
        assert count.tolist() == [2] * 4 + [1] * 4 + [0] * 8


def test_partners_are_fixed_labeled_anomalies_and_pool_rows_of_the_run() -> None:
    dataset = made_table()
    split = made_split(dataset, labels=4)
    first, second = (stack_of(dataset, configs_of(2, baseline="PReNet"), split) for _ in range(2))
    assert isinstance(first.head, PReNet) and isinstance(second.head, PReNet)
    assert torch.equal(first.head.partners_pool, second.head.partners_pool)
    assert not torch.equal(first.head.partners_pool[0], first.head.partners_pool[1])
    kinds = ((first.head.partners_anomaly, split.labeled), (first.head.partners_pool, ~split.labeled))
    for partners, kind in kinds:
        rows = {row.tobytes() for row in dataset.X[split.train[kind]]}
        assert {row.tobytes() for row in partners[0].numpy()} <= rows


def test_other_partners_shift_all_scores_equally() -> None:
    """The pair score is linear in both halves, so partners add a constant and cannot change the ranking."""
    dataset = made_table(rows=200)
    stack = trained(stack_of(dataset, configs_of(1, baseline="PReNet"), made_split(dataset)))
    before = stack.scores([stack.splits[0].test])[0]
    stack.head.prepare(stack.rows, [torch.Generator().manual_seed(99)])
    moved = stack.scores([stack.splits[0].test])[0] - before
    assert abs(moved.mean()) > 1e-4
    assert np.ptp(moved) < 1e-5


def test_loss_and_one_step_equal_those_of_deepod() -> None:
    """DeepOD's pair network with its second layer set to the identity is ours; it has no biases.

    DeepOD trains it with Adam, draws a pair without replacement, and scores F(x, a) + F(x, u) where
    the paper has F(a, x): here the network, the loss and the step are compared, on one batch.
    """
    stack = small_stack("PReNet", "none")
    silence_biases(stack)
    x, labeled = next(steps(stack, 0, 1))
    theirs = DualInputNet(20, hidden_dims="20", rep_dim=20, activation="ReLU").double()
    first, identity, last = (module for module in theirs.modules() if isinstance(module, nn.Linear))
    mine = {part: plain_chain(stack, part, 0)[0] for part in ("features", "score")}
    with torch.no_grad():
        first.weight.copy_(mine["features"].weight)
        identity.weight.copy_(torch.eye(20))
        last.weight.copy_(mine["score"].weight)
    targets = 4.0 * (labeled[:16].double() + labeled[16:].double())
    loss = nn.L1Loss()(theirs(x[:16], x[16:]).flatten(), targets)

    normal, anomaly = stack.head.losses(x.expand(3, -1, -1), labeled.expand(3, -1))
    torch.testing.assert_close((normal + anomaly)[0], loss, rtol=1e-12, atol=0)

    optimizer = torch.optim.RMSprop([first.weight, last.weight], lr=1e-3, weight_decay=1e-2)
    loss.backward()
    optimizer.step()
    ours = stack.head.optimizer(1e-3)
    (normal + anomaly)[0].backward()
    ours.step()
    torch.testing.assert_close(plain_chain(stack, "features", 0)[0].weight, first.weight, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(plain_chain(stack, "score", 0)[0].weight, last.weight, rtol=1e-10, atol=1e-14)


def silence_biases(stack: Stack) -> None:
    with torch.no_grad():
        for name, parameter in stack.head.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
