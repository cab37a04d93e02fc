"""The data sets that come with scikit-learn: offline, small, and known to every reader."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from anoonly_core.data.dataset import Dataset, Facts, Provenance, make_dataset
from anoonly_core.rng import numpy_generator

__all__ = [
    "ANOMALY_SHARE",
    "DESCRIPTIONS",
    "Description",
    "breast_cancer",
    "digit_against_rest",
    "digit_alone",
    "digits_low",
]

ANOMALY_SHARE = 0.05  # the paper's § 4.1

_DIGITS = "scikit-learn's digits: 1797 scanned digits of 8 × 8 pixels, from the UCI repository"
_CANCER = "scikit-learn's breast_cancer: Wisconsin Diagnostic, from the UCI repository"
_LICENSE = "CC BY 4.0"

# scikit-learn's rows of each digit, 0 to 9, and of benign tumours: what is said of a set before it is loaded.
_DIGIT_ROWS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
_BENIGN_ROWS = 357


@dataclass(frozen=True)
class Description:
    """What is known of a bundled set before it is loaded."""

    facts: Facts
    provenance: Provenance


def _drawn(normal: int) -> int:
    """How many anomalies make up 5 % beside so many normal rows."""
    return round(normal * ANOMALY_SHARE / (1 - ANOMALY_SHARE))


def _describe(normal: int, columns: int, source: str, note: str, anomalies: int | None = None) -> Description:
    rare = _drawn(normal) if anomalies is None else anomalies
    return Description(Facts(normal + rare, columns, rare), Provenance(source, _LICENSE, note))


_ALL = sum(_DIGIT_ROWS)
DESCRIPTIONS = MappingProxyType(
    {
        **{
            f"digits_{d}": _describe(_ALL - n, 64, _DIGITS, f"the {d} is the anomaly")
            for d, n in enumerate(_DIGIT_ROWS)
        },
        **{
            f"digits_only_{d}": _describe(n, 64, _DIGITS, f"the {d} is normal, all others are anomalies", _ALL - n)
            for d, n in enumerate(_DIGIT_ROWS)
        },
        "digits_low": _describe(sum(_DIGIT_ROWS[:5]), 64, _DIGITS, "5 to 9 are the anomalies"),
        "breast_cancer": _describe(_BENIGN_ROWS, 30, _CANCER, "malignant is the anomaly"),
    }
)


def digit_against_rest(name: str, digit: int) -> Dataset:
    """All other digits are normal; this one is the anomaly, drawn to 5 % of the rows."""
    X, digits = load_digits(return_X_y=True)
    return _rare(name, X, digits == digit, (8, 8))


def digit_alone(name: str, digit: int) -> Dataset:
    """This digit is normal, all others are anomalies, nine rows in ten: enough for a pool of any contamination."""
    X, digits = load_digits(return_X_y=True)
    return make_dataset(name, X, (digits != digit).astype(np.int64), DESCRIPTIONS[name].provenance, image_shape=(8, 8))


def digits_low(name: str) -> Dataset:
    """Digits 0 to 4 are normal, 5 to 9 the anomalies, drawn to 5 %.

    A case where AnoOnly costs AUCROC: 0.95 → 0.90 (DeepSAD, natural pool, mean over seeds 0 to 4).
    """
    X, digits = load_digits(return_X_y=True)
    return _rare(name, X, digits >= 5, (8, 8))


def breast_cancer(name: str) -> Dataset:
    """Benign tumours are normal, malignant ones the anomalies, drawn to 5 %."""
    X, target = load_breast_cancer(return_X_y=True)
    return _rare(name, X, target == 0)


def _rare(name: str, X: np.ndarray, anomalous: np.ndarray, image: tuple[int, int] | None = None) -> Dataset:
    """Keep all normal rows and as many anomalies as make up 5 %: always the same ones."""
    normal = np.flatnonzero(~anomalous)
    drawn = numpy_generator(0, f"bundled {name}").choice(np.flatnonzero(anomalous), _drawn(len(normal)), replace=False)
    rows = np.sort(np.concatenate([normal, drawn]))
    return make_dataset(name, X[rows], anomalous[rows].astype(np.int64), DESCRIPTIONS[name].provenance, rows, image)
