"""DeepSAD against a reference in torch.nn, and gradients through batch norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from anoonly_core.baselines import BASELINES, PAPER_NORMS
from anoonly_core.config import make_config
from anoonly_core.models.deepsad import DeepSAD
from anoonly_core.models.layers import StackedLinear
from anoonly_core.training.stack import Stack
from tests.core.models.plain import LAMBDAS, assert_agrees, in_double, plain_chain, small_stack, steps
from tests.core.training.stacks import configs_of, made_table, stack_of


class Watched(DeepSAD):
    """DeepSAD that records the scores of its last batch, with their gradient."""

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        self.seen = super().score(x, labeled)
        self.seen.retain_grad()
        return self.seen


def gradients_at_lambda_zero(norm: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients at the inputs and at the scores for λ_n = 0, and the labeled mask."""
    stack = stack_of(made_table(), [make_config(lambda_n=0, norm=norm, batch_size=32)])
    indices = next(epoch[0] for epoch in stack.draw_epochs() if stack.rows.labeled[epoch[0]].any())
    x, labeled = stack.gather(indices), stack.rows.labeled[indices]
    x = x.clone().requires_grad_()
    head = Watched(1, 7, norm, "paper")
    head.load_state_dict(stack.head.state_dict())
    normal, anomaly = head.losses(x, labeled)
    (0.0 * normal + anomaly).sum().backward()
    assert x.grad is not None and head.seen.grad is not None
    return x.grad[0], head.seen.grad[0], labeled[0]


@pytest.mark.parametrize("norm", PAPER_NORMS)
def test_at_lambda_zero_pool_rows_get_gradients_through_batch_norm_only(norm: str) -> None:
    """Scores of pool rows are in no loss; the rows act through mean and variance only (paper § 3.3)."""
    at_input, at_score, labeled = gradients_at_lambda_zero(norm)
    assert (at_score[~labeled] == 0).all()
    assert (at_score[labeled] != 0).all()
    pool = at_input[~labeled].abs().sum(dim=1)
    assert (pool > 0).all() if norm.startswith("batch") else (pool == 0).all()
    assert (at_input[labeled].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("preset", BASELINES["DeepSAD"].settings)
def test_deepsad_has_the_widths_of_its_preset(preset: str) -> None:
    head = DeepSAD(1, 9, "none", preset)
    widths = [module.weight.shape[1:] for module in head.modules() if isinstance(module, StackedLinear)]
    assert (
        widths == {"paper": [(9, 128), (128, 64), (64, 32)], "published_code": [(9, 100), (100, 20), (20, 10)]}[preset]
    )


def plain_network(stack: Stack, run: int) -> nn.Sequential:
    return nn.Sequential(*plain_chain(stack, "features", run), *plain_chain(stack, "code", run))


def plain_center(plain: nn.Sequential, rows: Tensor) -> Tensor:
    plain.eval()
    with torch.no_grad():
        mean = plain(rows).mean(dim=0).tolist()
    return torch.tensor([v if abs(v) >= 0.1 else (-0.1 if v < 0 else 0.1) for v in mean], dtype=torch.float64)


@pytest.mark.parametrize("norm", PAPER_NORMS)
def test_a_whole_training_agrees_with_plain_torch(norm: str) -> None:
    """Three runs of 9 Adam steps in float64 differ from torch.nn by rounding only."""
    stack = small_stack("DeepSAD", norm)
    plains = [plain_network(stack, run) for run in range(3)]
    centers = [plain_center(plain, stack.rows.X) for plain in plains]
    for run, center in enumerate(centers):
        # The head's own center was taken in float32.
        torch.testing.assert_close(stack.head.center[run, 0], center, rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    stack.head.center.copy_(torch.stack(centers)[:, None])  # type: ignore[union-attr]
    for run, (plain, center) in enumerate(zip(plains, centers, strict=True)):
        optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=1e-6)
        plain.train()
        for x, labeled in steps(stack, run, 3):
            distance = (plain(x) - center).square().sum(dim=1)
            loss = LAMBDAS[run] * distance[~labeled].sum() + (1 / (distance[labeled] + 1e-6)).sum()
            if norm == "bn_loss":
                for place in (1, 4):  # where the two norms stand, behind the linear layers 0 and 3
                    h = plain[:place](x)
                    loss = loss + h.mean(dim=0).norm() + (h.var(dim=0, unbiased=False) - 1).norm()
            optimizer.zero_grad()
            (loss / 16).backward()
            optimizer.step()
        plain.eval()
    assert_agrees(stack, lambda run, x: (plains[run](x) - centers[run]).square().sum(dim=1), rtol=1e-10)


def test_the_center_is_the_mean_code_kept_away_from_zero() -> None:
    """Enlarged last weights give components on both sides of the margin and of zero."""
    stack = stack_of(made_table(columns=20), configs_of(2))
    head = stack.head
    assert isinstance(head, DeepSAD)
    for parameter in head.parts["code"].parameters():
        parameter.data *= 8
    head.prepare(stack.rows, [])
    in_double(stack)
    kept = []
    for run in range(2):
        center = plain_center(plain_network(stack, run), stack.rows.X)
        torch.testing.assert_close(head.center[run, 0], center, rtol=1e-5, atol=1e-6)
        kept += [abs(v) > 0.1 + 1e-6 for v in head.center[run, 0].tolist()]
    assert {True, False} == set(kept)
    assert (head.center.abs() >= 0.1 - 1e-7).all()
    assert (head.center < 0).any() and (head.center > 0).any()


def test_a_labeled_anomaly_on_the_center_costs_a_million_and_stays_finite() -> None:
    stack = stack_of(made_table(), configs_of(1, norm="none"))
    head = stack.head
    assert isinstance(head, DeepSAD)
    x = stack.rows.X[None, :1]
    with torch.no_grad():
        head.center.copy_(head.code(x))
    normal, anomaly = head.losses(x, torch.ones(1, 1, dtype=torch.bool))
    assert normal.item() == 0
    assert anomaly.item() == pytest.approx(1e6)
    gradients = torch.autograd.grad(anomaly.sum(), list(head.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
