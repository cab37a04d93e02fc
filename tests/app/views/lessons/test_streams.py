"""Lessons about a stream: settings of a side, its figures over the batches, and the chart of A and B."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.drift.config import make_drift_config
from anoonly_core.drift.summary import stream_figures
from anoonly_core.drift.ways import WAYS
from anoonly_core.errors import InvalidConfig
from app.views.lessons.stream_figure import PANELS, WINDOW, stream_figure
from app.views.lessons.streams import StreamRun, make_scoring, network_of, words_of
from tests.core.drift.made import made_result

STREAM = {"batches": 9, "start": 3, "shift": "contrast", "dataset": "digits_low"}


def runs(way: str, **changes: object) -> list[StreamRun]:
    """Score the same made streams by a way, one a seed."""
    made = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        anomalous = np.tile(np.arange(20) < 5, (9, 1))
        result = made_result(rng.normal(size=(len(WAYS), 9, 20)), anomalous)
        made.append(StreamRun(make_scoring({**STREAM, "way": way, **changes}, seed), result))
    return made


def test_the_settings_of_a_side_go_to_the_network_and_to_the_stream() -> None:
    settings = {"dataset": "digits_8", "lambda_n": 0.0, "way": "batch", "shift": "noise", "anomaly_share": 0.2}
    assert network_of(settings) == {"dataset": "digits_8", "lambda_n": 0.0}
    scoring = make_scoring(settings, 7)
    run = make_config(dataset="digits_8", lambda_n=0.0, seed=7)
    assert scoring.config == make_drift_config(run, shift="noise", anomaly_share=0.2) and scoring.way == "batch"
    assert scoring.canonical() != make_scoring({**settings, "way": "moving"}, 7).canonical()
    assert words_of(scoring) == {
        "way": "batch statistics",
        "shift": "sudden shift: noise",
        "anomaly_share": "20% anomalies in the stream",
    }
    assert words_of(make_scoring({"way": "running", "schedule": "none"}))["shift"] == "no shift"
    with pytest.raises(InvalidConfig, match="way must be one of running, batch"):
        make_scoring({"way": "backwards"})


@pytest.mark.parametrize("way", WAYS)
def test_a_figure_is_that_of_the_way_from_the_shift_on(way: str) -> None:
    for run in runs(way):
        wanted = stream_figures(run.result).aucroc[list(WAYS).index(way)]
        np.testing.assert_array_equal(run.curve("aucroc"), wanted)
        assert run.after("aucroc") == pytest.approx(wanted[3:].mean())


def test_the_chart_draws_means_over_seeds_and_batches() -> None:
    a, b = runs("running"), runs("moving")
    figure = stream_figure(a, b)
    for letter, side in (("A", a), ("B", b)):
        lines = [trace for trace in figure.data if trace.name.startswith(letter)]
        for line, (name, _) in zip(lines, PANELS, strict=True):
            curves = np.stack([run.curve(name) for run in side])
            wanted = [curves[:, max(0, at - WINDOW + 1) : at + 1].mean() for at in range(9)]
            np.testing.assert_allclose(line.y, wanted)
    assert [shape.x0 for shape in figure.layout.shapes] == [4, 4, 4], "the first shifted batch"
    assert not stream_figure(runs("running", schedule="none"), runs("batch", schedule="none")).layout.shapes
