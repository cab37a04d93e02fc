"""How the heads draw their batches: index tensors into one run's training rows, an epoch ahead."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["shuffled_batches"]


def shuffled_batches(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """All rows in random order, cut into full batches [steps, batch].

    The last rows of an epoch that fill no batch sit out (others the next time), so that every
    step has the same shape; a set smaller than the batch size is one batch.
    """
    size = min(batch_size, rows)
    steps = rows // size
    return torch.randperm(rows, generator=generator)[: steps * size].view(steps, size)
