"""RoSAS (Xu et al., Information Processing & Management 2023). Not a system of the paper."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["ROSAS"]

_REPRESENTATION = 128


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the representation, whose hidden layer is midway in width, and the scorer on top of it."""
    midway = columns + int((_REPRESENTATION - columns) / 2)
    representation = (Linear(midway, bias=False), Operation.LEAKY_RELU, Linear(_REPRESENTATION, bias=False))
    scorer = (Linear(_REPRESENTATION // 2, bias=False), Operation.LEAKY_RELU, Linear(1))
    return {
        "features": Subnetwork("row x", columns, representation, "representation"),
        "score": Subnetwork("representation", _REPRESENTATION, scorer, "score F(x), trained as tanh F(x)"),
    }


ROSAS = Baseline(
    name="RoSAS",
    summary=(
        "Mixes pool rows with labeled anomalies and learns the shares of each mixture, from −1 for the pool to 1. "
        "A triplet loss keeps labeled anomalies away from the pool in the hidden features; it has no λₙ."
    ),
    revision=1,
    settings={"paper": TrainingSettings(epochs=100, batch_size=128, learning_rate=5e-3)},
    network=_network,
    epoch="16 batches of triplets, each of two pool rows and a labeled anomaly, and their mixtures",
    steps=16,
)
