"""DeepSAD (Ruff et al., ICLR 2020) as the paper uses it (appendix B)."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["DEEPSAD"]

# The published code uses other widths than the paper.
_WIDTHS = {"paper": (128, 64, 32), "published_code": (100, 20, 10)}


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the encoder of DeepSAD for rows of this many columns, with the widths of a preset.

    It has no biases: they would let it map every row to the center, whatever the input.
    """
    first, second, code = (Linear(width, bias=False) for width in _WIDTHS[preset])
    features = (first, Operation.NORM, Operation.LEAKY_RELU, second, Operation.NORM, Operation.LEAKY_RELU)
    return {
        "features": Subnetwork("row x", columns, features, "features"),
        "code": Subnetwork(
            "features", second.outputs, (code,), "code f(x), scored by its squared distance to a fixed center"
        ),
    }


DEEPSAD = Baseline(
    name="DeepSAD",
    summary=(
        "Maps every row into a small space and scores it by its squared distance to a fixed center. "
        "The baseline pulls the pool to the center and pushes labeled anomalies away; AnoOnly only pushes."
    ),
    revision=2,
    settings={
        # The paper states 1e-3; the published code's scheduler (milestones=[0]) makes it 1e-4 from the first step.
        "paper": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-3),
        "published_code": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-4),
    },
    norms=dict.fromkeys(("paper", "published_code"), ("batch_no_affine", "batch_no_affine")),
    norm_places=2,
    network=_network,
    epoch="one pass over the training rows, in as many full batches as they fill",
)
