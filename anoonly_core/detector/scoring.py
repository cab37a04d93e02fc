"""Train a run as a detector, and score the rows of a file or of its data set."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split, train_on_all
from anoonly_core.data.tables.columns import list_names, profile_column, to_labels
from anoonly_core.data.tables.exclusions import find_row_numbers
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.preprocessing import READING, Column, Preprocessing
from anoonly_core.data.tables.schema import TableSchema, find_label_column, has_plain_labels
from anoonly_core.decision.conformal import conformal_p_values
from anoonly_core.detector.estimator import AUTO, SETTINGS, AnoOnlyDetector
from anoonly_core.detector.result import FLAGGED_SHARE, HOLD_BACKS, DetectorResult, row_parts
from anoonly_core.errors import BadDataFile, InfiniteScore, InvalidInput
from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.deletion import DRAWS
from anoonly_core.explanation.result import Explanation
from anoonly_core.progress import Report

__all__ = [
    "ScoredTable",
    "detector_for_all_rows",
    "detector_for_run",
    "detector_for_split",
    "detector_result",
    "explain_scored",
    "score_table",
]


def detector_for_run(config: RunConfig, report: Report = lambda done, total: None) -> AnoOnlyDetector:
    """Train the network of a run as a detector; its scores of the test rows are those of the run.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    report : callable
        Called after each epoch with (epochs done, all epochs); an exception stops training.

    Returns
    -------
    AnoOnlyDetector
        The fitted detector, with the preparation of the data set if that is a file or an upload. Its medians, which
        replace missing values, are those of the training rows.

    Raises
    ------
    InvalidInput
        For a system of another package, which is no network of this engine.
    AnoOnlyError
        If loading, splitting or training fails.
    """
    dataset = load_cached(config.dataset)
    return detector_for_split(config, dataset, make_split(dataset, config), report)


def detector_for_all_rows(
    config: RunConfig,
    flagged_share: float | str = AUTO,
    report: Report = lambda done, total: None,
    rule: tuple[str, float] | None = None,
    hold_back: str = HOLD_BACKS[0],
) -> tuple[AnoOnlyDetector, Split]:
    """Train a detector on all rows of a data set, with every known anomaly labeled and no row kept for a test.

    Parameters
    ----------
    config : RunConfig
        Settings of the training; those of the split are not used.
    flagged_share : float or "auto"
        Share of new rows like the pool that the threshold flags, above 0 and up to 0.5. "auto" chooses the threshold
        from held-back labels; the share of anomalies counts as that of new rows if all rows have a label.
    report : callable
        Called after each epoch with (epochs done, all epochs); an exception stops training.
    rule : (str, float), optional
        Name and number of a rule that chooses the threshold instead, see RULES.
    hold_back : {"folds", "split"}
        Rows held back for thresholds and p-values, see `AnoOnlyDetector`.

    Returns
    -------
    detector : AnoOnlyDetector
        The fitted detector, with the preparation of the data set if that is a file or an upload.
    split : Split
        The rows it was trained on, see `train_on_all`.

    Raises
    ------
    SplitImpossible
        If no row is a known anomaly, or every row is.
    InvalidInput
        If the share or the rule is invalid, or the system is of another package, which is no network of this engine.
    AnoOnlyError
        If loading or training fails.
    """
    dataset = load_cached(config.dataset)
    split = train_on_all(dataset)
    normal = dataset.known & (dataset.y == 0)
    prevalence = dataset.anomaly_share if dataset.unlabeled is None else None
    return detector_for_split(config, dataset, split, report, flagged_share, normal, prevalence, rule, hold_back), split


def detector_for_split(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    report: Report = lambda done, total: None,
    flagged_share: float | str = FLAGGED_SHARE,
    normal: np.ndarray | None = None,
    prevalence: float | None = None,
    rule: tuple[str, float] | None = None,
    hold_back: str = HOLD_BACKS[0],
) -> AnoOnlyDetector:
    """Train a detector with the settings of a run on a given split of its data set.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    dataset, split : Dataset, Split
        Data set that `config` names, and a split of it; test rows are not used.
    report : callable
        Called after each epoch with (epochs done, all epochs); an exception stops training.
    flagged_share : float or "auto"
        Share of new rows like the pool that the threshold flags, above 0 and up to 0.5, or "auto".
    normal, prevalence
        As in `AnoOnlyDetector.fit_split`.
    rule, hold_back
        As in `detector_for_all_rows`.

    Returns
    -------
    AnoOnlyDetector
        The fitted detector, with the preparation of the data set if that is a file or an upload.

    Raises
    ------
    InvalidInput
        If the system is no network of this engine.
    AnoOnlyError
        If training fails.
    """
    settings = {name: getattr(config, name) for name in SETTINGS if name != "seed"}
    name, level = rule or (None, None)
    decision: dict[str, Any] = {"contamination": flagged_share, "rule": name, "level": level, "hold_back": hold_back}
    detector = AnoOnlyDetector(**settings, **decision, random_state=config.seed)
    detector.fit_split(dataset, split, report, normal, prevalence)
    preprocessing = resolve(config.dataset).preprocessing
    if preprocessing is not None and detector.fill_ is not None:
        preprocessing = preprocessing.with_fill(detector.fill_)
    detector.preparation_ = preprocessing
    return detector


def detector_result(
    config: RunConfig,
    report: Report = lambda done, total: None,
    all_rows: bool = False,
    holds_labels: bool = False,
) -> DetectorResult:
    """Train a detector, score all rows of its data set, and return both.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    all_rows : bool
        False for the network of the run, True to train on all rows and labels, see `detector_for_all_rows`.
    holds_labels : bool
        True to hold labeled anomalies back for the threshold, too, as the contamination "auto" does.
    report : callable
        Called after each epoch with (epochs done, all epochs); an exception stops training.

    Raises
    ------
    InvalidInput
        If the system is no network of this engine.
    AnoOnlyError
        If loading, splitting, training or scoring fails.
    """
    dataset = load_cached(config.dataset)
    split = train_on_all(dataset) if all_rows else make_split(dataset, config)
    detector = detector_for_split(config, dataset, split, report, AUTO if holds_labels else FLAGGED_SHARE)
    scores = detector.decision_function(split.filled(dataset, np.arange(dataset.rows)))
    parts = row_parts(dataset, split)
    return DetectorResult(detector.to_bytes(), scores, parts, detector.threshold_, detector.calibration)


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """Scores by a detector of the rows of a table.

    Attributes
    ----------
    rows : int64 [n]
        Indices of the rows that were scored, from 0 in their table.
    scores : float64 [n]
        Anomaly scores; higher is more anomalous.
    p_values : float64 [n] or None
        Conformal p-values, see `AnoOnlyDetector.p_value`; None for a detector without held-back scores.
    flagged : bool [n]
        True for a score above the threshold of the detector.
    left_out : int
        Number of rows that were skipped because a value was missing.
    unknown : dict of int
        Number of cells per column with a category that the detector does not know.
    features : float64 [n, features]
        Unscaled features of these rows.
    columns : tuple of Column
        Columns that the features are made of.
    notes : tuple of str
        Sentences on columns that were chosen by their number.
    """

    rows: np.ndarray
    scores: np.ndarray
    p_values: np.ndarray | None
    flagged: np.ndarray
    left_out: int
    unknown: dict[str, int]
    features: np.ndarray
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a table with one line per scored row, in order; its columns are row, score, p_value and flagged.

        Without p-values that column holds NaN.
        """
        p_values = np.nan if self.p_values is None else self.p_values
        return pd.DataFrame({"row": self.rows, "score": self.scores, "p_value": p_values, "flagged": self.flagged})


def score_table(detector: AnoOnlyDetector, table: pd.DataFrame, shown: str, ids: Collection[str] = ()) -> ScoredTable:
    """Score the rows of a table with a fitted detector.

    The columns are prepared as those of the training table. A detector without a preparation takes the columns of
    numbers, in order, without the label column.

    Parameters
    ----------
    detector : AnoOnlyDetector
        A fitted detector.
    table : DataFrame
        Rows, as `read_table` reads them.
    shown : str
        Name of the file in error sentences.
    ids : collection of str
        Columns that name the rows. For a detector without a preparation they are features only if the number of
        columns fits only with them.

    Returns
    -------
    ScoredTable
        Scores of all rows without missing values.

    Raises
    ------
    BadDataFile
        If the columns do not fit the detector, or a score is not finite.
    """
    stored = detector.preparation_
    preparation, notes = (stored, ()) if stored is not None else _unprepared(detector, table, shown, ids)
    X, kept = preparation.apply(table, shown)
    rows = np.flatnonzero(kept)
    try:
        scores = detector.decision_function(
            pd.DataFrame(X, columns=detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else X
        )
    except InfiniteScore as error:
        row = rows[error.row]
        raise BadDataFile(
            f"{shown}: row {row} is so far outside the range of the training rows that its score is infinite."
        ) from error
    flagged = scores > detector.cut(scores).score
    unknown = preparation.unknown_words(table.iloc[rows])
    return ScoredTable(
        rows, scores, _p_values(detector, scores), flagged, int((~kept).sum()), unknown, X, preparation.columns, notes
    )


def _p_values(detector: AnoOnlyDetector, scores: np.ndarray) -> np.ndarray | None:
    """Return the conformal p-values of scores [n], None for a detector without held-back rows."""
    try:
        reference = detector.calibration.reference
    except InvalidInput:
        return None
    return conformal_p_values(reference.scores, scores)


def explain_scored(detector: AnoOnlyDetector, scored: ScoredTable, draws: int = DRAWS) -> Explanation | None:
    """Explain the scores of the flagged rows of a table by its columns; None if no row is flagged.

    Parameters
    ----------
    detector : AnoOnlyDetector
        The detector that scored the table.
    scored : ScoredTable
        The scored rows.
    draws : int
        Number of random orders, as in `AnoOnlyDetector.explain`.

    Raises
    ------
    InvalidInput
        If the detector is from a file of a version without a median row.
    """
    if not scored.flagged.any():
        return None
    columns = SourceColumns.of_table(scored.columns)
    return detector.network_.explain(scored.features[scored.flagged], columns, draws)


def _unprepared(
    detector: AnoOnlyDetector, table: pd.DataFrame, shown: str, ids: Collection[str]
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Choose the feature columns of a table for a detector that stores no preparation.

    These are the columns of its feature names, if it has any, else the columns of numbers in order. Row numbers and
    the label column are left out. Row numbers, and a label column with other values than 0 and 1, are features if the
    number of columns fits only with them.

    Parameters
    ----------
    detector : AnoOnlyDetector
        A fitted detector.
    table : DataFrame
        Rows, as `read_table` reads them.
    shown : str
        Name of the file in sentences.
    ids : collection of str
        Columns that name the rows, left out if the number of the others fits.

    Returns
    -------
    preprocessing : Preprocessing
        Steps that take the columns as they are.
    notes : tuple of str
        Sentences on columns that were chosen by their number.

    Raises
    ------
    BadDataFile
        If no choice gives the number of features of the detector.
    """
    names = getattr(detector, "feature_names_in_", None)
    if names is not None:
        return _take_columns([str(name) for name in names]), ()
    label, numbering = find_label_column(table, TableSchema()), find_row_numbers(table)
    numeric = [str(name) for name in table.columns if profile_column(str(name), table[name]).holds_numbers]
    is_coordinate = bool(label) and not has_plain_labels({*to_labels(table[label])} - {""})
    choices = ({label, *numbering}, {*numbering}, {label}, set()) if is_coordinate else ({label, *numbering}, {label})
    for left_out in (choice | named for named in ({*ids}, set()) for choice in choices):
        used = [name for name in numeric if name not in left_out]
        if len(used) == detector.n_features_in_:
            return _take_columns(used), tuple(_choice_notes(shown, numeric, used, label, numbering))
    names = [name for name in numeric if name != label]
    aside = f", its label column {printable(label[:60])} aside," if label else ""
    raise BadDataFile(
        f"{shown}{aside} has {len(names)} columns of numbers, and the detector was fitted on "
        f"{detector.n_features_in_} features."
    )


def _take_columns(names: list[str]) -> Preprocessing:
    return Preprocessing(columns=tuple(Column(name=name) for name in names), reading=READING)


def _choice_notes(
    shown: str, numeric: list[str], used: list[str], label: str, numbering: tuple[str, ...]
) -> Iterator[str]:
    """Yield sentences for the user on row numbers that are left out, and on row numbers or a label that are used.

    Parameters
    ----------
    shown : str
        Name of the file.
    numeric, used : list of str
        Names of all columns of numbers, and of those that are features.
    label : str
        Name of the label column, or "".
    numbering : tuple of str
        Names of the columns that number the rows.
    """
    if left_out := [name for name in numbering if name in numeric and name not in used]:
        yield f"{shown}: {list_names(left_out)} numbers the rows and is no feature."
    for name in used:
        if name == label or name in numbering:
            yield f"{shown}: {printable(name[:60])} is taken as a feature, since the detector has {len(used)}."
