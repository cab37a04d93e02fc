"""Real tables with class columns, words, dates and missing values."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

__all__ = ["cancer", "digits", "penguins"]


def penguins(raw: bool = False) -> Path:
    """Return the path of 344 penguins of three species (K. Gorman, Palmer Station, CC0), cleaned or raw."""
    name = "penguins-raw.csv" if raw else "penguins.csv"
    return next(Path(str(file.locate())) for file in files("palmerpenguins") or () if file.name == name)


def cancer() -> pd.DataFrame:
    """Return scikit-learn's breast_cancer with the column `target`, malignant or benign."""
    data = load_breast_cancer(as_frame=True)
    return data.frame.assign(target=np.array(["malignant", "benign"])[data.target])


def digits() -> pd.DataFrame:
    """Return scikit-learn's digits with the column `digit`, 0 to 9."""
    return load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
