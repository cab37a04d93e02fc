"""The critical-difference diagram: one mark per system, bars over ties, and the difference to scale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anoonly_core.reproduction.which.ranking import REFERENCE, Ranking, SystemRank
from app.charts.ranks import KINDS, ranks_figure

RANKING = Ranking(
    systems=(
        SystemRank("XGBoost, tuned", "classifier", 60.0, 1.5, 0.2, 0.2, 3, 4, 1),
        SystemRank(REFERENCE, "anoonly", 58.0, 1.75, 2.0),
        SystemRank("a later system", "other", 40.0, 3.0, 2.0, 0.2, 0, 8, 0),
        SystemRank("KNN", "unsupervised", 20.0, 3.75, 0.1, 0.01, 0, 1, 7),
    ),
    datasets=tuple("abcdefgh"),
    reference=REFERENCE,
    friedman_p=0.001,
    critical_difference=1.6,
    ties=((0, 2), (2, 3)),
    left_out=(),
)


@pytest.mark.parametrize("is_narrow", [False, True])
def test_each_system_has_a_mark_at_its_rank_in_its_row(is_narrow: bool) -> None:
    figure = ranks_figure(RANKING, is_narrow)
    marks = {
        row: (x, symbol)
        for trace in figure.data
        if trace.mode == "markers"
        for x, row, symbol in zip(trace.x, trace.y, trace.marker.symbol, strict=True)
    }
    assert {row: x for row, (x, _) in marks.items()} == {0: 1.5, 1: 1.75, 2: 3.0, 3: 3.75}
    assert [marks[row][1].endswith("-open") for row in range(4)] == [False, False, False, True]
    names = [text.replace("<br>", " ") for text in figure.layout.yaxis.ticktext]
    assert names == ["XGBoost, tuned", f"<b>{REFERENCE}</b>", "a later system", "KNN"]
    assert {trace.name for trace in figure.data if trace.mode == "markers"} == {
        KINDS[kind] for kind in ("classifier", "anoonly", "other", "unsupervised")
    }
    assert figure.layout.shapes[0].x0 == 1.75  # the reference


def test_bars_cover_the_tied_and_the_difference_is_to_scale() -> None:
    figure = ranks_figure(RANKING)
    bars = [trace for trace in figure.data if trace.mode == "lines"]
    assert [tuple(trace.y) for trace in bars] == [(0, 2), (2, 3)]
    assert 3.75 < bars[0].x[0] < bars[1].x[0] < figure.layout.xaxis.range[1]
    (scale,) = [trace for trace in figure.data if trace.mode == "lines+markers+text"]
    assert scale.x[1] - scale.x[0] == pytest.approx(1.6) and "critical difference 1.6" in scale.text[1]


def test_without_a_reference_no_mark_is_compared() -> None:
    plain = replace(RANKING, reference="", systems=tuple(replace(system, p=None) for system in RANKING.systems))
    figure = ranks_figure(plain)
    assert not figure.layout.shapes
    assert not any("against" in text for trace in figure.data if trace.mode == "markers" for text in trace.text)
