"""Parts of the gradient compared with autograd through torch layers, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines import PAPER_NORMS
from anoonly_core.microscope.gradients import SPLITS, batch_norm_loss
from anoonly_core.models.feature_losses import BatchNormLoss

EPS = 1e-3
PENALTY = 0.25


def batch(rows: int = 12, features: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return 3 * random.normal(size=(rows, features)) + 1, random.normal(size=(rows, features))


def behind(norm: str, h: Tensor) -> Tensor:
    """Normalize features with torch functions."""
    if norm.startswith("batch"):
        return functional.batch_norm(h, None, None, training=True, eps=EPS)
    return functional.layer_norm(h, h.shape[-1:], eps=EPS) if norm == "layer" else h


def penalty(norm: str, h: Tensor) -> Tensor:
    if norm != "bn_loss":
        return h.new_zeros(())
    return PENALTY * (h.mean(0).norm() + (h.var(0, correction=0) - 1).norm())


def test_every_norm_of_the_paper_has_a_split_of_the_gradient_in_closed_form() -> None:
    assert set(SPLITS) == set(PAPER_NORMS)


@pytest.mark.parametrize("rows", [1, 2, 12])
@pytest.mark.parametrize("norm", SPLITS)
def test_the_parts_add_up_to_the_gradient_of_autograd(norm: str, rows: int) -> None:
    values, upstream = batch(rows)
    h = torch.tensor(values, requires_grad=True)
    if rows == 1 and norm.startswith("batch"):  # which torch refuses: the row is its own mean
        expected = np.zeros_like(values)
    else:
        ((behind(norm, h) * torch.tensor(upstream)).sum() + penalty(norm, h)).backward()
        assert h.grad is not None
        expected = h.grad.numpy()
    parts = SPLITS[norm](values, upstream, EPS, PENALTY)
    np.testing.assert_allclose(parts.total, expected, atol=1e-12)


@pytest.mark.parametrize("norm", ["batch", "layer", "bn_loss"])
def test_the_parts_are_what_passes_through_mean_and_variance(norm: str) -> None:
    """Each part equals autograd with the other statistics held constant."""
    values, upstream = batch()
    axis = 1 if norm == "layer" else 0
    found = SPLITS[norm](values, upstream, EPS, PENALTY)
    held = torch.tensor(values)
    for name, free in (("direct", "h"), ("through_mean", "mean"), ("through_variance", "variance")):
        h = torch.tensor(values, requires_grad=True)
        own = {kind: h if kind == free else held for kind in ("h", "mean", "variance")}
        mean = own["mean"].mean(axis, keepdim=True)
        variance = ((own["variance"] - mean) ** 2).mean(axis, keepdim=True)
        if norm == "bn_loss":
            about_mean, about_variance = own["mean"].mean(0), own["variance"].var(0, correction=0)
            loss = (own["h"] * torch.tensor(upstream)).sum() + PENALTY * (
                about_mean.norm() + (about_variance - 1).norm()
            )
        else:
            loss = ((own["h"] - mean) * (variance + EPS) ** -0.5 * torch.tensor(upstream)).sum()
        loss.backward()
        assert h.grad is not None
        np.testing.assert_allclose(getattr(found, name), h.grad.numpy(), atol=1e-12)


def test_the_printed_equation_13_differs_from_the_gradient() -> None:
    values, upstream = batch()
    parts = SPLITS["batch"](values, upstream, EPS, 0.0)
    assert parts.printed_mean is not None and parts.total_as_printed is not None
    root = np.sqrt(values.var(0) + EPS)
    np.testing.assert_allclose(parts.printed_mean * root, parts.through_mean, atol=1e-12)
    assert np.abs(parts.total_as_printed - parts.total).max() > 0.05
    alike = SPLITS["batch"](values / values.std(0), upstream, 0.0, 0.0)  # at variance 1 both agree
    assert alike.total_as_printed is not None
    np.testing.assert_allclose(alike.total_as_printed, alike.total, atol=1e-12)


@pytest.mark.parametrize("norm", ["layer", "none", "bn_loss"])
def test_the_printed_equation_is_for_batch_norm_only(norm: str) -> None:
    parts = SPLITS[norm](*batch(), EPS, PENALTY)
    assert parts.printed_mean is None and parts.total_as_printed is None


@pytest.mark.parametrize(("norm", "moved"), [("batch", True), ("layer", False), ("none", False)])
def test_only_batch_norm_gives_a_row_without_loss_a_gradient(norm: str, moved: bool) -> None:
    values, upstream = batch()
    upstream[:10] = 0
    parts = SPLITS[norm](values, upstream, EPS, 0.0)
    assert not parts.direct[:10].any()
    assert bool(parts.total[:10].any()) is moved


def test_batch_norm_loss_equals_the_penalty_of_the_norm() -> None:
    values, _ = batch()
    layer = BatchNormLoss(1, 5, EPS).train()
    layer(torch.tensor(values)[None])
    taken = layer.take_penalty()
    assert taken is not None
    assert batch_norm_loss(values) == pytest.approx(float(taken[0]), rel=1e-12)
    assert batch_norm_loss((values - values.mean(0)) / values.std(0)) < 1e-12
