"""Presets of the Sweep page: the settings that figures and tables of arXiv 2305.18798 vary, and further ones.

The last five are the axes of WSADBench (docs/methods.md § 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from anoonly_core.baselines import PAPER_NORMS

__all__ = ["LAMBDA_N_AXIS", "SWEEP_PRESETS", "SweepPreset"]

# The axis of every preset that does not vary λ_n otherwise: the baseline (1) and AnoOnly (0).
LAMBDA_N_AXIS = ("lambda_n", (1.0, 0.0))


@dataclass(frozen=True)
class SweepPreset:
    """Preset of a sweep: title, the question that it answers, and axes as pairs of setting name and values."""

    title: str
    question: str
    axes: tuple[tuple[str, tuple[Any, ...]], ...]


SWEEP_PRESETS = MappingProxyType(
    {
        "fig5": SweepPreset(
            "Fig. 5: labeled anomalies",
            "How many of the anomalies must be labeled?",
            (("labeled_ratio", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0)), LAMBDA_N_AXIS),
        ),
        "fig6": SweepPreset(
            "Fig. 6: normal rows",
            "How many normal rows must the pool hold?",
            (("normal_ratio", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0)), LAMBDA_N_AXIS),
        ),
        "fig7": SweepPreset(
            "Fig. 7: the weight λₙ",
            "How much loss on the pool is best, and is none better still?",
            (("lambda_n", (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 0.0)),),
        ),
        "fig8": SweepPreset(
            "Fig. 8: label noise",
            "What do the unlabeled anomalies in the pool cost each system, against a clean pool?",
            (
                ("contamination", (0.0, "natural")),
                ("baseline", ("DeepSAD", "DevNet", "FEAWAD", "PReNet")),
                LAMBDA_N_AXIS,
            ),
        ),
        "fig9": SweepPreset(
            "Fig. 9: batch size",
            "How large must the batches be that the norm takes its statistics from?",
            (("batch_size", tuple(2**power for power in range(8))), LAMBDA_N_AXIS),
        ),
        "table2": SweepPreset(
            "Table 2: norms",
            "Does AnoOnly need batch norm, or would another norm do?",
            (("norm", PAPER_NORMS), LAMBDA_N_AXIS),
        ),
        "gradient": SweepPreset(
            "Batch norm's gradient",
            "How much of batch norm's gradient through the mean of the batch does AnoOnly need?",
            (
                ("grad_mean", (1.0, 0.75, 0.5, 0.25, 0.1, 0.0)),
                ("norm", ("batch", "batch_no_affine")),
                LAMBDA_N_AXIS,
            ),
        ),
        "contamination": SweepPreset(
            "Contamination 0 to 80 %",
            "How dirty may the pool be?",
            (("contamination", (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)), LAMBDA_N_AXIS),
        ),
        "labels": SweepPreset(
            "Number of labels",
            "How many labeled anomalies are enough?",
            (("labeled_anomalies", (1, 2, 5, 10, 20, 50)), LAMBDA_N_AXIS),
        ),
        "unlabeled": SweepPreset(
            "Unlabeled rows",
            "How many rows without a label are needed?",
            (("unlabeled_ratio", (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)), LAMBDA_N_AXIS),
        ),
        "flipped_anomalies": SweepPreset(
            "Anomalies labeled normal",
            "What do anomalies cost whose label says normal?",
            (("flipped_anomalies", (0.0, 0.1, 0.2, 0.3, 0.5)), LAMBDA_N_AXIS),
        ),
        "flipped_normals": SweepPreset(
            "Normal rows labeled anomalous",
            "What do normal rows cost whose label says anomaly?",
            (("flipped_normals", (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)), LAMBDA_N_AXIS),
        ),
        "unseen": SweepPreset(
            "Unseen types of anomaly",
            "Are types of anomaly found that no training row has?",
            (("unseen_types", (0, 1, 2, 3, 4)), LAMBDA_N_AXIS),
        ),
    }
)
