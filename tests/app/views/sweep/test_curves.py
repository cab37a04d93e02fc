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
from app.views.sweep.curves import make_curves, norm_to_hold, sweep_conditions, sweep_sentence, x_values


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
            r"better than its baseline at 1 of 3 .* \(natural\) and clearly worse at 1 \(10 %\); .*natural",
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
        ((0.2, 0.2, 0.0, -0.2), 0.01, "(not at 30 % and 40 %) and clearly worse at 1 (40 %); the largest"),
        ((-0.05, -0.05, 0.0, 0.3), 0.02, "values of share of labeled anomalies (40 %) (uncorrected: 1 and 2)"),
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


# Causes that the sentence names, and claims that it does not make


@pytest.mark.parametrize(
    ("better", "words"),
    [
        ((1, 2, 3, 4), "at 4 of 4 values of share of labeled anomalies; the"),
        ((1, 2, 3), "at 3 of 4 values of share of labeled anomalies (not at 40 %); the"),
        ((1, 4), "at 2 of 4 values of share of labeled anomalies (not at 20 % and 30 %); the"),
        ((2,), "at 1 of 4 values of share of labeled anomalies (20 %); the"),
        ((), "at 0 of 4 values of share of labeled anomalies; the"),
    ],
)
def test_the_exceptions_are_named(better: tuple[int, ...], words: str) -> None:
    assert words in gaps({0.1 * n: 0.2 if n in better else 0.0 for n in range(1, 5)}, 0.001)


@pytest.mark.parametrize(
    ("height", "noise", "claims"),
    [(0.3, 0.001, 0), (0.45, 0.05, 0), (0.49, 0.005, 0), (0.6, 0.001, 1), (0.52, 0.005, 1)],
)
def test_nothing_is_clearly_better_whose_interval_holds_chance(height: float, noise: float, claims: int) -> None:
    """The AUCROC of random scores is 0.5; the baseline is far below it."""
    sweep = make_sweep({}, [("labeled_ratio", [0.1]), ("lambda_n", [1, 0])], 5)
    runs = finished(sweep, lambda c: 0.1 if c.lambda_n else height + noise * (c.seed - 2))
    sentence = sweep_sentence(sweep, make_curves(sweep, runs, "aucroc"), "aucroc")
    assert f"better than its baseline at {claims} of 1" in sentence
    assert ("at 10 % its interval holds chance" in sentence) == (claims == 0)


NORM_OF_DEVNET = "For **DevNet + AnoOnly**, the norm (no norm → batch norm) differs along with λₙ"


@pytest.mark.parametrize(
    ("settings", "axes", "words", "norm"),
    [
        ({}, [("contamination", [0, 0.1])], None, None),
        ({"baseline": "DevNet"}, [("contamination", [0, 0.1])], NORM_OF_DEVNET, "batch"),
        ({"baseline": "DevNet", "norm": "batch"}, [("contamination", [0, 0.1])], None, None),
        ({}, [("contamination", [0]), ("baseline", ["DeepSAD", "DevNet"])], NORM_OF_DEVNET, "batch"),
        (
            {},
            [("baseline", ["DeepSAD", "DevNet", "PReNet"])],
            "For **each system + AnoOnly** at DevNet and PReNet, the norm (no norm → batch norm) differs along with λₙ",
            "batch",
        ),
        (
            {"baseline": "DevNet"},
            [("norm", [None, "layer"])],
            "at published, the norm (no norm → batch norm) differs along with λₙ",
            None,
        ),
        ({"baseline": "FEAWAD", "preset": "published_code"}, [("contamination", [0, 0.1])], None, None),
    ],
)
def test_what_differs_besides_lambda_n_is_named(
    settings: dict[str, Any], axes: list[tuple[str, list[Any]]], words: str | None, norm: str | None
) -> None:
    sweep = make_sweep(settings, [*axes, ("lambda_n", [1, 0])], 3)
    curves = make_curves(sweep, finished(sweep, lambda c: noisy(c, 0.6 - 0.1 * (c.lambda_n == 0))), "aucroc")
    sentence = sweep_sentence(sweep, curves, "aucroc")
    assert ("differs along with" in sentence) == (words is not None) and (words or "") in sentence
    assert "the gap may come from either" in sentence or words is None
    assert norm_to_hold(sweep, curves) == norm


@pytest.mark.parametrize(("baseline", "norm"), [("DeepSAD", None), ("DevNet", "batch"), ("PReNet", "batch")])
def test_the_ends_of_a_curve_over_lambda_n_name_the_norm_too(baseline: str, norm: str | None) -> None:
    sweep = make_sweep({"baseline": baseline}, [("lambda_n", [1, 0.1, 0])], 5)
    curves = make_curves(sweep, finished(sweep, lambda c: noisy(c, 0.5) + 0.2 * (c.lambda_n == 0)), "aucroc")
    sentence = sweep_sentence(sweep, curves, "aucroc")
    two = "Two things differ, λₙ (1 → 0) and the norm (no norm → batch norm): the gap may come from either."
    assert (two in sentence) == (norm is not None) and norm_to_hold(sweep, curves) == norm
    held = make_sweep({"baseline": baseline, "norm": norm or "batch"}, [("lambda_n", [1, 0.1, 0])], 5)
    again = make_curves(held, finished(held, lambda c: noisy(c, 0.5)), "aucroc")
    assert "Two things differ" not in sweep_sentence(held, again, "aucroc") and norm_to_hold(held, again) is None


@pytest.mark.parametrize(
    ("settings", "axis", "words"),
    [
        ({}, "batch_size", "anomalies in the pool as found · 10 % of the anomalies in training labeled · seeds 0 to 4"),
        ({"contamination": 0.0}, "batch_size", "clean pool · 10 %"),
        ({"contamination": 0.2, "seed": 3}, "batch_size", "20 % of the pool anomalous · 10 % .* · seeds 3 to 7"),
        ({}, "contamination", "^digits_3 · 10 % of the anomalies in training labeled · seeds 0 to 4$"),
        ({}, "labeled_ratio", "^digits_3 · anomalies in the pool as found · seeds 0 to 4$"),
    ],
)
def test_the_conditions_are_those_that_all_points_share(settings: dict[str, Any], axis: str, words: str) -> None:
    values = {"batch_size": [32, 64], "contamination": [0, 0.1], "labeled_ratio": [0.1, 0.2]}[axis]
    assert re.search(words, sweep_conditions(make_sweep(settings, [(axis, values), ("lambda_n", [1, 0])], 5)))
