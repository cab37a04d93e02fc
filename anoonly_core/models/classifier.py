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

    def costs(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return log(1 + exp F) of each pool row and log(1 + exp −F) of each labeled anomaly, [R, b].

        The mean of their sum is the binary cross-entropy with the pool as normal.
        `scores` are F [R, b], `labeled` is the mask of the labeled anomalies, bool [R, b].
        """
        return map_runs(functional.softplus, torch.where(labeled, -scores, scores))

    def cost_gradients(self, scores: Tensor, labeled: Tensor, weight: Tensor) -> Tensor:
        signed = torch.where(labeled, -scores, scores)
        parts = zip(weight.unbind(), signed.unbind(), strict=True)
        slope = torch.stack([torch.ops.aten.softplus_backward(of_run, x, 1, 20) for of_run, x in parts])
        return torch.where(labeled, -slope, slope)
