"""Fig. 10: four panels a data set, with all test rows in the histograms and all stored rows in the maps."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.reproduction.scored_rows import read_scored_rows
from anoonly_core.results.result import Role
from app.charts.scored_rows import scored_rows_figure


def test_all_rows_are_in_their_panels() -> None:
    runs = read_scored_rows()
    figure = scored_rows_figure(runs)
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert len(titles) == 12 and sum("CIFAR10_0" in title for title in titles) == 4
    bars = [trace for trace in figure.data if trace.type == "bar"]
    counts = [int((run.role == role).sum()) for run in runs for role in (Role.TEST_NORMAL, Role.TEST_ANOMALY)]
    assert [int(np.sum(trace.customdata)) for trace in bars] == counts
    assert [sum(trace.y) for trace in bars] == pytest.approx([100.0] * len(bars))
    marks = sum(len(trace.x) for trace in figure.data if trace.type == "scatter")
    assert marks == sum(int((~np.isnan(run.points[:, 0])).sum()) for run in runs)
    assert len({trace.xaxis for trace in figure.data}) == 12
