"""Train one stack, evaluate it and return a result per run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import TrainingDiverged
from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.models import METHODS, OTHERS, TrainedRuns
from anoonly_core.progress import Report
from anoonly_core.results.result import HISTORY_METRICS, NO_HISTORY, History, RunResult
from anoonly_core.runs.samples import make_samples
from anoonly_core.runs.stacking import PlannedRun, RunOutcome
from anoonly_core.training.evaluation import is_finite, make_evaluator, score_test_rows
from anoonly_core.training.loop import Snapshot, train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.pretraining_cache import reserve
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["evaluated_epochs", "train_stack"]

MAX_EVALUATED_EPOCHS = 25


@dataclass(frozen=True)
class _Training:
    """Trained stack with the course of its training.

    Attributes
    ----------
    trained
        The runs.
    histories
        One a run; None if it diverged.
    metrics
        Metrics of each run after the last epoch; None if not yet computed.
    untimed
        Seconds to subtract from the training time.
    """

    trained: TrainedRuns
    histories: list[History | None]
    metrics: list[Metrics | None]
    untimed: float


@default_torch_settings()
def train_stack(dataset: Dataset, planned: Sequence[PlannedRun], device: str, report: Report) -> list[RunOutcome]:
    """Train runs of equal shapes as one stack, score and evaluate their test rows, and return an outcome per run.

    Parameters
    ----------
    dataset
        Data set of all runs, or a table of joined data sets.
    planned
        The runs of the stack.
    device
        "cpu" or "cuda".
    report
        Called after every epoch with the epochs done and all epochs, pretraining included.

    Returns
    -------
    list of RunOutcome
        A RunResult each, or TrainingDiverged for a run with scores that are not finite.

    Raises
    ------
    TrainingDiverged
        If all runs have diverged during training.
    ComparatorMissing
        If the system is of a package that is not installed.
    """
    configs, splits = [run.config for run in planned], [run.split for run in planned]
    begun = time.perf_counter()
    if configs[0].baseline in METHODS:
        training = _train_network(Stack(dataset, configs, splits, device), report)
    else:
        none: list[Metrics | None] = [None] * len(configs)
        fitted = OTHERS[configs[0].baseline](dataset, configs, splits, report)
        training = _Training(fitted, [NO_HISTORY] * len(configs), none, 0.0)
    done = time.perf_counter()
    scores = score_test_rows(training.trained)
    scored = time.perf_counter()
    samples = make_samples(training.trained)
    outcomes: list[RunOutcome] = []
    for r, (run, history) in enumerate(zip(planned, training.histories, strict=True)):
        if history is None or not is_finite(scores[r]):
            outcomes.append(TrainingDiverged())
            continue
        y_test = dataset.y[run.split.test]
        outcomes.append(
            RunResult(
                key=run.key,
                config=run.config,
                device=device,
                metrics=training.metrics[r] or metrics(y_test, scores[r]),
                seconds={
                    "train": (done - begun - training.untimed) / len(planned),
                    "score": (scored - done) / len(planned),
                },
                counts=run.split.counts,
                test_rows=run.split.test - run.first_row,
                y_test=y_test.astype(np.int8),
                scores=scores[r],
                sample=replace(samples[r], rows=samples[r].rows - run.first_row),
                history=history,
            )
        )
    return outcomes


def _train_network(stack: Stack, report: Report) -> _Training:
    """Pretrain and train a stack in place, evaluating the test rows at the evaluated epochs.

    `report` is called after every epoch with the epochs done and all epochs. The time of evaluation is not training
    time. The time that a cached pretraining once took is. On a GPU evaluation is asynchronous, so most of its time
    counts as training.
    """
    epochs = stack.configs[0].epochs
    assert epochs is not None
    evaluated = evaluated_epochs(epochs)
    snapshots: list[Snapshot] = []
    evaluator, evaluation_seconds = make_evaluator(stack), 0.0
    with reserve(stack.pretraining_keys if stack.pretraining else ()):
        before = stack.pretraining_epochs
        for epoch in pretrain(stack):
            report(epoch, before + epochs)
    for snapshot in train(stack):
        snapshots.append(snapshot)
        if snapshot.epoch in evaluated:
            paused = time.perf_counter()
            evaluator.evaluate()
            evaluation_seconds += time.perf_counter() - paused
        report(before + snapshot.epoch, before + epochs)
    evaluations = evaluator.evaluations()
    return _Training(
        trained=stack,
        histories=[
            None if metrics_of_run is None else _history(snapshots, run, evaluated, metrics_of_run)
            for run, metrics_of_run in enumerate(evaluations)
        ],
        metrics=[None if metrics_of_run is None else metrics_of_run[-1] for metrics_of_run in evaluations],
        untimed=evaluation_seconds - stack.cached_pretraining_seconds,
    )


def evaluated_epochs(epochs: int) -> list[int]:
    """Return the numbers, from 1, of the epochs after which test rows are scored in a training of `epochs` epochs.

    These are all of up to 25 epochs; of more, 25 at even distances, with the first and the last.
    """
    return sorted({int(epoch) for epoch in np.linspace(1, epochs, min(epochs, MAX_EVALUATED_EPOCHS)).round()})


def _history(
    snapshots: Sequence[Snapshot], run: int, evaluated: list[int], metrics_of_run: Sequence[Metrics]
) -> History:
    """Collect the losses of each epoch and the metrics of each evaluated epoch for one run of a stack.

    Parameters
    ----------
    snapshots
        One per epoch.
    run
        Index of the run in the stack.
    evaluated
        Numbers of the evaluated epochs, from 1.
    metrics_of_run
        Metrics of the test rows at these epochs.
    """
    per_epoch = {
        name: np.array([getattr(snapshot, name)[run] for snapshot in snapshots], dtype=np.float32)
        for name in ("loss_normal", "loss_anomaly", "labelled_share", "batches_without_anomaly")
    }
    per_evaluation = {
        name: np.array([getattr(measured, name) for measured in metrics_of_run]) for name in HISTORY_METRICS
    }
    return History(**per_epoch, **per_evaluation, measured=np.array(evaluated, dtype=np.int64))
