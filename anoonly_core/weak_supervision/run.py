"""Train the runs of a mechanism in stacks and measure each: metrics, gradient at the last norm, collapse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.split import Split
from anoonly_core.metrics.ranking import METRICS, metrics
from anoonly_core.microscope.run import NormPass, fullest_batches, probe_each
from anoonly_core.progress import Report
from anoonly_core.results.keys import run_key
from anoonly_core.runs.stacking import group_runs
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings
from anoonly_core.weak_supervision.result import Measures

__all__ = ["effective_rank", "measure_runs", "probed_epochs", "relative_spread"]

PROBES = 4
MAX_POOL_ROWS = 2000  # of which scores and features are taken; an even spread


@dataclass
class _Lengths:
    """Lengths of the gradients of rows at the last norm, summed over rows and epochs.

    `everywhere` sums all rows, `pool` the pool rows, `parts` the pool rows for each part of the gradient.
    """

    everywhere: float = 0.0
    pool: float = 0.0
    parts: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def add(self, passes: Sequence[NormPass]) -> None:
        """Add the lengths of the gradients of one batch, from its passes through the last norm."""
        for norm_pass in passes:
            pool = ~norm_pass.labeled
            lengths = np.linalg.norm(norm_pass.gradient, axis=1)
            self.everywhere += float(lengths.sum())
            self.pool += float(lengths[pool].sum())
            self.parts += [np.linalg.norm(part[pool], axis=1).sum() for part in norm_pass.parts.in_order]


def probed_epochs(epochs: int) -> set[int]:
    """Return the epochs after which the gradient is measured, of a training of `epochs` epochs.

    These are up to 4 at even distances, with the first and the last.
    """
    return {int(epoch) for epoch in np.linspace(1, epochs, min(epochs, PROBES)).round()}


@default_torch_settings()
def measure_runs(configs: Sequence[RunConfig], report: Report = lambda done, total: None) -> list[Measures | None]:
    """Train runs on the CPU, those of equal shapes as one stack, and return the measures of each; nothing is stored.

    Parameters
    ----------
    configs : sequence of RunConfig
        The runs, all with the same number of epochs; equal ones are trained once.
    report : callable
        Called after each epoch with (epochs done, all epochs) of all stacks. An exception stops the training.

    Returns
    -------
    list of Measures or None
        In the order of `configs`; None for a run with a score, a feature or a gradient that is not finite.

    Raises
    ------
    AnoOnlyError
        If the data of a run cannot be loaded or split.
    """
    keys = [run_key(config) for config in configs]
    groups, errors = group_runs(dict(zip(keys, configs, strict=True)))
    if errors:
        raise next(iter(errors.values()))
    stacks = [(group.dataset, planned) for group in groups for planned in group.stacks()]
    assert configs[0].epochs is not None
    done, total = 0, configs[0].epochs * len(stacks)
    measures: dict[str, Measures | None] = {}
    for dataset, planned in stacks:
        stack = Stack(dataset, [run.config for run in planned], [run.split for run in planned])

        def report_epoch(epoch: int, begun: int = done) -> None:
            report(begun + epoch, total)

        for run, values in zip(planned, _measure_stack(stack, report_epoch), strict=True):
            measures[run.key] = values
        done += configs[0].epochs
    return [measures[key] for key in keys]


def _measure_stack(stack: Stack, report: Callable[[int], None]) -> list[Measures | None]:
    """Train a stack and return the measures of each run; None for a run that diverged.

    `report` is called after each epoch with its number, and with 0 during the pretraining.
    """
    batches = fullest_batches(stack)
    lengths = [_Lengths() for _ in stack.configs]
    assert stack.configs[0].epochs is not None
    probed = probed_epochs(stack.configs[0].epochs)
    for _ in pretrain(stack):
        report(0)
    for snapshot in train(stack):
        if snapshot.epoch in probed:
            for total, passes in zip(lengths, probe_each(stack, batches), strict=True):
                total.add(passes[-_passes_of_last_norm(stack, passes) :])
        report(snapshot.epoch)
    scores = stack.scores([split.test for split in stack.splits])
    pools = [_pool_rows(split) for split in stack.splits]
    return [
        _measures(stack.dataset.y[split.test], of_test, total, of_pool, hidden)
        for split, of_test, total, of_pool, hidden in zip(
            stack.splits, scores, lengths, stack.scores(pools), stack.hidden(pools), strict=True
        )
    ]


def _passes_of_last_norm(stack: Stack, passes: Sequence[NormPass]) -> int:
    return len(passes) // sum(1 for _ in stack.head.norms())


def _pool_rows(split: Split) -> np.ndarray:
    pool = split.train[~split.labeled]
    spread = np.linspace(0, len(pool) - 1, min(len(pool), MAX_POOL_ROWS)).round().astype(int)
    return np.asarray(pool[spread])


def _measures(
    y_test: np.ndarray, test_scores: np.ndarray, lengths: _Lengths, scores: np.ndarray, hidden: np.ndarray
) -> Measures | None:
    arrays = (test_scores, scores, hidden, lengths.parts, np.array(lengths.everywhere))
    if not all(np.isfinite(values).all() for values in arrays):
        return None
    reached = metrics(y_test, test_scores)
    parts = lengths.parts / total if (total := lengths.parts.sum()) > 0 else np.full(3, np.nan)
    return Measures(
        **{name: getattr(reached, name) for name in METRICS},
        reach=lengths.pool / lengths.everywhere if lengths.everywhere > 0 else 0.0,
        direct=float(parts[0]),
        through_variance=float(parts[1]),
        through_mean=float(parts[2]),
        score_spread=relative_spread(scores[:, None]),
        feature_spread=relative_spread(hidden),
        effective_rank=effective_rank(hidden),
    )


def relative_spread(rows: np.ndarray) -> float:
    """Return the standard deviation of rows [n, features] divided by their root mean square, 0 to 1.

    0 means that all rows are equal.
    """
    values = rows.astype(np.float64)
    square = (values**2).mean()
    spread = ((values - values.mean(axis=0)) ** 2).mean()
    return float(np.sqrt(spread / square)) if square > 0 else 0.0


def effective_rank(rows: np.ndarray) -> float:
    """Return the effective rank of rows [n, features]: exp of the entropy of the singular values of the centered rows.

    At least 1; 0 if all rows are equal.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007.
    """
    values = rows.astype(np.float64)
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    # Equal rows differ by rounding alone.
    if singular.sum() <= 1e-6 * np.sqrt((values**2).sum()):
        return 0.0
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
