"""nnPU (Kiryo et al., NeurIPS 2017) on the network of DevNet. Not a system of the paper."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.devnet import DEVNET
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["NNPU"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the network of nnPU for rows of this many columns: that of DevNet, without a norm."""
    return {
        "features": Subnetwork("row x", columns, (Linear(20), Operation.RELU), "features"),
        "score": Subnetwork("features", 20, (Linear(1),), "score F(x)"),
    }


NNPU = Baseline(
    name="nnPU",
    summary=(
        "Classifies labeled anomalies against the pool and subtracts the loss that hidden anomalies cause. "
        "The anomalous share of the pool is the contamination, or 5 % where that is natural; it has no λₙ."
    ),
    revision=1,
    # The rate of the authors' code. DevNet's is for a loss of slope 1; a sigmoid has a quarter at most.
    settings={"paper": TrainingSettings(epochs=50, batch_size=64, learning_rate=1e-3)},
    network=_network,
    epoch=DEVNET.epoch,
    steps=DEVNET.steps,
    smallest_batch=DEVNET.smallest_batch,
)
