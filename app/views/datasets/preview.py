"""Preview of a data set: a map of sampled rows, a few rows as a table and a few as images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import medians, min_max
from anoonly_core.projection import project, scaled_inputs
from anoonly_core.results.result import Role

from ...charts.pictures import row_cell
from ...charts.runs import RowMap, points_figure

__all__ = ["MAX_ROWS", "Preview", "make_preview", "preview_figure"]

MAX_ROWS = 1500
MIN_ANOMALIES = 10  # so that a very rare class is visible
LISTED_ROWS = 2  # of each class
LISTED_COLUMNS = 30
PICTURES = 9  # of each class
SEED = 0


@dataclass(frozen=True, eq=False)
class Preview:
    """Preview of a data set: a map of sampled rows, a few rows and images.

    It holds no reference to the data set.

    Attributes
    ----------
    points : np.ndarray
        PCA of the sampled rows, float32 [sample, 2].
    anomalous : np.ndarray
        True for sampled anomalies, bool [sample].
    row_ids : np.ndarray
        Row ids of the sampled rows, int64 [sample].
    normal, anomalies : int
        Number of rows of each class in the whole data set.
    variance : float
        Share of the variance of the sample in the plane of the map, 0 to 1.
    columns : int
        Number of features.
    rows : pd.DataFrame
        Two rows of each class, unscaled.
    pictures : dict
        For image data sets, up to nine images a class ("normal", "anomaly"), as pairs of row id and data URL.
    """

    points: np.ndarray
    anomalous: np.ndarray
    row_ids: np.ndarray
    normal: int
    anomalies: int
    variance: float
    columns: int
    rows: pd.DataFrame
    pictures: dict[str, list[tuple[int, str]]]

    @property
    def caption(self) -> str:
        """Caption of the map: the rows that it shows, their scale, and the share of their variance in the plane."""
        drawn = int(self.anomalous.sum())
        whole = self.normal + self.anomalies
        which = (
            f"all {whole} rows"
            if len(self.points) == whole
            else (
                f"{len(self.points) - drawn} of the {self.normal} normal rows and {drawn} of the {self.anomalies} "
                "anomalies, drawn at random"
            )
        )
        return f"PCA of {which}, each column scaled from 0 to 1; the plane holds {self.variance:.0%} of their variance."


def make_preview(dataset: Dataset) -> Preview:
    """Sample rows of a data set with a fixed seed and compute its preview; all rows if there are at most 1500."""
    positions = _sample(dataset.y)
    all_rows = np.arange(dataset.rows)
    minimum, scale = min_max(dataset.X, all_rows)
    fill = medians(dataset.X, all_rows) if dataset.has_missing else None
    scaled = scaled_inputs(dataset.X[positions], minimum, scale, fill).astype(np.float64)
    points = project(scaled, "pca")
    whole = float(scaled.var(axis=0).sum())
    anomalous = dataset.y[positions] == 1
    classes = {"normal": positions[~anomalous], "anomaly": positions[anomalous]}
    return Preview(
        points=points,
        anomalous=anomalous,
        row_ids=dataset.row_ids[positions],
        normal=int((dataset.y == 0).sum()),
        anomalies=int((dataset.y == 1).sum()),
        variance=float(points.astype(np.float64).var(axis=0).sum()) / whole if whole else 1.0,
        columns=dataset.columns,
        rows=_listed(dataset, classes),
        pictures={
            name: pictures
            for name, rows in classes.items()
            if (pictures := _pictures(dataset, dataset.row_ids[rows[:PICTURES]]))
        },
    )


def preview_figure(preview: Preview) -> go.Figure:
    """Draw the sampled rows of a preview as a map, a scatter plot; the rarer class is on top."""
    role = np.where(preview.anomalous, Role.TEST_ANOMALY, Role.TEST_NORMAL)
    figure = points_figure([RowMap("", preview.points, role, preview.row_ids)])
    figure.data = tuple(sorted((t for t in figure.data if len(t.x)), key=lambda trace: -len(trace.x)))
    figure.update_layout(dragmode="zoom", height=216, margin={"t": 4}, legend={"itemsizing": "constant"})
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def _sample(y: np.ndarray) -> np.ndarray:
    """Choose at most 1500 rows for a preview and return their indices, int64.

    Classes keep their proportions, but at least 10 anomalies are chosen if there are as many. Rows are in random order;
    of more than 1500, the chosen normal rows come first.

    Parameters
    ----------
    y : np.ndarray
        Label of each row, 1 for an anomaly, 0 for a normal row, int [rows].
    """
    order = np.random.default_rng(SEED).permutation(len(y))
    if len(y) <= MAX_ROWS:
        return order
    anomalies = order[y[order] == 1]
    wanted = min(len(anomalies), max(round(MAX_ROWS * len(anomalies) / len(y)), MIN_ANOMALIES))
    normal = order[y[order] == 0][: MAX_ROWS - wanted]
    return np.concatenate([normal, anomalies[:wanted]])


def _listed(dataset: Dataset, classes: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a table of two rows of each class: row id, label and the first 30 features, unscaled.

    `classes` maps "normal" and "anomaly" to indices of rows in the data set.
    """
    positions = np.concatenate([rows[:LISTED_ROWS] for rows in classes.values()])
    table = pd.DataFrame(
        dataset.X[positions, :LISTED_COLUMNS],
        columns=[f"x{number}" for number in range(dataset.columns)[:LISTED_COLUMNS]],
    )
    table.insert(0, "row", dataset.row_ids[positions])
    table.insert(1, "label", np.where(dataset.y[positions] == 1, "anomaly", "normal"))
    return table


def _pictures(dataset: Dataset, row_ids: np.ndarray) -> list[tuple[int, str]]:
    """Return the row ids and pictures, as data URLs, of those rows that have one."""
    cells = [row_cell(dataset, int(row_id)) for row_id in row_ids]
    return [(cell.row_id, cell.picture) for cell in cells if cell is not None and cell.picture]
