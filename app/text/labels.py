"""Labels of settings and metrics, and values as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.drift.detectors import DETECTORS
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.ways import WAYS

__all__ = [
    "MEGABYTE",
    "METRIC_LABELS",
    "OPTION_WORDS",
    "PROJECTION_LABELS",
    "SETTING_LABELS",
    "describe_small_server",
    "format_axis_value",
    "format_value",
    "option_label",
    "option_of",
    "option_words",
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
    "grad_place": "batch norms with these shares",
    "norm_strength": "strength of the norm",
    "labeled_anomalies": "labeled anomalies",
    "labeled_normals": "known normal rows",
    "labeled_normal_ratio": "known normal rows per labeled anomaly",
    "unlabeled_ratio": "share of unlabeled rows used",
    "flipped_anomalies": "share of anomalies labeled normal",
    "flipped_normals": "share of normal rows labeled anomalous",
    "unseen_types": "unseen types of anomaly",
}
_SHARES = frozenset(
    {
        *("labeled_ratio", "normal_ratio", "contamination"),
        *("unlabeled_ratio", "flipped_anomalies", "flipped_normals"),
    }
)

_PUBLISHED = {"published": "by the preset"}
# Plain words for the options of a control whose names are those of the code, by control.
OPTION_WORDS: Mapping[str, Mapping[str, str]] = {
    "norm": {**_PUBLISHED, **NORM_LABELS},
    "norm_strength": {"published": "standard"},
    "grad_place": {"all": "every batch norm", "first": "the first alone", "last": "the last alone"},
    "batch_size": _PUBLISHED,
    "epochs": _PUBLISHED,
    "learning_rate": _PUBLISHED,
    "contamination": {"natural": "all that the data set has"},
    "labeled_anomalies": {"published": "by the share"},
    "preset": {
        "paper": "the paper's text",
        "published_code": "the authors' code",
        "paper_printed": "the paper's formulas to the letter",
        "default": "the package",
        "tuned": "a search on the training labels",
    },
    "protocol": {
        "leak_free": "at random, no leak",
        "published": "as published, with a leak",
        "by_time": "by time: train on the past",
        "by_group": "by group: no entity on both sides",
        "test_file": "tested on the test file",
    },
    "scorer": {
        "same": "the same head at λₙ = 1",
        "svdd": "DeepSAD without labels",
        "autoencoder": "FEAWAD's autoencoder",
    },
    "remove": {"known": "the pool's contamination"},
    "objective": {"svdd": "distance to a center", "bce": "logit"},
    "shift": {name: shift.label.lower() for name, shift in SHIFTS.items()},
    "schedule": {"none": "no shift", "sudden": "sudden", "gradual": "gradual", "recurring": "recurring"},
    "amount": {"usual": "as usual"},
    "guard": {"none": "every row counts", "threshold": "no flagged row", "trimmed": "no highest tenth"},
    "scores": {"plain": "as they are", "standardized": "by their batch"},
    "way": {name: way.label for name, way in WAYS.items()},
    "measure": {"aucroc": "AUCROC", "aucpr": "AUCPR"},
    "detector": {"none": "no detector", **{name: detector.label for name, detector in DETECTORS.items()}},
    "thresholds": {"promised": "set at the start", "recalibrated": "set anew"},
}
_LONG = (_PUBLISHED["published"], OPTION_WORDS["contamination"]["natural"])
_WITH_NAME = re.compile(r".+ \((\w+)\)")


def option_label(name: str, value: Any) -> str:
    """Return the label of a control's option: plain words with its name in the code, such as "layer norm (layer)".

    `name` is the control and `value` the option. An option without words in `OPTION_WORDS` is formatted by itself.
    """
    words = OPTION_WORDS.get(name, {}).get(value) if isinstance(value, str) else None
    return format_value(value) if words in (None, value) else f"{words} ({value})"


def option_of(name: str, text: str) -> str:
    """Return the option that a label of `option_label` stands for, such as "layer" for "layer norm (layer)".

    `name` is the control. A text that is no such label is returned as it is.
    """
    found = _WITH_NAME.fullmatch(text)
    return found[1] if found and found[1] in OPTION_WORDS.get(name, {}) else text


def format_value(value: Any) -> str:
    """Format a setting as controls and URLs write it; a float is as short as possible without loss."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


def format_axis_value(name: str, value: Any) -> str:
    """Format the value of a setting for a reader: options in plain words, shares in percent, None as "none".

    `name` is the field of `RunConfig`.
    """
    if value is None:
        return "none"
    if name in _SHARES and isinstance(value, float):
        return f"{100 * value:.3g} %"
    return option_words(name, value)


def option_words(name: str, value: Any) -> str:
    """Return the value of the control `name` in plain words alone, such as "layer norm"; a number as text.

    "natural" and "published" are returned as they are, since their words in the control are longer.
    """
    words = OPTION_WORDS.get(name, {}).get(value) if isinstance(value, str) else None
    return format_value(value) if words is None or words in _LONG else words


def describe_small_server(cores: int, memory: int) -> str:
    """Return the notice of a server that trains one run at a time, with its cores and its memory (bytes) in GB."""
    size = f"{cores} core{'s' if cores > 1 else ''}, {memory / 2**30:.1f} GB"
    return f"Small server ({size}): one run trains at a time, and UMAP loads when you choose it."
