"""The shares of batch norm's gradient: at 1 the same bits, at 0 autograd with that statistic held constant."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from anoonly_core.baselines import BASELINES, BATCH_NORMS
from anoonly_core.models import METHODS
from anoonly_core.models.norms import BatchNorm, normalize
from anoonly_core.training.stack import Stack
from tests.core.models.plain import in_double
from tests.core.training.stacks import configs_of, made_split, made_table, trained_scores

pytestmark = pytest.mark.usefixtures("short_pretraining")
HEADS = [name for name in METHODS if BASELINES[name].has("norm")]
CORNERS = list(itertools.product((0.0, 1.0), repeat=3))
NAMES = ("grad_direct", "grad_variance", "grad_mean")
EPS = 1e-3


def normalized_with_parts(h: Tensor, shares: tuple[float, float, float], eps: float) -> Tensor:
    """Normalize over axis 1 in plain autograd; a value whose share is 0 is held constant.

    A share between is a weighted sum of both, which keeps the value and scales the gradient.
    """

    def share_of(value: Tensor, share: float) -> Tensor:
        return share * value + (1 - share) * value.detach()

    direct, variance, mean = shares
    mu = h.mean(1, keepdim=True)
    centered_for_variance = h - mu.detach()  # σ² does not depend on μ to the first order
    sigma2 = (centered_for_variance**2).mean(1, keepdim=True)
    return (share_of(h, direct) - share_of(mu, mean)) * (share_of(sigma2, variance) + eps) ** -0.5


@pytest.mark.parametrize("shares", [*CORNERS, (0.25, 0.5, 0.75)])
def test_normalize_agrees_with_autograd_where_statistics_are_held_constant(shares: tuple[float, float, float]) -> None:
    generator = torch.Generator().manual_seed(3)
    values = 3 * torch.randn(2, 12, 5, generator=generator, dtype=torch.float64) + 1
    upstream = torch.randn(2, 12, 5, generator=generator, dtype=torch.float64)
    ours, plain = (values.clone().requires_grad_() for _ in range(2))
    per_run = torch.tensor([shares, (1.0, 1.0, 1.0)], dtype=torch.float64)
    outputs = normalize(ours, EPS, per_run)[0]
    outputs.backward(upstream)
    for run, of_run in enumerate(per_run.tolist()):
        expected = normalized_with_parts(plain[run : run + 1], tuple(of_run), EPS)
        torch.testing.assert_close(outputs[run : run + 1], expected, atol=1e-12, rtol=0)
        (gradient,) = torch.autograd.grad(expected, plain, upstream[run : run + 1])
        torch.testing.assert_close(ours.grad[run], gradient[run], atol=1e-12, rtol=0)  # type: ignore[index]


@pytest.mark.parametrize("shares", CORNERS)
@pytest.mark.parametrize("norm", BATCH_NORMS)
@pytest.mark.parametrize("baseline", HEADS)
def test_the_gradients_of_a_head_agree_with_autograd_in_place_of_our_norm(
    baseline: str, norm: str, shares: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients() -> list[Tensor]:
        configs = configs_of(2, baseline=baseline, norm=norm, **dict(zip(NAMES, shares, strict=True)))
        stack = in_double(Stack(dataset, configs, [made_split(dataset)] * 2))
        indices = next(iter(stack.draw_epochs()))[0]
        stack.head.train()
        normal, anomaly = stack.head.losses(stack.gather(indices), stack.rows.labeled[indices])
        (0.3 * normal + anomaly).sum().backward()
        return [parameter.grad.clone() for parameter in stack.head.parameters() if parameter.grad is not None]

    forward = BatchNorm.forward

    def plain(norm: BatchNorm, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        if not norm.training:
            return forward(norm, h)
        expected = normalized_with_parts(h, shares, norm.eps)
        return expected if norm.affine is None else norm.affine(expected)

    dataset = made_table()
    ours = gradients()
    monkeypatch.setattr(BatchNorm, "forward", plain)
    expected = gradients()
    assert len(ours) == len(expected) > 2
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6 * float(other.abs().max() + 1), rtol=0)


@pytest.mark.parametrize("baseline", HEADS)
def test_a_system_says_how_many_norms_its_network_has(baseline: str) -> None:
    dataset = made_table()
    for preset in BASELINES[baseline].settings:
        configs = configs_of(1, baseline=baseline, norm="batch", preset=preset)
        norms = list(Stack(dataset, configs, [made_split(dataset)]).head.norms())
        assert len(norms) == BASELINES[baseline].norm_places


@pytest.mark.parametrize(("place", "cut"), [("first", [True, False]), ("last", [False, True]), ("all", [True, True])])
def test_shares_hold_for_the_batch_norms_of_their_place(
    place: str, cut: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients equal those of autograd with the statistics of these norms alone held constant."""
    dataset, shares = made_table(), (1.0, 0.5, 0.0)
    configs = configs_of(2, norm="batch", grad_variance=0.5, grad_mean=0.0, grad_place=place)
    stack = in_double(Stack(dataset, configs, [made_split(dataset)] * 2))
    indices = next(iter(stack.draw_epochs()))[0]
    norms = list(stack.head.norms())
    stack.head.train()

    def gradients() -> list[Tensor]:
        stack.head.zero_grad()
        normal, anomaly = stack.head.losses(stack.gather(indices), stack.rows.labeled[indices])
        (0.3 * normal + anomaly).sum().backward()
        return [parameter.grad.clone() for parameter in stack.head.parameters() if parameter.grad is not None]

    def plain(norm: BatchNorm, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        is_cut = cut[next(number for number, other in enumerate(norms) if other is norm)]
        expected = normalized_with_parts(h, shares if is_cut else (1.0, 1.0, 1.0), norm.eps)
        return expected if norm.affine is None else norm.affine(expected)

    ours = gradients()
    monkeypatch.setattr(BatchNorm, "forward", plain)
    for one, other in zip(ours, gradients(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6 * float(other.abs().max() + 1), rtol=0)


@pytest.mark.parametrize("norm", BATCH_NORMS)
@pytest.mark.parametrize("baseline", HEADS)
def test_a_run_has_the_same_bits_beside_runs_with_other_shares(baseline: str, norm: str) -> None:
    dataset = made_table()
    (whole,) = configs_of(1, baseline=baseline, norm=norm, lambda_n=0.0, epochs=1)
    places = itertools.cycle(("all", "first", "last"))
    cut = [whole.with_(**dict(zip(NAMES, shares, strict=True)), grad_place=next(places)) for shares in CORNERS]
    alone = [trained_scores(dataset, [config])[0] for config in cut]
    together = trained_scores(dataset, cut)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)
    assert cut[-1] == whole
    assert not np.array_equal(alone[0], alone[-1])


def test_no_part_changes_the_forward_pass_or_the_running_statistics() -> None:
    h = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    whole, cut = (BatchNorm(3, 4, EPS) for _ in range(2))
    cut.gradient_shares = torch.zeros(3, 3)
    assert torch.equal(whole(h), cut(h))
    assert torch.equal(whole.running_mean, cut.running_mean)
    assert torch.equal(whole.running_variance, cut.running_variance)
    assert set(whole.state_dict()) == set(cut.state_dict())
