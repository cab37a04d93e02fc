"""REPEN (Pang et al., KDD 2018), with labeled anomalies in place of automatically found candidates.

This is ADBench's supervised mode with three differences. It takes 30 epochs at Adadelta's rate of 1,
as first published, where ADBench takes 1000. It takes one nearest row in each subsample, as LeSiNN
does, where ADBench takes two. All scores use the same subsamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines import BASELINES
from anoonly_core.models.model import Head, TrainingRows
from anoonly_core.models.samplers import draw_rows

__all__ = ["REPEN"]


class REPEN(Head):
    """REPEN: representation by triplet ranking; the score is a mean distance to nearest neighbors (LeSiNN).

    Attributes
    ----------
    reference
        For each run 50 subsamples of 8 training rows, one after the other, float32 [R, 400, columns].

    Source: docs/methods.md § 8.
    """

    name: ClassVar[str] = "REPEN"
    rows_per_item: ClassVar[int] = 3
    first_weights: ClassVar[str] = "glorot_uniform"  # the original is written in Keras
    steps: ClassVar[int] = BASELINES["REPEN"].steps
    margin = 1000.0
    samples = 50
    sample_rows = 8
    reference: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        self.register_buffer("reference", torch.zeros(runs, self.samples * self.sample_rows, columns))

    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Draw the 50 subsamples of 8 training rows of each run that rows are compared with to score them.

        Draws are without replacement within a subsample, from the scaled rows `rows` and by one generator per run.
        """
        for run, generator in enumerate(generators):
            X, _ = rows.of_run(run)
            size = min(self.sample_rows, len(X))
            for begin in range(0, self.reference.shape[1], self.sample_rows):
                chosen = torch.randperm(len(X), generator=generator)[:size].to(X.device)
                # Fewer rows than a subsample holds are repeated, which changes no nearest distance.
                self.reference[run, begin : begin + self.sample_rows] = X[chosen].repeat(self.sample_rows, 1)[
                    : self.sample_rows
                ]

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adadelta(self.parameters(), lr=learning_rate, rho=0.95, eps=1e-7)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the triplets of an epoch for one run, with replacement: two pool rows and a labeled anomaly each.

        `labeled` is the mask of the labeled anomalies among the training rows, bool [n]; `batch_size` the triplets of
        a batch. Returns row indices, int64 [steps, 3 · batch_size]: first the first rows of all triplets, then the
        second, the third.
        """
        anomalies, pool = torch.nonzero(labeled)[:, 0], torch.nonzero(~labeled)[:, 0]
        triplet = (pool, pool, anomalies)
        return torch.cat([draw_rows(rows, self.steps, batch_size, generator) for rows in triplet], dim=1)

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the triplet loss of each run, [R], and zeros, [R].

        The squared distance of the first pool row to the anomaly should exceed the one to the second
        pool row by 1000. `x` has the scaled rows of triplets, [R, b, columns]; `labeled` is ignored.
        """
        example, similar, anomaly = self.hidden(x).chunk(3, dim=1)
        near = (example - similar).square().sum(dim=2)
        far = (example - anomaly).square().sum(dim=2)
        loss = functional.relu(self.margin + near - far).mean(dim=1)
        return loss, torch.zeros_like(loss)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return the mean over the subsamples of the distance to the nearest row in each (LeSiNN), [R, rows].

        Distances are between hidden features; `x` has scaled rows [R, rows, columns].
        """
        # A matrix product would round in a way that depends on the other rows.
        distances = torch.cdist(
            self.hidden(x), self.hidden(self.reference), compute_mode="donot_use_mm_for_euclid_dist"
        )
        nearest = distances.view(*distances.shape[:2], self.samples, self.sample_rows).amin(dim=3)
        return nearest.mean(dim=2)
