"""Evaluate a stack on its test rows during training: run by run on a CPU, all runs at once on a GPU."""

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
    """Evaluator that collects the metrics of the test rows of each run at several moments of a training."""

    def evaluate(self) -> None:
        """Score the test rows of each run with the current weights and record the metrics.

        On a GPU the call returns before they are computed.

        Raises
        ------
        TrainingDiverged
            If every run has had a score that is not finite; not checked on a GPU.
        """

    def evaluations(self) -> list[list[Metrics] | None]:
        """Return the recorded metrics of each run, one per call of `evaluate`; block until a GPU has computed them.

        None stands for a run of which at least one score was not finite.
        """


def make_evaluator(stack: Stack) -> StackEvaluator:
    """Return a new evaluator of a stack: run by run on a CPU, all runs at once on a GPU."""
    return _GpuEvaluator(stack) if stack.device.type == "cuda" else _CpuEvaluator(stack)


def score_test_rows(trained: TrainedRuns) -> list[np.ndarray]:
    """Return the anomaly scores of the test rows of each run, a list of float32 [test rows]."""
    return trained.scores([split.test for split in trained.splits])


def is_finite(scores: np.ndarray) -> bool:
    """Return True if all scores are finite; otherwise the run has diverged."""
    return bool(np.isfinite(scores).all())


class _CpuEvaluator:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._evaluations: list[list[Metrics] | None] = [[] for _ in stack.configs]

    def evaluate(self) -> None:
        for run, scores in enumerate(score_test_rows(self._stack)):
            evaluations = self._evaluations[run]
            if evaluations is not None and is_finite(scores):
                evaluations.append(metrics(self._stack.dataset.y[self._stack.splits[run].test], scores))
            else:
                self._evaluations[run] = None
        if all(evaluations is None for evaluations in self._evaluations):
            raise TrainingDiverged

    def evaluations(self) -> list[list[Metrics] | None]:
        return self._evaluations


class _GpuEvaluator:
    """Evaluator that queues all evaluations on the GPU; only `evaluations` waits for them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._rows = [split.test for split in stack.splits]
        self._labels = padded_labels([stack.dataset.y[rows] for rows in self._rows], stack.device)
        self._metrics: list[torch.Tensor] = []

    def evaluate(self) -> None:
        scores = self._stack.map_rows_on_gpu(self._stack.head.score, self._rows)
        self._metrics.append(stacked_metrics(self._labels, scores))

    def evaluations(self) -> list[list[Metrics] | None]:
        values = torch.stack(self._metrics).cpu().numpy()
        finite = np.isfinite(values).all(axis=(0, 2))
        return [
            [Metrics(*map(float, row)) for row in values[:, run]] if finite[run] else None
            for run in range(values.shape[1])
        ]
