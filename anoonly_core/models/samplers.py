"""How the heads draw their batches: index tensors into one run's training rows, an epoch ahead."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["balanced_batches", "draw_rows", "full_batches", "shuffled_batches"]


def full_batches(rows: int, batch_size: int) -> tuple[int, int]:
    """Steps an epoch and rows a batch where all rows are cut into full batches.

    The last rows of an epoch that fill no batch sit out, so that every step has the same shape; a
    set smaller than the batch size is one batch.
    """
    size = min(batch_size, rows)
    return rows // size, size


def shuffled_batches(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """All rows in random order, cut into full batches [steps, batch]; each epoch others sit out."""
    steps, size = full_batches(rows, batch_size)
    return torch.randperm(rows, generator=generator)[: steps * size].view(steps, size)


def draw_rows(rows: Tensor, steps: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` of these rows for each step, with replacement [steps, count]."""
    return rows[torch.randint(len(rows), (steps, count), generator=generator)]


def balanced_batches(labeled: Tensor, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Pool rows first, then as many labeled anomalies (one less where the size is odd), with replacement."""
    anomalies = batch_size // 2
    pool = draw_rows(torch.nonzero(~labeled)[:, 0], steps, batch_size - anomalies, generator)
    return torch.cat([pool, draw_rows(torch.nonzero(labeled)[:, 0], steps, anomalies, generator)], dim=1)
