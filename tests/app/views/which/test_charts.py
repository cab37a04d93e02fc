"""The chart of Which method?: the same marks in both panels, and where the lead changes."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.which.result import WhichResult, which_result
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS
from app.charts.stack import stack
from app.views.which.charts import system_styles, which_figure
from tests.core.which.made import noisy, plan_of, runs_of

MEANS = {"DeepSAD": 0.3, "DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.79, "KNN": 0.1}


def result_of(finished: float = 1.0) -> WhichResult:
    """Return a ranking whose lead changes between 5 and 20 labels, with a share of its runs finished."""
    plan = plan_of(tuple(MEANS))
    figure = noisy(MEANS)
    runs = runs_of(
        plan, lambda system, count, seed: figure(system, count, seed) + 0.1 * (system[0] == "L") * (count > 5)
    )
    kept = list(runs)[: round(finished * len(runs))]
    return which_result(plan, {key: runs[key] for key in kept})


def test_both_panels_show_each_system_with_one_color_and_symbol() -> None:
    result = result_of()
    figure = which_figure(result)
    marks: dict[str, list[tuple[str, str]]] = {}
    for trace in figure.data:
        if trace.customdata is not None:
            marks.setdefault(trace.name, []).append((trace.marker.color, trace.marker.symbol.removesuffix("-open")))
    assert marks.keys() == MEANS.keys()
    assert all(len(found) == 2 and len(set(found)) == 1 for found in marks.values())
    assert [text.split(",")[0] for text in figure.layout.yaxis.ticktext] == [
        rank.point.system for rank in result.ranking
    ]


def test_open_marks_are_those_clearly_behind() -> None:
    result = result_of()
    ranked = [trace for trace in which_figure(result).data if trace.mode == "markers"]
    assert {trace.name: trace.marker.symbol.endswith("-open") for trace in ranked} == {
        rank.point.system: not rank.is_tied for rank in result.ranking
    }
    for trace, rank in zip(ranked, result.ranking, strict=True):
        assert trace.x[0] == rank.point.mean and list(trace.customdata[0]) == [rank.point.system, 20]


def test_a_band_marks_where_the_lead_changes() -> None:
    figure = which_figure(result_of())
    (band,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    np.testing.assert_allclose([10**band.x0, 10**band.x1], [5, 20])
    thick = {trace.name for trace in figure.data if trace.error_y.visible}
    assert thick == {"DeepSAD + AnoOnly", "LogisticRegression"}


@pytest.mark.parametrize("finished", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_systems_without_a_run_wait_at_the_bottom(finished: float) -> None:
    result = result_of(finished)
    figure = which_figure(result)
    texts = figure.layout.yaxis.ticktext
    waiting = [text for text in texts if text.endswith(", waiting")]
    assert len(texts) == len(MEANS) and list(texts[len(texts) - len(waiting) :]) == waiting
    assert len(waiting) == len(MEANS) - len(result.ranking)
    assert len(stack(figure).data) == len(figure.data)


def test_the_default_systems_can_be_told_apart() -> None:
    plan = plan_of(DEFAULT_SYSTEMS, (1,), 1)
    styles = system_styles(plan)
    assert len({(style.color, style.dash, style.symbol) for style in styles.values()}) == len(DEFAULT_SYSTEMS)
    assert styles["DeepSAD"].color == styles["DeepSAD + AnoOnly"].color
    assert system_styles(plan_of(tuple(SYSTEMS), (1,), 1)).keys() == SYSTEMS.keys()


def test_shares_are_left_out_on_a_phone() -> None:
    plan, result = plan_of(tuple(MEANS)), result_of()
    wide, narrow = (which_figure(result, is_narrow).layout.xaxis2.ticktext for is_narrow in (False, True))
    assert list(narrow) == ["1", "5", "20"]
    assert list(wide) == [f"{count}<br>{100 * count / plan.possible:.2g} %" for count in (1, 5, 20)]


def test_names_are_broken_into_short_lines_on_a_phone() -> None:
    result = result_of()
    wide, narrow = (which_figure(result, is_narrow).layout.yaxis.ticktext for is_narrow in (False, True))
    assert [name.replace("<br>", " ") for name in narrow] == list(wide)
    assert max(len(line) for name in narrow for line in name.split("<br>")) <= 19 < max(map(len, wide))
