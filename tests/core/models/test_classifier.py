"""The plain classifier against torch.nn's cross-entropy, and against DevNet, from which only its loss may differ."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn

from anoonly_core.baselines import BASELINES
from anoonly_core.models.classifier import Classifier
from anoonly_core.models.devnet import DevNet
from tests.core.models.plain import LAMBDAS, assert_agrees, plain_chain, small_stack, steps


@pytest.mark.parametrize("norm", ["none", "batch", "batch_no_affine", "layer"])
def test_a_whole_training_agrees_with_plain_torch(norm: str) -> None:
    """Cross-entropy of torch.nn with the weight λ_n on the pool, and an explicit L2 term."""
    stack = small_stack("Classifier", norm)
    networks = [nn.Sequential(plain_chain(stack, "features", r), plain_chain(stack, "score", r)) for r in range(3)]
    for run, network in enumerate(networks):
        optimizer = torch.optim.RMSprop(network.parameters(), lr=2e-4, alpha=0.9, eps=1e-7)
        for x, labeled in steps(stack, run, 3):
            weight = torch.where(labeled, 1.0, LAMBDAS[run]).double()
            entropy = nn.BCEWithLogitsLoss(weight)(network(x)[:, 0], labeled.double())
            optimizer.zero_grad()
            (entropy + 0.01 * network[0][0].weight.square().sum()).backward()
            optimizer.step()
        network.eval()
    assert_agrees(stack, lambda run, x: networks[run](x)[:, 0])


def test_both_losses_together_are_scikit_learns_log_loss_of_the_batch() -> None:
    stack = small_stack("Classifier", "none")
    x, labeled = next(steps(stack, 0, 1))
    normal, anomaly = stack.head.losses(x.expand(3, -1, -1), labeled.expand(3, -1))
    probability = stack.head.score(x.expand(3, -1, -1)).sigmoid()
    for run in range(3):
        expected = log_loss(labeled.numpy(), probability[run].detach().numpy())
        assert float((normal + anomaly)[run].detach()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("score", [-200.0, -30.0, 0.0, 30.0, 200.0])
def test_losses_are_finite_far_from_zero(score: float) -> None:
    """A wrong logit of 200 costs 200, a right one nothing; exp(200) overflows float32."""
    head = small_stack("Classifier", "none").head
    head.score = lambda x, labeled: x.new_full(x.shape[:2], score)  # type: ignore[method-assign]
    normal, anomaly = head.losses(torch.zeros(3, 2, 20), torch.tensor([[False, True]]).expand(3, -1))
    half = torch.tensor([score, -score]).double()
    expected = torch.logaddexp(half, torch.zeros(2).double()) / 2
    torch.testing.assert_close(torch.stack([normal[0], anomaly[0]]).double(), expected, rtol=1e-6, atol=1e-12)


def test_weights_batches_and_optimizer_are_those_of_devnet() -> None:
    ours, devnet = (small_stack(name, "batch") for name in ("Classifier", "DevNet"))
    for parameter, other in zip(ours.head.parameters(), devnet.head.parameters(), strict=True):
        assert torch.equal(parameter, other)
    assert torch.equal(next(ours.draw_epochs()), next(devnet.draw_epochs()))
    groups = [stack.head.optimizer(1e-3).param_groups for stack in (ours, devnet)]
    for group, other in zip(*groups, strict=True):
        assert {name: value for name, value in group.items() if name != "params"} == {
            name: value for name, value in other.items() if name != "params"
        }
    for method in ("optimizer", "draw_epoch", "score", "hidden", "prepare", "learning_rate"):
        assert getattr(Classifier, method) is getattr(DevNet, method)
    assert BASELINES["Classifier"].network is BASELINES["DevNet"].network
