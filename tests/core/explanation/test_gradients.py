"""Integrated gradients: complete for every head and norm, and equal to those of a plain network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from anoonly_core.baselines import BASELINES, PAPER_NORMS
from anoonly_core.baselines.mechanisms import MECHANISMS
from anoonly_core.config import make_config
from anoonly_core.explanation.gradients import TOLERANCE, integrated_gradients, network_scores
from anoonly_core.models import METHODS, Head
from anoonly_core.training.stack import Stack
from tests.core.models.plain import plain_chain
from tests.core.training.stacks import heads_and_norms, made_split, made_table, trained

pytestmark = pytest.mark.usefixtures("short_pretraining")


def trained_head(baseline: str, norm: str | None, columns: int = 7, epochs: int = 3) -> tuple[Head, np.ndarray, Stack]:
    """Return a head of one run in eval mode, its rows for a test, and its stack."""
    dataset = made_table(columns=columns)
    lambda_n = 0.5 if BASELINES[baseline].has("lambda_n") else None
    config = make_config(baseline=baseline, norm=norm, lambda_n=lambda_n, epochs=epochs, batch_size=16)
    stack = trained(Stack(dataset, [config], [made_split(dataset)]))
    return stack.head.eval().requires_grad_(False), dataset.X[-20:], stack


CASES = heads_and_norms() + [("DeepSAD", norm) for norm in MECHANISMS if norm not in PAPER_NORMS]


@pytest.mark.parametrize(("baseline", "norm"), CASES)
def test_contributions_add_up_to_the_change_of_the_score(baseline: str, norm: str | None) -> None:
    head, x, _ = trained_head(baseline, norm, columns=8, epochs=1)
    reference = np.full(8, 0.25, np.float32)
    change = network_scores(head, x) - network_scores(head, reference[None])
    changed = np.argsort(-np.abs(change))[:4]  # in others the score may end where it began, far away in between
    contributions = integrated_gradients(head, x[changed], reference)
    assert np.abs(change[changed]).min() > 0
    assert np.all(np.abs(contributions.sum(axis=1) - change[changed]) <= TOLERANCE * np.abs(change[changed]))
    assert np.array_equal(contributions, integrated_gradients(head, x[changed], reference))


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_contributions_equal_those_of_a_plain_network_in_double_precision(norm: str) -> None:
    head, x, stack = trained_head("DevNet", norm)
    chains = [plain_chain(stack, part, 0) for part in stack.head.parts]
    plain = nn.Sequential(*chains).eval()
    own = {name: value for name, value in head.named_buffers() if "running" in name}
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm1d):
            mean, variance = (next(v for n, v in own.items() if n.endswith(end)) for end in ("mean", "variance"))
            module.running_mean, module.running_var = mean[0, 0].double(), variance[0, 0].double()
            affine = next(m for n, m in head.named_modules() if n.endswith("affine"))
            module.weight.data, module.bias.data = affine.gamma[0, 0].double(), affine.beta[0, 0].double()
        elif isinstance(module, nn.LayerNorm):
            affine = next(m for n, m in head.named_modules() if n.endswith("affine"))
            module.weight.data, module.bias.data = affine.gamma[0, 0].double(), affine.beta[0, 0].double()
    reference = np.full(7, 0.25, np.float32)
    contributions = integrated_gradients(head, x, reference)
    start = torch.from_numpy(reference).double()
    positions = (torch.arange(20_000).double() + 0.5) / 20_000
    for row, found in zip(torch.from_numpy(x).double(), contributions, strict=True):
        path = (start + positions[:, None] * (row - start)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(plain(path).sum(), path)
        expected = (gradient.mean(dim=0) * (row - start)).numpy()
        assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).sum()


def test_a_feature_that_equals_the_reference_contributes_nothing() -> None:
    head, x, _ = trained_head("DeepSAD", "batch")
    reference = np.zeros(7, np.float32)
    x = x.copy()
    x[:, 3] = 0
    assert np.all(integrated_gradients(head, x, reference)[:, 3] == 0)


@pytest.mark.parametrize("baseline", METHODS)
def test_scores_are_those_that_the_page_shows(baseline: str) -> None:
    norm = "batch" if BASELINES[baseline].has("norm") else None
    head, x, stack = trained_head(baseline, norm, epochs=1)
    rows = np.arange(stack.dataset.rows)[-20:]
    assert np.array_equal(network_scores(head, x), stack.scores([rows])[0].astype(np.float64))
