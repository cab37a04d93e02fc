"""Stacked linear layers and chains of layers, with a leading run axis R, so that R runs train as one.

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

# Without this, MKL chooses a kernel by the memory address of a run's slice, which depends on R.
# MKL reads it at its first product, so it may be set after torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")

NARROW = 8  # a layer is narrow if it has at least so many inputs per output


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Multiply a[r] @ b[r] for every run r: [R, n, k], [R, k, m] -> [R, n, m].

    One operand may be [D, ...] where D divides R: each slice serves R/D neighboring runs.
    """
    runs = max(len(a), len(b))
    if a.is_cuda:
        return torch.bmm(*(operand if len(operand) == runs else _repeated(operand, runs) for operand in (a, b)))
    products = a.new_empty(runs, a.shape[1], b.shape[2])
    lefts, rights = (_slice_of_each(operand, runs) for operand in (a, b))
    for left, right, product in zip(lefts, rights, products.unbind(), strict=True):
        torch.mm(left, right, out=product)
    return products


def _repeated(operand: Tensor, runs: int) -> Tensor:
    shared = operand[:, None].expand(-1, runs // len(operand), -1, -1)
    return shared.reshape(runs, *operand.shape[1:])  # copies nothing if there is one slice


def _slice_of_each(operand: Tensor, runs: int) -> list[Tensor]:
    return [part for part in operand.unbind() for _ in range(runs // len(operand))]


class _StackedProduct(torch.autograd.Function):
    """Compute x[r] @ weight[r]; run by run on a CPU, where the rounding of MKL's batched product depends on R."""

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
    """Compute x[r]ᵀ @ upstream[r], [R, inputs, outputs]; transposed for narrow layers, in half the time."""
    if _is_narrow(x.shape[2], upstream.shape[2]) and not x.is_cuda:
        return _products(upstream.transpose(1, 2), x).transpose(1, 2)
    return _products(x.transpose(1, 2), upstream)


def _is_narrow(inputs: int, outputs: int) -> bool:
    return inputs >= NARROW * outputs


def _plus(product: Tensor, bias: Tensor) -> Tensor:
    """Add a bias [R, 1, outputs] to every row."""
    if not product.is_cuda:
        return product + bias
    shifted: Tensor = _PlusOnGpu.apply(product, bias)  # type: ignore[no-untyped-call]
    return shifted


class _PlusOnGpu(torch.autograd.Function):
    """Add a bias; sum its gradient over rows as a product with ones, which is faster on a GPU for few runs."""

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
    """Apply an elementwise function to x [R, ...] such that its bits do not depend on R.

    Needed for transcendental functions: a CPU rounds the last values of a tensor in another way.
    """
    return function(x) if x.is_cuda else torch.stack([function(of_run) for of_run in x.unbind()])


class StackedLinear(nn.Module):
    """R independent linear maps, [R, rows, inputs] -> [R, rows, outputs].

    Attributes
    ----------
    weight
        float32 [R, inputs, outputs].
    bias
        float32 [R, 1, outputs], or None.
    """

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
        """Draw the first weights.

        Parameters
        ----------
        generators
            One per run; run r draws from generators[r].
        first_weights
            A name in FIRST_WEIGHTS.
        like
            For each run, the first run with the same weights, from which they are copied.
        """
        for run, generator in enumerate(generators):
            if like is not None and like[run] != run:
                for parameter in self.parameters():
                    parameter[run] = parameter[like[run]]
            else:
                FIRST_WEIGHTS[first_weights](self.weight[run], None if self.bias is None else self.bias[run], generator)

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """Apply the maps to x [R, rows, inputs].

        x may be [D, rows, inputs] if it needs no gradient: each slice serves R/D neighboring runs.
        frozen: the gradient reaches x only, not weight and bias.
        """
        weight: Tensor = self.weight.detach() if frozen else self.weight
        bias = self.bias.detach() if frozen and self.bias is not None else self.bias
        if len(weight) == 1 and not _is_narrow(*weight.shape[1:]):
            product = torch.mm(x.squeeze(0), weight.squeeze(0)).unsqueeze(0)  # equal bits on a CPU, less overhead
        else:
            product = _StackedProduct.apply(x, weight)  # type: ignore[no-untyped-call]
        return product if bias is None else _plus(product, bias)


def _uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weights and bias uniformly within ±1/√inputs, as torch.nn.Linear."""
    bound = weight.shape[0] ** -0.5
    weight.uniform_(-bound, bound, generator=generator)
    if bias is not None:
        bias.uniform_(-bound, bound, generator=generator)


def _glorot_uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weights uniformly with variance 2/(inputs + outputs), as Keras' Dense; the bias stays 0."""
    nn.init.xavier_uniform_(weight, generator=generator)


def _glorot_normal(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weights of the same variance from a normal distribution cut off at two deviations, as Keras."""
    cut_off = 0.87962566103423978  # deviation of a standard normal distribution cut off at ±2
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
    """Marker for the concatenation of the extra input."""


ACTIVATIONS: dict[Operation, Callable[[], nn.Module]] = {
    Operation.RELU: nn.ReLU,
    Operation.LEAKY_RELU: nn.LeakyReLU,
    Operation.TANH: _Tanh,
    Operation.JOIN: _Join,
}


class Chain(nn.Module):
    """One part of a network for R runs, built from its description: [R, rows, inputs] -> [R, rows, outputs].

    Parameters
    ----------
    runs
        Number of runs R.
    part
        Description of the layers.
    norm
        A name in NORMS, for all norms of the part.
    eps, momentum
        Constants of batch norm.
    """

    def __init__(self, runs: int, part: Subnetwork, norm: str, eps: float, momentum: float) -> None:
        super().__init__()
        self.steps = nn.ModuleList()  # detector files store parameters under this name
        for layer, width in zip(part.layers, part.widths(), strict=False):
            if isinstance(layer, Linear):
                self.steps.append(StackedLinear(runs, width, layer.outputs, layer.bias))
            elif layer is Operation.NORM:
                self.steps.append(NORMS[norm](runs, width, eps, momentum))
            else:
                self.steps.append(ACTIVATIONS[layer]())

    def forward(self, x: Tensor, joined: Tensor | None = None, frozen: bool = False) -> Tensor:
        """Apply the layers to x [R, rows, inputs].

        joined: extra input of each JOIN, [R, rows, k]. frozen: no gradient reaches weights and biases.
        """
        for step in self.steps:
            if isinstance(step, _Join):
                assert joined is not None
                x = torch.cat([x, joined], dim=2)
            elif isinstance(step, StackedLinear):
                x = step(x, frozen)
            else:
                x = step(x)
        return x
