"""Reference implementation of one run in torch.nn and float64, for the tests of the heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from anoonly_core.config import make_config
from anoonly_core.models.layers import Chain, StackedLinear
from anoonly_core.models.norms import BatchNorm, LayerNorm
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from tests.core.training.stacks import made_split, made_table, stack_of

__all__ = ["LAMBDAS", "assert_agrees", "in_double", "plain_chain", "small_stack", "steps"]

LAMBDAS = (1.0, 0.0, 2**-6)  # exact in float32 too


def in_double(stack: Stack) -> Stack:
    """Convert a stack to float64, where rounding cannot hide a wrong formula."""
    stack.head.double()
    stack.rows = replace(stack.rows, X=stack.rows.X.double())
    return stack


def small_stack(baseline: str, norm: str | None, preset: str = "paper", epochs: int = 3) -> Stack:
    """Build a float64 stack on 60 rows with 6 labels: λ_n = 1, 0 and 1/64, or two runs of a comparator."""
    has_lambda = norm is not None
    configs = [
        make_config(
            baseline=baseline, norm=norm, preset=preset, epochs=epochs, batch_size=16, seed=3, lambda_n=lambda_n
        )
        for lambda_n in (LAMBDAS if has_lambda else (None, None))
    ]
    dataset = made_table(columns=20)
    return in_double(stack_of(dataset, configs, made_split(dataset, labels=6)))


def plain_chain(stack: Stack, part: str, run: int) -> nn.Sequential:
    """Copy one part of one run's network, with its current weights."""
    chain = stack.head.parts[part]
    assert isinstance(chain, Chain)
    return nn.Sequential(*(_plain(step, run) for step in chain.steps)).double()


def _plain(step: nn.Module, run: int) -> nn.Module:
    if isinstance(step, StackedLinear):
        linear = nn.Linear(*step.weight.shape[1:], bias=step.bias is not None)
        linear.weight = nn.Parameter(step.weight[run].detach().T.clone())
        if step.bias is not None:
            linear.bias = nn.Parameter(step.bias[run, 0].detach().clone())
        return linear
    if isinstance(step, BatchNorm):
        features = step.running_mean.shape[2]
        return nn.BatchNorm1d(features, eps=step.eps, momentum=step.momentum, affine=step.affine is not None)
    if isinstance(step, LayerNorm):
        return nn.LayerNorm(step.affine.gamma.shape[2], eps=step.eps)
    by_name = {"ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "_Tanh": nn.Tanh}
    return by_name.get(type(step).__name__, nn.Identity)()


def steps(stack: Stack, run: int, epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows and labels of each step of a run, as the training loop draws them."""
    draws = stack.draw_epochs()
    for _ in range(epochs):
        for indices in next(draws)[:, run]:
            yield stack.rows.X[indices], stack.rows.labeled[indices]


def assert_agrees(stack: Stack, score: Callable[[int, Tensor], Tensor], rtol: float = 1e-9) -> None:
    """Train the stack and compare its test scores with those of the reference implementation."""
    list(pretrain(stack))
    list(train(stack))
    test = stack.splits[0].test
    rows = [stack.scale(run, test).double() for run in range(len(stack.configs))]
    with torch.no_grad():
        for run, found in enumerate(stack.head.map_rows(stack.head.score, rows)):
            torch.testing.assert_close(found, score(run, rows[run]), rtol=rtol, atol=1e-12)
