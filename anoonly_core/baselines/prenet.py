"""PReNet (Pang et al., KDD 2023) as the paper uses it (appendix B)."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["PRENET"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the network of PReNet: a feature layer for each row of a pair, and a linear layer over both features."""
    return {
        "features": Subnetwork("each row of a pair", columns, (Linear(20), Operation.RELU, Operation.NORM), "features"),
        "score": Subnetwork("both rows' features", 40, (Linear(1),), "score of the pair, averaged over partners"),
    }


PRENET = Baseline(
    name="PReNet",
    summary=(
        "Learns to tell of a pair of rows how many labeled anomalies are in it: 0, 4 or 8 for none, one or two. "
        "A row's score is its mean over pairs with known rows; AnoOnly drops the pairs without an anomaly."
    ),
    revision=1,
    settings={
        # The published code runs 50 epochs and lets the learning rate fall to 1e-5 along a cosine.
        "paper": TrainingSettings(epochs=30, batch_size=512, learning_rate=1e-3),
        "published_code": TrainingSettings(epochs=50, batch_size=512, learning_rate=1e-3),
    },
    norms=dict.fromkeys(("paper", "published_code"), ("none", "batch")),
    network=_network,
    epoch="20 batches of pairs, about half of which hold a labeled anomaly or two",
    steps=20,
    smallest_batch=4,
)
