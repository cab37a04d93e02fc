"""A look at a data set: a map of some rows, a few of them as numbers, a few as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from anoonly_core.data.dataset import Dataset
from anoonly_core.projection import project, scaled_inputs
from anoonly_core.results.result import Role
from app.charts.pictures import row_image
from app.charts.runs import RowMap, points_figure

__all__ = ["MAX_ROWS", "Preview", "make_preview", "preview_figure"]

MAX_ROWS = 1500
MIN_ANOMALIES = 10  # so that a very rare class is seen at all
LISTED_ROWS = 2  # of each class
LISTED_COLUMNS = 30
PICTURES = 9  # of each class
SEED = 0


@dataclass(frozen=True, eq=False)
class Preview:
    """What is shown of a data set, so that its rows need not stay in memory.

    points: float32 [sample, 2], the sample's rows by PCA. anomalous: bool [sample]. row_ids: int64 [sample].
    normal, anomalies: how many the whole set holds. variance: the share of the sample's variance that lies in
    the map's plane. rows: a few rows as a table. pictures: a few rows of each class by its name, as row id and
    data URL.
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
        """What the map shows, in one sentence."""
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
    """Draw a sample of at most MAX_ROWS rows, the same ones every time, and look at it."""
    places = _sample(dataset.y)
    minimum = dataset.X.min(axis=0)
    spread = dataset.X.max(axis=0) - minimum
    scaled = scaled_inputs(dataset.X[places], minimum, np.where(spread > 0, spread, 1)).astype(np.float64)
    points = project(scaled, "pca")
    whole = float(scaled.var(axis=0).sum())
    anomalous = dataset.y[places] == 1
    classes = {"normal": places[~anomalous], "anomaly": places[anomalous]}
    shape = dataset.image_shape
    return Preview(
        points=points,
        anomalous=anomalous,
        row_ids=dataset.row_ids[places],
        normal=int((dataset.y == 0).sum()),
        anomalies=int((dataset.y == 1).sum()),
        variance=float(points.astype(np.float64).var(axis=0).sum()) / whole if whole else 1.0,
        columns=dataset.columns,
        rows=_listed(dataset, classes),
        pictures={
            name: [(int(row), row_image(dataset, row)) for row in dataset.row_ids[mine[:PICTURES]]]
            for name, mine in classes.items()
            if shape is not None
        },
    )


def preview_figure(look: Preview) -> go.Figure:
    """The sample's rows as a map, each class in its color and mark; the rarer one lies on top."""
    role = np.where(look.anomalous, Role.TEST_ANOMALY, Role.TEST_NORMAL)
    figure = points_figure([RowMap("", look.points, role, look.row_ids)])
    figure.data = tuple(sorted((t for t in figure.data if len(t.x)), key=lambda trace: -len(trace.x)))
    figure.update_layout(dragmode="zoom", height=216, margin={"t": 4}, legend={"itemsizing": "constant"})
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def _sample(y: np.ndarray) -> np.ndarray:
    """Places of rows in random order: each class with its share, and a rare one with a few at least."""
    order = np.random.default_rng(SEED).permutation(len(y))
    if len(y) <= MAX_ROWS:
        return order
    anomalies = order[y[order] == 1]
    wanted = min(len(anomalies), max(round(MAX_ROWS * len(anomalies) / len(y)), MIN_ANOMALIES))
    normal = order[y[order] == 0][: MAX_ROWS - wanted]
    return np.concatenate([normal, anomalies[:wanted]])


def _listed(dataset: Dataset, classes: dict[str, np.ndarray]) -> pd.DataFrame:
    """A few rows of each class with their first columns, as they are in the set."""
    places = np.concatenate([mine[:LISTED_ROWS] for mine in classes.values()])
    table = pd.DataFrame(
        dataset.X[places, :LISTED_COLUMNS], columns=[f"x{number}" for number in range(dataset.columns)[:LISTED_COLUMNS]]
    )
    table.insert(0, "row", dataset.row_ids[places])
    table.insert(1, "label", np.where(dataset.y[places] == 1, "anomaly", "normal"))
    return table
