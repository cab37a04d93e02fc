"""GANomaly (Akcay et al., ACCV 2018) on feature vectors, a comparator in the tables of the paper."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["GANOMALY"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe the networks of GANomaly for rows of this many columns, fully connected as in ADBench."""
    code = max(1, columns // (2 if columns < 8 else 4))
    judged = (Linear(100), Operation.TANH, Linear(20), Operation.TANH)
    return {
        "encoder": Subnetwork("row x", columns, (Linear(code), Operation.TANH), "code z"),
        "decoder": Subnetwork("code z", code, (Linear(columns),), "reconstruction"),
        "second encoder": Subnetwork(
            "reconstruction", columns, (Linear(code), Operation.TANH), "second code, scored against z"
        ),
        "judge's features": Subnetwork("row or reconstruction", columns, judged, "features"),
        "judge": Subnetwork("features", 20, (Linear(1),), "real or made?"),
    }


GANOMALY = Baseline(
    name="GANomaly",
    summary=(
        "Learns to encode, decode and encode again the rows of the pool, against a judge that tells rows from "
        "reconstructions. A row's score is how far its two codes lie apart; it uses labels only to leave those rows "
        "out, and has no λₙ."
    ),
    revision=1,
    settings={"paper": TrainingSettings(epochs=50, batch_size=64, learning_rate=1e-2)},
    network=_network,
    epoch="one pass over the pool, in as many full batches as it fills",
)
