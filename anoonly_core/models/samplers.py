"""Draw an epoch of batches for one run, as indices into its training rows."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["balanced_batches", "draw_rows", "full_batches", "shuffled_batches"]


def full_batches(rows: int, batch_size: int) -> tuple[int, int]:
    """Return the number of steps of an epoch, and the number of rows of a batch, if rows are cut into full batches.

    Rows that do not fill a last batch are left out, so that every step has the same shape. Fewer
    rows than the batch size make one batch.
    """
    size = min(batch_size, rows)
    return rows // size, size


def shuffled_batches(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw the batches of an epoch: the indices 0 to rows - 1 in random order, cut into full batches.

    Returns int64 [steps, batch]. Rows that do not fill a last batch are left out, other ones in each epoch.
    """
    steps, size = full_batches(rows, batch_size)
    return torch.randperm(rows, generator=generator)[: steps * size].view(steps, size)


def draw_rows(rows: Tensor, steps: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` of the row indices `rows` for each of `steps` steps, with replacement: int64 [steps, count]."""
    return rows[torch.randint(len(rows), (steps, count), generator=generator)]


def balanced_batches(labeled: Tensor, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Draw batches of half pool rows and half labeled anomalies, with replacement.

    Returns row indices, int64 [steps, batch_size]. The pool rows of a batch come first; they are one more if the size
    is odd. `labeled` is the mask of the labeled anomalies, bool [n].
    """
    anomalies = batch_size // 2
    pool = draw_rows(torch.nonzero(~labeled)[:, 0], steps, batch_size - anomalies, generator)
    return torch.cat([pool, draw_rows(torch.nonzero(labeled)[:, 0], steps, anomalies, generator)], dim=1)
