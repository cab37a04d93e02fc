"""Tests of the tab Take away: its downloads, and the detector against the run on show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.result import DetectorResult
from anoonly_core.metrics.ranking import threshold_of_share
from anoonly_core.results.keys import detector_key, run_key
from anoonly_core.snippets import detector_script, fit_command, score_command
from app.charts.pair import Pair
from app.server import jobs as jobs_module
from app.server.jobs import JobKind, Jobs
from app.views.compare.export import NO_DETECTOR, page_threshold, scores_table
from tests.app.conftest import MakeJobs, opened, wait_for
from tests.app.views.compare.compare_read import button, settled
from tests.app.views.compare.test_report import Shipped

QUICK = {"epochs": "2", "seeds": "1"}
B = make_config(lambda_n=0.0, epochs=2)


@pytest.fixture
def open_page(server: None) -> Callable[..., AppTest]:
    return lambda **parameters: settled(opened(tab="Take away", **parameters))


def download_labels(page: AppTest) -> list[str]:
    return [element.proto.label for element in page.get("download_button")]


def code(page: AppTest) -> list[str]:
    """Return the command and the script, without the link for a class."""
    return [block.value for block in page.code if "anoonly_core" in block.value]


def run_switch(page: AppTest) -> Any:
    return next(group for group in page.get("button_group") if group.key == "taken_run")


def test_the_tab_has_scores_report_script_and_command(open_page: Callable[..., AppTest]) -> None:
    page = open_page(**QUICK)
    assert [tab.label for tab in page.tabs][-2:] == ["Take away", "The method"]
    assert download_labels(page) == ["Download report", "Download scores", "Download script"]
    assert code(page) == [score_command(B), detector_script(B).strip()]


def test_the_fitted_detector_reproduces_the_run_on_show(open_page: Callable[..., AppTest], tmp_path: Path) -> None:
    page = open_page(**QUICK)
    button(page, "Fit detector").click().run()
    assert [exception.value for exception in page.exception] == []
    assert download_labels(page) == [
        "Download report",
        "Download scores",
        "Download detector",
        "Download all scores",
        "Download script",
    ]
    jobs = jobs_module.server_jobs()
    detector, result = jobs.results.worker_result(detector_key(B)), jobs.results.run(run_key(B))
    assert isinstance(detector, DetectorResult) and result is not None
    dataset = load_cached("digits_3")
    assert np.array_equal(detector.scores[result.test_rows].astype(np.float32), result.scores)
    kept = detector.at(page_threshold(detector, result.scores, threshold_of_share(result.scores, 0.1), 10.0))
    flagged = int((kept.scores > kept.threshold).sum())
    assert any(f"It flags {flagged} of {dataset.rows} rows" in caption.value for caption in page.caption)
    assert (kept.scores > kept.threshold)[result.test_rows].sum() == int(0.1 * len(result.test_rows))
    (tmp_path / "model").write_bytes(detector.file)
    assert np.array_equal(AnoOnlyDetector.load(tmp_path / "model").decision_function(dataset.X), detector.scores)

    run_switch(page).set_value("A").run()
    assert [exception.value for exception in page.exception] == []
    assert "Download detector" not in download_labels(page), "A needs another detector"
    assert "lambda_n=1.0" in code(page)[1]
    run_switch(page).set_value("B").run()
    assert "Download detector" in download_labels(page), "a detector is fitted once"
    page.select_slider(key="threshold").set_value(20.0).run()
    assert "Download detector" in download_labels(page)
    rows = next(group for group in page.get("button_group") if group.key == "taken_rows")
    rows.set_value("all").run()
    assert "Download detector" not in download_labels(page), "all rows need another detector"
    assert any(f"all {dataset.rows:,} rows with all {dataset.y.sum()} labels" in each.value for each in page.caption)
    assert fit_command(B, 0.2) in code(page)


def test_a_system_without_a_detector_says_so(open_page: Callable[..., AppTest], xgbod: object) -> None:
    page = open_page(baseline="XGBOD", seeds="1")
    assert [info.value for info in page.info] == [NO_DETECTOR.format("XGBOD", "pyod.models.xgbod.XGBOD")]
    assert download_labels(page) == ["Download report", "Download scores"]


def test_a_fit_reports_progress_and_can_be_canceled(make_jobs: MakeJobs) -> None:
    from anoonly_core.execution import tasks

    jobs: Jobs = make_jobs()
    config = make_config(epochs=3000)
    key = detector_key(config)
    jobs.request_worker_result("me", key, tasks.fit_detector, config)
    wait_for(lambda: (view := jobs.view([key])) is not None and view.done > 1, "the second epoch")
    view = jobs.view([key])
    assert view is not None and view.total == 2 * 3000  # and those of the threshold
    jobs.release("me", [JobKind.WORKER_RESULT])
    assert jobs.view([key]) is None and jobs.results.failure(key) is None
    jobs.request_worker_result("me", detector_key(B), tasks.fit_detector, B)
    wait_for(lambda: jobs.results.worker_result(detector_key(B)), "the next fit")
    assert jobs.results.worker_result(key) is None


def test_the_scores_table_holds_the_scores_of_the_runs(shipped: Shipped) -> None:
    a, b = (runs[0] for runs in shipped)
    pair = Pair(a, b, 3.0)
    table = scores_table(pair, load_cached("digits_3"))
    assert table["score B"].tolist() == b.scores.tolist() and table["score A"].tolist() == a.scores.tolist()
    assert table["flagged by B"].sum() == pair.confusions[1].anomalies_flagged + pair.confusions[1].normals_flagged
    assert (table["label"] == "anomaly").sum() == (b.y_test == 1).sum()
