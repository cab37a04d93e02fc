"""Words for values, settings and metrics."""

from __future__ import annotations

from typing import Any

from anoonly_core.baselines import NORM_LABELS

__all__ = ["MEGABYTE", "METRIC_LABELS", "PROJECTION_LABELS", "SETTING_LABELS", "format_axis_value", "format_value"]


PROJECTION_LABELS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def format_value(value: Any) -> str:
    """A value as its control and the URL write it."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


MEGABYTE = 2**20


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
}


def format_axis_value(name: str, value: Any) -> str:
    """A value of an axis as a chart writes it."""
    if value is None:
        return "none"
    if name == "norm":
        return NORM_LABELS.get(value, str(value))
    if name in ("labeled_ratio", "normal_ratio", "contamination") and isinstance(value, float):
        return f"{100 * value:.3g} %"
    return format_value(value)
