"""FEAWAD (Zhou et al., TNNLS 2021) as the paper uses it (appendix B, eq. 20 and 21)."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings
from anoonly_core.baselines.network import Linear, Operation, Subnetwork

__all__ = ["FEAWAD"]


def _network(columns: int, preset: str) -> dict[str, Subnetwork]:
    """Describe FEAWAD: "encoder" and "decoder" of its autoencoder, "features" and "score" of its scorer.

    The scorer takes the code h, the direction r/‖r‖ and the length ‖r‖ of the residual r = x − reconstruction. The
    length is concatenated again after each hidden layer. All presets share the network.
    """
    encoder = (Linear(columns), Operation.RELU, Linear(128), Operation.RELU, Linear(64), Operation.RELU)
    decoder = (Linear(128), Operation.RELU, Linear(columns), Operation.RELU)
    features = (Linear(256), Operation.RELU, Operation.JOIN, Linear(32), Operation.RELU, Operation.JOIN, Operation.NORM)
    return {
        "encoder": Subnetwork("row x", columns, encoder, "code h"),
        "decoder": Subnetwork("code h", 64, decoder, "reconstruction; residual r = x − reconstruction"),
        "features": Subnetwork(
            "h, r/‖r‖ and ‖r‖", 64 + columns + 1, features, "features", joined_width=1, joined_label="‖r‖"
        ),
        "score": Subnetwork("features", 33, (Linear(1),), "score F(x)"),
    }


FEAWAD = Baseline(
    name="FEAWAD",
    summary=(
        "Scores a row from its code in an autoencoder and from how, and how badly, the autoencoder fails to "
        "reconstruct it. The pool's scores F are pulled to 0, those of labeled anomalies to 5 or more; AnoOnly only "
        "does the latter (the preset paper_printed takes |F| for F, as the paper prints it; paper takes F)."
    ),
    revision=2,
    settings=dict.fromkeys(
        ("paper", "published_code", "paper_printed"), TrainingSettings(epochs=30, batch_size=512, learning_rate=1e-4)
    ),
    # The published code has batch norm at λ_n = 1 too.
    norms={"paper": ("none", "batch"), "published_code": ("batch", "batch"), "paper_printed": ("none", "batch")},
    network=_network,
    epoch="20 batches, half of each drawn from the labeled anomalies",
    steps=20,
    pretraining_epochs=100,
    smallest_batch=2,
)
