"""Time a few optimizer steps of a stack to predict how long its epochs take."""

from __future__ import annotations

import statistics
import time

import torch

from anoonly_core.training.cuda_graph import step_repeater
from anoonly_core.training.optimizer import prepared_optimizer
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import OptimizerStep, PretrainingStep, TrainingStep

__all__ = ["seconds_per_epoch"]

WARM_UP_STEPS, TIMED_STEPS = 2, 5
TINY_RATE = 1e-9  # the timed steps should change the weights little


def seconds_per_epoch(stack: Stack) -> tuple[float, float]:
    """Measure the seconds of one pretraining epoch and of one training epoch of a stack on this machine.

    Takes seven steps of each, blocks until they are done, and changes the weights of the stack.

    Parameters
    ----------
    stack
        A new stack that is discarded afterwards.

    Returns
    -------
    tuple of float
        Seconds of a pretraining epoch (0 where the head has none), seconds of a training epoch.
    """
    pretraining_seconds = 0.0
    if (pretraining := stack.pretraining) is not None:
        with step_repeater(stack.device) as repeat, prepared_optimizer(pretraining.optimizer):
            batches = next(stack.draw_epochs(pretraining))
            pretraining_seconds = _timed(PretrainingStep(stack, repeat, pretraining, batches), batches)
    optimizer = stack.head.train().optimizer(TINY_RATE)
    with step_repeater(stack.device) as repeat, prepared_optimizer(optimizer):
        batches = next(stack.draw_epochs())
        training_seconds = _timed(TrainingStep(stack, repeat, optimizer, batches), batches)
    return pretraining_seconds, training_seconds


def _timed(step: OptimizerStep, batches: torch.Tensor) -> float:
    """Take two steps to warm up and five timed ones; return their median seconds times the steps of an epoch.

    `batches` has the batches of an epoch, int64 [steps, R, rows].
    """
    seconds = []
    for number in range(WARM_UP_STEPS + TIMED_STEPS):
        if number % len(batches) == 0:
            step.begin(batches)
        begun = time.perf_counter()
        step.take()
        if batches.is_cuda:
            torch.cuda.current_stream().synchronize()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[WARM_UP_STEPS:]) * len(batches)
