"""A plain classifier: DevNet with binary cross-entropy, so that only the loss differs. Not a system of the paper."""

from dataclasses import replace

from anoonly_core.baselines.devnet import DEVNET

__all__ = ["CLASSIFIER"]

CLASSIFIER = replace(
    DEVNET,
    name="Classifier",
    summary=(
        "Learns to tell labeled anomalies from the pool by binary cross-entropy, as an ordinary classifier does. "
        "Network, batches and settings are those of DevNet; AnoOnly drops the cross-entropy of the pool."
    ),
    settings={"paper": DEVNET.settings["paper"]},
    norms={"paper": ("none", "batch")},
)
