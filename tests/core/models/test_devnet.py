"""DevNet against a reference in torch.nn, DeepOD and PyOD."""

from __future__ import annotations

import deepod.models.tabular.devnet as deepod_devnet
import pyod.models.devnet as pyod_devnet
import pytest
import torch
from torch import Tensor, nn

from anoonly_core.models.devnet import DevNet
from tests.core.models.plain import LAMBDAS, assert_agrees, plain_chain, small_stack, steps


@pytest.mark.parametrize("preset", ["paper", "published_code"])
@pytest.mark.parametrize("norm", ["none", "batch", "batch_no_affine", "layer"])
def test_a_whole_training_agrees_with_plain_torch(norm: str, preset: str) -> None:
    """Paper appendix B with an explicit L2 term; the losses of the published code under its preset."""
    stack = small_stack("DevNet", norm, preset)
    networks = [nn.Sequential(plain_chain(stack, "features", r), plain_chain(stack, "score", r)) for r in range(3)]
    for run, network in enumerate(networks):
        optimizer = torch.optim.RMSprop(network.parameters(), lr=2e-4, alpha=0.9, eps=1e-7)
        for x, labeled in steps(stack, run, 3):
            score = network(x)[:, 0]
            short = 5 - score[labeled]
            published = short if LAMBDAS[run] == 0 else short.abs()
            anomaly = short.clamp(min=0) if preset == "paper" else published
            loss = (LAMBDAS[run] * score[~labeled].abs().sum() + anomaly.sum()) / 16
            loss = loss + 0.01 * network[0][0].weight.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
    assert_agrees(stack, lambda run, x: networks[run](x)[:, 0])


def test_a_batch_is_half_pool_and_half_labeled_anomalies() -> None:
    stack = small_stack("DevNet", "none")
    for _, labeled in steps(stack, 0, 2):
        assert labeled.tolist() == [False] * 8 + [True] * 8


def test_only_the_published_code_at_lambda_zero_rewards_a_score_above_the_margin() -> None:
    """A labeled anomaly with score 9 has loss 0 in the paper; 4 and −4 in the published code at λ_n = 1 and 0."""
    for preset, expected in (("paper", [0, 0, 0]), ("published_code", [4, -4, 4])):
        stack = small_stack("DevNet", "none", preset)
        head = stack.head
        assert isinstance(head, DevNet)
        head.score = lambda x, labeled: x.new_full(x.shape[:2], 9.0)  # type: ignore[method-assign]
        normal, anomaly = head.losses(torch.zeros(3, 1, 20).double(), torch.ones(3, 1, dtype=torch.bool))
        assert anomaly.tolist() == expected
        assert normal.tolist() == [0, 0, 0]


# -- independent implementations ----------------------------------------------------------------


def standard_draws(size: int, **_: object) -> Tensor:
    """Return 5000 numbers with mean 0 and unbiased deviation 1, in place of draws from N(0, 1)."""
    half = torch.full((size // 2,), ((size - 1) / size) ** 0.5, dtype=torch.float64)
    return torch.cat([half, -half])


@pytest.fixture
def exact_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the random draws by which DeepOD and PyOD standardize scores; the paper's F is their limit."""
    monkeypatch.setattr(torch, "randn", standard_draws)


def test_loss_and_one_step_equal_those_of_deepod(exact_reference: None) -> None:
    """Compare every weight after a step of DeepOD with the same network, batch and optimizer."""
    stack = small_stack("DevNet", "none")
    x, labeled = next(steps(stack, 0, 1))
    theirs = deepod_devnet.MLPnet(n_features=20, n_hidden="20", n_output=1, activation="ReLU", bias=True).double()
    linears = [module for module in theirs.modules() if isinstance(module, nn.Linear)]
    mine = [plain_chain(stack, part, 0)[0] for part in ("features", "score")]
    for target, source in zip(linears, mine, strict=True):
        target.load_state_dict(source.state_dict())
    loss = deepod_devnet.DevLoss()(labeled.double()[:, None], theirs(x))

    head = stack.head
    normal, anomaly = head.losses(x.expand(3, -1, -1), labeled.expand(3, -1))
    torch.testing.assert_close((normal + anomaly)[0], loss, rtol=1e-12, atol=0)

    weight_decay = [{"params": [linears[0].weight], "weight_decay": 0.02}, {"params": [linears[0].bias]}]
    others = [{"params": list(linears[1].parameters())}]
    optimizer = torch.optim.RMSprop(weight_decay + others, lr=2e-4, alpha=0.9, eps=1e-7)
    loss.backward()
    optimizer.step()
    ours = head.optimizer(2e-4)
    (normal + anomaly)[0].backward()
    ours.step()
    for part, linear in zip(("features", "score"), linears, strict=True):
        step = plain_chain(stack, part, 0)[0]
        torch.testing.assert_close(step.weight, linear.weight, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(step.bias, linear.bias, rtol=1e-10, atol=1e-14)


def test_the_loss_equals_pyods_which_its_training_calls_with_swapped_arguments(exact_reference: None) -> None:
    """PyOD 3.6.7's `fit` calls deviation_loss(outputs, labels): it takes scores for labels and labels for scores,
    [b, 1] against [b], so that every row meets every other. Its loss agrees with ours; its training cannot."""
    torch.manual_seed(0)
    score = (torch.rand(16, dtype=torch.float64) * 8).requires_grad_()
    labeled = torch.arange(16) >= 8
    theirs = pyod_devnet.deviation_loss(labeled.double(), score)
    ours = (score[~labeled].abs().sum() + (5 - score[labeled]).clamp(min=0).sum()) / 16
    torch.testing.assert_close(theirs, ours, rtol=1e-12, atol=0)
    as_fit_calls_it = pyod_devnet.deviation_loss(score[:, None], labeled.double())
    (gradient,) = torch.autograd.grad(as_fit_calls_it, score)
    # |label| and 5 − label in place of scores: the same push on every row, 9/2 up on average, whoever is labeled.
    assert gradient.std() < 1e-12
