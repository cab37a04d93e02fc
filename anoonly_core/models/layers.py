"""Stacked linear layers and chains of layers, with a leading run axis R, so that R runs train as one.

Runs never mix: out[r] depends on run r alone, and on a CPU its bits do not depend on R.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anoonly_core.baselines.network import Linear, Operation, Subnetwork
from anoonly_core.models.norm import Norm
from anoonly_core.models.norms import NORMS
from anoonly_core.models.products import is_narrow, stacked_product

__all__ = ["ACTIVATIONS", "FIRST_WEIGHTS", "Chain", "StackedLinear", "map_runs", "standardized"]

WEIGHT_EPS = 1e-5  # of standardized weights


def _plus(product: Tensor, bias: Tensor) -> Tensor:
    """Add a bias [R, 1, outputs] to every row of a product [R, rows, outputs]."""
    if not product.is_cuda:
        return product + bias
    shifted: Tensor = _PlusOnGpu.apply(product, bias)  # type: ignore[no-untyped-call]
    return shifted


class _PlusOnGpu(torch.autograd.Function):
    """Sum of a product and a bias; the bias gradient is a product with ones, which is faster on a GPU for few runs."""

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
    """Apply an elementwise function to x [R, ...] run by run, so that the bits of the result do not depend on R.

    Needed for transcendental functions on a CPU, which rounds the last values of a tensor in another way. On a GPU the
    function is applied to all runs at once.
    """
    return function(x) if x.is_cuda else torch.stack([function(of_run) for of_run in x.unbind()])


def standardized(weight: Tensor) -> Tensor:
    """Return weights [R, inputs, outputs] with mean 0 and variance 1 over the inputs of each output.

    Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019.
    """
    variance, mean = torch.var_mean(weight, dim=1, correction=0, keepdim=True)
    return (weight - mean) * torch.rsqrt(variance + WEIGHT_EPS)


class StackedLinear(nn.Module):
    """R independent linear maps, [R, rows, inputs] -> [R, rows, outputs].

    Attributes
    ----------
    weight
        float32 [R, inputs, outputs].
    bias
        float32 [R, 1, outputs], or None.
    standardizes
        True if the maps take `standardized` weights.
    """

    standardizes = False

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
        """Draw the first weights and biases of each run.

        Parameters
        ----------
        generators
            One per run; run r draws from generators[r].
        first_weights
            Distribution, a name in FIRST_WEIGHTS.
        like
            For each run, the first run with the same weights, from which they are copied; None draws all.
        """
        for run, generator in enumerate(generators):
            if like is not None and like[run] != run:
                for parameter in self.parameters():
                    parameter[run] = parameter[like[run]]
            else:
                FIRST_WEIGHTS[first_weights](self.weight[run], None if self.bias is None else self.bias[run], generator)

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """Apply the linear map of each run to x [R, rows, inputs]; return [R, rows, outputs].

        Parameters
        ----------
        x
            Rows; [D, rows, inputs] if they need no gradient and each slice serves R/D neighboring runs.
        frozen
            True to let the gradient reach x only, not weight and bias.
        """
        weight: Tensor = self.weight.detach() if frozen else self.weight
        bias = self.bias.detach() if frozen and self.bias is not None else self.bias
        if self.standardizes:
            weight = standardized(weight)
        if len(weight) == 1 and not is_narrow(*weight.shape[1:]):
            product = torch.mm(x.squeeze(0), weight.squeeze(0)).unsqueeze(0)  # equal bits on a CPU, less overhead
        else:
            product = stacked_product(x, weight)
        return product if bias is None else _plus(product, bias)


def _uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weight [inputs, outputs] and bias of one run uniformly within ±1/√inputs, in place, as torch.nn.Linear."""
    bound = weight.shape[0] ** -0.5
    weight.uniform_(-bound, bound, generator=generator)
    if bias is not None:
        bias.uniform_(-bound, bound, generator=generator)


def _glorot_uniform(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weights [inputs, outputs] of one run uniformly with variance 2/(inputs + outputs), in place, as Keras.

    The bias stays 0.
    """
    nn.init.xavier_uniform_(weight, generator=generator)


def _glorot_normal(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """Draw weights [inputs, outputs] of one run with variance 2/(inputs + outputs), in place, as Keras.

    The normal distribution is cut off at two deviations. The bias stays 0.
    """
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
    """Marker in a chain of layers for the concatenation of the extra input."""


ACTIVATIONS: dict[Operation, Callable[[], nn.Module]] = {
    Operation.RELU: nn.ReLU,
    Operation.LEAKY_RELU: nn.LeakyReLU,
    Operation.TANH: _Tanh,
    Operation.JOIN: _Join,
}


class Chain(nn.Module):
    """A chain of layers for R runs, built from its description: [R, rows, inputs] -> [R, rows, outputs].

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
                self._add_norm(NORMS[norm](runs, width, eps, momentum))
            else:
                self.steps.append(ACTIVATIONS[layer]())

    def _add_norm(self, norm: Norm) -> None:
        """Append a norm to the chain; if the norm asks so, the linear layer in front of it standardizes its weights."""
        if norm.standardizes_weights:
            linear = next(step for step in reversed(self.steps) if isinstance(step, StackedLinear))
            linear.standardizes = True
        self.steps.append(norm)

    def forward(
        self, x: Tensor, joined: Tensor | None = None, frozen: bool = False, labeled: Tensor | None = None
    ) -> Tensor:
        """Apply the layers to x [R, rows, inputs]; return [R, rows, outputs].

        Parameters
        ----------
        x
            Features [R, rows, inputs].
        joined
            Extra input that each JOIN concatenates, [R, rows, k]; None for a chain without JOIN.
        frozen
            True to let no gradient reach weights and biases of the linear layers.
        labeled
            Mask of the labeled anomalies among the rows, bool [R, rows], for the norms; None if none is labeled.
        """
        for step in self.steps:
            if isinstance(step, _Join):
                assert joined is not None
                x = torch.cat([x, joined], dim=2)
            elif isinstance(step, StackedLinear):
                x = step(x, frozen)
            elif isinstance(step, Norm):
                x = step(x, labeled)
            else:
                x = step(x)
        return x
