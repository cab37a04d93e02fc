"""What is published about each baseline: its training settings under both presets, and its norms.

Torch-free, so that the page can show a default without loading the network code that uses it.
P = the paper (arXiv 2305.18798), C = the authors' published code.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BASELINES", "NORM_LABELS", "PRESETS", "Baseline", "TrainingSettings"]

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
    """How a baseline is trained where the user says nothing else."""

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Baseline:
    """One published head as the controls know it.

    revision: raised whenever a change of code changes the scores, so that stored runs of the old
    code are not taken for the new. norms: the paper's pairing, (at λ_n = 1, below 1).
    """

    name: str
    summary: str
    revision: int
    settings: dict[str, TrainingSettings]
    norms: tuple[str, str]

    def paired_norm(self, lambda_n: float) -> str:
        """The norm that the paper uses with this λ_n."""
        return self.norms[0] if lambda_n == 1 else self.norms[1]


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline(
            name="DeepSAD",
            summary=(
                "Maps every row into a small space and scores it by its squared distance to a fixed centre. "
                "The baseline pulls the pool to the centre and pushes labelled anomalies away; "
                "AnoOnly only pushes."
            ),
            revision=1,
            settings={
                # P states 1e-3; C's scheduler (milestones=[0]) makes it 1e-4 from the first step.
                "paper": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-3),
                "published_code": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-4),
            },
            norms=("batch_no_affine", "batch_no_affine"),
        ),
    )
}
