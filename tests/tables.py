"""Real tables as users have them: with class columns, words, dates and missing values."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

__all__ = ["cancer", "digits", "penguins"]


def penguins(raw: bool = False) -> Path:
    """344 penguins of Palmer Station (K. Gorman, CC0), of three species: as prepared for teaching, or as noted down."""
    name = "penguins-raw.csv" if raw else "penguins.csv"
    return next(Path(str(own.locate())) for own in files("palmerpenguins") or () if own.name == name)


def cancer() -> pd.DataFrame:
    """scikit-learn's breast_cancer, its classes as words."""
    found = load_breast_cancer(as_frame=True)
    return found.frame.assign(target=np.array(["malignant", "benign"])[found.target])


def digits() -> pd.DataFrame:
    """scikit-learn's digits with the column `digit`, 0 to 9."""
    found = load_digits(as_frame=True)
    return found.frame.rename(columns={"target": "digit"})
