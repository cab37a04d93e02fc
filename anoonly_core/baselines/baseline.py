"""What is published about a system: its network, its training settings under both presets, its norms."""

from __future__ import annotations

from dataclasses import dataclass

from anoonly_core.baselines.network import NetworkBuilder

__all__ = ["NORM_LABELS", "PRESETS", "Baseline", "TrainingSettings"]

PRESETS = ("paper", "published_code")

NORM_LABELS = {
    "batch": "batch norm",
    "batch_no_affine": "batch norm without affine",
    "layer": "layer norm",
    "none": "no norm",
    "bn_loss": "no norm, batch-norm loss",
}


@dataclass(frozen=True)
class TrainingSettings:
    """How a system is trained where the user says nothing else; None: it has no such setting."""

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None


@dataclass(frozen=True)
class Baseline:
    """One published system as the controls know it.

    summary: two sentences for the page. revision: raised whenever a change of code changes the
    scores, so that stored runs of the old code are not taken for the new. settings: by preset, the
    first one the default. norms: by preset, the paper's pairing (at λ_n = 1, below 1); None for a
    comparator, which has neither λ_n nor a norm to choose. network: None where it is not ours.
    epoch: what one is, in words. steps: batches an epoch where it is no pass over the rows, else 0.
    pretraining_epochs: how many come before. smallest_batch: below it, a batch has no room for each
    kind of row that it needs.
    """

    name: str
    summary: str
    revision: int
    settings: dict[str, TrainingSettings]
    norms: dict[str, tuple[str, str]] | None = None
    network: NetworkBuilder | None = None
    epoch: str = ""
    steps: int = 0
    pretraining_epochs: int = 0
    smallest_batch: int = 1

    def has(self, setting: str) -> bool:
        """Whether this setting of a config means anything to the system."""
        if setting in ("lambda_n", "norm"):
            return self.norms is not None
        if setting == "preset":
            return len(self.settings) > 1
        return getattr(next(iter(self.settings.values())), setting, True) is not None

    def paired_norm(self, lambda_n: float, preset: str) -> str | None:
        """The norm that is published with this λ_n; None for a comparator."""
        if self.norms is None:
            return None
        return self.norms[preset][0 if lambda_n == 1 else 1]
