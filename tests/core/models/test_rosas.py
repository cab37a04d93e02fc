"""RoSAS against a reference in torch.nn and against DeepOD, whose author is the first author of RoSAS."""

from __future__ import annotations

from collections.abc import Sequence

import deepod.models.tabular.rosas as deepod_rosas
import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest
from torch import Tensor, nn

from anoonly_core.models.rosas import RoSAS, mixing_weights
from anoonly_core.training.stack import Stack
from tests.core.models.plain import assert_agrees, plain_chain, small_stack, steps


def network(run: int, stack: Stack) -> list[nn.Sequential]:
    return [plain_chain(stack, part, run) for part in ("features", "score")]


def test_a_whole_training_agrees_with_plain_torch() -> None:
    """Triplet and smooth L1 losses of torch.nn, on triplets, partners and mixtures taken apart by hand."""
    stack = small_stack("RoSAS", None)
    networks = [network(run, stack) for run in range(2)]
    weight = mixing_weights(16).double().repeat(3)
    for run, (features, scorer) in enumerate(networks):
        parameters = [*features.parameters(), *scorer.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=5e-3, weight_decay=1e-4)
        for x, labeled in steps(stack, run, 3):
            rows, partners = x[:48], x[48:]
            mixtures = weight[:, None] * rows + (1 - weight[:, None]) * partners
            score, partner, mixture = (torch.tanh(scorer(features(part)))[:, 0] for part in (rows, partners, mixtures))
            target, other = (torch.where(part, 1.0, -1.0).double() for part in (labeled[:48], labeled[48:]))
            triplet = nn.TripletMarginLoss(margin=1.0)(*features(rows).split(16))
            regression = nn.SmoothL1Loss()(mixture, weight * target + (1 - weight) * other)
            consistency = nn.SmoothL1Loss()(mixture, weight * score + (1 - weight) * partner)
            optimizer.zero_grad()
            ((triplet + regression + consistency) / 2).backward()
            optimizer.step()
    assert_agrees(stack, lambda run, x: networks[run][1](networks[run][0](x))[:, 0])


def test_a_batch_is_triplets_and_the_same_rows_in_another_order() -> None:
    stack = small_stack("RoSAS", None)
    for x, labeled in steps(stack, 0, 1):
        assert labeled[:48].tolist() == [False] * 32 + [True] * 16
        assert sorted(map(tuple, x[:48].tolist())) == sorted(map(tuple, x[48:].tolist()))
        assert not torch.equal(x[:48], x[48:])
        assert labeled[48:].sum() == 16 and not torch.equal(labeled[:48], labeled[48:])


@pytest.mark.parametrize("count", [1, 2, 7, 128, 1000])
def test_mixing_weights_have_the_distribution_from_which_the_authors_draw(count: int) -> None:
    weights = mixing_weights(count).double().numpy()
    np.testing.assert_allclose(weights, beta(0.5, 0.5).ppf((np.arange(count) + 0.5) / count), rtol=0, atol=1e-6)
    assert kstest(weights, beta(0.5, 0.5).cdf).statistic < 0.51 / count + 1e-6


def test_a_mixture_of_equal_rows_is_the_row_and_scores_are_consistent() -> None:
    """If each row is its own partner, only the labels and the triplets are left in the loss."""
    stack = small_stack("RoSAS", None)
    x, labeled = next(steps(stack, 0, 1))
    rows, marks = x[:48].repeat(2, 1)[None], labeled[:48].repeat(2)[None]
    head = stack.head
    loss, nothing = head.losses(rows.expand(2, -1, -1), marks.expand(2, -1))
    target = torch.where(labeled[:48], 1.0, -1.0).double()
    features, scorer = network(0, stack)
    triplet = nn.TripletMarginLoss(margin=1.0)(*features(x[:48]).split(16))
    expected = (triplet + nn.SmoothL1Loss()(torch.tanh(scorer(features(x[:48])))[:, 0], target)) / 2
    torch.testing.assert_close(loss[0], expected, rtol=1e-12, atol=0)
    assert not nothing.any()


# -- DeepOD --------------------------------------------------------------------------------------


def ours_and_deepods(batch: Tensor) -> tuple[RoSAS, nn.Module, deepod_rosas.RoSAS]:
    """Return a head with first weights, DeepOD's network with the same weights, and DeepOD's model around it."""
    columns = batch.shape[2]
    head = RoSAS(1, columns, None, "paper")
    head.initialize([torch.Generator().manual_seed(5)])
    midway = columns + int((128 - columns) / 2)
    theirs = deepod_rosas._RoSASNet(columns, n_hidden=str(midway), rep_dim=128, activation="LeakyReLU", bias=False)
    linears = [module for module in theirs.modules() if isinstance(module, nn.Linear)]
    mine = [module for module in head.modules() if type(module).__name__ == "StackedLinear"]
    with torch.no_grad():
        for target, source in zip(linears, mine, strict=True):
            assert isinstance(source.weight, Tensor)
            target.weight.copy_(source.weight[0].T)
            if isinstance(source.bias, Tensor):
                target.bias.copy_(source.bias[0, 0])
    model = deepod_rosas.RoSAS(device="cpu", verbose=0)
    model.criterion = deepod_rosas._RoSASLoss(margin=1.0, alpha=0.5, T=2, k=2)
    return head, theirs, model


@pytest.fixture
def batch() -> Tensor:
    """Return 24 triplets of random rows, float32 [3, 24, 11]."""
    rows = torch.rand(3, 24, 11, generator=torch.Generator().manual_seed(1))
    rows[2] += 0.5
    return rows


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss_and_one_step_equal_those_of_deepod(batch: Tensor, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepOD draws partners and weights inside its step; it is given ours in place of its draws."""
    head, theirs, model = ours_and_deepods(batch)
    order = torch.randperm(72, generator=torch.Generator().manual_seed(seed))
    weights = mixing_weights(24).repeat(3)

    def sample(self: object, shape: Sequence[int]) -> Tensor:
        return torch.stack([1 - weights, weights], dim=1)

    monkeypatch.setattr(torch, "randperm", lambda size: order)
    monkeypatch.setattr(torch.distributions.dirichlet.Dirichlet, "sample", sample)
    expected = model.training_forward(batch.transpose(0, 1), theirs, model.criterion)

    rows, labeled = batch.reshape(72, 11), torch.arange(72) >= 48
    loss, _ = head.losses(torch.cat([rows, rows[order]])[None], torch.cat([labeled, labeled[order]])[None])
    torch.testing.assert_close(loss[0], expected, rtol=1e-5, atol=0)

    loss.sum().backward()
    expected.backward()
    optimizers = [head.optimizer(5e-3), torch.optim.Adam(theirs.parameters(), lr=5e-3, weight_decay=1e-4)]
    for optimizer in optimizers:
        optimizer.step()
    with torch.no_grad():
        _, score = theirs(rows)
        torch.testing.assert_close(torch.tanh(head.score(rows[None]))[0], score[:, 0], rtol=1e-5, atol=1e-5)
