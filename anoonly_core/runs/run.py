"""RunConfig -> RunResult: load, split, train, score, evaluate; through the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import AnoOnlyError, DeviceUnavailable, TrainingDiverged
from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.models import METHODS, XGBOD, TrainedRuns
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import HISTORY_METRICS, NO_HISTORY, History, Role, RunResult, Sample
from anoonly_core.results.store import Store
from anoonly_core.rng import numpy_generator
from anoonly_core.runs.device import NO_GPU, check_device
from anoonly_core.runs.gpu import Gpu, run_on_gpu
from anoonly_core.runs.stacking import LoadDataset, PlannedRun, group_runs
from anoonly_core.training.evaluation import is_finite, make_evaluator, score_test_rows
from anoonly_core.training.loop import Snapshot, train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.pretraining_cache import reserve
from anoonly_core.training.stack import Stack

__all__ = [
    "Outcome",
    "RunProgress",
    "evaluated_epochs",
    "resolve_device",
    "run",
    "run_each",
    "run_many",
    "run_stored",
    "sample_rows",
    "warm_up",
]

SAMPLE_ROWS = 1500
MAX_EVALUATED_EPOCHS = 25

log = logging.getLogger(__name__)

# What comes of a run: its result, or why there is none.
Outcome = RunResult | AnoOnlyError
Report = Callable[[int, int], None]
# A run over its epochs and its metrics after the last of them, None where those are yet to be computed; or it diverged.
_Course = tuple[History, Metrics | None] | None


@dataclass(frozen=True)
class RunProgress:
    """How far a call of run_many has come: this stack's epoch, pretraining counted in, and the runs finished in all."""

    epoch: int
    epochs: int
    finished: int
    runs: int


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda" for auto, cpu or cuda; raises DeviceUnavailable where there is no such GPU."""
    available = torch.cuda.is_available()
    if check_device(device) == "auto":
        return "cuda" if available else "cpu"
    if device == "cuda" and not available:
        raise DeviceUnavailable(NO_GPU)
    return device


def run(config: RunConfig, device: str = "auto", store: Store | None = None) -> RunResult:
    """One run; from the store if it is there."""
    return run_many([config], device, store)[0]


def run_many(
    configs: Sequence[RunConfig],
    device: str = "auto",
    store: Store | None = None,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> list[RunResult]:
    """Runs in the order of their configs; those that share shapes train as one stack.

    What the store has is not trained again, and each stack is stored as soon as it is done.
    on_progress is called after every epoch; what it raises stops the training. Where a GPU cannot do
    what is asked, that is logged in one sentence, and the run is done in another way. Raises an
    AnoOnlyError with one sentence for data that cannot be had, split or trained on.
    """
    device = resolve_device(device)
    keys = [run_key(config, device) for config in configs]
    results: dict[str, RunResult] = {}
    errors: list[AnoOnlyError] = []
    for key, outcome in run_stored(dict(zip(keys, configs, strict=True)), device, store, on_progress):
        if isinstance(outcome, AnoOnlyError):
            errors.append(outcome)
        else:
            results[key] = outcome
    if errors:
        raise errors[0]
    return [results[key] for key in keys]


def run_stored(
    configs: Mapping[str, RunConfig],
    device: str,
    store: Store | None = None,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> Iterator[tuple[str, Outcome]]:
    """Yield the key and outcome of each run: stored runs first, then each trained stack once it is stored.

    Parameters
    ----------
    configs : mapping of str to RunConfig
        Runs by `run_key` on the device.
    device : str
        "cpu" or "cuda".
    store : Store or None
        Where finished runs are read and written.
    on_progress : callable, optional
        Called after every epoch; an exception raised there stops the training.

    Yields
    ------
    tuple of str and Outcome
        The key, and the RunResult or the error of the run.
    """
    finished: set[str] = set()

    def report(epoch: int, epochs: int) -> None:
        if on_progress is not None:
            on_progress(RunProgress(epoch, epochs, len(finished), len(configs)))

    if store is not None:
        for key in configs:
            if (stored := store.get(key)) is not None:
                finished.add(key)
                yield key, stored
    notes = {""}
    missing = {key: config for key, config in configs.items() if key not in finished}
    for key, outcome in run_each(missing, device, report):
        if isinstance(outcome, RunResult):
            finished.add(key)
            if store is not None:
                store.try_put(outcome)
            if outcome.note not in notes:
                notes.add(outcome.note)
                log.warning("%s", outcome.note)
        yield key, outcome


def run_each(
    configs: Mapping[str, RunConfig],
    device: str = "cpu",
    report: Report = lambda epoch, epochs: None,
    load: LoadDataset = load_cached,
) -> Iterator[tuple[str, Outcome]]:
    """Train and test runs by key, those of one shape as one stack; each stack's outcomes as soon as it is done.

    A run that cannot be had, or that diverges, yields its error and leaves the others alone.
    report is called after every epoch; what it raises stops the training. On a GPU several stacks train
    at once, and a result has the key of the device that it comes from.
    """
    if device == "cuda":
        yield from run_on_gpu(configs, _run_stack, report, load, Gpu())
        return
    groups, errors = group_runs(configs, load)
    yield from errors.items()
    for group in groups:
        for begin in range(0, len(group.runs), group.max_stack_runs):
            planned = group.runs[begin : begin + group.max_stack_runs]
            try:
                outcomes = _run_stack(group.dataset, planned, device, report)
            except AnoOnlyError as error:
                outcomes = [error] * len(planned)
            yield from zip([one.key for one in planned], outcomes, strict=True)


def warm_up() -> None:
    """Let torch load what it loads at its first optimizer, a second and more, before anything is timed."""
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def _run_stack(dataset: Dataset, planned: Sequence[PlannedRun], device: str, report: Report) -> list[Outcome]:
    """Train one stack, test it, and take down all that is kept of its runs."""
    configs, splits = [one.config for one in planned], [one.split for one in planned]
    begun = time.perf_counter()
    if configs[0].baseline in METHODS:
        stack = Stack(dataset, configs, splits, device)
        trained, courses, measuring = _train_stack(stack, report)
        measuring -= stack.cached_pretraining_seconds
    else:
        trained, courses, measuring = XGBOD(dataset, configs, splits), [(NO_HISTORY, None)] * len(configs), 0.0
    done = time.perf_counter()
    scores = score_test_rows(trained)
    scored = time.perf_counter()
    samples = _samples(trained)
    share = 1 / len(planned)
    return [
        TrainingDiverged()
        if course is None or not is_finite(scores[r])
        else RunResult(
            key=one.key,
            config=one.config,
            device=device,
            metrics=course[1] or metrics(dataset.y[one.split.test], scores[r]),
            seconds={"train": (done - begun - measuring) * share, "score": (scored - done) * share},
            counts=one.split.counts,
            test_rows=one.split.test,
            y_test=dataset.y[one.split.test].astype(np.int8),
            scores=scores[r],
            sample=samples[r],
            history=course[0],
        )
        for r, (one, course) in enumerate(zip(planned, courses, strict=True))
    ]


def _train_stack(stack: Stack, report: Report) -> tuple[TrainedRuns, list[_Course], float]:
    """The stack trained, its runs' courses, and the seconds of measuring them, of which a GPU's go to training."""
    epochs = stack.configs[0].epochs
    assert epochs is not None
    measured = evaluated_epochs(epochs)
    snapshots: list[Snapshot] = []
    measuring, seconds = make_evaluator(stack), 0.0
    with reserve(stack.pretraining_keys if stack.pretraining else ()):
        before = stack.pretraining_epochs
        for epoch in pretrain(stack):
            report(epoch, before + epochs)
    for snapshot in train(stack):
        snapshots.append(snapshot)
        if snapshot.epoch in measured:
            paused = time.perf_counter()
            measuring.measure()
            seconds += time.perf_counter() - paused
        report(before + snapshot.epoch, before + epochs)
    courses: list[_Course] = [
        None if own is None else (_history(snapshots, run, measured, own), own[-1])
        for run, own in enumerate(measuring.found())
    ]
    return stack, courses, seconds


def evaluated_epochs(epochs: int) -> list[int]:
    """The epochs at which the test rows are scored: all of few, evenly spread over many, always the last."""
    return sorted({int(epoch) for epoch in np.linspace(1, epochs, min(epochs, MAX_EVALUATED_EPOCHS)).round()})


def _samples(trained: TrainedRuns) -> list[Sample]:
    """What each run sees in its rows that are drawn."""
    pairs = zip(trained.configs, trained.splits, strict=True)
    chosen = [sample_rows(trained.dataset, split, config.seed) for config, split in pairs]
    hidden = trained.hidden([rows for rows, _ in chosen])
    return [
        Sample(rows, role, own, split.minimum, split.scale)
        for (rows, role), own, split in zip(chosen, hidden, trained.splits, strict=True)
    ]


def sample_rows(dataset: Dataset, split: Split, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a run that are drawn, int64 [m], and each one's Role, int8 [m].

    At most SAMPLE_ROWS test rows and labeled anomalies, with all anomalies if they fit.
    """
    labeled = np.unique(split.train[split.labeled])
    anomalies = np.unique(split.test[dataset.y[split.test] == 1])
    normals = np.unique(split.test[dataset.y[split.test] == 0])
    stream = numpy_generator(seed, "sample")
    labeled, anomalies = _some(stream, labeled, SAMPLE_ROWS // 3), _some(stream, anomalies, SAMPLE_ROWS // 3)
    normals = _some(stream, normals, SAMPLE_ROWS - len(labeled) - len(anomalies))
    role = np.repeat(
        np.array([Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELED_ANOMALY], dtype=np.int8),
        [len(normals), len(anomalies), len(labeled)],
    )
    return np.concatenate([normals, anomalies, labeled]), role


def _some(stream: np.random.Generator, rows: np.ndarray, most: int) -> np.ndarray:
    """All rows if they are few enough, else a draw of them, in order."""
    return rows if len(rows) <= most else np.sort(stream.choice(rows, most, replace=False))


def _history(snapshots: Sequence[Snapshot], run: int, measured: list[int], measures: list[Metrics]) -> History:
    per_epoch = {
        name: np.array([getattr(snapshot, name)[run] for snapshot in snapshots], dtype=np.float32)
        for name in ("loss_normal", "loss_anomaly", "labelled_share", "batches_without_anomaly")
    }
    by_metric = {name: np.array([getattr(own, name) for own in measures]) for name in HISTORY_METRICS}
    return History(**per_epoch, **by_metric, measured=np.array(measured, dtype=np.int64))
