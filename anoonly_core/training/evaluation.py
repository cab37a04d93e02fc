"""Measures a stack's test rows at some of its epochs: on a CPU run by run, on a GPU all runs at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from anoonly_core.errors import TrainingDiverged
from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.metrics.stacked import padded_labels, stacked_metrics
from anoonly_core.models import TrainedRuns
from anoonly_core.training.stack import Stack

__all__ = ["StackEvaluator", "is_finite", "make_evaluator", "score_test_rows"]


class StackEvaluator(Protocol):
    """The metrics of each run's test rows, one after the other."""

    def measure(self) -> None:
        """Measure the stack as it is now; may raise TrainingDiverged once no run has finite scores."""

    def found(self) -> list[list[Metrics] | None]:
        """What each run's measurements gave; None where one of its scores was not a finite number."""


def make_evaluator(stack: Stack) -> StackEvaluator:
    """The way for the device that the stack is on."""
    return _OnGpu(stack) if stack.device.type == "cuda" else _RunByRun(stack)


def score_test_rows(trained: TrainedRuns) -> list[np.ndarray]:
    """Each run's scores of its test rows."""
    return trained.scores([split.test for split in trained.splits])


def is_finite(scores: np.ndarray) -> bool:
    """Whether a run has not diverged."""
    return bool(np.isfinite(scores).all())


class _RunByRun:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._found: list[list[Metrics] | None] = [[] for _ in stack.configs]

    def measure(self) -> None:
        for run, score in enumerate(score_test_rows(self._stack)):
            own = self._found[run]
            if own is not None and is_finite(score):
                own.append(metrics(self._stack.dataset.y[self._stack.splits[run].test], score))
            else:
                self._found[run] = None
        if not any(own is not None for own in self._found):
            raise TrainingDiverged

    def found(self) -> list[list[Metrics] | None]:
        return self._found


class _OnGpu:
    """Nothing is waited for before all is measured."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._rows = [split.test for split in stack.splits]
        self._labels = padded_labels([stack.dataset.y[rows] for rows in self._rows], stack.device)
        self._taken: list[torch.Tensor] = []

    def measure(self) -> None:
        self._taken.append(stacked_metrics(self._labels, self._stack.on_gpu(self._stack.head.score, self._rows)))

    def found(self) -> list[list[Metrics] | None]:
        taken = torch.stack(self._taken).cpu().numpy()
        finite = np.isfinite(taken).all(axis=(0, 2))
        return [
            [Metrics(*map(float, values)) for values in taken[:, run]] if finite[run] else None
            for run in range(taken.shape[1])
        ]
