"""A plain classifier: DevNet with binary cross-entropy in place of its deviation loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.models.devnet import DevNet
from anoonly_core.models.layers import map_runs

__all__ = ["Classifier"]


class Classifier(DevNet):
    """Network whose score F(x) is the logit that a row is a labeled anomaly; all but the loss is as in DevNet.

    Source: docs/methods.md § 2, a plain classifier.
    """

    name: ClassVar[str] = "Classifier"

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return L_N = Σ log(1 + exp F) over the pool and L_A = Σ log(1 + exp −F) over the labeled anomalies.

        Both [R], divided by the batch size b. Their sum is the mean binary cross-entropy with the pool as normal.
        `x` has the scaled rows [R, b, columns], `labeled` the mask of the labeled anomalies, bool [R, b].
        """
        score = self.score(x, labeled)
        cost = map_runs(functional.softplus, torch.where(labeled, -score, score))
        zero = score.new_zeros(())
        normal = torch.where(labeled, zero, cost).sum(dim=1)
        anomaly = torch.where(labeled, cost, zero).sum(dim=1)
        return normal / x.shape[1], anomaly / x.shape[1]
