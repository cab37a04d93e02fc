"""DevNet (Pang et al., KDD 2019) as the paper uses it (appendix B)."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["DEVNET"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the network of DevNet, one hidden layer, for rows of this many columns; all presets share it."""
    return {
        "features": Subnetwork("row x", columns, (Linear(20), Operation.RELU, Operation.NORM), "features"),
        "score": Subnetwork("features", 20, (Linear(1),), "score F(x)"),
    }


DEVNET = Baseline(
    name="DevNet",
    summary=(
        "Learns one number for every row: near 0 for the pool, at least 5 for labeled anomalies. "
        "Half of each batch are labeled anomalies; AnoOnly drops the pull of the pool towards 0."
    ),
    revision=1,
    settings=dict.fromkeys(("paper", "published_code"), TrainingSettings(epochs=50, batch_size=64, learning_rate=2e-4)),
    norms=dict.fromkeys(("paper", "published_code"), ("none", "batch")),
    network=_network,
    epoch="20 batches, half of each drawn from the labeled anomalies",
    steps=20,
    smallest_batch=2,
)
