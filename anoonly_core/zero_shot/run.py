"""ZeroShotConfig -> ZeroShotResult: meta-train, then score test batches of classes never seen; through the store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anoonly_core.data.split import min_max
from anoonly_core.errors import InvalidConfig, TrainingDiverged
from anoonly_core.results.store import Store
from anoonly_core.rng import derived_seed
from anoonly_core.training.optimizer import prepared_optimizer, take_step
from anoonly_core.zero_shot.class_table import ClassTable, load_class_table
from anoonly_core.zero_shot.config import ZeroShotConfig, check_classes, zero_shot_key
from anoonly_core.zero_shot.episodes import EpisodeRows, episode_rows, growing_batches, test_batches, training_tasks
from anoonly_core.zero_shot.network import TaskNetwork
from anoonly_core.zero_shot.references import batch_aucrocs, distance_to_mean, distance_to_neighbors
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SHIFT_SHARES, SIZE_SHARE, SIZES, ZeroShotResult

__all__ = ["TrainedStack", "ZeroShotStack", "run_zero_shot", "train_zero_shot"]

KIND = "zero-shot"
DRAWS = 10
MAX_RUNS = 16  # in a stack
ROWS_AT_ONCE = 20_000

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class ZeroShotStack:
    """R runs that train as one: they differ in seed and classes trained on alone.

    minimum, scale: float32 [R, columns], how each run brings what it trains on into 0 to 1.
    """

    table: ClassTable
    configs: tuple[ZeroShotConfig, ...]
    pools: tuple[EpisodeRows, ...]
    minimum: Tensor
    scale: Tensor

    @classmethod
    def of(cls, table: ClassTable, configs: Sequence[ZeroShotConfig]) -> ZeroShotStack:
        """Draw what each run trains and tests on; raises InvalidConfig where its classes do not fit the table."""
        for config in configs:
            check_classes(config, table)
        pools = tuple(episode_rows(config, table) for config in configs)
        ranges = [min_max(table.X, np.concatenate(list(own.train.values()))) for own in pools]
        minimum, scale = (torch.from_numpy(np.stack(own)) for own in zip(*ranges, strict=True))
        return cls(table, tuple(configs), pools, minimum, scale)

    def gather(self, rows: Sequence[np.ndarray]) -> Tensor:
        """Each run's own rows [..., n] of the table as it sees them, [R, ..., n, columns]."""
        seen = torch.from_numpy(self.table.X[np.stack(rows)])
        shape = (len(rows), *[1] * (seen.ndim - 2), -1)
        return (seen - self.minimum.view(shape)) / self.scale.view(shape)

    def network(self, with_norm: bool) -> TaskNetwork:
        """The untrained network: the same first weights with and without batch norm."""
        network = TaskNetwork(len(self.configs), self.table.X.shape[1], self.configs[0].objective, with_norm)
        seeds = [derived_seed(config.seed, "zero-shot weights") for config in self.configs]
        network.initialize([torch.Generator().manual_seed(seed) for seed in seeds])
        return network


@dataclass(frozen=True, eq=False)
class TrainedStack:
    """The networks of a stack, meta-trained with and without batch norm, and one that is not trained.

    losses: float32 [R, steps], of the one with batch norm.
    """

    stack: ZeroShotStack
    with_norm: TaskNetwork
    without_norm: TaskNetwork
    untrained: TaskNetwork
    losses: np.ndarray

    @torch.no_grad()
    def scores(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """How each of SCORERS scores each run's own batches [batches, n]: float32 [S, R, batches, n].

        Scores depend on the batch: never compare or threshold them across batches. Raises InvalidConfig for
        batches of one row, which have no statistics.
        """
        if rows[0].shape[-1] < 2:
            raise InvalidConfig("A batch of one row has no statistics of its own: give two rows or more.")
        at_once = max(1, ROWS_AT_ONCE // rows[0].shape[-1])
        parts = []
        for begin in range(0, len(rows[0]), at_once):
            x = self.stack.gather([own[begin : begin + at_once] for own in rows])
            zero = torch.zeros(())
            by_network = {
                "batch": self.with_norm.score(x),
                "running": self.with_norm.score(x, running=True),
                "none": self.without_norm.score(x),
                "untrained": self.untrained.score(x, center=zero),
            }
            found = {name: own.numpy() for name, own in by_network.items()}
            found["neighbors"] = _batch_by_batch(distance_to_neighbors, x.numpy())
            found["mean"] = _batch_by_batch(distance_to_mean, x.numpy())
            parts.append(np.stack([found[name] for name in SCORER_LABELS]).astype(np.float32))
        return np.concatenate(parts, axis=2)


def _batch_by_batch(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    return np.array([[function(batch) for batch in of_run] for of_run in x])


def run_zero_shot(
    configs: Sequence[ZeroShotConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[ZeroShotResult]:
    """Meta-train and test runs, in the order of their configs; what the store has is not done again.

    Runs that differ in seed and classes trained on alone train as one stack, which changes none of their
    bits. report: called with the steps done and all of them; what it raises stops it. Raises InvalidConfig,
    what load_class_table raises, and TrainingDiverged.
    """
    keys = [zero_shot_key(config) for config in configs]
    found: dict[str, ZeroShotResult] = {}
    if store is not None:
        kept = {key: ZeroShotResult.from_arrays(store.get_arrays(key, KIND)) for key in dict.fromkeys(keys)}
        found = {key: result for key, result in kept.items() if result is not None}
    missing = {key: config for key, config in zip(keys, configs, strict=True) if key not in found}
    stacks = list(_stacks(missing))
    total = sum(2 * next(iter(own.values())).steps for own in stacks)
    done = 0
    for own in stacks:
        first = next(iter(own.values()))
        stack = ZeroShotStack.of(load_class_table(first.table, first.column), list(own.values()))
        results = _run(stack, functools.partial(_report_from, report, done, total))
        for (key, config), result in zip(own.items(), results, strict=True):
            found[key] = result
            if store is not None:
                store.try_put_arrays(key, KIND, result.arrays(), config.canonical())
        done += 2 * first.steps
    return [found[key] for key in keys]


def _report_from(report: Report, begun: int, total: int, step: int) -> None:
    report(begun + step, total)


def _stacks(configs: dict[str, ZeroShotConfig]) -> Iterator[dict[str, ZeroShotConfig]]:
    """Runs that can train as one, by key."""
    grouped: dict[str, dict[str, ZeroShotConfig]] = {}
    for key, config in configs.items():
        alike = config.model_copy(update={"seed": 0, "meta": ()}).canonical()
        grouped.setdefault(alike, {})[key] = config
    for own in grouped.values():
        keys = list(own)
        for begin in range(0, len(keys), MAX_RUNS):
            yield {key: own[key] for key in keys[begin : begin + MAX_RUNS]}


def _run(stack: ZeroShotStack, report: Callable[[int], None]) -> list[ZeroShotResult]:
    trained = train_zero_shot(stack, report)
    by_ratio, ratio_rows = _tested(trained, [(share, stack.configs[0].test_rows) for share in RATIOS])
    by_size, size_rows = _tested(trained, [(SIZE_SHARE, rows) for rows in SIZES])
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


def train_zero_shot(stack: ZeroShotStack, report: Callable[[int], None] = lambda step: None) -> TrainedStack:
    """Meta-train a stack's networks, with and without batch norm, on the same tasks (METHODS § 6)."""
    steps = stack.configs[0].steps
    with_norm, without_norm = stack.network(with_norm=True), stack.network(with_norm=False)
    losses = _train(stack, with_norm, report)
    _train(stack, without_norm, lambda step: report(steps + step))
    return TrainedStack(stack, with_norm, without_norm, stack.network(with_norm=True).eval(), losses)


def _train(stack: ZeroShotStack, network: TaskNetwork, report: Callable[[int], None]) -> np.ndarray:
    """Each run's loss in each step, float32 [R, steps]."""
    first = stack.configs[0]
    tasks = [training_tasks(config, own) for config, own in zip(stack.configs, stack.pools, strict=True)]
    anomalous = torch.arange(first.rows) >= first.normal_rows
    optimizer = torch.optim.Adam(network.parameters(), lr=first.learning_rate, fused=True)
    losses = torch.empty(len(stack.configs), first.steps)
    ones = torch.ones(len(stack.configs))
    network.train()
    with prepared_optimizer(optimizer):
        for step in range(first.steps):
            loss = network.loss(stack.gather([next(own) for own in tasks]), anomalous)
            take_step(optimizer, [(loss, ones)])
            losses[:, step] = loss.detach()
            report(step + 1)
    network.eval()
    if not bool(losses.isfinite().all()):
        raise TrainingDiverged
    return losses.numpy()


def _tested(trained: TrainedStack, asked: Sequence[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    """AUCROC float32 [S, points, R, H, D] at each asked share of anomalies and rows a batch, and their true rows."""
    stack, found, rows = trained.stack, [], []
    for share, wanted in asked:
        drawn = [
            test_batches(config, own, share, wanted, DRAWS)
            for config, own in zip(stack.configs, stack.pools, strict=True)
        ]
        anomalies, size = drawn[0][1], drawn[0][0].shape[2]
        scores = trained.scores([batches.reshape(-1, size) for batches, _ in drawn])
        found.append(batch_aucrocs(scores, anomalies).reshape(*scores.shape[:2], -1, DRAWS))
        rows.append(size)
    return np.stack(found, axis=1).astype(np.float32), np.array(rows)


def _shifts(trained: TrainedStack) -> list[dict[str, np.ndarray]]:
    """For each run, one batch a class held out, to which anomalies are added: what its statistics and scores do."""
    stack = trained.stack
    pairs = zip(stack.configs, stack.pools, strict=True)
    rows, firsts = zip(*(growing_batches(config, own, max(SHIFT_SHARES)) for config, own in pairs), strict=True)
    normals, size = firsts[0], rows[0].shape[1]
    wanted = [max(round(normals * share / (1 - share)), int(share > 0)) for share in SHIFT_SHARES]
    counts = np.unique(np.minimum(wanted, size - normals))
    scores = np.full((len(counts), len(rows), len(rows[0]), size), np.nan, dtype=np.float32)
    away = np.empty((len(counts), len(rows), len(rows[0])), dtype=np.float32)
    with torch.no_grad():
        for moment, count in enumerate(counts):
            x = stack.gather([own[:, : normals + count] for own in rows])
            scores[moment, :, :, : normals + count] = trained.with_norm.score(x).numpy()
            away[moment] = _moved(trained.with_norm, x, normals)
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


def _moved(network: TaskNetwork, x: Tensor, normals: int) -> np.ndarray:
    """How far each batch's mean is from its normal rows' in front of the first norm, in their deviations [R, H]."""
    first = network.linear[0](x.flatten(1, 2)).view(*x.shape[:3], -1)
    deviation, mean = torch.std_mean(first[:, :, :normals], dim=2, correction=0)
    moved = (first.mean(dim=2) - mean) / (deviation + 1e-12)
    return np.asarray(moved.square().mean(dim=2).sqrt().numpy())
