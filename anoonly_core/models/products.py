"""Matrix products of R runs that never mix: on a CPU the bits of a run do not depend on R."""

from __future__ import annotations

import os

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["is_narrow", "stacked_product"]

# Without this, MKL chooses a kernel by the memory address of a run's slice, which depends on R.
# MKL reads it at its first product, so it may be set after torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")

NARROW = 8  # a layer is narrow if it has at least so many inputs per output


def stacked_product(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply x[r] @ weight[r] for every run r, with gradients: [R, n, k], [R, k, m] -> [R, n, m].

    x may be [D, n, k] if it needs no gradient and D divides R: each slice serves R/D neighboring runs.
    """
    product: Tensor = _StackedProduct.apply(x, weight)  # type: ignore[no-untyped-call]
    return product


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
    """Product x[r] @ weight[r] for every run r, [R, n, inputs] and [R, inputs, outputs] to [R, n, outputs].

    Computed run by run on a CPU, where the rounding of MKL's batched product depends on R.
    """

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
    """Compute x[r]ᵀ @ upstream[r] for every run r, [R, inputs, outputs].

    For narrow layers the transposed product takes half the time.
    """
    if is_narrow(x.shape[2], upstream.shape[2]) and not x.is_cuda:
        return _products(upstream.transpose(1, 2), x).transpose(1, 2)
    return _products(x.transpose(1, 2), upstream)


def is_narrow(inputs: int, outputs: int) -> bool:
    """Return True for a layer with at least `NARROW` inputs per output."""
    return inputs >= NARROW * outputs
