"""A sweep's curves, its sentence and its figure: made from the finished runs, whichever those are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from scipy import stats

from anoonly_core.config import RunConfig
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import Sweep, make_sweep
from app.text.labels import format_axis_value
from app.views.sweep.charts import MARK_FIELDS, sweep_figure
from app.views.sweep.curves import make_curves, sweep_sentence, x_values


def finished(sweep: Sweep, score: Any, seeds: int = 99) -> dict[str, RunSummary]:
    """Stored runs whose metrics are score(config), of the first seeds."""
    return {
        key: RunSummary(key, {}, "cpu", dict.fromkeys(METRICS, score(config)), {}, {}, 0.0, False, 0)
        for key, config in sweep.configs.items()
        if config.seed < seeds
    }


def noisy(config: RunConfig, height: float) -> float:
    return height + 0.01 * (config.seed - 2)


POOLS = ("natural", 0.0, 0.1)


def dirty_pools(**settings: Any) -> Sweep:
    return make_sweep(settings, [("contamination", POOLS), ("lambda_n", [1, 0])], 5)


def test_curves_part_by_all_axes_but_the_first() -> None:
    sweep = make_sweep({}, [("batch_size", [32, 64]), ("norm", [None, "layer"]), ("lambda_n", [1, 0, 0.1])], 2)
    curves = make_curves(sweep, finished(sweep, lambda config: 0.5), "aucroc")
    names = [curve.name for curve in curves]
    assert names[:3] == ["published", "published + AnoOnly", "published, λₙ = 0.1"]
    assert names[3].startswith("layer") and len(names) == 6
    assert all([point.x for point in curve.points] == [0, 1] for curve in curves)


def test_a_point_knows_its_seeds_and_their_spread() -> None:
    sweep = dirty_pools()
    runs = finished(sweep, lambda config: noisy(config, 0.5))
    gone = next(iter(sweep.points[0].configs))
    del runs[gone]
    point = make_curves(sweep, runs, "aucroc")[0].points[0]
    values = [0.49, 0.5, 0.51, 0.52]
    assert list(point.values) == [1, 2, 3, 4] and list(point.values.values()) == pytest.approx(values)
    assert point.mean == pytest.approx(0.505)
    assert point.margin == pytest.approx(stats.t.ppf(0.975, 3) * stats.tstd(values) / 2)


def test_places_without_a_finished_run_are_left_out() -> None:
    sweep = dirty_pools()
    runs = {
        key: run for key, run in finished(sweep, lambda config: 0.5).items() if sweep.configs[key].contamination == 0
    }
    curves = make_curves(sweep, runs, "aucroc")
    assert [[point.x for point in curve.points] for curve in curves] == [[1], [1]]
    assert sweep_sentence(sweep, make_curves(sweep, {}, "aucroc"), "aucroc") == ""


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ((0.3, 0.2, 0.4), r"clearly better than its baseline at 3 of 3 values .* \+0\.40 ± 0\.00, is at .* 10 %"),
        (
            (0.3, 0.0, -0.1),
            r"better than its baseline at 1 of 3 .* and clearly worse at 1; .*natural",
        ),
        ((-0.3, 0.0, 0.0), r"at 0 of 3 values of contamination and clearly worse at 1"),
    ],
)
def test_the_sentence_counts_where_anoonly_is_better(gains: tuple[float, ...], words: str) -> None:
    sweep = dirty_pools()
    by_pool = dict(zip(POOLS, gains, strict=True))
    runs = finished(sweep, lambda c: noisy(c, 0.5) + (by_pool[c.contamination] if c.lambda_n == 0 else 0.0))
    sentence = sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")
    assert re.search(words, sentence), sentence
    assert sentence.startswith("AUCROC: **DeepSAD + AnoOnly**")


def test_a_difference_within_the_spread_counts_as_none() -> None:
    sweep = make_sweep({}, [("contamination", ["natural"]), ("lambda_n", [1, 0])], 5)
    runs = finished(sweep, lambda c: 0.5 + (0.1 * (-1) ** c.seed if c.lambda_n == 0 else 0.0))
    assert "at 0 of 1 values" in sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")


def test_each_system_has_its_own_clause() -> None:
    sweep = make_sweep({}, [("contamination", [0]), ("baseline", ["DeepSAD", "DevNet"]), ("lambda_n", [1, 0])], 3)
    runs = finished(sweep, lambda c: noisy(c, 0.5 + 0.2 * (c.lambda_n == 0 and c.baseline == "DevNet")))
    sentence = sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")
    assert "**DeepSAD + AnoOnly** is clearly better than its baseline at 0 of 1" in sentence
    assert "**DevNet + AnoOnly** is clearly better than its baseline at 1 of 1" in sentence


@pytest.mark.parametrize(
    ("seeds", "rise", "words"),
    [
        (5, 0.2, r"over 5 seeds is 0\.50 at λₙ 1 and 0\.70 at λₙ 0 \(\+0\.20 ± 0\.00\)\."),
        (5, 0.0, r"\(\+0\.00 ± 0\.00, no clear difference\)"),
        (1, 0.2, r"on one seed is 0\.48 at λₙ 1 and 0\.68 at λₙ 0 \(\+0\.20, no clear difference\)"),
    ],
)
def test_without_a_pair_the_ends_are_compared(seeds: int, rise: float, words: str) -> None:
    sweep = make_sweep({}, [("lambda_n", [1, 0.1, 0])], 5)
    runs = finished(sweep, lambda c: noisy(c, 0.5) + (rise if c.lambda_n == 0 else 0), seeds)
    sentence = sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")
    assert re.search(words, sentence), sentence


def test_the_figure_marks_every_run_with_its_key() -> None:
    sweep = dirty_pools()
    runs = finished(sweep, lambda c: noisy(c, 0.5))
    curves = make_curves(sweep, runs, "aucroc")
    labels = [format_axis_value("contamination", value) for value in x_values(sweep)]
    assert labels == ["natural", "0 %", "10 %"]
    figure = sweep_figure(curves, labels, "x", "y", 0.5)
    dots, marks = figure.data[0::2], figure.data[1::2]
    keys = [about[0] for trace in dots for about in trace.customdata]
    assert sorted(keys) == sorted(runs)
    for trace in marks:
        assert len(trace.x) == 3 and all(len(about) == 1 + len(MARK_FIELDS) for about in trace.customdata)
        assert all(sweep.configs[about[0]].seed == 0 for about in trace.customdata)
        assert trace.error_y.array[0] > 0
    assert list(figure.layout.xaxis.ticktext) == labels
    assert {trace.line.dash for trace in marks} == {"dash", "solid"}, "never by color alone"
    assert "chance 0.50" in {note.text for note in figure.layout.annotations}


def test_an_empty_figure_has_its_axes() -> None:
    figure = sweep_figure([], ["a", "b"], "x", "y", None)
    assert len(figure.data) == 0 and tuple(figure.layout.yaxis.range) == (0, 1)


def test_many_curves_have_marks_of_their_own() -> None:
    sweep = make_sweep(
        {}, [("contamination", [0]), ("baseline", ["DeepSAD", "DevNet", "FEAWAD", "PReNet"]), ("lambda_n", [1, 0])], 1
    )
    figure = sweep_figure(make_curves(sweep, finished(sweep, lambda c: 0.5), "aucroc"), ["0 %"], "x", "y", None)
    styles = {(t.marker.symbol, t.line.dash) for t in figure.data[1::2]}
    assert len(styles) == 8


# Verdicts of many values at once


def gaps(differences: dict[float, float], noise: float) -> str:
    """Return the sentence of a sweep with these differences to the baseline and this deviation over five seeds."""
    sweep = make_sweep({}, [("labeled_ratio", list(differences)), ("lambda_n", [1, 0])], 5)
    runs = finished(
        sweep,
        lambda c: 0.5 + (differences[c.labeled_ratio] + noise * (c.seed - 2) if c.lambda_n == 0 else 0),
    )
    return sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")


@pytest.mark.parametrize(
    ("differences", "noise", "words"),
    [
        # With noise 0.02 a difference of 0.05 has p = 0.024: clear by itself, not among four.
        ((0.05, 0.0, 0.0, 0.0), 0.02, "at 0 of 4 values of share of labeled anomalies (uncorrected: 1 and 0)"),
        ((0.05, 0.0, 0.0, 0.0), 0.02, "the largest difference, +0.05 ± 0.04, no clear difference, is at"),
        ((0.05,), 0.02, "at 1 of 1 values of share of labeled anomalies; the largest difference, +0.05 ± 0.04, is"),
        ((0.2, 0.2, 0.0, -0.2), 0.01, "at 2 of 4 values of share of labeled anomalies and clearly worse at 1; the"),
        ((-0.05, -0.05, 0.0, 0.3), 0.02, "at 1 of 4 values of share of labeled anomalies (uncorrected: 1 and 2)"),
        ((0.01, 0.02, -0.03, 0.0), 0.05, "at 0 of 4 values of share of labeled anomalies; the largest difference"),
        ((0.2, 0.2), 0.01, "Here clear means: after Holm's correction for 2 comparisons."),
    ],
)
def test_verdicts_are_corrected_for_all_values(differences: tuple[float, ...], noise: float, words: str) -> None:
    assert words in gaps({0.1 * (n + 1): gap for n, gap in enumerate(differences)}, noise)


def test_several_curves_without_pairs_are_corrected_together() -> None:
    sweep = make_sweep({}, [("labeled_ratio", [0.1, 0.2]), ("norm", ["none", "layer", "batch"])], 5)
    runs = finished(sweep, lambda c: 0.5 + (0.05 + 0.02 * (c.seed - 2) if c.labeled_ratio == 0.2 else 0))
    sentence = sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")
    assert sentence.count("(+0.05 ± 0.04, clear only uncorrected)") == 3 and "for 3 comparisons" in sentence
