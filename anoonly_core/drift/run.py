"""Run DriftConfigs: train, then score the streams by every way; absorption curves; all through the store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.drift.config import ABSORPTION_SHARES, DriftConfig, absorption_key, drift_key, make_drift_config
from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.retraining import score_retrained
from anoonly_core.drift.scoring import Plane, WayScores, scaled_batches, score_way
from anoonly_core.drift.stream import Stream, make_stream
from anoonly_core.drift.summary import mean_over_batches, stream_figures
from anoonly_core.drift.ways import WAYS
from anoonly_core.errors import TrainingDiverged
from anoonly_core.lru import LRU
from anoonly_core.progress import Report
from anoonly_core.results.keys import digest, run_keys
from anoonly_core.results.store import Store
from anoonly_core.runs.train_and_score import TrainingTask, trained_stacks
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["absorbing", "run_absorption", "run_drift", "trained_networks"]

DRIFT, ABSORPTION = "drift", "absorption"  # kinds of store entries
CACHED_BYTES = 2**28  # of the training rows of the networks that stay in this process
STREAMS_AT_ONCE = 16

T = TypeVar("T", DriftResult, Absorption)


def run_drift(
    configs: Sequence[DriftConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[DriftResult]:
    """Train the networks of some configs and score their streams by every way; seeds train and score as one stack.

    Parameters
    ----------
    configs : sequence of DriftConfig
        Settings, one per result.
    store : Store or None
        Results that it holds are not computed again; new ones are stored.
    report : callable
        Called after each epoch with (epochs done, all epochs), then after each batch, counted anew. An exception stops
        the work.

    Returns
    -------
    list of DriftResult
        In the order of the configs.

    Raises
    ------
    InvalidConfig
        If a shift does not fit its data set, or the test rows are too few.
    TrainingDiverged
        If a score is not a finite number.
    AnoOnlyError
        If loading or splitting fails.
    """
    return _through_store(configs, drift_key, DRIFT, DriftResult, _score_streams, store, report)


def run_absorption(
    configs: Sequence[DriftConfig],
    shares: Sequence[float] = ABSORPTION_SHARES,
    store: Store | None = None,
    report: Report = lambda done, total: None,
) -> list[Absorption]:
    """Score streams without a shift whose share of anomalies grows; the way "retrained" is not part of it.

    Parameters
    ----------
    configs : sequence of DriftConfig
        Settings, one per result; their shift and share of anomalies do not matter.
    shares : sequence of float
        Shares of anomalies, 0 to 0.9.
    store, report
        As in `run_drift`.

    Returns
    -------
    list of Absorption
        In the order of the configs. The figures are means over the second half of the stream, when moving statistics
        have followed.

    Raises
    ------
    InvalidConfig, TrainingDiverged, AnoOnlyError
        As in `run_drift`.
    """

    def key(config: DriftConfig) -> str:
        return absorption_key(config, shares)

    def compute(group: Sequence[DriftConfig], report: Report) -> list[Absorption]:
        return _absorb(group, shares, report)

    return _through_store(configs, key, ABSORPTION, Absorption, compute, store, report)


def _through_store(
    configs: Sequence[DriftConfig],
    key: Callable[[DriftConfig], str],
    kind: str,
    form: type[T],
    compute: Callable[[Sequence[DriftConfig], Report], list[T]],
    store: Store | None,
    report: Report,
) -> list[T]:
    """Read results of configs from the store, and compute and store the others in groups that differ only in seed."""
    keys = [key(config) for config in configs]
    results: dict[str, T] = {}
    if store is not None:
        stored = {name: form.from_arrays(store.try_get_arrays(name, kind)) for name in dict.fromkeys(keys)}
        results = {name: result for name, result in stored.items() if result is not None}
    missing = {name: config for name, config in zip(keys, configs, strict=True) if name not in results}
    grouped: dict[str, dict[str, DriftConfig]] = {}
    for name, config in missing.items():
        alike = config.with_(run=config.run.with_(seed=0)).canonical()
        grouped.setdefault(alike, {})[name] = config
    chunks = [
        list(group.items())[begin : begin + STREAMS_AT_ONCE]
        for group in grouped.values()
        for begin in range(0, len(group), STREAMS_AT_ONCE)
    ]
    for chunk in chunks:
        for (name, config), result in zip(chunk, compute([config for _, config in chunk], report), strict=True):
            results[name] = result
            if store is not None:
                store.try_put_arrays(name, kind, result.arrays(), config.canonical())
    return [results[name] for name in keys]


def _bytes(trained: list[tuple[list[int], Stack]]) -> int:
    return sum(stack.rows.X.nbytes for _, stack in trained)


_networks: LRU[list[tuple[list[int], Stack]]] = LRU(CACHED_BYTES, _bytes)


def trained_networks(
    configs: Sequence[RunConfig],
    dataset: Dataset,
    splits: Sequence[Split],
    report: Report = lambda done, total: None,
) -> list[tuple[list[int], Stack]]:
    """Train the networks of runs of one data set in stacks, or return those that this process trained before.

    The networks of the last calls are kept, up to 256 MiB, so that another stream of the same runs needs no training.

    Returns
    -------
    list of (list of int, Stack)
        Indices of the runs of each stack, and the stack.
    """
    key = digest({"networks": run_keys(configs)})
    trained = _networks.get(key)
    if trained is None:
        pairs = zip(configs, splits, strict=True)
        tasks = [TrainingTask(dataset, config, split, split.test) for config, split in pairs]
        trained = list(trained_stacks(tasks, report))
        _networks.put(key, trained)
    return trained


@default_torch_settings()
def _score_streams(group: Sequence[DriftConfig], report: Report) -> list[DriftResult]:
    """Score the streams of configs that differ only in seed; return their results in order."""
    dataset = load_cached(group[0].run.dataset)
    splits = [make_split(dataset, config.run) for config in group]
    streams = [make_stream(dataset, *each) for each in zip(splits, group, strict=True)]
    results: dict[int, DriftResult] = {}
    for indices, stack in trained_networks([config.run for config in group], dataset, splits, report):
        of_stack = [streams[index] for index in indices]
        plane = Plane.of(stack)
        ways = _score_ways(stack, group[0], of_stack, plane, report)
        for run, index in enumerate(indices):
            results[index] = _result(streams[index], ways, run, plane)
    return [results[index] for index in range(len(group))]


def _score_ways(
    stack: Stack, config: DriftConfig, streams: Sequence[Stream], plane: Plane | None, report: Report
) -> list[WayScores]:
    """Score streams by each way, in the order of WAYS; a way that coincides with an earlier one is not computed again.

    Raise TrainingDiverged if a score is not finite.
    """
    total = len(config.distinct_ways) * len(streams[0].rows)
    done = itertools.count(1)

    def tick() -> None:
        report(next(done), total)

    x = scaled_batches(stack, streams)
    computed: dict[str, WayScores] = {}
    for way in config.distinct_ways:
        if way == "retrained":
            computed[way] = score_retrained(stack, config, streams, plane, tick)
        else:
            computed[way] = score_way(stack, config, way, streams, x, plane, tick)
    if not all(np.isfinite(of_way.scores).all() for of_way in computed.values()):
        raise TrainingDiverged
    like = {way: "moving" if way == "guarded" and config.follows else "running" for way in WAYS}
    return [computed.get(way) or computed[like[way]] for way in WAYS]


def _result(stream: Stream, ways: Sequence[WayScores], run: int, plane: Plane | None = None) -> DriftResult:
    """Collect the scores of one run, given by index in its stack, by all ways, with its training rows in the plane."""

    def of(name: str) -> np.ndarray:
        return np.stack([getattr(way, name)[run] for way in ways])

    return DriftResult(
        rows=stream.rows,
        anomalous=stream.anomalous,
        intensity=stream.intensity,
        scores=of("scores"),
        promised=of("promised"),
        recalibrated=of("recalibrated"),
        path=of("path"),
        plane=of("plane"),
        training_plane=np.zeros((0, 2), dtype=np.float32) if plane is None else plane.training[run],
        distinct_rows=np.array([len(np.unique(stream.rows))]),
    )


@default_torch_settings()
def _absorb(group: Sequence[DriftConfig], shares: Sequence[float], report: Report) -> list[Absorption]:
    """Score streams of growing shares of anomalies for configs that differ only in seed; return a curve for each."""
    dataset = load_cached(group[0].run.dataset)
    splits = [make_split(dataset, config.run) for config in group]
    figures = np.zeros((len(group), len(shares), len(ABSORPTION_FIGURES), len(WAYS)), dtype=np.float32)
    path = np.zeros((len(group), len(shares), len(WAYS)), dtype=np.float32)
    for indices, stack in trained_networks([config.run for config in group], dataset, splits, report):
        for point, share in enumerate(shares):
            mixed = [absorbing(group[index], share) for index in indices]
            streams = [
                make_stream(dataset, splits[index], config) for index, config in zip(indices, mixed, strict=True)
            ]
            ways = _score_ways(stack, mixed[0], streams, None, _part(report, point, len(shares)))
            for run, index in enumerate(indices):
                result = _result(streams[run], ways, run)
                figures[index, point], path[index, point] = _late_means(result), result.path[:, -1]
    return [Absorption(np.array(shares, dtype=np.float64), *each) for each in zip(figures, path, strict=True)]


def _part(report: Report, part: int, parts: int) -> Report:
    """Return a report of one of several equal parts."""

    def of_part(done: int, total: int) -> None:
        report(part * total + done, parts * total)

    return of_part


def absorbing(config: DriftConfig, share: float) -> DriftConfig:
    """Return a config without a shift, without retraining and with this share of anomalies, for an absorption curve."""
    kept = ("batches", "rows", "alpha", "rate", "guard", "standardize", "level")
    settings = {name: getattr(config, name) for name in kept}
    return make_drift_config(config.run, schedule="none", anomaly_share=share, **settings)


def _late_means(result: DriftResult) -> np.ndarray:
    """Return the mean of each figure over the second half of a stream by way, float64 [F, W]; NaN if undefined."""
    figures = stream_figures(result)
    return np.stack([mean_over_batches(figures.of(name)[:, len(result.rows) // 2 :]) for name in ABSORPTION_FIGURES])
