"""A run's network as a detector, and the rows that it scores: a file's, or the data set's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.data.tables.columns import profile_column
from anoonly_core.data.tables.preprocessing import Column, Preprocessing
from anoonly_core.data.tables.schema import TableSchema, find_label_column
from anoonly_core.detector.estimator import SETTINGS, AnoOnlyDetector
from anoonly_core.detector.network import Report
from anoonly_core.detector.result import DetectorResult, row_parts
from anoonly_core.errors import BadDataFile, InfiniteScore

__all__ = ["ScoredTable", "detector_for_run", "detector_for_split", "detector_result", "score_table"]


def detector_for_run(config: RunConfig, report: Report = lambda done, total: None) -> AnoOnlyDetector:
    """The run's network as a detector, by fitting it on the run's own split: its test rows have the run's scores.

    report: as in AnoOnlyDetector.fit_split. Raises InvalidInput for XGBOD, which is no network of ours, and what
    loading, splitting and training raise.
    """
    dataset = load_cached(config.dataset)
    return detector_for_split(config, dataset, make_split(dataset, config), report)


def detector_for_split(
    config: RunConfig, dataset: Dataset, split: Split, report: Report = lambda done, total: None
) -> AnoOnlyDetector:
    """A detector with a run's settings, fitted on a split of the run's data set; errors as detector_for_run."""
    given = {name: getattr(config, name) for name in SETTINGS if name != "seed"}
    detector = AnoOnlyDetector(**given, random_state=config.seed)
    detector.fit_split(dataset, split, report)
    detector.preparation_ = resolve(config.dataset).preprocessing
    return detector


def detector_result(config: RunConfig, report: Report = lambda done, total: None) -> DetectorResult:
    """The run's detector as a file, and its scores of all rows of the data set; errors as detector_for_run."""
    detector = detector_for_run(config, report)
    dataset = load_cached(config.dataset)
    scores = detector.decision_function(dataset.X)
    parts = row_parts(dataset, make_split(dataset, config))
    return DetectorResult(detector.to_bytes(), scores, parts, detector.threshold_)


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """places: int64 [n], the rows that were scored, counted from 0 in their table.

    scores: float64 [n]; flagged: bool [n], those above the detector's threshold. left_out: how many rows lacked a
    value. unknown: how many cells of a column held a word that is none of the detector's, by column.
    """

    places: np.ndarray
    scores: np.ndarray
    flagged: np.ndarray
    left_out: int
    unknown: dict[str, int]

    def table(self) -> pd.DataFrame:
        """A row for each row that was scored."""
        return pd.DataFrame({"row": self.places, "score": self.scores, "flagged": self.flagged})


def score_table(detector: AnoOnlyDetector, table: pd.DataFrame, shown: str) -> ScoredTable:
    """Score a file's rows, as data.files.read_table reads them; shown: its name in sentences.

    Its columns become features as those of the table that the detector was fitted on did; where the detector
    knows of none, its columns of numbers are the features, in order, but for a label column. Raises BadDataFile
    where they are not those of the detector, or a score would not be a finite number.
    """
    preparation = detector.preparation_ or _as_they_are(detector, table, shown)
    X, kept = preparation.apply(table, shown)
    places = np.flatnonzero(kept)
    rows = np.asarray(X, dtype=np.float32)
    try:
        scores = detector.decision_function(
            pd.DataFrame(rows, columns=detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else rows
        )
    except InfiniteScore as error:
        row = places[error.row]
        raise BadDataFile(
            f"{shown}: row {row} is so far out of the training rows' range that its score is infinite."
        ) from error
    flagged = scores > detector.threshold_
    return ScoredTable(places, scores, flagged, int((~kept).sum()), preparation.unknown_words(table.iloc[places]))


def _as_they_are(detector: AnoOnlyDetector, table: pd.DataFrame, shown: str) -> Preprocessing:
    """Columns that are the features: by the names that the detector was fitted with, else those that hold numbers."""
    names = getattr(detector, "feature_names_in_", None)
    if names is None:
        label = find_label_column(table, TableSchema())
        names = [name for name in table.columns if name != label and profile_column(name, table[name]).holds_numbers]
        if len(names) != detector.n_features_in_:
            aside = f", its label column {label} aside," if label else ""
            raise BadDataFile(
                f"{shown}{aside} has {len(names)} columns of numbers, and the detector was fitted on "
                f"{detector.n_features_in_} features."
            )
    return Preprocessing(columns=tuple(Column(name=str(name)) for name in names))
