"""The threshold rule on Compare: thresholds by held-back rows, promised beside measured, and its file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.decision.conformal import conformal_p_values
from anoonly_core.decision.rules import RULES
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.result import DetectorResult
from anoonly_core.results.keys import detector_key, run_key
from anoonly_core.snippets import fit_command
from app.charts.promise import PROMISED, lowest_above, make_promise
from app.charts.style import Side
from app.server import jobs as jobs_module
from app.views.compare.rules import NUMBERS, RULE_LABELS
from tests.app.views.compare.compare_read import QUICK, open_settled, warnings

B = make_config(lambda_n=0.0, epochs=2)


def promise_of(page: AppTest) -> str:
    (caption,) = (each.value for each in page.caption if each.value.startswith("Promised"))
    return str(caption)


def measured(page: AppTest) -> dict[str, float]:
    return {letter: float(value) for letter, value in re.findall(r"([AB]) ([\d.e-]+) %", promise_of(page))}


def test_every_rule_is_on_the_page() -> None:
    assert [*RULE_LABELS] == ["share", *RULES] and set(NUMBERS) == set(RULES) == set(PROMISED)
    for rule in RULES.values():
        assert rule.default in NUMBERS[rule.name] and all(rule.check(number) for number in NUMBERS[rule.name])


def test_a_rate_of_false_alarms_flags_by_p_values_and_goes_with_the_file(server: None, tmp_path: Path) -> None:
    page = open_settled(tab="export", threshold_rule="false_alarms", rule_false_alarms="0.1", **QUICK)
    assert warnings(page) == [] and page.select_slider(key="rule_false_alarms").value == 0.1
    jobs = jobs_module.server_jobs()
    detector, run = jobs.results.worker_result(detector_key(B)), jobs.results.run(run_key(B))
    assert isinstance(detector, DetectorResult) and run is not None
    p = conformal_p_values(detector.calibration.reference.scores, run.scores.astype(np.float64))
    rate = (p[run.y_test == 0] <= 0.1).mean()
    assert "on average 10 % of new normal rows" in promise_of(page) and "hidden anomalies among" in promise_of(page)
    assert measured(page)["B"] == pytest.approx(100 * rate, rel=5e-3)

    assert "Download detector" in [each.proto.label for each in page.get("download_button")]
    assert any("the rule of the page, False-alarm rate 10 %" in each.value for each in page.caption)
    (tmp_path / "d.safetensors").write_bytes(detector.by_rule("false_alarms", 0.1).file)
    loaded = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    assert np.array_equal(loaded.predict(load_cached("digits_3").X[run.test_rows]) == 1, p <= 0.1)

    page.selectbox(key="threshold_rule").set_value("cost").run()
    assert promise_of(page).startswith("Promised: the lowest cost on held-back rows, if a miss costs 10 false alarms.")
    page.selectbox(key="threshold_rule").set_value("share").run()
    assert not any("Promised" in each.value for each in page.caption)


@pytest.mark.parametrize("rule", [name for name in RULES if name not in ("false_alarms",)])
def test_a_promise_says_what_both_runs_measure(rule: str) -> None:
    from tests.core.decision.test_rules import made, new_rows

    scores, anomalous = new_rows()
    sides = [Side(letter, letter, anomalous.astype(np.int8), scores, None, 0) for letter in "AB"]  # type: ignore[arg-type]
    promise = make_promise(RULES[rule], RULES[rule].default, sides, (made(), made(rows=900)), 0.0)
    text = promise.sentences(sides)
    value = RULES[rule].measure(scores > promise.cuts[1].score, anomalous, promise.number)
    shown = f"{value:.3g}" if rule == "cost" else f"{100 * value:.3g} %"
    assert f"B {shown}." in text and RULES[rule].measured in text and text.startswith(PROMISED[rule][:8])
    for side, cut, lowest in zip(sides, promise.cuts, promise.lowest_flagged(sides), strict=True):
        assert np.array_equal(side.scores >= lowest, side.scores > cut.score)


@pytest.mark.parametrize(("threshold", "lowest"), [(0.0, 0.5), (0.5, 1.0), (0.75, 1.0), (1.0, np.inf), (-3, 0.0)])
def test_the_lowest_flagged_score_is_one_of_the_scores(threshold: float, lowest: float) -> None:
    assert lowest_above(np.array([0.5, 0.0, 1.0, 0.5], dtype=np.float32), threshold) == lowest


@pytest.mark.parametrize(
    ("rule", "prevalence", "words"),
    [
        (("false_alarms", 0.05), None, "--false-alarms 0.05"),
        (("fdr_storey", 0.1), None, "--fdr-storey 0.1"),
        (("iqr", 2.0), None, "--iqr 2"),
        (("cost", 20.0), 0.1, "--cost 20 --prevalence 0.1"),
        (None, None, "--flagged-share 0.1"),
    ],
)
def test_the_command_repeats_the_rule(rule: tuple[str, float] | None, prevalence: float | None, words: str) -> None:
    assert words in fit_command(B, 0.1, rule, prevalence)


def test_a_system_of_another_package_keeps_the_share(server: None, xgbod: object) -> None:
    page = open_settled(baseline="XGBOD", seeds="1", threshold_rule="fdr")
    assert any("XGBOD is of another package and holds no rows back" in info.value for info in page.info)
    assert not any("Promised" in each.value for each in page.caption)
