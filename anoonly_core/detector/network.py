"""Network of one run with the scaling that it needs to score rows, and the tensors of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, medians
from anoonly_core.errors import InvalidInput, TrainingDiverged
from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.explain import explain
from anoonly_core.explanation.result import Explanation
from anoonly_core.models import METHODS, Head
from anoonly_core.progress import Report
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["DetectorNetwork", "network_from_tensors", "train_network"]


# Tensors whose names in files of format 1 differ from the code.
FILE_NAMES = {"center": "centre"}


@dataclass(frozen=True, eq=False)
class DetectorNetwork:
    """Trained network of one run with its input scaling, ready to score rows.

    The head stays in eval mode, so that several threads can score at once.

    Attributes
    ----------
    config : RunConfig
        Settings of the run.
    head : Head
        Trained layers of one run, in eval mode.
    minimum, scale : float32 or float64 [columns]
        Input scaling, in the dtype of the training features: (x - minimum) / scale.
    training_scores : float64 [rows]
        Scores of the training rows.
    losses : float32 [epochs, 2] or None
        Mean L_N, before the factor λ_n, and mean L_A of each epoch; None for a network of a file.
    median : float32 or float64 [columns] or None
        Unscaled median of each feature over the pool, where explanations begin; None for a file of an earlier version.
    """

    config: RunConfig
    head: Head
    minimum: np.ndarray
    scale: np.ndarray
    training_scores: np.ndarray
    losses: np.ndarray | None = None
    median: np.ndarray | None = None

    @property
    def columns(self) -> int:
        """Number of features of an input row."""
        return len(self.minimum)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the anomaly scores, float64 [rows], of unscaled rows X [rows, columns].

        The score of a row far outside the training range may be infinite or NaN.
        """
        return self._row_by_row(self.head.score, X).astype(np.float64)

    def hidden(self, X: np.ndarray) -> np.ndarray:
        """Return the inputs of the last layer for unscaled rows X [rows, columns], float32 [rows, hidden features]."""
        return self._row_by_row(self.head.hidden, X)

    def explain(self, X: np.ndarray, columns: SourceColumns, draws: int) -> Explanation:
        """Explain the scores of unscaled rows X [rows, columns]; see `explanation.explain`.

        Raise InvalidInput if the network has no median row.
        """
        if self.median is None:
            raise InvalidInput(
                "A detector file of an earlier version has no median row to explain scores from: fit the detector "
                "again."
            )
        exact = X.astype(self.minimum.dtype, copy=False)
        return explain(self.head, exact, self.median, (self.minimum, self.scale), columns, draws)

    @default_torch_settings()
    def _row_by_row(self, function: Callable[[Tensor], Tensor], X: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            exact = X.astype(self.minimum.dtype, copy=False)
            scaled = torch.from_numpy(((exact - self.minimum) / self.scale).astype(np.float32, copy=False))
        (values,) = self.head.map_rows(function, [scaled.to(self.head.lambda_n.device)])
        return np.asarray(values.cpu().numpy())

    @default_torch_settings()
    def on_cpu(self) -> DetectorNetwork:
        """Return a copy of the network on the CPU, or the network itself if it is there already."""
        return replace(self, head=deepcopy(self.head).cpu()) if self.head.lambda_n.is_cuda else self

    @default_torch_settings()
    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors to save, by name, on the CPU.

        Weights have names that begin with "head."; the others are minimum, scale, decision_scores_ and, if there is
        one, median.
        """
        tensors = {
            f"head.{FILE_NAMES.get(name, name)}": tensor.cpu().contiguous()
            for name, tensor in self.head.state_dict().items()
        }
        arrays = {"minimum": self.minimum, "scale": self.scale, "decision_scores_": self.training_scores}
        arrays |= {} if self.median is None else {"median": self.median}
        return tensors | {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


@default_torch_settings()
def train_network(
    dataset: Dataset,
    split: Split,
    config: RunConfig,
    device: str = "cpu",
    report: Report = lambda done, total: None,
    use_cache: bool = True,
) -> DetectorNetwork:
    """Train the network of one run on a split, with the same bits as `run`.

    Parameters
    ----------
    dataset, split : Dataset, Split
        Rows to train on.
    config : RunConfig
        Settings of the run.
    device : {"cpu", "cuda"}
        Device for training.
    report : callable
        Called after each epoch with (epochs done, all epochs), pretraining included; an exception stops training.
    use_cache : bool
        True if a pretraining may be read from and written to the cache of this process.

    Returns
    -------
    DetectorNetwork
        The network with the scores of its training rows.

    Raises
    ------
    TrainingDiverged
        If a score is not a finite number.
    """
    assert config.epochs is not None
    stack = Stack(dataset, [config], [split], device)
    before = stack.pretraining_epochs if use_cache else stack.pretraining.epochs if stack.pretraining else 0
    for epoch in pretrain(stack, use_cache):
        report(epoch, before + config.epochs)
    losses: list[Tensor] = []
    for snapshot in train(stack):
        losses.append(snapshot.losses)
        report(before + snapshot.epoch, before + config.epochs)
    scores = stack.scores([split.train])[0].astype(np.float64)
    if not np.isfinite(scores).all():
        raise TrainingDiverged
    head = stack.head.eval().requires_grad_(False)
    history = torch.stack(losses)[..., 0].cpu().numpy()
    median = medians(dataset.X, split.train[~split.labeled])
    return DetectorNetwork(config, head, split.minimum, split.scale, scores, history, median)


@default_torch_settings()
def network_from_tensors(config: RunConfig, tensors: Mapping[str, Tensor]) -> DetectorNetwork:
    """Rebuild a network on the CPU from the tensors that `DetectorNetwork.tensors` returned.

    `config` has the settings of the run. Raise ValueError, KeyError or the like if the tensors do not fit them.
    """
    names = {in_file: name for name, in_file in FILE_NAMES.items()}
    stored = {name.removeprefix("head."): tensor for name, tensor in tensors.items() if name.startswith("head.")}
    weights = {names.get(name, name): tensor for name, tensor in stored.items()}
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("head.")}
    if {*arrays} - {"median"} != {"minimum", "scale", "decision_scores_"}:
        raise ValueError("tensors differ from those of a detector")
    median = arrays.get("median")
    minimum, scale, scores = arrays["minimum"], arrays["scale"], arrays["decision_scores_"]
    dtypes = [array.dtype.str[1:] for array in (minimum, scale, scores)]
    if (
        dtypes not in (["f4", "f4", "f8"], ["f8", "f8", "f8"])
        or not minimum.shape == scale.shape == (len(minimum),)
        or scores.ndim != 1
    ):
        raise ValueError("arrays differ from those of a detector")
    if median is not None and (median.dtype != minimum.dtype or median.shape != minimum.shape):
        raise ValueError("the median row differs from those of a detector")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("values are not finite")
    with torch.device("meta"):  # allocate nothing before the shapes are checked
        head = METHODS[config.baseline](1, len(minimum), config.norm, config.preset)
    if config.strength is not None:
        head.set_strengths([config.strength])
    if any(tensor.dtype != weights[name].dtype for name, tensor in head.state_dict().items()):
        raise ValueError("a weight has another type")
    head.load_state_dict(weights, assign=True)
    return DetectorNetwork(config, head.eval().requires_grad_(False), minimum, scale, scores, median=median)
