"""The charts of the Compare page for a notebook or a script: Plotly figures, without Streamlit.

`from anoonly_app.plot import curves` once the package is installed with the extra `plots`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anoonly_core.data.catalogue import load_cached
from anoonly_core.extras import extra_missing
from anoonly_core.projection import project, scaled_inputs
from anoonly_core.results.result import RunResult

try:
    from .charts import runs as charts
    from .charts.pair import Pair
    from .charts.style import DEFAULT_FLAGGED
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "plotly":
        raise
    raise extra_missing("A chart", "plots") from error

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["confusion", "curves", "history", "points", "scores", "split"]


def scores(a: RunResult, b: RunResult, flagged: float = DEFAULT_FLAGGED) -> go.Figure:
    """Draw the test scores of two runs as histograms, one panel a run, with the threshold as a dashed line.

    Parameters
    ----------
    a, b : RunResult
        The runs, named A and B in the figure.
    flagged : float
        Percentage of the test rows that each run flags as anomalies at most; it sets the threshold.
    """
    return Pair(a, b, flagged).scores()


def curves(a: RunResult, b: RunResult, flagged: float = DEFAULT_FLAGGED) -> go.Figure:
    """Draw the ROC curve and both precision-recall curves of two runs, with a marker at the threshold of each run.

    Parameters
    ----------
    a, b : RunResult
        The runs, named A and B in the figure.
    flagged : float
        Percentage of the test rows that each run flags as anomalies at most; it sets the threshold.
    """
    return Pair(a, b, flagged).curves()


def confusion(a: RunResult, b: RunResult, flagged: float = DEFAULT_FLAGGED) -> go.Figure:
    """Draw the confusion matrices of two runs at their thresholds, side by side.

    Parameters
    ----------
    a, b : RunResult
        The runs, named A and B in the figure.
    flagged : float
        Percentage of the test rows that each run flags as anomalies at most; it sets the threshold.
    """
    return Pair(a, b, flagged).confusion()


def history(a: RunResult, b: RunResult) -> go.Figure:
    """Draw the training losses and the test metrics of two runs over their epochs; `a` is dashed, `b` solid."""
    return Pair(a, b, DEFAULT_FLAGGED).history()


def points(a: RunResult, b: RunResult, projector: str = "pca") -> go.Figure:
    """Draw three maps (2-D scatter plots) of sampled rows: input features, hidden features of A, hidden features of B.

    Reads the data set and computes the projections in this call.

    Parameters
    ----------
    a, b : RunResult
        Two runs on the same data set, named A and B in the figure.
    projector : str
        The projection to two dimensions: "pca", "tsne" or "umap". The last one needs the extra `app`.
    """
    pair = Pair(a, b, DEFAULT_FLAGGED)
    dataset = load_cached(b.config.dataset)
    inputs = scaled_inputs(dataset.X[b.sample.rows], b.sample.minimum, b.sample.scale, b.sample.fill)
    maps = [("input features", inputs, b.sample)]
    maps += [(side.title, run.sample.hidden, run.sample) for side, run in zip(pair.sides, (a, b), strict=True)]
    return charts.points_figure(
        [
            charts.RowMap(title, project(features, projector), sample.role, dataset.row_ids[sample.rows])
            for title, features, sample in maps
        ]
    )


def split(run: RunResult) -> go.Figure:
    """Draw the numbers of training and test rows of a run as two stacked bars, by kind (normal, anomaly, labeled)."""
    return charts.split_figure(run.counts, run.config.seed)
