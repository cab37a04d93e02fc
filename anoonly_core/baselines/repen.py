"""REPEN (Pang et al., KDD 2018), a comparator in the tables of the paper."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["REPEN"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the network of REPEN, one layer whose output is the representation, for rows of this many columns."""
    return {
        "features": Subnetwork(
            "row x", columns, (Linear(20), Operation.RELU), "representation, scored by nearest neighbors"
        ),
    }


REPEN = Baseline(
    name="REPEN",
    summary=(
        "Learns a small representation in which pool rows lie nearer to each other than to labeled anomalies. "
        "A row's score is its mean distance to the nearest of a few random training rows; it has no λₙ."
    ),
    revision=1,
    settings={"paper": TrainingSettings(epochs=30, batch_size=256, learning_rate=1.0)},
    network=_network,
    epoch="50 batches of triplets, each of two pool rows and a labeled anomaly",
    steps=50,
)
