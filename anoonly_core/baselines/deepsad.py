"""DeepSAD (Ruff et al., ICLR 2020) as the paper uses it: P appendix B."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["DEEPSAD"]

# P's widths; the published code builds others.
_WIDTHS = {"paper": (128, 64, 32), "published_code": (100, 20, 10)}


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """No biases: with one, the network could place every row on the center and ignore its input."""
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
        # P states 1e-3; the published code's scheduler (milestones=[0]) makes it 1e-4 from the first step.
        "paper": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-3),
        "published_code": TrainingSettings(epochs=50, batch_size=128, learning_rate=1e-4),
    },
    norms=dict.fromkeys(("paper", "published_code"), ("batch_no_affine", "batch_no_affine")),
    network=_network,
    epoch="one pass over the training rows, in as many full batches as they fill",
)
