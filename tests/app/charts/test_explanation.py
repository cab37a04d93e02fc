"""Figures of an explanation hold its contributions, and escape names that a user gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.charts.explanation import SHOWN, contributions_figure, deletion_figure, summary_figure
from app.charts.style import ANOMALY, NORMAL
from tests.app.explained import explained


def test_the_bars_are_the_largest_contributions_and_the_sum_of_the_others() -> None:
    explanation = explained(columns=12)
    (bars,) = contributions_figure(["B"], [explanation], 0).data
    order = explanation.order(0)
    expected = [*explanation.contributions[0][order[:SHOWN]], explanation.contributions[0][order[SHOWN:]].sum()]
    np.testing.assert_allclose(bars.x, expected)
    assert bars.x[0] == 12 and sum(bars.x) == pytest.approx(explanation.contributions[0].sum())
    assert bars.customdata[0] == "column 0 = 0 (0)" and bars.customdata[-1] == "4 other columns"
    assert [color == ANOMALY for color in bars.marker.color] == [value >= 0 for value in bars.x]


def test_few_columns_have_no_rest() -> None:
    figure = contributions_figure(["A", "B"], [explained(columns=3), explained(columns=3)], 1)
    assert [len(bars.y) for bars in figure.data] == [3, 3]
    assert not any("other" in name for bars in figure.data for name in bars.customdata)


def test_names_and_words_of_a_user_are_escaped_and_shortened() -> None:
    explanation = explained(columns=2)
    explanation = replace(explanation, contributions=explanation.contributions[:, ::-1])
    for figure in (contributions_figure(["B"], [explanation], 0), summary_figure(["B"], [explanation])):
        text = str(figure.layout.yaxis.ticktext)
        assert "<b>" not in text and "<i>" not in text and "&lt;b&gt;" in text and "…" in text


def test_a_picture_is_drawn_beside_the_maps_of_its_contributions() -> None:
    explanations = [explained(columns=12), explained(columns=12)]
    picture = np.arange(12.0).reshape(3, 4)
    shown, a, b = contributions_figure(["A", "B"], explanations, 0, picture).data
    assert np.array_equal(shown.z, picture)
    assert np.array_equal(a.z, explanations[0].contributions[0].reshape(3, 4))
    assert a.zmax == -a.zmin == 12 and b.colorscale[0][1] == NORMAL
    (mean,) = summary_figure(["A"], explanations[:1], (3, 4)).data
    assert np.array_equal(mean.z, np.abs(a.z)) and mean.zmin == 0


def test_the_summary_has_the_largest_means_first() -> None:
    (bars,) = summary_figure(["A"], [explained(columns=12)]).data
    assert [*bars.x] == sorted(bars.x, reverse=True) and len(bars.x) == SHOWN


def test_the_deletion_figure_has_both_orders_and_the_band_in_each_panel() -> None:
    explanation = explained()
    figure = deletion_figure(["A", "B"], [explanation, explanation], 0)
    assert [trace.name for trace in figure.data if trace.showlegend] == [
        "95 % of random orders",
        "order of |x − median|",
        "order of the contributions",
    ]
    curves = [trace for trace in figure.data if trace.name == "order of the contributions"]
    assert len(curves) == 2
    assert explanation.deletion is not None
    assert all(np.allclose(trace.y, 100 * explanation.deletion.curve[0]) for trace in curves)


def test_a_row_without_a_fall_still_has_a_figure() -> None:
    explanation = explained()
    assert explanation.deletion is not None
    empty = replace(explanation.deletion, curve=np.full_like(explanation.deletion.curve, np.nan))
    figure = deletion_figure(["A"], [replace(explanation, deletion=empty)], 0)
    assert tuple(figure.layout.yaxis.range) == (0, 105)
