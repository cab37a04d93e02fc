"""Prepare an optimizer for a stack, and take a step down individually weighted losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

__all__ = ["differentiate", "prepared_optimizer", "set_learning_rate", "take_step"]

VECTOR = 64  # values; more than any CPU processes in one instruction
FUSED_TENSORS = 36  # that one kernel of PyTorch's fused Adam updates
FUSED_BLOCK = 65536  # values of a tensor that one multiprocessor updates


def take_step(optimizer: torch.optim.Optimizer, terms: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Take one optimizer step down a weighted sum of losses, overwriting the gradients.

    Parameters
    ----------
    optimizer
        Must be within `prepared_optimizer`, which allocates the gradients.
    terms
        Pairs of a loss [R] and its weight [R]; a loss without a gradient is left out.
    """
    differentiate(optimizer, terms)
    optimizer.step()


def differentiate(optimizer: torch.optim.Optimizer, terms: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Overwrite the gradients of the parameters of an optimizer by those of a weighted sum of losses, by autograd.

    `optimizer` and `terms` are as in `take_step`.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.is_cuda:
                parameter.grad = None  # the new gradient is stored directly, not added to zeros
            else:
                parameter.grad.zero_()
    trainable = [(loss, weight) for loss, weight in terms if loss.requires_grad]
    losses, weights = zip(*trainable, strict=True)
    torch.autograd.backward(losses, weights)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups of an optimizer.

    A rate that is a tensor, as a CUDA graph needs, is changed in place.
    """
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def prepared_optimizer(optimizer: torch.optim.Optimizer, rate_varies: bool = False) -> Iterator[None]:
    """Context that prepares an optimizer for fast steps, and undoes this on exit.

    On a CPU the parameters of each group, and their gradients, become views of one tensor: one
    update replaces many small ones. On a GPU, where optimizers update many tensors at once, the
    optimizer is made capturable; the context then ends by synchronizing the current stream.

    Parameters
    ----------
    optimizer
        An optimizer that has taken no step.
    rate_varies
        True if the learning rate will change, so that a CUDA graph must read it from a tensor.
    """
    with _capturable(optimizer, rate_varies) if _on_gpu(optimizer) else _flattened(optimizer):
        yield


def _on_gpu(optimizer: torch.optim.Optimizer) -> bool:
    return any(parameter.is_cuda for group in optimizer.param_groups for parameter in group["params"])


@contextmanager
def _capturable(optimizer: torch.optim.Optimizer, rate_varies: bool) -> Iterator[None]:
    """Context that sets the options with which a CUDA graph can capture a step of an optimizer.

    Small parameters of a fused optimizer are updated in pieces. On exit the gradients are freed and the current stream
    is synchronized; the options stay.
    """
    for group in optimizer.param_groups:
        if "capturable" in group:  # SGD has no such option
            group["capturable"] = True
        if rate_varies:
            group["lr"] = group["params"][0].new_tensor(group["lr"])
    try:
        with ExitStack() as stack:
            for group in optimizer.param_groups:
                if group.get("fused"):
                    stack.enter_context(_in_pieces(optimizer, group))
            yield
    finally:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        torch.cuda.current_stream().synchronize()  # other work may reuse the memory freed here


@contextmanager
def _in_pieces(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> Iterator[None]:
    """Context in which a fused optimizer updates the parameters of a group in pieces, to the same bits.

    One multiprocessor of a GPU updates 65 536 values of a tensor, so that a small network would occupy one or two of
    them. The pieces are as many as one kernel takes. A group that is large enough, or has too many parameters, is left
    as it is. On exit the group has its parameters again.
    """
    parameters: list[torch.Tensor] = group["params"]
    values, count = sum(parameter.numel() for parameter in parameters), FUSED_TENSORS - len(parameters)
    if count < len(parameters) or values > count * FUSED_BLOCK:
        yield
        return
    size = -(-values // (count * VECTOR)) * VECTOR
    pieces = [torch.split(parameter.detach().view(-1), size) for parameter in parameters]

    def hand_gradients_on(*_: object) -> None:
        for parameter, of_parameter in zip(parameters, pieces, strict=True):
            if parameter.grad is not None:
                for piece, gradient in zip(of_parameter, torch.split(parameter.grad.reshape(-1), size), strict=True):
                    piece.grad = gradient
            parameter.grad = None  # the next gradient is stored directly, not added to this one

    hook = optimizer.register_step_pre_hook(hand_gradients_on)
    group["params"] = [piece for of_parameter in pieces for piece in of_parameter]
    try:
        yield
    finally:
        hook.remove()
        for piece in group["params"]:  # the state of the optimizer keeps the pieces
            piece.grad = None
        group["params"] = parameters


@contextmanager
def _flattened(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Context in which the parameters of each group of an optimizer share one tensor, padded to whole vectors.

    A CPU rounds the last values of a tensor in another way if they do not fill a vector. Without
    padding, which values those are would depend on R. On exit the parameters are separate tensors again.
    """
    views: list[tuple[torch.Tensor, torch.Tensor]] = []
    groups = [(group, group["params"]) for group in optimizer.param_groups]
    for group, parameters in groups:
        sizes = [parameter.numel() for parameter in parameters]
        padding = parameters[0].new_zeros(-sum(sizes) % VECTOR)
        flat = torch.nn.Parameter(torch.cat([*(parameter.detach().reshape(-1) for parameter in parameters), padding]))
        flat.grad = torch.zeros_like(flat)
        values, gradients = (torch.split(tensor, [*sizes, len(padding)])[:-1] for tensor in (flat.detach(), flat.grad))
        for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
            parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
            views.append((parameter, value))
        group["params"] = [flat]
    try:
        yield
    finally:
        for group, parameters in groups:
            group["params"] = parameters
        for parameter, value in views:
            if parameter.data_ptr() == value.data_ptr():  # else a later optimizer has already moved it
                parameter.data, parameter.grad = parameter.detach().clone(), None
