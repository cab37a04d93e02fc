"""The microscope: what a norm does to each row's gradient, batch after batch of a real training (P § 3.3).

With batch norm the statistics are the batch's, so that a row without any loss of its own is moved
by the losses of the rows beside it: at λ_n = 0 that is all that reaches the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.microscope.gradients import SPLITS, GradientParts, batch_norm_loss
from anoonly_core.microscope.result import Observation, RowKind, norm_locations
from anoonly_core.models.norms import Norm
from anoonly_core.training.loop import train_step_by_step
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = ["NormPass", "observe", "watch_norms"]

MAX_STEPS = 400
MAX_ROWS = 100_000  # steps times rows a step


@dataclass(frozen=True, eq=False)
class NormPass:
    """One pass of a batch through a norm.

    rows: int64 [b], places among the run's training rows; labeled: bool [b]. before, after: float64
    [b, features], the features in front of the norm and behind it. gradient: float64 [b, features],
    what autograd says reaches the features in front; parts: the same, split. running_mean,
    running_variance: float64 [features] after this batch, None where the norm keeps none.
    """

    rows: np.ndarray
    labeled: np.ndarray
    before: np.ndarray
    after: np.ndarray
    gradient: np.ndarray
    parts: GradientParts
    running_mean: np.ndarray | None
    running_variance: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Pass:
    """What went through a norm: its input and output, whose gradients are to come, and its scale γ at that moment."""

    norm: Norm
    before: Tensor
    after: Tensor
    gamma: Tensor | None


def watch_norms(stack: Stack) -> Iterator[list[NormPass]]:
    """Train a stack of one run and see each of its batches: one Look for each pass through a norm, input side first.

    The training is the one loop's own, and its bits are as if nobody looked. PReNet's one norm sees
    a batch of pairs in two passes, one for each side. A head that has a pretraining wants it before.
    """
    if len(stack.configs) != 1:
        raise ValueError("the microscope looks at one run")
    passes: list[_Pass] = []

    def watch(norm: torch.nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        assert isinstance(norm, Norm)
        if not norm.training:
            return None
        apart = output.clone()  # behind a norm that changes nothing, the gradient is another than in front
        for features in (inputs[0], apart):
            features.retain_grad()
        affine = getattr(norm, "affine", None)
        passes.append(_Pass(norm, inputs[0], apart, None if affine is None else affine.gamma.detach().clone()))
        return apart

    handles = [norm.register_forward_hook(watch) for norm in stack.head.norms()]
    try:
        for indices in train_step_by_step(stack):
            yield _seen(stack, passes, indices[0])
            passes.clear()
    finally:
        for handle in handles:
            handle.remove()


def observe(config: RunConfig, report: Callable[[int, int], None] = lambda done, total: None) -> list[Observation]:
    """Look at the first steps of a run, as many as a page can show: one Observation for each place of its norm.

    report: called with the epochs done, pretraining counted in, and all of them; what it raises stops
    the training. Raises InvalidConfig for a system without such a place, and what loading and
    splitting raise.
    """
    if not BASELINES[config.baseline].has("norm"):
        raise InvalidConfig(f"{config.baseline} has no norm to look at.")
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    stack = Stack(dataset, [config], [split])
    kind = np.where(split.labeled, RowKind.LABELED_ANOMALY, dataset.y[split.train]).astype(np.int8)
    assert config.epochs is not None and config.batch_size is not None
    an_epoch, size = stack.head.batch_shape(len(split.train), int(split.labeled.sum()), config.batch_size)
    steps = min(an_epoch * config.epochs, MAX_STEPS, max(1, MAX_ROWS // size))
    before, epochs = stack.pretraining_epochs, -(-steps // an_epoch)
    for epoch in pretrain(stack):
        report(epoch, before + epochs)
    seen: list[list[dict[str, np.ndarray]]] = []
    for number, found in enumerate(watch_norms(stack)):
        seen.append([_taken(look) for look in found])
        if (number + 1) % an_epoch == 0:
            report(before + len(seen) // an_epoch, before + epochs)
        if len(seen) == steps:
            break
    names = norm_locations(config.baseline, dataset.columns, config.preset, len(seen[0]))
    return [
        Observation(
            location=name,
            epoch=np.arange(steps, dtype=np.int32) // an_epoch + 1,
            steps_an_epoch=an_epoch,
            all_steps=an_epoch * config.epochs,
            row_ids=dataset.row_ids[split.train][rows],
            kind=kind[rows],
            **values,
        )
        for name, (rows, values) in zip(names, map(_joined, zip(*seen, strict=True)), strict=True)
    ]


def _seen(stack: Stack, passes: list[_Pass], indices: Tensor) -> list[NormPass]:
    penalty = stack.head.rows_per_item / len(indices)
    # A norm that a batch passes several times sees the first rows of all its items first.
    times = len(passes) // sum(1 for _ in stack.head.norms())
    sides = indices.chunk(times)
    return [_look(stack, one, sides[number % times], penalty) for number, one in enumerate(passes)]


def _look(stack: Stack, one: _Pass, rows: Tensor, penalty: float) -> NormPass:
    before, after = _exact(one.before), _exact(one.after)
    upstream = _gradient(one.after) * (1.0 if one.gamma is None else _exact(one.gamma))
    split_as = SPLITS[stack.configs[0].norm or "none"]
    running = (getattr(one.norm, name, None) for name in ("running_mean", "running_variance"))
    mean, variance = (None if own is None else _exact(own)[0] for own in running)
    return NormPass(
        rows=rows.cpu().numpy(),
        labeled=stack.rows.labeled[rows].cpu().numpy(),
        before=before,
        after=after,
        gradient=_gradient(one.before),
        parts=split_as(before, upstream, getattr(one.norm, "eps", 0.0), penalty),
        running_mean=mean,
        running_variance=variance,
    )


def _exact(of_run: Tensor) -> np.ndarray:
    """The one run's values [1, rows, features] in float64 [rows, features]."""
    return np.asarray(of_run.detach()[0].double().cpu().numpy())


def _gradient(features: Tensor) -> np.ndarray:
    """What reached them, which is nothing where no loss spoke of them."""
    return np.zeros(features.shape[1:]) if features.grad is None else _exact(features.grad)


def _taken(look: NormPass) -> dict[str, np.ndarray]:
    """What is kept of a look: its rows, and what an Observation holds of each step."""
    parts = look.parts
    split = (parts.direct, parts.through_variance, parts.through_mean)
    largest = max(float(np.abs(own).max()) for own in (*split, look.gradient)) or 1.0
    printed = parts.total_as_printed
    center = look.after[~look.labeled].mean(axis=0) if not look.labeled.all() else look.after.mean(axis=0)
    unknown = np.full(look.before.shape[1], np.nan)
    return {
        "rows": look.rows,
        "lengths": np.stack([np.linalg.norm(own, axis=1) for own in split]),
        "distance": np.sqrt(((look.after - center) ** 2).mean(axis=1)),
        "mean": look.before.mean(axis=0),
        "deviation": look.before.std(axis=0),
        "running_mean": unknown if look.running_mean is None else look.running_mean,
        "running_deviation": unknown if look.running_variance is None else np.sqrt(look.running_variance),
        "loss_before": np.array(batch_norm_loss(look.before)),
        "loss_after": np.array(batch_norm_loss(look.after)),
        "error": np.array(np.abs(parts.total - look.gradient).max() / largest),
        "error_printed": np.array(np.nan if printed is None else np.abs(printed - look.gradient).max() / largest),
    }


def _joined(steps: tuple[dict[str, np.ndarray], ...]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A place's rows over all steps [S, b], and the rest by name, each with the steps first."""
    rows = np.stack([step["rows"] for step in steps])
    return rows, {name: np.stack([s[name] for s in steps]).astype(np.float32) for name in steps[0] if name != "rows"}
