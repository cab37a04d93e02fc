"""Pretraining of a stack: reuse cached parameters, or train each distinct pretraining once and share it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch

from anoonly_core.training.cuda_graph import step_repeater
from anoonly_core.training.optimizer import prepared_optimizer
from anoonly_core.training.pretraining_cache import add_to_cache, find_cached
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import PretrainingStep

__all__ = ["pretrain"]


def pretrain(stack: Stack, use_cache: bool = True) -> Iterator[int]:
    """Pretrain a stack in place, and yield the number of each epoch, from 1, after it.

    Yields nothing where the head has no pretraining or where the cache holds it for every run.
    Pretraining is complete only after the iteration has ended.

    Parameters
    ----------
    stack
        A stack that has not been trained; its parameters change in place.
    use_cache
        True to read earlier pretrainings from the cache of this process, and to add new ones to it.

    Source: docs/methods.md § 2, FEAWAD.
    """
    if stack.pretraining is None:
        return
    if not use_cache:
        yield from _train(stack)
        return
    if _recall(stack):
        return
    # Runs that differ in λ_n or norm alone begin with the same pretraining, which is trained once.
    keys = stack.pretraining_keys
    distinct = list(dict.fromkeys(keys))
    learner = stack if len(distinct) == len(keys) else stack.subset([keys.index(key) for key in distinct])
    begun = time.perf_counter()
    yield from _train(learner)
    _cache(learner, time.perf_counter() - begun)
    if learner is not stack:
        _share(learner, stack)


def _recall(stack: Stack) -> bool:
    """Copy cached pretrained parameters into every run of a stack and return True.

    Return False, and change nothing, if one run is not cached.
    """
    cached = find_cached(stack.pretraining_keys)
    if cached is None:
        return False
    parameters = _parameters(stack)
    for run, pretrained in enumerate(cached):
        stack.cached_pretraining_seconds += pretrained.seconds
        _set_run(parameters, run, pretrained.parameters)
    if stack.device.type == "cuda":
        torch.cuda.current_stream().synchronize()  # before another thread may evict the cached tensors
    return True


def _train(stack: Stack) -> Iterator[int]:
    """Take all steps of the pretraining of a stack, and yield the number of each epoch, from 1, after it."""
    pretraining = stack.pretraining
    assert pretraining is not None
    epochs = stack.draw_epochs(pretraining)
    with step_repeater(stack.device) as repeat, prepared_optimizer(pretraining.optimizer):
        step: PretrainingStep | None = None
        for epoch in range(1, pretraining.epochs + 1):
            stack.head.train()
            batches = next(epochs)
            step = step or PretrainingStep(stack, repeat, pretraining, batches)
            step.begin(batches)
            for _ in range(len(batches)):
                step.take()
            yield epoch


def _cache(stack: Stack, seconds: float) -> None:
    """Add copies of the pretrained parameters of each run to the cache, each with an equal share of `seconds`."""
    parameters, keys = _parameters(stack), stack.pretraining_keys
    copies = [[parameter.detach()[run].clone() for parameter in parameters] for run in range(len(keys))]
    if stack.device.type == "cuda":
        torch.cuda.current_stream().synchronize()  # another thread may read the copies in another CUDA stream
    for key, copy in zip(keys, copies, strict=True):
        add_to_cache(key, copy, seconds / len(keys))


def _share(learner: Stack, stack: Stack) -> None:
    """Copy the pretrained parameters of the runs of `learner` into the runs of `stack` with equal pretraining keys."""
    learned, parameters = _parameters(learner), _parameters(stack)
    position = {key: run for run, key in enumerate(learner.pretraining_keys)}
    for run, key in enumerate(stack.pretraining_keys):
        _set_run(parameters, run, [parameter.detach()[position[key]] for parameter in learned])


def _parameters(stack: Stack) -> list[torch.Tensor]:
    """Return the parameters of a stack that pretraining changes, each [R, ...]."""
    assert stack.pretraining is not None
    return [parameter for group in stack.pretraining.optimizer.param_groups for parameter in group["params"]]


def _set_run(parameters: Sequence[torch.Tensor], run: int, values: Sequence[torch.Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.data[run] = value
