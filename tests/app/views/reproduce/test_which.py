"""The section "Which method when" on the page Reproduce, with made runs and without any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from anoonly_core.reproduction.which import runs as which_runs
from anoonly_core.reproduction.which.ranking import REFERENCE
from anoonly_core.reproduction.which.runs import write_runs
from anoonly_core.reproduction.which.tables import COMMAND, shipped_rankings
from tests.app.conftest import opened
from tests.core.reproduction.which.test_tables import RUNS


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of the file of runs, which the test may write; the page reads it anew."""
    monkeypatch.setattr(which_runs, "FILE", tmp_path / "which.csv")
    for cached in (which_runs.shipped_runs, shipped_rankings):
        cached.cache_clear()
    yield tmp_path / "which.csv"
    for cached in (which_runs.shipped_runs, shipped_rankings):
        cached.cache_clear()


def test_it_says_what_the_runs_show_and_follows_the_address(file: Path, server: None) -> None:
    write_runs(RUNS, file)
    page = opened("reproduce", show="which", where="classical", labels="100pct")
    assert not page.exception and not page.error and not page.warning
    words = "With 100 % of the anomalies labeled and a clean pool, **LogisticRegression** has the best mean rank of 5"
    assert page.markdown[0].value.startswith(f"##### {words}") and f"**{REFERENCE}** has 2.0" in page.markdown[0].value
    assert f"{REFERENCE} minus LogisticRegression, the best classifier" in page.markdown[1].value
    tables = [each.value for each in page.markdown if each.value.startswith("**")]
    assert tables[0].startswith("**Ranks, classical, clean pool, 100 %") and "by shares of labeled" in tables[1]
    page.segmented_control(key="pool").set_value("natural").run()
    assert "100 % of the anomalies labeled and the anomalies left in the pool" in page.markdown[0].value
    page.selectbox(key="labels").set_value("5").run()
    assert "With 5 labeled anomalies" in page.markdown[0].value and not page.exception
    assert {"pool", "labels", "where"} <= set(page.query_params) and len(page.get("download_button")) == 7
    page.segmented_control(key="pool").set_value("clean").run()  # which has no numbers of labels
    assert "With 1 % of the anomalies" in page.markdown[0].value and not page.exception


def test_without_the_file_it_says_so_and_names_the_command(file: Path, server: None) -> None:
    page = opened("reproduce", show="which")
    assert "which.csv of these runs is not in this installation" in page.markdown[0].value
    assert COMMAND in page.markdown[1].value and not page.exception and not page.error


def test_too_few_data_sets_are_not_ranked_and_have_means(file: Path, server: None) -> None:
    write_runs(RUNS[RUNS["dataset"].isin(["CIFAR10_0", "6_cardio"])], file)
    page = opened("reproduce", show="which")
    assert "too few to rank" in page.markdown[0].value and not page.exception
    means = RUNS[(RUNS["dataset"] == "CIFAR10_0") & (RUNS["contamination"] == "0.0") & (RUNS["labeled_ratio"] == 1.0)]
    value = 100 * means[means["system"] == "KNN"]["aucpr"].mean()
    (table,) = [each.value for each in page.markdown if "by shares of labeled" in each.value]
    assert "1 data set" in table and re.search(rf"\| KNN .* {value:.1f} \|", table)
