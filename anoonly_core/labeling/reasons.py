"""Explanation of the score of a row by the detector that was trained on labels given by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.explanation.deletion import DRAWS
from anoonly_core.explanation.result import Explanation
from anoonly_core.explanation.run import columns_of
from anoonly_core.labeling.table import labeled_table

__all__ = ["explain_ranked_row"]


def explain_ranked_row(file: bytes, name: str, row: int) -> Explanation:
    """Explain the score of one row of a ranked table.

    Parameters
    ----------
    file : bytes
        Detector file of the ranking, `Ranking.file`.
    name : str
        Name of the table in the catalogue.
    row : int
        Number of the row in the file.

    Returns
    -------
    Explanation
        Explanation of this row alone.

    Raises
    ------
    BadModelFile
        If the file holds no detector.
    UnknownDataset
        If the table does not exist.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.safetensors"
        path.write_bytes(file)
        detector = AnoOnlyDetector.load(path)
    dataset, split = labeled_table(name, ())
    X = split.filled(dataset, np.flatnonzero(dataset.row_ids == row))
    return detector.network_.explain(X, columns_of(name, dataset), DRAWS)
