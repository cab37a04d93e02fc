"""FEAWAD against a reference in torch.nn, written from the published equations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.models.feawad import FEAWAD, _MeanSquareOnGpu, _ResidualOnGpu
from anoonly_core.results.keys import run_key
from anoonly_core.training.stack import Stack
from tests.core.models.plain import LAMBDAS, assert_agrees, plain_chain, small_stack, steps


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)


class PlainFEAWAD(nn.Module):
    """Reference network of one run, with explicit concatenations."""

    def __init__(self, stack: Stack, run: int) -> None:
        super().__init__()
        self.encoder, self.decoder = (plain_chain(stack, part, run) for part in ("encoder", "decoder"))
        steps = plain_chain(stack, "features", run)  # linear, ReLU, join, linear, ReLU, join, norm
        self.first, self.second, self.norm = steps[0], steps[3], steps[6]
        self.last = plain_chain(stack, "score", run)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """F and ‖r‖ of each row."""
        code = self.encoder(x)
        residual = x - self.decoder(code)
        length = residual.norm(dim=1, keepdim=True)
        h = torch.relu(self.first(torch.cat([code, residual / length, length], dim=1)))
        h = torch.relu(self.second(torch.cat([h, length], dim=1)))
        return self.last(self.norm(torch.cat([h, length], dim=1)))[:, 0], length[:, 0]


@pytest.mark.parametrize("preset", ["paper", "published_code", "paper_printed"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_pretraining_and_training_agree_with_plain_torch(norm: str, preset: str) -> None:
    stack = small_stack("FEAWAD", norm, preset, epochs=2)
    networks = [PlainFEAWAD(stack, run) for run in range(3)]
    for run, network in enumerate(networks):
        autoencoder = [*network.encoder.parameters(), *network.decoder.parameters()]
        optimizer = torch.optim.Adam(autoencoder, lr=1e-4)
        draws = stack.draw_epochs(stack.head.pretraining())
        for _ in range(2):
            for indices in next(draws)[:, run]:
                x = stack.rows.X[indices]
                optimizer.zero_grad()
                nn.functional.mse_loss(network.decoder(network.encoder(x)), x).backward()
                optimizer.step()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
        for x, labeled in steps(stack, run, 2):
            score, length = network(x)
            score = score.abs() if preset == "paper_printed" else score
            pool, anomalies = score[~labeled].abs(), (5 - score[labeled]).clamp(min=0)
            if preset != "published_code":  # eq. 20, 21; the published code's length is always 1 and has no gradient
                pool = pool + length[~labeled]
                anomalies = anomalies + (5 - length[labeled]).clamp(min=0)
            optimizer.zero_grad()
            ((LAMBDAS[run] * pool.sum() + anomalies.sum()) / 16).backward()
            optimizer.step()
        network.eval()
    # ‖r‖ is √(‖r‖² + 1e-12) in the head, which keeps a perfect reconstruction's gradient finite.
    scored = torch.abs if preset == "paper_printed" else torch.clone
    assert_agrees(stack, lambda run, x: scored(networks[run](x)[0]), rtol=1e-6)


def test_reconstruction_terms_have_gradients_in_paper_and_none_in_published_code() -> None:
    """With scores fixed at 0, all gradients come from ‖r‖."""
    for preset, alive in (("paper", True), ("paper_printed", True), ("published_code", False)):
        stack = small_stack("FEAWAD", "none", preset)
        with torch.no_grad():
            for parameter in stack.head.parts["score"].parameters():
                parameter.zero_()
        x, labeled = next(steps(stack, 0, 1))
        x = 0.1 * x  # so that ‖r‖ is under the margin
        for loss in stack.head.losses(x.expand(3, -1, -1), labeled.expand(3, -1)):
            gradient = torch.autograd.grad(
                loss.sum(), list(stack.head.parts["decoder"].parameters()), retain_graph=True, allow_unused=True
            )
            assert any(g is not None and (g != 0).any() for g in gradient) is alive


def test_the_published_code_repeats_one_batch_and_paper_draws_new_ones() -> None:
    for preset, distinct in (("paper", 40), ("published_code", 1)):
        stack = small_stack("FEAWAD", "none", preset)
        batches = {x.numpy().tobytes() for x, _ in steps(stack, 0, 2)}
        assert len(batches) == distinct
        pretraining = stack.head.pretraining()
        assert pretraining is not None
        draws = stack.draw_epochs(pretraining)
        rows = [indices for _ in range(2) for indices in next(draws)[:, 0]]
        assert len({indices.numpy().tobytes() for indices in rows}) == distinct
        assert not stack.rows.labeled[torch.cat(rows)].any()


def test_a_perfectly_reconstructed_row_has_finite_gradients() -> None:
    """Zero weights reconstruct a row of zeros exactly: r = 0, and r/‖r‖ is undefined."""
    stack = small_stack("FEAWAD", "batch")
    head = stack.head
    with torch.no_grad():
        for parameter in head.parts["decoder"].parameters():
            parameter.zero_()
    x = torch.zeros(3, 4, 20, dtype=torch.float64)
    labeled = torch.tensor([True, True, False, False]).expand(3, -1)
    normal, anomaly = head.losses(x, labeled)
    for gradient in torch.autograd.grad((normal + anomaly).sum(), list(head.parameters()), allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()


def test_only_the_printed_reading_spares_an_anomaly_below_zero() -> None:
    """With F = -7 for every row, eq. 20 and 21 as printed ask nothing of a labeled anomaly, and score it 7."""
    losses = {}
    for preset in ("paper", "paper_printed"):
        stack = small_stack("FEAWAD", "none", preset)
        with torch.no_grad():
            for parameter in stack.head.parts["score"].parameters():
                parameter.fill_(-7.0 if parameter.shape[1] == 1 and parameter.numel() == 3 else 0.0)
        x, labeled = next(steps(stack, 0, 1))
        x, labeled = 100 * x.expand(3, -1, -1), labeled.expand(3, -1)  # so that no reconstruction is within the margin
        losses[preset] = stack.head.losses(x, labeled)
        scores = stack.head.score(x)
        assert torch.allclose(scores, torch.full_like(scores, 7.0 if preset == "paper_printed" else -7.0))
    assert torch.equal(losses["paper"][0], losses["paper_printed"][0])
    assert torch.equal(losses["paper_printed"][1], torch.zeros_like(losses["paper_printed"][1]))
    assert torch.allclose(losses["paper"][1], 12 * labeled.sum(dim=1).to(x.dtype) / labeled.shape[1])


def test_other_systems_have_no_printed_reading_and_keys_stay() -> None:
    with pytest.raises(InvalidConfig, match="DevNet has no preset 'paper_printed', only paper and published_code"):
        make_config(baseline="DevNet", preset="paper_printed")
    keys = {run_key(make_config(baseline="FEAWAD", preset=preset)) for preset in BASELINES["FEAWAD"].settings}
    assert len(keys) == 3


@pytest.mark.parametrize("rows", [1, 5])
def test_the_residual_of_a_gpu_and_its_gradient_are_those_of_autograd(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, reconstruction = (torch.randn(2, rows, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    weights = [torch.randn(2, rows, width, generator=generator, dtype=torch.float64) for width in (7, 1)]

    def plain(taken: Tensor) -> tuple[Tensor, Tensor]:
        residual = x - taken
        length = (residual.square().sum(dim=2, keepdim=True) + FEAWAD.tiny).sqrt()
        return residual / length, length

    def by_hand(taken: Tensor) -> tuple[Tensor, Tensor]:
        return _ResidualOnGpu.apply(taken, x, FEAWAD.tiny)  # type: ignore[no-any-return, no-untyped-call]

    found = []
    for function in (plain, by_hand):
        taken = reconstruction.clone().requires_grad_()
        outputs = function(taken)
        sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True)).backward()  # type: ignore[union-attr]
        found.append([*(output.detach() for output in outputs), taken.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_reconstruction_loss_of_a_gpu_and_its_gradient_are_those_of_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    x, reconstruction = (torch.randn(3, 4, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    weight = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    one, other = (reconstruction.clone().requires_grad_() for _ in range(2))
    expected = (one - x).square().mean(dim=(1, 2))
    found = _MeanSquareOnGpu.apply(other, x)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for loss in (expected, found):
        loss.backward(weight)
    torch.testing.assert_close(other.grad, one.grad, rtol=1e-12, atol=1e-12)
