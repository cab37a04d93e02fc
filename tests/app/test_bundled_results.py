"""The results that ship with the product are those of the default page, and what its code trains today."""

from __future__ import annotations

import numpy as np

from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run
from app.controls.choice import baseline_of, default_choice
from app.server.result_cache import SHIPPED

STALE = "the shipped results are not those of the default page: run `make first-light`"


def test_the_shipped_results_are_those_of_the_default_page() -> None:
    choice = default_choice()
    configs = [*choice.seeded(baseline_of(choice.b)), *choice.seeded(choice.b)]
    assert {path.stem for path in SHIPPED.iterdir()} == {run_key(config) for config in configs}, STALE


def test_each_result_has_the_key_of_its_config(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    for result in (*shipped[0], *shipped[1]):
        assert result.key == run_key(result.config), STALE


def test_a_run_trained_again_agrees(shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    before = shipped[1][0]
    again = run(before.config, "cpu")
    np.testing.assert_array_equal(again.test_rows, before.test_rows, STALE)
    np.testing.assert_allclose(again.scores, before.scores, rtol=1e-3, atol=1e-6, err_msg=STALE)
