"""A network trained on a split, with all that it needs to score rows, and the tensors that a file keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import TrainingDiverged
from anoonly_core.models import METHODS, Head
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = ["DetectorNetwork", "Report", "network_from_tensors", "train_network"]

Report = Callable[[int, int], None]


# Tensors that format 1 of the file calls otherwise than the code.
FILE_NAMES = {"center": "centre"}


@dataclass(frozen=True, eq=False)
class DetectorNetwork:
    """One run's network.

    minimum, scale: float32 [columns], how it sees a row. training_scores: float64 [rows], of the rows it was
    trained on. The head is in eval mode for good: threads that score at once would otherwise switch it under
    each other.
    """

    config: RunConfig
    head: Head
    minimum: np.ndarray
    scale: np.ndarray
    training_scores: np.ndarray

    @property
    def columns(self) -> int:
        """How many features a row has."""
        return len(self.minimum)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Scores of rows X, float32 [rows, columns], as float64 [rows]; no finite number far out of the range."""
        return self._row_by_row(self.head.score, X).astype(np.float64)

    def hidden(self, X: np.ndarray) -> np.ndarray:
        """What it sees in rows X before its last layer, float32 [rows, features]."""
        return self._row_by_row(self.head.hidden, X)

    def _row_by_row(self, function: Callable[[Tensor], Tensor], X: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = torch.from_numpy((X - self.minimum) / self.scale)
        (found,) = self.head.map_rows(function, [scaled.to(self.head.lambda_n.device)])
        return np.asarray(found.cpu().numpy())

    def on_cpu(self) -> DetectorNetwork:
        """The same where there is no GPU."""
        return replace(self, head=deepcopy(self.head).cpu()) if self.head.lambda_n.is_cuda else self

    def tensors(self) -> dict[str, Tensor]:
        """All that a file keeps of it beside its settings, on the CPU."""
        kept = {
            f"head.{FILE_NAMES.get(name, name)}": tensor.cpu().contiguous()
            for name, tensor in self.head.state_dict().items()
        }
        arrays = {"minimum": self.minimum, "scale": self.scale, "decision_scores_": self.training_scores}
        return kept | {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def train_network(
    dataset: Dataset,
    split: Split,
    config: RunConfig,
    device: str = "cpu",
    report: Report = lambda done, total: None,
    use_cache: bool = True,
) -> DetectorNetwork:
    """Train one run's network on its split, as run.run does.

    report: called after each epoch with the epochs done and all of them, pretraining counted in; what it raises
    stops the training. remember: whether a pretraining may be taken from and kept in this process. Raises
    TrainingDiverged where the scores stop being finite numbers.
    """
    assert config.epochs is not None
    stack = Stack(dataset, [config], [split], device)
    before = stack.pretraining_epochs if use_cache else stack.pretraining.epochs if stack.pretraining else 0
    for epoch in pretrain(stack, use_cache):
        report(epoch, before + config.epochs)
    for snapshot in train(stack):
        report(before + snapshot.epoch, before + config.epochs)
    scores = stack.scores([split.train])[0].astype(np.float64)
    if not np.isfinite(scores).all():
        raise TrainingDiverged
    return DetectorNetwork(config, stack.head.eval().requires_grad_(False), split.minimum, split.scale, scores)


def network_from_tensors(config: RunConfig, tensors: Mapping[str, Tensor]) -> DetectorNetwork:
    """The network whose tensors these are; some exception where they are not those of such a network."""
    names = {in_file: name for name, in_file in FILE_NAMES.items()}
    stored = {name.removeprefix("head."): tensor for name, tensor in tensors.items() if name.startswith("head.")}
    weights = {names.get(name, name): tensor for name, tensor in stored.items()}
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("head.")}
    if set(arrays) != {"minimum", "scale", "decision_scores_"}:
        raise ValueError("other tensors than a detector's")
    minimum, scale, scores = arrays["minimum"], arrays["scale"], arrays["decision_scores_"]
    kinds = [array.dtype.str[1:] for array in (minimum, scale, scores)]
    if kinds != ["f4", "f4", "f8"] or not minimum.shape == scale.shape == (len(minimum),) or scores.ndim != 1:
        raise ValueError("other arrays than a detector's")
    if not all(np.isfinite(values).all() for values in (minimum, scale, scores)):
        raise ValueError("values that are not finite")
    with torch.device("meta"):  # so that no memory is taken for sizes that the file does not have
        head = METHODS[config.baseline](1, len(minimum), config.norm, config.preset)
    if any(tensor.dtype != weights[name].dtype for name, tensor in head.state_dict().items()):
        raise ValueError("a weight of another type")
    head.load_state_dict(weights, assign=True)
    return DetectorNetwork(config, head.eval().requires_grad_(False), minimum, scale, scores)
