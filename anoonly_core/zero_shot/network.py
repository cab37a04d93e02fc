"""ACR's networks: R runs, each over many tasks at once, every task normalized by its own rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from anoonly_core.models.layers import StackedLinear, map_runs
from anoonly_core.models.norms import BatchNorm, normalize

__all__ = ["TaskBatchNorm", "TaskNetwork"]

HIDDEN = (128, 128, 128)
CODE = 32
EPS = 1e-5
MOMENTUM = 0.1
SCORE_EPS = 1e-6


class TaskBatchNorm(BatchNorm):
    """Batch norm over the rows of each task alone: [R, tasks · n, features], tasks one after another.

    Its running statistics follow, in training only, the mean over the tasks of their means and
    variances: what a loop of torch's own batch norm over the tasks follows.
    """

    def of_tasks(self, h: Tensor, tasks: int, running: bool) -> Tensor:
        """running: by the running statistics in place of each task's own."""
        if running:
            normalized = (h - self.running_mean) * torch.rsqrt(self.running_variance + self.eps)
        else:
            runs, rows, features = h.shape
            own, mean, variance = normalize(h.reshape(runs * tasks, rows // tasks, features), self.eps)
            normalized = own.view_as(h)
            if self.training:
                shape = (runs, tasks, features)
                mean, variance = (own.view(shape).mean(dim=1, keepdim=True) for own in (mean, variance))
                self._update_running(mean, variance, rows=rows // tasks)
        affine = self.affine
        assert affine is not None
        scaled: Tensor = affine(normalized)
        return scaled


class TaskNetwork(nn.Module):
    """3 × [Linear 128 → batch norm → ReLU] → Linear 32 → batch norm; a row's score is ‖z − c‖² (METHODS § 6).

    with_norm: whether batch norm is there at all. objective "bce": a logit of z in place of the
    distance. The center c is learned. Nothing but training changes a parameter or a running statistic.
    """

    center: nn.Parameter

    def __init__(self, runs: int, columns: int, objective: str, with_norm: bool = True) -> None:
        super().__init__()
        widths = (columns, *HIDDEN, CODE)
        pairs = list(itertools.pairwise(widths))
        self.linear = nn.ModuleList(StackedLinear(runs, inputs, outputs) for inputs, outputs in pairs)
        norms = [TaskBatchNorm(runs, outputs, EPS, MOMENTUM) for _, outputs in pairs] if with_norm else []
        self.norms = nn.ModuleList(norms)
        self.objective = objective
        self.logit = StackedLinear(runs, CODE, 1) if objective == "bce" else None
        self.center = nn.Parameter(torch.zeros(runs, 1, CODE))

    @torch.no_grad()
    def initialize(self, generators: Sequence[torch.Generator]) -> None:
        """Draw run r's first weights, and its center c ~ N(0, 1), from generators[r]."""
        for module in self.modules():
            if isinstance(module, StackedLinear):
                module.initialize(generators)
        for run, generator in enumerate(generators):
            self.center[run].normal_(generator=generator)

    def forward(self, x: Tensor, running: bool = False) -> Tensor:
        """The code z of tasks of rows, [R, tasks, n, columns] -> [R, tasks, n, 32]; statistics over n.

        running: by the running statistics.
        """
        runs, tasks, rows, columns = x.shape
        h = x.reshape(runs, tasks * rows, columns)
        for place, linear in enumerate(self.linear):
            h = linear(h)
            if self.norms:
                norm = self.norms[place]
                assert isinstance(norm, TaskBatchNorm)
                h = norm.of_tasks(h, tasks, running)
            if place < len(HIDDEN):
                h = torch.relu(h)
        return h.view(runs, tasks, rows, -1)

    def score(self, x: Tensor, running: bool = False, center: Tensor | None = None) -> Tensor:
        """Anomaly scores [R, tasks, n], higher is more anomalous; of a row they depend on its task's other rows.

        center: another than the network's own, and then the distance to it whatever the objective.
        """
        z = self(x, running)
        if self.logit is not None and center is None:
            logits: Tensor = self.logit(z.flatten(1, 2))
            return logits.view(z.shape[:3])
        away = z - (self.center[:, None] if center is None else center)
        distance: Tensor = away.square().sum(dim=3)
        return distance

    def loss(self, x: Tensor, anomalous: Tensor) -> Tensor:
        """Each run's loss [R] on tasks x [R, tasks, n, columns], rows marked anomalous bool [n] alike in each.

        svdd: mean of d for normal rows and of 1/(d + 1e-6) for the others; bce: cross-entropy of the logit.
        """
        score = self.score(x)
        if self.logit is None:
            cost = torch.where(anomalous, (score + SCORE_EPS).reciprocal(), score)
        else:
            signed = torch.where(anomalous, -score, score)
            cost = map_runs(functional.softplus, signed)
        mean: Tensor = cost.flatten(1).mean(dim=1)
        return mean
