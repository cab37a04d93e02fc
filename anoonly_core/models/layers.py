"""Stacked linear layers and chains of them: every parameter carries a leading run axis R, so that R runs train as one.

Runs never mix: out[r] depends on run r alone, and on a CPU its bits do not depend on R.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anoonly_core.baselines.network import Linear, Operation, Subnetwork
from anoonly_core.models.norms import NORMS

__all__ = ["ACTIVATIONS", "FIRST_WEIGHTS", "Chain", "StackedLinear", "map_runs"]

# MKL otherwise chooses a kernel by where a run's slice lies in memory, that is by the runs before it.
# Read by MKL at its first product, so it may be set after torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")

NARROW = 8  # times as many inputs as outputs


def _products(a: Tensor, b: Tensor) -> Tensor:
    """a[r] @ b[r] for every run r: [R, n, k], [R, k, m] -> [R, n, m].

    An operand may be there once for several neighboring runs: [D, ...] where D divides R.
    """
    runs = max(len(a), len(b))
    if a.is_cuda:
        return torch.bmm(*(own if len(own) == runs else _repeated(own, runs) for own in (a, b)))
    products = a.new_empty(runs, a.shape[1], b.shape[2])
    lefts, rights = (_for_each(own, runs) for own in (a, b))
    for left, right, product in zip(lefts, rights, products.unbind(), strict=True):
        torch.mm(left, right, out=product)
    return products


def _repeated(operand: Tensor, runs: int) -> Tensor:
    shared = operand[:, None].expand(-1, runs // len(operand), -1, -1)
    return shared.reshape(runs, *operand.shape[1:])  # of a single one no copy is made


def _for_each(operand: Tensor, runs: int) -> list[Tensor]:
    return [own for own in operand.unbind() for _ in range(runs // len(operand))]


class _StackedProduct(torch.autograd.Function):
    """x[r] @ weight[r]. On a CPU run by run: MKL's batched product rounds one run otherwise than many."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight)
        return _products(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        to_x, to_weight = ctx.needs_input_grad
        return (
            _products(upstream, weight.transpose(1, 2)) if to_x else None,
            _weight_gradient(x, upstream) if to_weight else None,
        )


def _weight_gradient(x: Tensor, upstream: Tensor) -> Tensor:
    """x[r]ᵀ @ upstream[r], [R, inputs, outputs]; for few outputs the other way round, in half the time."""
    if _is_narrow(x.shape[2], upstream.shape[2]) and not x.is_cuda:
        return _products(upstream.transpose(1, 2), x).transpose(1, 2)
    return _products(x.transpose(1, 2), upstream)


def _is_narrow(inputs: int, outputs: int) -> bool:
    return inputs >= NARROW * outputs


def _plus(product: Tensor, bias: Tensor) -> Tensor:
    """A bias [R, 1, outputs] added to every row."""
    if not product.is_cuda:
        return product + bias
    shifted: Tensor = _PlusOnGpu.apply(product, bias)  # type: ignore[no-untyped-call]
    return shifted


class _PlusOnGpu(torch.autograd.Function):
    """The same; a GPU adds up the gradients of a few runs' rows faster as a product with ones, of many as fast."""

    @staticmethod
    def forward(ctx, product: Tensor, bias: Tensor):  # type: ignore[no-untyped-def]
        return product + bias

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        if not ctx.needs_input_grad[1]:
            return upstream, None
        ones = upstream.new_ones(1, 1, 1).expand(len(upstream), 1, upstream.shape[1])
        return upstream, torch.bmm(ones, upstream)


def map_runs(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`function` of each run's own x [R, ...], such that its bits do not depend on R.

    For transcendental functions: on a CPU they round a tensor's last few values otherwise.
    """
    return function(x) if x.is_cuda else torch.stack([function(own) for own in x.unbind()])


class StackedLinear(nn.Module):
    """R independent linear maps, [R, rows, inputs] -> [R, rows, outputs]; weight [R, inputs, outputs]."""

    def __init__(self, runs: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(runs, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(runs, 1, outputs)) if bias else None

    @torch.no_grad()
    def initialize(
        self,
        generators: Sequence[torch.Generator],
        first_weights: str = "uniform",
        like: Sequence[int] | None = None,
    ) -> None:
        """Draw run r's weights from generators[r]; first_weights: a name in FIRST_WEIGHTS.

        like: for each run the first one that begins with the same weights, which are drawn once.
        """
        for run, generator in enumerate(generators):
            if like is not None and like[run] != run:
                for parameter in self.parameters():
                    parameter[run] = parameter[like[run]]
            else:
                FIRST_WEIGHTS[first_weights](self.weight[run], None if self.bias is None else self.bias[run], generator)

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """frozen: the gradient goes through x alone, not to weight and bias.

        x may be [D, rows, inputs], each of it for R/D neighboring runs, where it needs no gradient.
        """
        weight: Tensor = self.weight.detach() if frozen else self.weight
        bias = self.bias.detach() if frozen and self.bias is not None else self.bias
        if len(weight) == 1 and not _is_narrow(*weight.shape[1:]):
            product = torch.mm(x.squeeze(0), weight.squeeze(0)).unsqueeze(0)  # on a CPU the same bits, with less ado
        else:
            product = _StackedProduct.apply(x, weight)  # type: ignore[no-untyped-call]
        return product if bias is None else _plus(product, bias)


def _uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """As torch.nn.Linear: uniform within 1/√inputs."""
    bound = weight.shape[0] ** -0.5
    weight.uniform_(-bound, bound, generator=generator)
    if bias is not None:
        bias.uniform_(-bound, bound, generator=generator)


def _glorot_uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """As Keras' Dense: uniform with variance 2/(inputs + outputs), no bias yet."""
    nn.init.xavier_uniform_(weight, generator=generator)


def _glorot_normal(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """As Keras' glorot_normal: the same variance from a normal distribution cut off at two deviations."""
    cut_off = 0.87962566103423978  # the deviation of a standard normal that is cut off at ±2
    deviation = (2 / sum(weight.shape)) ** 0.5 / cut_off
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)


FIRST_WEIGHTS: dict[str, Callable[[Tensor, Tensor | None, torch.Generator], None]] = {
    "uniform": _uniform,
    "glorot_uniform": _glorot_uniform,
    "glorot_normal": _glorot_normal,
}


class _Tanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return map_runs(torch.tanh, x)


class _Join(nn.Module):
    """Marks the place where a chain's extra input is put beside the features."""


ACTIVATIONS: dict[Operation, Callable[[], nn.Module]] = {
    Operation.RELU: nn.ReLU,
    Operation.LEAKY_RELU: nn.LeakyReLU,
    Operation.TANH: _Tanh,
    Operation.JOIN: _Join,
}


class Chain(nn.Module):
    """One part of a network, built as it is described, for R runs: [R, rows, inputs] -> [R, rows, outputs]."""

    def __init__(self, runs: int, part: Subnetwork, norm: str, eps: float, momentum: float) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        for step, width in zip(part.steps, part.widths(), strict=False):
            if isinstance(step, Linear):
                self.steps.append(StackedLinear(runs, width, step.outputs, step.bias))
            elif step is Operation.NORM:
                self.steps.append(NORMS[norm](runs, width, eps, momentum))
            else:
                self.steps.append(ACTIVATIONS[step]())

    def forward(self, x: Tensor, joined: Tensor | None = None, frozen: bool = False) -> Tensor:
        """joined: [R, rows, k], what each JOIN adds. frozen: no gradient reaches the linear layers' parameters."""
        for step in self.steps:
            if isinstance(step, _Join):
                assert joined is not None
                x = torch.cat([x, joined], dim=2)
            elif isinstance(step, StackedLinear):
                x = step(x, frozen)
            else:
                x = step(x)
        return x
