"""Run a ZeroShotConfig: meta-train, then score test batches of unseen classes; through the store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anoonly_core.data.split import medians, min_max
from anoonly_core.errors import InvalidConfig, TrainingDiverged
from anoonly_core.progress import Report
from anoonly_core.results.store import Store
from anoonly_core.rng import derived_seed
from anoonly_core.training.optimizer import prepared_optimizer, take_step
from anoonly_core.training.torch_settings import default_torch_settings
from anoonly_core.zero_shot.class_table import ClassTable, load_class_table
from anoonly_core.zero_shot.config import ZeroShotConfig, check_classes, zero_shot_key
from anoonly_core.zero_shot.episodes import EpisodeRows, episode_rows, growing_batches, test_batches, training_tasks
from anoonly_core.zero_shot.network import TaskNetwork
from anoonly_core.zero_shot.references import batch_aucrocs, distance_to_mean, distance_to_neighbors
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SHIFT_SHARES, SIZE_SHARE, SIZES, ZeroShotResult

__all__ = ["TrainedZeroShotStack", "ZeroShotStack", "run_zero_shot", "train_zero_shot"]

KIND = "zero-shot"
DRAWS = 10
MAX_RUNS = 16  # in a stack
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class ZeroShotStack:
    """R runs that train together, with their rows and scaling; they differ only in seed and meta-training classes.

    Attributes
    ----------
    table : ClassTable
        The rows.
    configs : tuple of ZeroShotConfig
        Settings, one per run.
    pools : tuple of EpisodeRows
        Rows by use, one per run.
    minimum, scale : Tensor [R, columns]
        Input scaling of each run, from its training rows, in the dtype of the table: (x - minimum) / scale.
    fill : Tensor [R, columns] or None
        Medians of the training rows of each run, which replace missing values; None if no value is missing.
    """

    table: ClassTable
    configs: tuple[ZeroShotConfig, ...]
    pools: tuple[EpisodeRows, ...]
    minimum: Tensor
    scale: Tensor
    fill: Tensor | None = None

    @classmethod
    def of(cls, table: ClassTable, configs: Sequence[ZeroShotConfig]) -> ZeroShotStack:
        """Divide the rows of a table for each run, and compute the scaling of each run from its training rows.

        Raise InvalidConfig if the classes of a config do not fit the table.
        """
        for config in configs:
            check_classes(config, table)
        pools = tuple(episode_rows(config, table) for config in configs)
        trained = [np.concatenate(list(rows.train.values())) for rows in pools]
        ranges = [min_max(table.X, rows) for rows in trained]
        minimum, scale = (torch.from_numpy(np.stack(values)) for values in zip(*ranges, strict=True))
        fill = None
        if np.isnan(table.X).any():
            fill = torch.from_numpy(np.stack([medians(table.X, rows) for rows in trained]))
        return cls(table, tuple(configs), pools, minimum, scale, fill)

    def gather(self, rows: Sequence[np.ndarray]) -> Tensor:
        """Return scaled rows of the table, float32 [R, ..., n, columns], with missing values filled.

        `rows` has one array of row indices, [..., n], per run; each run has its own scaling.
        """
        gathered = torch.from_numpy(self.table.X[np.stack(rows)])
        shape = (len(rows), *[1] * (gathered.ndim - 2), -1)
        if self.fill is not None:
            gathered = torch.where(gathered.isnan(), self.fill.view(shape), gathered)
        return ((gathered - self.minimum.view(shape)) / self.scale.view(shape)).float()

    def network(self, with_norm: bool) -> TaskNetwork:
        """Build an untrained network of all runs, with or without batch norm; both have the same first weights."""
        network = TaskNetwork(len(self.configs), self.table.X.shape[1], self.configs[0].objective, with_norm)
        seeds = [derived_seed(config.seed, "zero-shot weights") for config in self.configs]
        network.initialize([torch.Generator().manual_seed(seed) for seed in seeds])
        return network


@dataclass(frozen=True, eq=False)
class TrainedZeroShotStack:
    """Networks of a stack after meta-training: with and without batch norm, and an untrained one.

    Attributes
    ----------
    stack : ZeroShotStack
        The runs.
    with_norm, without_norm, untrained : TaskNetwork
        The networks, in eval mode.
    losses : float32 [R, steps]
        Losses of the network with batch norm.
    """

    stack: ZeroShotStack
    with_norm: TaskNetwork
    without_norm: TaskNetwork
    untrained: TaskNetwork
    losses: np.ndarray

    @default_torch_settings()
    @torch.no_grad()
    def scores(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """Score test batches with each of SCORER_LABELS.

        Scores depend on the batch: never compare scores of two batches, nor apply one threshold to them.

        Parameters
        ----------
        rows : sequence of int64 [batches, n]
            Row indices, one array per run; n is at least 2.

        Returns
        -------
        float32 [S, R, batches, n]
            Scores; higher is more anomalous.

        Raises
        ------
        InvalidConfig
            If n is 1: one row has no statistics.
        """
        if rows[0].shape[-1] < 2:
            raise InvalidConfig("A batch of one row has no statistics: give two rows or more.")
        at_once = max(1, ROWS_AT_ONCE // rows[0].shape[-1])
        parts = []
        for begin in range(0, len(rows[0]), at_once):
            x = self.stack.gather([batches[begin : begin + at_once] for batches in rows])
            zero = torch.zeros(())
            by_network = {
                "batch": self.with_norm.score(x),
                "running": self.with_norm.score(x, running=True),
                "none": self.without_norm.score(x),
                "untrained": self.untrained.score(x, center=zero),
            }
            scores = {name: tensor.numpy() for name, tensor in by_network.items()}
            scores["neighbors"] = _batch_by_batch(distance_to_neighbors, x.numpy())
            scores["mean"] = _batch_by_batch(distance_to_mean, x.numpy())
            parts.append(np.stack([scores[name] for name in SCORER_LABELS]).astype(np.float32))
        return np.concatenate(parts, axis=2)


def _batch_by_batch(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    return np.array([[function(batch) for batch in of_run] for of_run in x])


@default_torch_settings()
def run_zero_shot(
    configs: Sequence[ZeroShotConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[ZeroShotResult]:
    """Meta-train and test zero-shot runs.

    Runs that differ only in seed and meta-training classes share a stack, which changes none of their bits.

    Parameters
    ----------
    configs : sequence of ZeroShotConfig
        Settings, one per run.
    store : Store or None
        Results that it holds are not computed again; new ones are stored.
    report : callable
        Called after each step with (steps done, all steps). An exception stops the training.

    Returns
    -------
    list of ZeroShotResult
        In the order of the configs.

    Raises
    ------
    InvalidConfig
        If the classes do not fit the table.
    TrainingDiverged
        If a loss is not a finite number.
    AnoOnlyError
        If the table cannot be loaded.
    """
    keys = [zero_shot_key(config) for config in configs]
    results: dict[str, ZeroShotResult] = {}
    if store is not None:
        stored = {key: ZeroShotResult.from_arrays(store.try_get_arrays(key, KIND)) for key in dict.fromkeys(keys)}
        results = {key: result for key, result in stored.items() if result is not None}
    missing = {key: config for key, config in zip(keys, configs, strict=True) if key not in results}
    stacks = list(_stacks(missing))
    total = sum(2 * next(iter(group.values())).steps for group in stacks)
    done = 0
    for group in stacks:
        first = next(iter(group.values()))
        stack = ZeroShotStack.of(load_class_table(first.table, first.column), list(group.values()))
        outcomes = _run(stack, functools.partial(_report_from, report, done, total))
        for (key, config), result in zip(group.items(), outcomes, strict=True):
            results[key] = result
            if store is not None:
                store.try_put_arrays(key, KIND, result.arrays(), config.canonical())
        done += 2 * first.steps
    return [results[key] for key in keys]


def _report_from(report: Report, begun: int, total: int, step: int) -> None:
    report(begun + step, total)


def _stacks(configs: dict[str, ZeroShotConfig]) -> Iterator[dict[str, ZeroShotConfig]]:
    """Group configs by key into those that can train as one stack; yield each group by key, at most MAX_RUNS each."""
    grouped: dict[str, dict[str, ZeroShotConfig]] = {}
    for key, config in configs.items():
        alike = config.model_copy(update={"seed": 0, "meta": ()}).canonical()
        grouped.setdefault(alike, {})[key] = config
    for group in grouped.values():
        keys = list(group)
        for begin in range(0, len(keys), MAX_RUNS):
            yield {key: group[key] for key in keys[begin : begin + MAX_RUNS]}


def _run(stack: ZeroShotStack, report: Callable[[int], None]) -> list[ZeroShotResult]:
    trained = train_zero_shot(stack, report)
    by_ratio, ratio_rows = _test_aucrocs(trained, [(share, stack.configs[0].test_rows) for share in RATIOS])
    by_size, size_rows = _test_aucrocs(trained, [(SIZE_SHARE, rows) for rows in SIZES])
    shifts = _shifts(trained)
    return [
        ZeroShotResult(
            by_ratio=by_ratio[:, :, run],
            ratio_rows=ratio_rows,
            by_size=by_size[:, :, run],
            size_rows=size_rows,
            losses=trained.losses[run],
            **shifts[run],
        )
        for run in range(len(stack.configs))
    ]


@default_torch_settings()
def train_zero_shot(stack: ZeroShotStack, report: Callable[[int], None] = lambda step: None) -> TrainedZeroShotStack:
    """Meta-train the networks of a stack, with and without batch norm, on the same tasks.

    Source: docs/methods.md § 6.

    Parameters
    ----------
    stack : ZeroShotStack
        The runs.
    report : callable
        Called after each step with the steps done; both networks together take twice the configured steps.

    Raises
    ------
    TrainingDiverged
        If a loss is not a finite number.
    """
    steps = stack.configs[0].steps
    with_norm, without_norm = stack.network(with_norm=True), stack.network(with_norm=False)
    losses = _train(stack, with_norm, report)
    _train(stack, without_norm, lambda step: report(steps + step))
    return TrainedZeroShotStack(stack, with_norm, without_norm, stack.network(with_norm=True).eval(), losses)


def _train(stack: ZeroShotStack, network: TaskNetwork, report: Callable[[int], None]) -> np.ndarray:
    """Train a network on the tasks of its stack, in place, and set it to eval mode.

    Return the loss of each run in each step, float32 [R, steps]. `report` is called after each step with the steps
    done.
    """
    first = stack.configs[0]
    tasks = [training_tasks(config, rows) for config, rows in zip(stack.configs, stack.pools, strict=True)]
    anomalous = torch.arange(first.rows) >= first.normal_rows
    optimizer = torch.optim.Adam(network.parameters(), lr=first.learning_rate, fused=True)
    losses = torch.empty(len(stack.configs), first.steps)
    ones = torch.ones(len(stack.configs))
    network.train()
    with prepared_optimizer(optimizer):
        for step in range(first.steps):
            loss = network.loss(stack.gather([next(of_run) for of_run in tasks]), anomalous)
            take_step(optimizer, [(loss, ones)])
            losses[:, step] = loss.detach()
            report(step + 1)
    network.eval()
    if not bool(losses.isfinite().all()):
        raise TrainingDiverged
    return losses.numpy()


def _test_aucrocs(trained: TrainedZeroShotStack, asked: Sequence[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Draw test batches and compute the AUCROC of each scorer on them.

    `asked` holds one pair (share of anomalies, wanted rows of a batch) per point.

    Returns
    -------
    aucrocs : float32 [S, points, R, H, D]
        AUCROC of S scorers, R runs, H held-out classes and D draws.
    rows : int64 [points]
        Rows of a batch that the classes allow.
    """
    stack, aucrocs, rows = trained.stack, [], []
    for share, wanted in asked:
        drawn = [
            test_batches(config, pools, share, wanted, DRAWS)
            for config, pools in zip(stack.configs, stack.pools, strict=True)
        ]
        anomalies, size = drawn[0][1], drawn[0][0].shape[2]
        scores = trained.scores([batches.reshape(-1, size) for batches, _ in drawn])
        aucrocs.append(batch_aucrocs(scores, anomalies).reshape(*scores.shape[:2], -1, DRAWS))
        rows.append(size)
    return np.stack(aucrocs, axis=1).astype(np.float32), np.array(rows)


def _shifts(trained: TrainedZeroShotStack) -> list[dict[str, np.ndarray]]:
    """Add anomalies to a batch step by step, and return the arrays of ZeroShotResult named shift_… for each run."""
    stack = trained.stack
    pairs = zip(stack.configs, stack.pools, strict=True)
    rows, firsts = zip(*(growing_batches(config, pools, max(SHIFT_SHARES)) for config, pools in pairs), strict=True)
    normals, size = firsts[0], rows[0].shape[1]
    wanted = [max(round(normals * share / (1 - share)), int(share > 0)) for share in SHIFT_SHARES]
    counts = np.unique(np.minimum(wanted, size - normals))
    scores = np.full((len(counts), len(rows), len(rows[0]), size), np.nan, dtype=np.float32)
    away = np.empty((len(counts), len(rows), len(rows[0])), dtype=np.float32)
    with torch.no_grad():
        for moment, count in enumerate(counts):
            x = stack.gather([batches[:, : normals + count] for batches in rows])
            scores[moment, :, :, : normals + count] = trained.with_norm.score(x).numpy()
            away[moment] = _mean_shift(trained.with_norm, x, normals)
    return [
        {
            "shift_rows": rows[run],
            "shift_normals": np.array([normals]),
            "shift_counts": counts,
            "shift_scores": scores[:, run],
            "shift_away": away[:, run],
        }
        for run in range(len(rows))
    ]


def _mean_shift(network: TaskNetwork, x: Tensor, normals: int) -> np.ndarray:
    """Return the distance of each batch mean from the mean of its normal rows, [R, H].

    It is measured in front of the first norm, in deviations of the normal rows, as root mean square over the features.
    `x` holds batches [R, H, n, columns], whose first `normals` rows are normal.
    """
    first = network.linear[0](x.flatten(1, 2)).view(*x.shape[:3], -1)
    deviation, mean = torch.std_mean(first[:, :, :normals], dim=2, correction=0)
    moved = (first.mean(dim=2) - mean) / (deviation + 1e-12)
    return np.asarray(moved.square().mean(dim=2).sqrt().numpy())
