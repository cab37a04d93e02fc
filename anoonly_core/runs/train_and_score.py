"""Train many networks in stacks and score rows with each: the engine of purifying and labeling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import TrainingDiverged
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.progress import Report
from anoonly_core.runs.stacking import PlannedRun, max_runs_on_cpu
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack, shape_key
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["SCORING_METHODS", "ScoringMethod", "TrainingTask", "train_and_score", "trained_stacks"]


@dataclass(frozen=True)
class ScoringMethod:
    """Way in which a network is trained and then scores rows.

    Attributes
    ----------
    trains
        True to train the network after its pretraining; False if pretraining is all.
    score_function
        Takes a trained stack, returns its score function x [R, rows, columns] -> [R, rows].
    """

    trains: bool
    score_function: Callable[[Stack], Callable[[Tensor], Tensor]]


_HEAD_SCORE = ScoringMethod(True, lambda stack: stack.head.score)
SCORING_METHODS: Mapping[str, ScoringMethod] = MappingProxyType(
    {
        "same": _HEAD_SCORE,
        "svdd": _HEAD_SCORE,
        "autoencoder": ScoringMethod(False, lambda stack: cast(FEAWAD, stack.head).reconstruction_error),
    }
)


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Network to train, and the rows that it scores afterwards.

    Attributes
    ----------
    dataset, config, split
        Data set, settings and training rows of the network.
    rows
        Row indices in the data set of the rows to score, int64 [n].
    method
        Way of training and scoring.
    """

    dataset: Dataset
    config: RunConfig
    split: Split
    rows: np.ndarray
    method: ScoringMethod = _HEAD_SCORE


@default_torch_settings()
def train_and_score(tasks: Sequence[TrainingTask], report: Report = lambda done, total: None) -> list[np.ndarray]:
    """Train the network of each task on the CPU, and score the rows of the task with it.

    Networks of equal shapes train as one stack.

    Parameters
    ----------
    tasks
        Networks to train, all on the same data set if their shapes are equal.
    report
        Called after every epoch with the epochs done and the total over all stacks; an exception stops the training.

    Returns
    -------
    list of ndarray
        Anomaly scores of the rows of each task, float32 [len(rows)], in the order of the tasks.

    Raises
    ------
    TrainingDiverged
        If a score of any task is not finite.
    """
    scores: dict[int, np.ndarray] = {}
    for indices, stack in trained_stacks(tasks, report):
        scores |= zip(indices, _scores(stack, [tasks[index] for index in indices]), strict=True)
        del stack  # before the next one is trained, since it may be large
    if not all(np.isfinite(of_task).all() for of_task in scores.values()):
        raise TrainingDiverged
    return [scores[index] for index in range(len(tasks))]


def trained_stacks(
    tasks: Sequence[TrainingTask], report: Report = lambda done, total: None
) -> Iterator[tuple[list[int], Stack]]:
    """Train the networks of all tasks on the CPU in stacks of equal shapes; yield each stack when it is trained.

    Parameters
    ----------
    tasks, report
        As in `train_and_score`.

    Yields
    ------
    indices : list of int
        Indices of the tasks of the stack.
    stack : Stack
        Its runs, in the order of `indices`.
    """
    stacks = list(_stacks(tasks))
    total = sum(_epochs(tasks[indices[0]]) for indices in stacks)
    done = 0

    def report_epoch(epoch: int) -> None:
        report(done + epoch, total)

    for indices in stacks:
        stack_tasks = [tasks[index] for index in indices]
        yield indices, _trained(stack_tasks, report_epoch)
        done += _epochs(stack_tasks[0])


def _scores(stack: Stack, tasks: Sequence[TrainingTask]) -> list[np.ndarray]:
    """Return the scores of the rows of each task of a trained stack, float32 [len(rows)]."""
    return stack.map_rows(tasks[0].method.score_function(stack), [task.rows for task in tasks])


@default_torch_settings()
def _trained(tasks: Sequence[TrainingTask], report: Callable[[int], None]) -> Stack:
    """Train tasks of one shape and method as one stack, and return it.

    `report` is called after each epoch with its number, from 1, pretraining included.
    """
    stack = Stack(tasks[0].dataset, [task.config for task in tasks], [task.split for task in tasks])
    for epoch in pretrain(stack):
        report(epoch)
    if tasks[0].method.trains:
        before = BASELINES[tasks[0].config.baseline].pretraining_epochs
        for snapshot in train(stack):
            report(before + snapshot.epoch)
    return stack


def _epochs(task: TrainingTask) -> int:
    epochs = task.config.epochs if task.method.trains else 0
    assert epochs is not None
    return BASELINES[task.config.baseline].pretraining_epochs + epochs


def _stacks(tasks: Sequence[TrainingTask]) -> Iterator[list[int]]:
    """Group tasks into stacks of equal method and shape that fit into memory; yield the task indices of each."""
    grouped: dict[object, list[int]] = {}
    for index, task in enumerate(tasks):
        key = (task.method, task.config.dataset, shape_key(task.config, task.split))
        grouped.setdefault(key, []).append(index)
    for indices in grouped.values():
        first = tasks[indices[0]]
        size = max_runs_on_cpu(PlannedRun("", first.config, first.split), first.dataset.columns)
        yield from (indices[begin : begin + size] for begin in range(0, len(indices), size))
