"""nnPU against its algorithm in plain torch, written as the authors write it: with a branch for each batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anoonly_core.config import make_config
from anoonly_core.models.nnpu import NNPU
from anoonly_core.training.stack import Stack
from tests.core.models.plain import assert_agrees, in_double, plain_chain, steps
from tests.core.training.stacks import made_split, made_table, stack_of


def pu_stack(*contaminations: Any) -> Stack:
    settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "seed": 3}
    dataset = made_table(columns=20)
    configs = [make_config(baseline="nnPU", contamination=share, **settings) for share in contaminations]
    return in_double(stack_of(dataset, configs, made_split(dataset, labels=6)))


def reference(score: Tensor, labeled: Tensor, prior: float, is_balanced: bool) -> tuple[Tensor, Tensor]:
    """Return the risk, and what is minimized in its place, of one batch.

    Kiryo et al. 2017, algorithm 1 with the sigmoid loss l(z) = 1/(1 + exp z), β = 0 and γ = 1. Su et al. 2021 divide
    the two parts by the shares of their classes and multiply them by one half.
    """
    as_positive, as_negative = (1 / (1 + torch.exp(margin)) for margin in (score, -score))
    positive_risk = prior * as_positive[labeled].mean()
    negative_risk = as_negative[~labeled].mean() - prior * as_negative[labeled].mean()
    if is_balanced:
        positive_risk, negative_risk = positive_risk / prior / 2, negative_risk / (1 - prior) / 2
    if negative_risk < 0:
        return positive_risk, -negative_risk
    risk = positive_risk + negative_risk
    return risk, risk


@pytest.fixture(params=[True, False], ids=["balanced", "printed"])
def is_balanced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Give the classes one weight, or that of Kiryo et al."""
    monkeypatch.setattr(NNPU, "is_balanced", request.param)
    return bool(request.param)


def test_a_whole_training_agrees_with_plain_torch(is_balanced: bool) -> None:
    """At the rate 0.01 and the prior 0.8 the risk of the normal rows becomes negative in some batches."""
    priors = (0.02, 0.2, 0.8)
    stack = pu_stack(*priors)
    networks = [nn.Sequential(plain_chain(stack, "features", r), plain_chain(stack, "score", r)) for r in range(3)]
    was_negative = [0, 0, 0]
    for run, network in enumerate(networks):
        optimizer = torch.optim.RMSprop(network.parameters(), lr=0.01, alpha=0.9, eps=1e-7)
        for x, labeled in steps(stack, run, 3):
            prior = float(torch.tensor(priors[run]))  # rounded to float32
            risk, minimized = reference(network(x)[:, 0], labeled, prior, is_balanced)
            was_negative[run] += risk is not minimized
            optimizer.zero_grad()
            (minimized + 0.01 * network[0][0].weight.square().sum()).backward()
            optimizer.step()
        network.eval()
    assert 0 < was_negative[2] < 60
    assert_agrees(stack, lambda run, x: networks[run](x)[:, 0])


@pytest.mark.parametrize("shift", [-3.0, -0.5, 0.0, 0.5, 3.0])
def test_risk_and_gradient_agree_with_the_reference(is_balanced: bool, shift: float) -> None:
    """Scores of either sign; with pool rows below and anomalies above 0 the risk of the normal rows is negative."""
    head = NNPU(2, 4, None, "paper")
    head.assume_contamination([0.1, 0.5])
    score = torch.linspace(-1, 1, 10).repeat(2, 1).requires_grad_()
    labeled = (torch.arange(10) >= 5).expand(2, -1)
    shifted = score + torch.where(labeled, shift, -shift)
    head.score = lambda x, labeled: shifted  # type: ignore[method-assign]
    loss, nothing = head.losses(torch.zeros(2, 10, 4), labeled)
    (gradient,) = torch.autograd.grad(loss.sum(), score, retain_graph=True)
    assert not nothing.any()
    for run, prior in enumerate((0.1, 0.5)):
        risk, minimized = reference(shifted[run], labeled[run], prior, is_balanced)
        torch.testing.assert_close(loss[run], risk, rtol=1e-5, atol=1e-7)
        (expected,) = torch.autograd.grad(minimized, score, retain_graph=True)
        torch.testing.assert_close(gradient[run], expected[run], rtol=1e-5, atol=1e-7)


def test_the_prior_is_the_contamination_or_five_per_cent() -> None:
    head = pu_stack("natural", 0.0, 0.3).head
    assert isinstance(head, NNPU)
    assert head.prior.tolist() == pytest.approx([0.05, 0, 0.3])


def test_with_a_clean_pool_the_balanced_risk_is_that_of_a_balanced_classifier() -> None:
    stack = pu_stack(0.0)
    x, labeled = next(steps(stack, 0, 1))
    loss, _ = stack.head.losses(x[None], labeled[None])
    error = (stack.head.score(x[None]).sigmoid() - labeled.double()).abs()[0]
    expected = (error[labeled].mean() + error[~labeled].mean()) / 2
    torch.testing.assert_close(loss[0], expected, rtol=1e-12, atol=0)


def test_as_printed_the_labels_weigh_as_little_as_the_prior(is_balanced: bool) -> None:
    """Of the gradient of an undecided network the labeled anomalies have about 2π as printed, half if balanced."""
    head = NNPU(1, 4, None, "paper")
    head.assume_contamination([0.01])
    score = torch.zeros(1, 8, requires_grad=True)
    head.score = lambda x, labeled: score  # type: ignore[method-assign]
    loss, _ = head.losses(torch.zeros(1, 8, 4), torch.arange(8)[None] >= 4)
    (gradient,) = torch.autograd.grad(loss.sum(), score)
    share = float(gradient[0, 4:].abs().sum() / gradient.abs().sum())
    assert share == pytest.approx(0.5 if is_balanced else 0.02 / 1.02, rel=1e-5)
