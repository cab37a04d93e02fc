"""Forward and backward passes of layers over fixed memory on a CPU, with gradients written by hand.

A step of a small network is a hundred operations of a few microseconds. Autograd's records, and new memory for each
result, cost as much again. A pass is bound once to the memory of its input, and computes with the values that it holds.
Its outputs and gradients equal those of autograd to the bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anoonly_core.models.layers import Chain, StackedLinear
from anoonly_core.models.norms import BatchNorm, NoNorm
from anoonly_core.models.products import is_narrow

__all__ = ["Buffer", "ChainPass", "Pass", "can_pass"]


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory of a value and of the gradient of the loss by it.

    Attributes
    ----------
    value
        float32 [R, rows, features]; an input may be [D, rows, features], where each slice serves R/D neighboring runs.
    gradient
        Of the same shape; None if no gradient is needed.
    """

    value: Tensor
    gradient: Tensor | None

    @classmethod
    def like(cls, value: Tensor) -> Buffer:
        """Return a new buffer of the shape of a tensor, with a gradient; the values are undefined."""
        return cls(torch.empty_like(value), torch.empty_like(value))

    @property
    def upstream(self) -> Tensor:
        """Gradient of the loss by the value of an output, which always has one."""
        assert self.gradient is not None
        return self.gradient


class Pass(ABC):
    """A layer of R runs, bound to the memory of its input.

    Attributes
    ----------
    output
        Output of the layer, and the gradient that `backward` begins with.
    """

    output: Buffer

    @abstractmethod
    def forward(self) -> None:
        """Compute the output from the input."""

    @abstractmethod
    def backward(self) -> None:
        """Compute the gradients of the parameters, and of the input if it has one, from that of the output."""


class _LinearPass(Pass):
    """Pass of a linear layer.

    Parameters
    ----------
    layer
        The layer; its parameters must have gradients, and neither may change its memory.
    given
        Input [R or D, rows, inputs].
    adds
        True to add the gradients of the parameters to those of an earlier pass of the same layer.
    """

    def __init__(self, layer: StackedLinear, given: Buffer, adds: bool) -> None:
        runs, inputs, outputs = layer.weight.shape
        weight, to_weight = layer.weight.detach(), _gradient(layer.weight)
        self.output = Buffer.like(given.value.new_empty(runs, given.value.shape[1], outputs))
        self._bias = None if layer.bias is None else layer.bias.detach()
        self._to_bias = None if layer.bias is None else _gradient(layer.bias)
        self._adds = adds
        x, upstream = _of_each(given.value, runs), self.output.upstream.unbind()
        self._forward = _Products(x, weight, self.output.value)
        self._narrow = is_narrow(inputs, outputs)  # then the transposed product takes half the time
        self._to_weight = to_weight
        if self._narrow:
            self._product = weight.new_empty(runs, outputs, inputs)
            self._weights = _Products([part.t() for part in upstream], x, self._product)
        else:
            self._product = torch.empty_like(to_weight) if adds else to_weight
            self._weights = _Products([part.t() for part in x], upstream, self._product)
        self._inputs = None if given.gradient is None else _Products(upstream, weight.mT, given.gradient)

    def forward(self) -> None:
        self._forward()
        if self._bias is not None:
            self.output.value.add_(self._bias)

    def backward(self) -> None:
        self._weights()
        product = self._product.mT if self._narrow else self._product
        if self._adds:
            self._to_weight.add_(product)
        elif self._narrow:
            self._to_weight.copy_(product)
        if self._to_bias is not None:
            if self._adds:
                self._to_bias.add_(self.output.upstream.sum(dim=1, keepdim=True))
            else:
                torch.sum(self.output.upstream, dim=1, keepdim=True, out=self._to_bias)
        if self._inputs is not None:
            self._inputs()


class _BatchNormPass(Pass):
    """Pass of a batch norm in training mode, with the whole gradient; updates the running statistics.

    Source: docs/methods.md § 5.
    """

    def __init__(self, norm: BatchNorm, given: Buffer, adds: bool) -> None:
        self._norm, self._given, self._adds = norm, given, adds
        value = given.value
        self._rows = torch.tensor(float(value.shape[1]))  # a number would be copied into a tensor at each division
        self._mean, self._variance, self._root = (value.new_empty(len(value), 1, value.shape[2]) for _ in range(3))
        self._to_mean, self._to_variance = torch.empty_like(self._mean), torch.empty_like(self._mean)
        self._normalized = torch.empty_like(value)
        self.output = Buffer(self._normalized, torch.empty_like(value))
        self._upstream = self.output.upstream
        if norm.affine is not None:
            self.output = Buffer.like(value)
            self._gamma, self._beta = norm.affine.gamma.detach(), norm.affine.beta.detach()
            self._to_gamma, self._to_beta = _gradient(norm.affine.gamma), _gradient(norm.affine.beta)

    def forward(self) -> None:
        h, normalized, squares = self._given.value, self._normalized, self._upstream
        torch.sum(h, dim=1, keepdim=True, out=self._mean).div_(self._rows)
        torch.sub(h, self._mean, out=normalized)
        torch.mul(normalized, normalized, out=squares)
        torch.sum(squares, dim=1, keepdim=True, out=self._variance).div_(self._rows)
        torch.add(self._variance, self._norm.eps, out=self._root).rsqrt_()
        normalized.mul_(self._root)
        self._norm.update_running(self._mean, self._variance, rows=h.shape[1])
        if self._norm.affine is not None:
            torch.addcmul(self._beta, normalized, self._gamma, out=self.output.value)

    def backward(self) -> None:
        if self._norm.affine is not None:
            self._backward_of_affine()
        upstream, normalized = self._upstream, self._normalized
        gradient = self._given.upstream
        torch.sum(upstream, dim=1, keepdim=True, out=self._to_mean).div_(self._rows)
        torch.mul(upstream, normalized, out=gradient)
        torch.sum(gradient, dim=1, keepdim=True, out=self._to_variance).div_(self._rows)
        torch.sub(upstream, self._to_mean, out=gradient)
        gradient.addcmul_(normalized, self._to_variance, value=-1).mul_(self._root)

    def _backward_of_affine(self) -> None:
        upstream = self.output.upstream
        torch.mul(upstream, self._normalized, out=self._upstream)
        for to, summed in ((self._to_gamma, self._upstream), (self._to_beta, upstream)):
            if self._adds:
                to.add_(summed.sum(dim=1, keepdim=True))
            else:
                torch.sum(summed, dim=1, keepdim=True, out=to)
        torch.mul(upstream, self._gamma, out=self._upstream)


class _ActivationPass(Pass):
    """Pass of an elementwise activation; input and output share the memory of their gradients."""

    def __init__(self, layer: nn.Module, given: Buffer, adds: bool) -> None:
        self._given = given
        self.output = Buffer(torch.empty_like(given.value), given.gradient)


class _ReLUPass(_ActivationPass):
    """Pass of ReLU."""

    def forward(self) -> None:
        torch.clamp_min(self._given.value, 0, out=self.output.value)

    def backward(self) -> None:
        gradient = self.output.upstream
        torch.ops.aten.threshold_backward.grad_input(gradient, self.output.value, 0, grad_input=gradient)


class _LeakyReLUPass(_ActivationPass):
    """Pass of leaky ReLU."""

    def __init__(self, layer: nn.LeakyReLU, given: Buffer, adds: bool) -> None:
        super().__init__(layer, given, adds)
        self._slope = layer.negative_slope

    def forward(self) -> None:
        torch.ops.aten.leaky_relu.out(self._given.value, self._slope, out=self.output.value)

    def backward(self) -> None:
        gradient, x = self.output.upstream, self._given.value
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, x, self._slope, False, grad_input=gradient)


# By the class of a layer; None for one that changes nothing.
_PASSES: dict[type[nn.Module], Callable[..., Pass] | None] = {
    StackedLinear: _LinearPass,
    BatchNorm: _BatchNormPass,
    NoNorm: None,
    nn.ReLU: _ReLUPass,
    nn.LeakyReLU: _LeakyReLUPass,
}


class ChainPass(Pass):
    """Pass of chains of layers one after the other, all of which `can_pass`.

    Parameters
    ----------
    chains
        The chains, input side first; the gradients of their parameters must be allocated.
    given
        Input of the first chain.
    adds
        True to add the gradients of the parameters to those of an earlier pass of the same chains.
    """

    def __init__(self, chains: Iterable[Chain], given: Buffer, adds: bool = False) -> None:
        self._passes: list[Pass] = []
        self.output = given
        for layer in (layer for chain in chains for layer in chain.steps):
            if (bind := _PASSES[type(layer)]) is not None:
                self._passes.append(bind(layer, self.output, adds))
                self.output = self._passes[-1].output

    def forward(self) -> None:
        for layer in self._passes:
            layer.forward()

    def backward(self) -> None:
        for layer in reversed(self._passes):
            layer.backward()


def can_pass(chains: Iterable[Chain]) -> bool:
    """Return True if all layers of the chains have a pass that computes the whole gradient."""
    layers = [layer for chain in chains for layer in chain.steps]
    return all(
        type(layer) in _PASSES
        and not (isinstance(layer, StackedLinear) and layer.standardizes)
        and not (isinstance(layer, BatchNorm) and layer.gradient_shares is not None)
        for layer in layers
    )


class _Products:
    """Products a[r] @ b[r] for every run r, each written to out[r]; all three keep their memory."""

    def __init__(self, a: Iterable[Tensor], b: Iterable[Tensor], out: Iterable[Tensor]) -> None:
        self._products = list(zip(a, b, out, strict=True))

    def __call__(self) -> None:
        for a, b, out in self._products:
            torch.mm(a, b, out=out)


def _of_each(x: Tensor, runs: int) -> Sequence[Tensor]:
    """Return the slice of x [D, rows, inputs] that each of the runs takes."""
    return [part for part in x.unbind() for _ in range(runs // len(x))]


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
