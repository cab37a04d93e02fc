"""Checks that every mechanism must pass, built-in or of a plug-in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from safetensors.torch import load, save
from torch import Tensor

from anoonly_core.baselines import MECHANISMS
from anoonly_core.models.norm import Norm
from anoonly_core.models.norms import NORMS

__all__ = ["CHECKS", "failed_checks"]

EPS, MOMENTUM = 1e-3, 0.1
DIFFERENCE = 1e-6  # step of the finite differences
TOLERANCE = 1e-4  # of a derivative along a direction, relative to the sum of its terms without their signs


def failed_checks(name: str) -> dict[str, str]:
    """Run all CHECKS on a mechanism; return one sentence for each that fails, by the name of the check."""
    failures = {}
    for check, function in CHECKS.items():
        try:
            problem = function(name)
        except Exception as error:  # of a plug-in, so of any kind
            problem = f"it raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if problem:
            failures[check] = problem
    return failures


def _levels(name: str) -> tuple[float, ...]:
    dial = MECHANISMS[name].dial
    return () if dial is None else dial.levels


def _built(name: str, strengths: tuple[float, ...], features: int, runs: int = 1) -> Norm:
    norm = NORMS[name](len(strengths) or runs, features, EPS, MOMENTUM)
    if strengths:
        norm.set_strengths(strengths)
    return norm.train()


def _batch(runs: int, rows: int, features: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return correlated features, float32 [runs, rows, features], and the mask of the labeled rows, every fourth."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(features) + 0.3
    h = torch.stack([torch.randn(rows, features, generator=generator) @ mixing + 1 for _ in range(runs)])
    return h, (torch.arange(rows) % 4 == 1).repeat(runs, 1)


def _values(norm: Norm, h: Tensor, labeled: Tensor) -> Tensor:
    """Return output and penalty of a batch in training mode as one tensor [R, …]."""
    output: Tensor = norm(h, labeled).flatten(1)
    penalty = norm.take_penalty()
    return output if penalty is None else torch.cat([output, penalty[:, None]], dim=1)


def _has_shape_and_finite_values(name: str) -> str:
    for rows, features in ((1, 5), (2, 1), (7, 33), (24, 20)):
        strengths = _levels(name)
        h, labeled = _batch(len(strengths) or 2, rows, features)
        norm = _built(name, strengths, features, runs=2)
        h.requires_grad_()
        output, penalty = norm(h, labeled), norm.take_penalty()
        if output.shape != h.shape:
            return f"{tuple(h.shape)} became {tuple(output.shape)}"
        total = output.sum() if penalty is None else output.sum() + penalty.sum()
        (gradient,) = torch.autograd.grad(total, h)
        if not (torch.isfinite(output).all() and torch.isfinite(total) and torch.isfinite(gradient).all()):
            return f"a batch of {rows} rows and {features} features gives a value that is not finite"
    return ""


def _has_the_same_bits_in_a_stack(name: str) -> str:
    levels = _levels(name) * 2  # two runs of each strength, which are computed together
    strengths = levels or (1.0, 1.0)
    h, labeled = _batch(len(strengths), 19, 21)
    upstream, _ = _batch(len(strengths), 19, 21, seed=1)

    def steps(chosen: slice) -> list[Tensor]:
        norm = _built(name, levels[chosen], 21, runs=len(strengths[chosen]))
        part = h[chosen].clone().requires_grad_()
        for _ in range(2):
            output = norm(part, labeled[chosen])
            penalty = norm.take_penalty()
        total = (output * upstream[chosen]).sum() + (0 if penalty is None else penalty.sum())
        (gradient,) = torch.autograd.grad(total, part)
        return [output.detach(), gradient, norm.eval()(part).detach()]

    together = steps(slice(None))
    for run in range(len(strengths)):
        if not all(torch.equal(a[0], b[run]) for a, b in zip(steps(slice(run, run + 1)), together, strict=True)):
            return "a run alone and the same run in a stack differ in their bits"
    return ""


def _has_the_gradient_of_finite_differences(name: str) -> str:
    """Compare along random directions, unless the mechanism holds a statistic constant on purpose."""
    if not _built(name, _levels(name)[:1], 5).has_exact_gradient:
        return ""
    for strength in _levels(name) or (None,):
        fresh = _built(name, () if strength is None else (strength,), 5).double()
        h, labeled = (tensor.double() if tensor.is_floating_point() else tensor for tensor in _batch(1, 9, 5))
        weights = _batch(1, 9, 5, seed=1)[0].double().flatten()

        def value(h: Tensor, fresh: Norm = fresh, labeled: Tensor = labeled, weights: Tensor = weights) -> Tensor:
            values = _values(copy.deepcopy(fresh), h, labeled)[0]
            return (values[: len(weights)] * weights).sum() + values[len(weights) :].sum()

        at = h.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(at), at)
        for seed in range(3):
            direction = _batch(1, 9, 5, seed=2 + seed)[0].double()
            step = DIFFERENCE * direction
            difference = float((value(h + step) - value(h - step)).detach()) / (2 * DIFFERENCE)
            along = float((gradient * direction).sum())
            size = float((gradient.abs() * direction.abs()).sum())
            if abs(difference - along) > TOLERANCE * max(size, 1e-8):
                return f"the gradient is {along:.6g} along a direction in which the value changes by {difference:.6g}"
    return ""


def _scores_each_row_alone(name: str) -> str:
    norm, runs = _built(name, _levels(name), 6), len(_levels(name)) or 1
    for seed in range(3):
        norm(*_batch(runs, 16, 6, seed))
    norm.take_penalty()
    norm.eval()
    h, _ = _batch(runs, 16, 6, seed=9)
    changed = h.clone()
    changed[:, 1:] = 7
    if not torch.equal(norm(h)[:, 0], norm(changed)[:, 0]):
        return "in eval mode the result of a row depends on the other rows"
    return "" if norm.take_penalty() is None else "in eval mode it adds to the loss"


def _keeps_its_state_in_a_file(name: str) -> str:
    norm, loaded = _built(name, _levels(name)[:1], 6), _built(name, _levels(name)[:1], 6)
    for seed in range(3):
        norm(*_batch(1, 16, 6, seed))
    norm.take_penalty()
    loaded.load_state_dict(load(save({key: tensor.contiguous() for key, tensor in norm.state_dict().items()})))
    h, _ = _batch(1, 16, 6, seed=9)
    if not torch.equal(norm.eval()(h), loaded.eval()(h)):
        return "a copy that is loaded from its state gives other values: register statistics as buffers"
    return ""


def _follows_its_dial(name: str) -> str:
    levels = _levels(name)
    if len(levels) < 2:
        return ""
    h, labeled = _batch(1, 17, 21)
    first, last = (
        torch.cat([_values(norm, step * h, labeled).detach() for step in (1, 0.1)])
        for norm in (_built(name, (level,), 21) for level in (levels[0], levels[-1]))
    )
    return "" if not torch.equal(first, last) else f"strengths {levels[0]:g} and {levels[-1]:g} give the same values"


# By the name of the check: a function of a mechanism's name that returns a sentence about what is wrong, or "".
CHECKS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "shape and finite values": _has_shape_and_finite_values,
        "same bits alone and in a stack": _has_the_same_bits_in_a_stack,
        "gradient": _has_the_gradient_of_finite_differences,
        "each row alone at test time": _scores_each_row_alone,
        "state": _keeps_its_state_in_a_file,
        "dial": _follows_its_dial,
    }
)
