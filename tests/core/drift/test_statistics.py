"""Statistics that follow: equal to those of batch norm in training mode, and guarded."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from anoonly_core.drift.run import run_drift
from anoonly_core.drift.scoring import score_way
from anoonly_core.drift.ways import NORMS_THAT_FOLLOW
from anoonly_core.training.stack import Stack
from tests.core.drift.made import GUARDED, MOVING, networks, short

Guard = Callable[[Tensor], Tensor]  # scores of a batch [n] to the mask of the rows that count


def plain_loop(stack: Stack, x: Tensor, rate: float, guard: Guard, shrinks: bool) -> np.ndarray:
    """Score batches [B, n, columns]; batch norm in training mode follows the rows that count.

    With `shrinks` the rate is multiplied by their share.
    """
    norms, scores = list(stack.head.norms()), []
    before = [(norm.momentum, [statistic.clone() for statistic in norm.running()]) for norm in norms]
    with torch.no_grad():
        for batch in x:
            stack.head.eval()
            scores.append(stack.head.score(batch[None])[0])
            counts = guard(scores[-1])
            for norm in norms:
                norm.momentum = rate * float(counts.float().mean()) if shrinks else rate
            stack.head.train()
            if counts.any():
                stack.head.hidden(batch[None, counts])
        for norm, (momentum, statistics) in zip(norms, before, strict=True):
            norm.momentum = momentum
            for statistic, value in zip(norm.running(), statistics, strict=True):
                statistic.copy_(value)
    stack.head.eval()
    return torch.stack(scores).numpy()


@pytest.mark.parametrize("rows", [32, 256])
@pytest.mark.parametrize("guard", ["none", "threshold", "trimmed"])
@pytest.mark.parametrize(
    ("baseline", "norm"), [("DeepSAD", "batch_no_affine"), ("DevNet", "batch"), ("DeepSAD", "whiten")]
)
def test_moving_statistics_are_those_of_a_plain_loop(baseline: str, norm: str, guard: str, rows: int) -> None:
    config = short(run={"baseline": baseline, "norm": norm}, rows=rows, rate=0.3, guard=guard, amount=0.3)
    stack, streams, x = networks(config)
    ours = score_way(stack, config, "guarded", streams, x)
    guards: dict[str, Guard] = {
        "none": lambda scores: scores == scores,
        "threshold": lambda scores: scores <= float(ours.promised[0]),
        "trimmed": lambda scores: scores.argsort().argsort() < rows - math.ceil(rows / 10),
    }
    theirs = plain_loop(stack, x[0], 0.3, guards[guard], shrinks=guard == "threshold")
    np.testing.assert_allclose(ours.scores[0], theirs, rtol=2e-3 if norm == "whiten" else 1e-4, atol=1e-5)
    assert not np.allclose(ours.scores, score_way(stack, config, "running", streams, x).scores, rtol=1e-2)


@pytest.mark.parametrize("norm", sorted(NORMS_THAT_FOLLOW))
def test_batch_statistics_with_weights_are_those_of_the_rows_that_count(norm: str) -> None:
    stack, _, _ = networks(short(run={"norm": norm, "epochs": 1}))
    first = next(stack.head.norms())
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(1, 40, 128, generator=generator)
    weight = torch.zeros(1, 40, 1)
    weight[:, :25] = 1
    for unbiased in (False, True):
        weighted, alone = first.batch_statistics(h, weight, unbiased), first.batch_statistics(h[:, :25], None, unbiased)
        for ours, theirs in zip(weighted, alone, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)
    none = first.batch_statistics(h, torch.zeros(1, 40, 1))
    for ours, theirs in zip(none, first.batch_statistics(h), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-3)


def test_a_threshold_that_flags_all_rows_stops_the_guard() -> None:
    [result] = run_drift([short(amount=5, guard="threshold", rate=0.5)])
    flagged = result.scores[GUARDED, 3:] > result.promised[GUARDED]
    assert flagged.all() and (result.path[GUARDED, 3] == result.path[GUARDED, 3:]).all()
    assert result.path[MOVING, -1] > 2 * result.path[GUARDED, -1]
