"""Networks of ACR: R runs, each over many tasks at once; batch norm is per task."""

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
    """Batch norm over the rows of each task, [R, tasks · n, features] with the tasks in sequence.

    In training its running statistics follow the means over the tasks of the task means and variances, as those of
    torch's batch norm in a loop over the tasks do.
    """

    def of_tasks(self, h: Tensor, tasks: int, running: bool) -> Tensor:
        """Normalize features by the statistics of each task, or by the running statistics.

        In training mode the statistics of the tasks update the running ones.

        Parameters
        ----------
        h : Tensor [R, tasks · n, features]
            Features, the rows of each task in sequence.
        tasks : int
            Number of tasks.
        running : bool
            True to normalize by the running statistics, which then stay.

        Returns
        -------
        Tensor [R, tasks · n, features]
            Normalized features after the learned scale and shift.
        """
        if running:
            normalized = (h - self.running_mean) * torch.rsqrt(self.running_variance + self.eps)
        else:
            runs, rows, features = h.shape
            by_task, mean, variance = normalize(h.reshape(runs * tasks, rows // tasks, features), self.eps)
            normalized = by_task.view_as(h)
            if self.training:
                shape = (runs, tasks, features)
                mean, variance = (value.view(shape).mean(dim=1, keepdim=True) for value in (mean, variance))
                self.update_running(mean, variance, rows=rows // tasks)
        affine = self.affine
        assert affine is not None
        scaled: Tensor = affine(normalized)
        return scaled


class TaskNetwork(nn.Module):
    """Network of ACR for R runs: 3 × [Linear 128 → batch norm → ReLU] → Linear 32 → batch norm.

    The score of a row with output z is ‖z − c‖² with a learned center c, or a logit of z. Only training changes
    parameters and running statistics. Source: arXiv 2302.07849; docs/methods.md § 6.

    Parameters
    ----------
    runs : int
        Number R of runs.
    columns : int
        Number of features.
    objective : {"svdd", "bce"}
        "svdd" scores by the distance to the center, "bce" by the logit.
    with_norm : bool
        False for a network without batch norm.
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
        """Draw the first weights of each run r, and its center c ~ N(0, 1), from generators[r]."""
        for module in self.modules():
            if isinstance(module, StackedLinear):
                module.initialize(generators)
        for run, generator in enumerate(generators):
            self.center[run].normal_(generator=generator)

    def forward(self, x: Tensor, running: bool = False) -> Tensor:
        """Compute the outputs z of the rows of tasks, [R, tasks, n, columns] -> [R, tasks, n, 32].

        Batch norm uses the statistics over the n rows of a task, or the running statistics if `running` is true.
        """
        runs, tasks, rows, columns = x.shape
        h = x.reshape(runs, tasks * rows, columns)
        for layer, linear in enumerate(self.linear):
            h = linear(h)
            if self.norms:
                norm = self.norms[layer]
                assert isinstance(norm, TaskBatchNorm)
                h = norm.of_tasks(h, tasks, running)
            if layer < len(HIDDEN):
                h = torch.relu(h)
        return h.view(runs, tasks, rows, -1)

    def score(self, x: Tensor, running: bool = False, center: Tensor | None = None) -> Tensor:
        """Compute the anomaly scores of the rows of tasks; a score depends on the other rows of its task.

        Parameters
        ----------
        x : Tensor [R, tasks, n, columns]
            Scaled rows.
        running : bool
            True if batch norm uses its running statistics; scores are then independent of the other rows.
        center : Tensor or None
            Center in place of the learned one; the score is then the distance to it, whatever the objective.

        Returns
        -------
        Tensor [R, tasks, n]
            Anomaly scores; higher is more anomalous.
        """
        z = self(x, running)
        if self.logit is not None and center is None:
            logits: Tensor = self.logit(z.flatten(1, 2))
            return logits.view(z.shape[:3])
        offset = z - (self.center[:, None] if center is None else center)
        distance: Tensor = offset.square().sum(dim=3)
        return distance

    def loss(self, x: Tensor, anomalous: Tensor) -> Tensor:
        """Return the training loss of each run, [R], on tasks x [R, tasks, n, columns].

        `anomalous`, bool [n], marks the pseudo-anomalies, at the same rows of every task. For "svdd", the loss is the
        mean of the score d of normal rows and of 1/(d + 1e-6) of pseudo-anomalies; for "bce", the mean cross-entropy
        of the logit.
        """
        score = self.score(x)
        if self.logit is None:
            cost = torch.where(anomalous, (score + SCORE_EPS).reciprocal(), score)
        else:
            signed = torch.where(anomalous, -score, score)
            cost = map_runs(functional.softplus, signed)
        mean: Tensor = cost.flatten(1).mean(dim=1)
        return mean
