"""One step of an optimizer for a whole stack: all parameters in one tensor, each run's loss with its own weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

__all__ = ["prepared_optimizer", "set_learning_rate", "take_step"]

VECTOR = 64  # values, more than any CPU takes at once


def take_step(optimizer: torch.optim.Optimizer, terms: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One step down the sum of the terms, each run's loss [R] times its weight [R]."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.is_cuda:
                parameter.grad = None  # the product itself becomes the gradient, in place of being added to zeros
            else:
                parameter.grad.zero_()
    trainable = [(loss, weight) for loss, weight in terms if loss.requires_grad]
    losses, weights = zip(*trainable, strict=True)
    torch.autograd.backward(losses, weights)
    optimizer.step()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the steps to come."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def prepared_optimizer(optimizer: torch.optim.Optimizer, varies: bool = False) -> Iterator[None]:
    """Lay each group's parameters, and their gradients, in one tensor: one update in place of many small ones.

    It is filled up to whole vectors: a CPU rounds a tensor's last few values otherwise, and which
    ones those are would depend on R. Afterwards each parameter has memory of its own again. A GPU's
    optimizers take many tensors at once, so there it is only made fit for being captured; varies:
    whether the learning rate will change, which then stands in a tensor.
    """
    with _made_capturable(optimizer, varies) if _on_gpu(optimizer) else _in_one_tensor(optimizer):
        yield


def _on_gpu(optimizer: torch.optim.Optimizer) -> bool:
    return any(parameter.is_cuda for group in optimizer.param_groups for parameter in group["params"])


@contextmanager
def _made_capturable(optimizer: torch.optim.Optimizer, varies: bool) -> Iterator[None]:
    for group in optimizer.param_groups:
        if "capturable" in group:  # SGD counts no steps
            group["capturable"] = True
        if varies:
            group["lr"] = group["params"][0].new_tensor(group["lr"])
    try:
        yield
    finally:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        torch.cuda.current_stream().synchronize()  # what is freed now may be taken for other work


@contextmanager
def _in_one_tensor(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    placed: list[tuple[torch.Tensor, torch.Tensor]] = []
    groups = [(group, group["params"]) for group in optimizer.param_groups]
    for group, parameters in groups:
        sizes = [parameter.numel() for parameter in parameters]
        filling = parameters[0].new_zeros(-sum(sizes) % VECTOR)
        flat = torch.nn.Parameter(torch.cat([*(parameter.detach().reshape(-1) for parameter in parameters), filling]))
        flat.grad = torch.zeros_like(flat)
        values, gradients = (torch.split(own, [*sizes, len(filling)])[:-1] for own in (flat.detach(), flat.grad))
        for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
            parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
            placed.append((parameter, value))
        group["params"] = [flat]
    try:
        yield
    finally:
        for group, parameters in groups:
            group["params"] = parameters
        for parameter, value in placed:
            if parameter.data_ptr() == value.data_ptr():  # else a later training has laid it out anew
                parameter.data, parameter.grad = parameter.detach().clone(), None
