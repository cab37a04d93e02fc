"""Labels of settings and metrics, and values as text."""

from __future__ import annotations

from typing import Any

from anoonly_core.baselines import NORM_LABELS

__all__ = [
    "MEGABYTE",
    "METRIC_LABELS",
    "PROJECTION_LABELS",
    "SETTING_LABELS",
    "describe_small_server",
    "format_axis_value",
    "format_value",
]

MEGABYTE = 2**20

PROJECTION_LABELS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
METRIC_LABELS = {"aucpr_anomaly": "AUCPR anomaly", "aucroc": "AUCROC", "aucpr_normal": "AUCPR normal"}
SETTING_LABELS = {
    "lambda_n": "λₙ",
    "norm": "norm",
    "batch_size": "batch size",
    "labeled_ratio": "share of labeled anomalies",
    "normal_ratio": "share of normal rows kept",
    "contamination": "contamination",
    "baseline": "system",
    "epochs": "epochs",
    "learning_rate": "learning rate",
    "preset": "preset",
    "protocol": "protocol",
    "dataset": "data set",
    "seed": "seed",
    "grad_direct": "direct gradient",
    "grad_variance": "gradient through the variance",
    "grad_mean": "gradient through the mean",
}


def format_value(value: Any) -> str:
    """Format a setting as its control and the URL write it; a float keeps all digits that it needs to be read back."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


def format_axis_value(name: str, value: Any) -> str:
    """Format the value of the setting `name` for a chart axis: norms by their labels, shares in percent."""
    if value is None:
        return "none"
    if name == "norm":
        return NORM_LABELS.get(value, str(value))
    if name in ("labeled_ratio", "normal_ratio", "contamination") and isinstance(value, float):
        return f"{100 * value:.3g} %"
    return format_value(value)


def describe_small_server(cores: int, memory: int) -> str:
    """Describe a server that trains one run at a time; `memory` in bytes."""
    size = f"{cores} core{'s' if cores > 1 else ''}, {memory / 2**30:.1f} GB"
    return f"Small server ({size}): one run trains at a time, and UMAP loads when you choose it."
