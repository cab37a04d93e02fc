"""Observe the effect of a norm on the gradient of each row, batch by batch in a real training.

Batch norm uses the statistics of the batch, so that the losses of other rows move a row without a loss. At λ_n = 0
all gradient that reaches the pool comes this way. Source: paper § 3.3; docs/methods.md § 5.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from anoonly_core.microscope.mechanisms import split_gradient
from anoonly_core.microscope.result import Observation, RowKind, norm_locations
from anoonly_core.models import Head
from anoonly_core.models.feature_losses import FeatureLoss
from anoonly_core.models.norm import Norm
from anoonly_core.models.statistics_norms import StatisticsNorm
from anoonly_core.training.loop import train_step_by_step
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import weighted_losses
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["NormPass", "fullest_batches", "observe", "probe_each", "probe_norms", "watch_norms"]

MAX_STEPS = 400
MAX_ROWS = 100_000  # steps × rows a step


@dataclass(frozen=True, eq=False)
class NormPass:
    """One pass of a batch through a norm: features, gradient and its parts.

    Attributes
    ----------
    rows : int64 [b]
        Indices into the training rows of the run.
    labeled : bool [b]
        Mask of the labeled anomalies.
    before, after : float64 [b, features]
        Features in front of and behind the norm.
    gradient : float64 [b, features]
        Gradient of the loss in front of the norm, by autograd.
    parts : GradientParts
        The same gradient, split by the formulas.
    running_mean, running_variance : float64 [features] or None
        Running statistics after this batch; None if the norm has none.
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
class _RecordedPass:
    """Input and output of a norm in one forward pass; autograd fills their gradients later.

    Attributes
    ----------
    norm
        The norm after the pass.
    earlier
        Copy of the norm from before the pass; None for a norm with a closed form of its gradient.
    before, after
        Input and output [R, rows, features].
    gamma
        Copy of the scale γ at that moment; None for a norm without one.
    """

    norm: Norm
    earlier: Norm | None
    before: Tensor
    after: Tensor
    gamma: Tensor | None


def watch_norms(stack: Stack) -> Iterator[list[NormPass]]:
    """Train a stack of one run and yield, for each batch, its passes through the norms with their gradients.

    The training has the same bits as without observation. A head with a pretraining must be pretrained before.

    Parameters
    ----------
    stack : Stack
        Exactly one run.

    Yields
    ------
    list of NormPass
        One per pass of the batch through a norm, input side first. PReNet has one norm and two passes, one per side
        of the pairs.

    Raises
    ------
    ValueError
        If the stack has more than one run.
    """
    _require_one_run(stack)
    with _recorded_passes(stack.head) as passes:
        for indices in train_step_by_step(stack):
            yield _norm_passes(stack, passes, indices)[0]
            passes.clear()


def probe_norms(stack: Stack, indices: Tensor) -> list[NormPass]:
    """Compute the gradients of one batch at the norms of a stack of one run, without a training step.

    The batch passes through a copy of the network; weights, running statistics and gradients of the stack stay.

    Parameters
    ----------
    stack : Stack
        Exactly one run.
    indices : torch.Tensor
        The batch: indices into `stack.rows.X`, int64 [1, rows], as `Stack.draw_epochs` draws them.

    Returns
    -------
    list of NormPass
        One per pass of the batch through a norm, input side first.

    Raises
    ------
    ValueError
        If the stack has more than one run.
    """
    _require_one_run(stack)
    return probe_each(stack, indices)[0]


def probe_each(stack: Stack, indices: Tensor) -> list[list[NormPass]]:
    """Compute the gradients of one batch per run at the norms of a stack, without a training step.

    The batches pass through a copy of the network; weights, running statistics and gradients of the stack stay.

    Parameters
    ----------
    stack : Stack
        R runs.
    indices : torch.Tensor
        The batches: indices into `stack.rows.X`, int64 [R, rows].

    Returns
    -------
    list of list of NormPass
        For each run, one per pass of its batch through a norm, input side first.
    """
    for norm in stack.head.norms():
        norm.take_penalty()  # a tensor of a computation cannot be copied
    head = copy.deepcopy(stack.head).train()
    with _recorded_passes(head) as passes:
        rows = stack.rows
        known = None if rows.known_normal is None else rows.known_normal[indices]
        (normal, weight), *others = weighted_losses(head, rows.X[indices], rows.labeled[indices], known)
        loss = weight * normal
        for other, weight in others:
            loss = loss + weight * other
        for norm in head.norms():
            if (penalty := norm.take_penalty()) is not None:
                loss = loss + penalty * (head.rows_per_item / indices.shape[1])
        torch.autograd.backward(loss.sum())
        return _norm_passes(stack, passes, indices)


def fullest_batches(stack: Stack) -> Tensor:
    """Return the batch of each run with the most labeled anomalies in the first epoch, to probe; nothing is trained.

    The batches are row indices into `stack.rows.X`, int64 [R, rows]. Of equal batches of a run the first is taken.
    """
    batches = next(stack.draw_epochs())
    fullest = stack.rows.labeled[batches].sum(dim=2).argmax(dim=0)
    return torch.stack([batches[step, run] for run, step in enumerate(fullest)])


def _require_one_run(stack: Stack) -> None:
    if len(stack.configs) != 1:
        raise ValueError("the microscope observes one run")


@contextmanager
def _recorded_passes(head: Head) -> Iterator[list[_RecordedPass]]:
    """Context that records each pass in training mode through a norm of the head; yields the list of passes.

    The caller may clear the list. Recording inserts a copy of each output into the graph.
    """
    passes: list[_RecordedPass] = []
    earlier: list[Norm | None] = []

    def remember(norm: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, Norm)
        if norm.training:
            earlier.append(_copied(norm) if isinstance(norm, StatisticsNorm | FeatureLoss) else None)

    def watch(norm: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        assert isinstance(norm, Norm)
        if not norm.training:
            return None
        # A clone: behind a norm that is the identity, the gradient differs from the one in front.
        separate = output.clone()
        for features in (inputs[0], separate):
            features.retain_grad()
        affine = getattr(norm, "affine", None)
        passes.append(
            _RecordedPass(
                norm, earlier.pop(), inputs[0], separate, None if affine is None else affine.gamma.detach().clone()
            )
        )
        return separate

    handles = [norm.register_forward_pre_hook(remember) for norm in head.norms()]
    handles += [norm.register_forward_hook(watch) for norm in head.norms()]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


def _copied(norm: Norm) -> Norm:
    """Return a copy of a norm in float64, without the penalty of its earlier passes; the norm itself stays."""
    penalty, norm.penalty = norm.penalty, None  # a tensor of a computation cannot be copied
    copied = copy.deepcopy(norm).double()
    norm.penalty = penalty
    return copied


@default_torch_settings()
def observe(config: RunConfig, report: Callable[[int, int], None] = lambda done, total: None) -> list[Observation]:
    """Train the first steps of a run, observing the gradients of each row at its norms.

    Parameters
    ----------
    config : RunConfig
        Settings of a run with a norm.
    report : callable
        Called after each epoch with (epochs done, all epochs), including pretraining. An exception stops the training.

    Returns
    -------
    list of Observation
        One per norm and side, over at most MAX_STEPS steps and MAX_ROWS rows in all.

    Raises
    ------
    InvalidConfig
        If the baseline has no norm.
    AnoOnlyError
        If loading or splitting fails.
    """
    if not BASELINES[config.baseline].has("norm"):
        raise InvalidConfig(f"{config.baseline} has no norm to observe.")
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
    measures: list[list[dict[str, np.ndarray]]] = []
    for number, passes in enumerate(watch_norms(stack)):
        measures.append([_measures(one) for one in passes])
        if (number + 1) % an_epoch == 0:
            report(before + len(measures) // an_epoch, before + epochs)
        if len(measures) == steps:
            break
    names = norm_locations(config.baseline, dataset.columns, config.preset, len(measures[0]))
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
        for name, (rows, values) in zip(names, map(_joined, zip(*measures, strict=True)), strict=True)
    ]


def _norm_passes(stack: Stack, passes: list[_RecordedPass], indices: Tensor) -> list[list[NormPass]]:
    """Turn recorded passes, whose gradients autograd has filled in, into a list of NormPass for each run.

    `indices` holds the batches: indices into the training rows, int64 [R, rows].
    """
    penalty = stack.head.rows_per_item / indices.shape[1]
    # A norm that a batch passes several times sees the first rows of all its items first.
    times = len(passes) // sum(1 for _ in stack.head.norms())
    sides = indices.chunk(times, dim=1)
    by_pass = [_norm_pass(stack, one, sides[number % times], penalty) for number, one in enumerate(passes)]
    return [list(of_run) for of_run in zip(*by_pass, strict=True)]


def _norm_pass(stack: Stack, recorded: _RecordedPass, rows: Tensor, penalty: float) -> list[NormPass]:
    """Turn one recorded pass into a NormPass for each run.

    `rows` holds the rows of the pass: indices into the training rows, int64 [R, b]. `penalty` is the factor of the
    loss of the norm.
    """
    before, after = _exact(recorded.before), _exact(recorded.after)
    upstream = _gradient(recorded.after) * (1.0 if recorded.gamma is None else _exact(recorded.gamma))
    labeled = stack.rows.labeled[rows].cpu()
    parts = _parts(stack, recorded, before, upstream, labeled, penalty)
    gradient = _gradient(recorded.before)
    shares = getattr(recorded.norm, "gradient_shares", None)
    scaled = (
        parts if shares is None else [part.scaled(*of_run) for part, of_run in zip(parts, shares.tolist(), strict=True)]
    )
    running = (getattr(recorded.norm, name, None) for name in ("running_mean", "running_variance"))
    mean, variance = (None if values is None else _exact(values)[:, 0] for values in running)
    return [
        NormPass(
            rows=rows[run].cpu().numpy(),
            labeled=labeled[run].numpy(),
            before=before[run],
            after=after[run],
            gradient=gradient[run],
            parts=scaled[run],
            running_mean=None if mean is None else mean[run],
            running_variance=None if variance is None else variance[run],
        )
        for run in range(len(stack.configs))
    ]


def _parts(
    stack: Stack, recorded: _RecordedPass, before: np.ndarray, upstream: np.ndarray, labeled: Tensor, penalty: float
) -> list[GradientParts]:
    """Split the gradient in front of a norm for each run: in closed form where there is one, else by autograd.

    Parameters
    ----------
    stack
        The runs.
    recorded
        The pass through the norm.
    before, upstream
        Features in front of the norm and gradient behind it, float64 [R, rows, features].
    labeled
        Mask of the labeled anomalies, bool [R, rows].
    penalty
        Factor of the loss of the norm.
    """
    split = SPLITS.get(stack.configs[0].norm or "none")
    if split is not None:
        eps, weights = getattr(recorded.norm, "eps", 0.0), [config.strength or 0.0 for config in stack.configs]
        return [
            split(h, of_output, eps, penalty * weight)
            for h, of_output, weight in zip(before, upstream, weights, strict=True)
        ]
    norm = recorded.earlier
    assert isinstance(norm, StatisticsNorm | FeatureLoss)
    h, of_output = (torch.from_numpy(values) for values in (before, upstream))
    parts = [_exact(part) for part in split_gradient(norm.cpu(), h, of_output, labeled, penalty)]
    return [GradientParts(*of_run) for of_run in zip(*parts, strict=True)]


def _exact(values: Tensor) -> np.ndarray:
    """Return the values of a tensor as a float64 array of the same shape."""
    return np.asarray(values.detach().double().cpu().numpy())


def _gradient(features: Tensor) -> np.ndarray:
    """Return the gradient that autograd stored for features, as float64 of the same shape.

    Zeros if no loss depends on the features.
    """
    return np.zeros(features.shape) if features.grad is None else _exact(features.grad)


def _measures(norm_pass: NormPass) -> dict[str, np.ndarray]:
    """Compute the arrays of an Observation for one pass, by field name without the axis of steps; and "rows"."""
    parts = norm_pass.parts
    largest = max(float(np.abs(part).max()) for part in (*parts.in_order, norm_pass.gradient)) or 1.0
    printed = parts.total_as_printed
    center = (
        norm_pass.after[~norm_pass.labeled].mean(axis=0)
        if not norm_pass.labeled.all()
        else norm_pass.after.mean(axis=0)
    )
    unknown = np.full(norm_pass.before.shape[1], np.nan)
    return {
        "rows": norm_pass.rows,
        "lengths": np.stack([np.linalg.norm(part, axis=1) for part in parts.in_order]),
        "distance": np.sqrt(((norm_pass.after - center) ** 2).mean(axis=1)),
        "mean": norm_pass.before.mean(axis=0),
        "deviation": norm_pass.before.std(axis=0),
        "running_mean": unknown if norm_pass.running_mean is None else norm_pass.running_mean,
        "running_deviation": unknown if norm_pass.running_variance is None else np.sqrt(norm_pass.running_variance),
        "loss_before": np.array(batch_norm_loss(norm_pass.before)),
        "loss_after": np.array(batch_norm_loss(norm_pass.after)),
        "error": np.array(np.abs(parts.total - norm_pass.gradient).max() / largest),
        "error_printed": np.array(np.nan if printed is None else np.abs(printed - norm_pass.gradient).max() / largest),
    }


def _joined(steps: tuple[dict[str, np.ndarray], ...]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Stack the arrays of `_measures` of all steps: return the rows, [S, b], and the other arrays by name, [S, ...]."""
    rows = np.stack([step["rows"] for step in steps])
    return rows, {name: np.stack([s[name] for s in steps]).astype(np.float32) for name in steps[0] if name != "rows"}
