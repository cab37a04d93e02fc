"""The results that ship with the product are those of the default page, and what its code trains today."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run
from anoonly_core.sweeps.sweep import Sweep
from anoonly_core.which.plan import WhichPlan
from app.bundled_results import bundled_questions, compared_configs, default_ranking, default_sweep
from app.server.result_cache import SHIPPED
from app.server.shipped_runs import shipped_runs
from app.text.questions import QUESTIONS
from app.views.sweep.curves import make_curves, sweep_sentence, values_by_gain

STALE = "the shipped results are not those of the default page: run `make first-light`"


def test_the_shipped_results_are_those_of_the_default_page() -> None:
    configs = [config for a, b in compared_configs() for config in (*a, *b)]
    assert {path.stem for path in SHIPPED.iterdir()} == {run_key(config) for config in configs}, STALE


def test_each_result_has_the_key_of_its_config(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    for result in (*shipped[0], *shipped[1]):
        assert result.key == run_key(result.config), STALE


def test_a_run_trained_again_agrees(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    before = shipped[1][0]
    again = run(before.config, "cpu")
    np.testing.assert_array_equal(again.test_rows, before.test_rows, STALE)
    np.testing.assert_allclose(again.scores, before.scores, rtol=1e-3, atol=1e-6, err_msg=STALE)


def test_sweep_opens_with_a_finished_figure() -> None:
    sweep = default_sweep()
    found = shipped_runs(sweep.configs)
    assert set(found) == set(sweep.configs), STALE
    assert not shipped_runs(["another key"])
    curves = make_curves(sweep, found, "aucpr_anomaly")
    assert sorted(len(point.values) for curve in curves for point in curve.points) == [sweep.seeds] * 16


def test_the_answers_on_start_are_those_of_the_shipped_results() -> None:
    assert list(QUESTIONS) == bundled_questions(), "run `python -m app.bundled_results --only start`"
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    (a, *_), (b, *_) = compared_configs()[1]
    assert a == b.with_(lambda_n=1.0) and b.contamination == 0, "the rival differs in λ_n alone"


def test_the_values_with_a_gain_are_those_of_the_headline_of_sweep() -> None:
    sweep = default_sweep()
    curves = make_curves(sweep, shipped_runs(sweep.configs), "aucpr_anomaly")
    better, others = values_by_gain(sweep, curves)
    assert [*better, *others] == list(sweep.axes[0].values)
    assert f"at {len(better)} of {len(better) + len(others)} values" in sweep_sentence(sweep, curves, "aucpr_anomaly")


def test_which_method_opens_with_a_finished_ranking() -> None:
    plan = default_ranking()
    assert shipped_runs(plan.configs).keys() == plan.configs.keys(), STALE


@pytest.mark.parametrize("make", [default_sweep, default_ranking])
def test_a_run_of_the_shipped_figures_trained_again_agrees(make: Callable[[], Sweep | WhichPlan]) -> None:
    key, config = list(make().configs.items())[-1]
    before, again = shipped_runs([key])[key], run(config, "cpu")
    for name in ("aucroc", "aucpr_anomaly", "aucpr_normal"):
        np.testing.assert_allclose(getattr(again.metrics, name), before.metrics[name], atol=2e-3, err_msg=STALE)
    assert before.config == config.model_dump(mode="json")
