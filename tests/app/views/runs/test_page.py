"""The Runs page as Streamlit runs it, without a browser: it lists the store, changes it, and opens Compare."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import StoreUnavailable
from anoonly_core.execution.job import StoredOutcome
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.results.store import Store, default_store
from anoonly_core.snippets import python_script
from app.charts.style import DEFAULT_FLAGGED, FLAGGED
from app.server import jobs as jobs_module
from app.server import table_owners
from app.server.jobs import Jobs
from app.views.runs.page import EMPTY, HINT, TO_COME
from tests.app.conftest import MakeJobs

MAIN = Path(__file__).parents[4] / "app" / "script.py"
FILE = "my folder/table.csv"

Shipped = tuple[list[RunResult], list[RunResult]]
Open = Callable[..., AppTest]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.delenv("ANOONLY_STORE_MB", raising=False)
    return default_store()


@pytest.fixture
def filled(store: Store, shipped: Shipped) -> list[RunResult]:
    """Stored runs, the oldest first: A and B of two seeds, one of another protocol, one of a file."""
    baseline, anomaly_only = shipped
    other = stored_as(anomaly_only[0], anomaly_only[0].config.with_(protocol="published"))
    of_a_file = replace(baseline[0], config=make_config(dataset=FILE), key="of a file")
    results = [baseline[0], baseline[1], anomaly_only[0], anomaly_only[1], other, of_a_file]
    for result in results:
        store.put(result)
    return results


def stored_as(result: RunResult, config: RunConfig) -> RunResult:
    return replace(result, config=config, key=run_key(config))


@pytest.fixture(scope="module")
def workers(make_jobs: MakeJobs) -> Jobs:
    return make_jobs()


@pytest.fixture(autouse=True)
def jobs(workers: Jobs, store: Store, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The server's jobs, on this test's store; nothing is trained here."""
    quick = store.with_wait(0.05)
    monkeypatch.setattr(workers, "store", quick)
    monkeypatch.setattr(workers.results, "store", quick)
    monkeypatch.setattr(jobs_module, "_jobs", lambda: workers)
    return workers


@pytest.fixture
def open_page() -> Open:
    """Opens a page by its path, as a new session or as one that comes from another page by the navigation."""

    def go(path: str = "runs", page: AppTest | None = None, **parameters: str) -> AppTest:
        page = page or AppTest.from_file(str(MAIN), default_timeout=60)
        page._page_hash = calc_hash(path)
        page.query_params = dict(parameters)
        page.run()
        page._page_hash = ""  # it stays where it is
        assert [caught.value for caught in page.exception] == []
        return page

    return go


def select(page: AppTest, *rows: int) -> AppTest:
    page.session_state["runs_table"] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return page.run()


def table(page: AppTest) -> pd.DataFrame:
    found: pd.DataFrame = page.dataframe[0].value
    return found


def button(page: AppTest, label: str):  # type: ignore[no-untyped-def]  # Streamlit does not export its type
    return next(button for button in page.button if button.label == label)


def sentence(page: AppTest) -> str:
    (only,) = [text.value for text in page.markdown if text.value.startswith("##### ")]
    return only.removeprefix("##### ")


def said(page: AppTest) -> str:
    return "\n".join(re.sub(r"\\(.)", r"\1", text.value) for text in (*page.caption, *page.warning, *page.error))


def test_an_empty_store_says_so(open_page: Open, store: Store) -> None:
    page = open_page()
    assert sentence(page) == EMPTY
    assert TO_COME in [text.value for text in page.markdown] and len(page.get("page_link")) == 1
    assert len(page.dataframe) == 0 and [button.label for button in page.button] == ["Present"]


def test_all_runs_are_listed_latest_first(open_page: Open, filled: list[RunResult]) -> None:
    page = open_page()
    assert sentence(page).startswith("6 runs of 2 data sets, ")
    assert table(page)["aucroc"].tolist() == [result.metrics.aucroc for result in reversed(filled)]
    assert HINT in said(page)
    assert all(button(page, label).disabled for label in ("Compare", "Pin", "Delete …"))
    assert len(page.code) == 0
    assert [download.proto.label for download in page.get("download_button")] == ["Download CSV", "Download Parquet"]


def test_filters_narrow_the_list_and_outlive_a_visit_elsewhere(open_page: Open, filled: list[RunResult]) -> None:
    page = open_page()
    page.selectbox(key="runs_lambda_n").set_value(0.0).run()
    assert len(table(page)) == 3 and sentence(page).endswith(" 3 of them are listed.")
    page.text_input(key="runs_words").set_value("seed=0").run()
    assert len(table(page)) == 2
    page.selectbox(key="runs_dataset").set_value(FILE).run()
    assert len(table(page)) == 0 and sentence(page).endswith(" 0 of them are listed.")
    page.selectbox(key="runs_dataset").set_value(None).run()
    assert len(table(page)) == 2


def test_a_pinned_run_is_marked_and_can_be_found(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    page = select(open_page(), 1, 3)
    button(page, "Pin").click().run()
    assert {key for key, run in store.runs().items() if run.pinned} == {filled[4].key, filled[2].key}
    assert table(page)["pinned"].tolist() == ["", "yes", "", "yes", "", ""]
    page.toggle(key="runs_pinned").set_value(True).run()
    assert len(table(page)) == 2
    button(page, "Unpin").click().run()
    assert not any(run.pinned for run in store.runs().values())
    assert len(table(page)) == 0


def test_the_selection_stays_with_its_runs(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    """A run that finishes meanwhile must not push another under the mark, which would then be deleted."""
    page = select(open_page(), 0, 2)
    store.put(stored_as(filled[0], filled[0].config.with_(seed=77)))
    page.run()
    assert page.session_state["runs_table"]["selection"]["rows"] == [1, 3]
    page.selectbox(key="runs_dataset").set_value("digits_3").run()
    assert page.session_state["runs_table"]["selection"]["rows"] == [2], "the file's run is not listed any more"


def test_deleting_asks_first(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    page = select(open_page(), 0, 2)
    store.pin([filled[3].key])
    button(page, "Delete …").click().run()
    assert len(store.runs()) == 6
    assert any("these 2 runs, of which 1 pinned?" in text.value for text in page.markdown)
    page.button(key="delete_for_good").click().run()
    assert set(store.runs()) == {filled[n].key for n in (0, 1, 2, 4)}
    page.run()
    assert len(table(page)) == 4 and button(page, "Delete …").disabled


def test_a_filter_on_what_is_gone_is_no_filter(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    page = open_page()
    page.selectbox(key="runs_dataset").set_value(FILE).run()
    select(page, 0)
    button(page, "Delete …").click().run()
    page.button(key="delete_for_good").click().run()
    page.run()
    assert [caught.value for caught in page.exception] == []
    assert page.selectbox(key="runs_dataset").value is None and len(table(page)) == 5


def test_a_store_that_cannot_be_changed_is_one_sentence(
    open_page: Open, store: Store, filled: list[RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Store, *arguments: object, **options: object) -> None:
        raise StoreUnavailable("There is no room.")

    monkeypatch.setattr(Store, "_change", refuse)
    page = select(open_page(), 0)
    button(page, "Pin").click().run()
    assert "There is no room." in said(page) and len(page.exception) == 0
    button(page.run(), "Delete …").click().run()
    page.button(key="delete_for_good").click().run()
    assert "There is no room." in said(page) and len(table(page)) == 6
    assert "There is no room." not in said(page.run())


def test_one_run_can_be_taken_away(open_page: Open, filled: list[RunResult]) -> None:
    page = select(open_page(), 2)
    config = filled[3].config
    link, command, script = (code.value for code in page.code)
    assert link == "/compare?seeds=1&seed=1"
    assert shlex.split(command)[3:] == [
        *("run", "--dataset", "digits_3", "--baseline", "DeepSAD", "--lambda-n", "0.0", "--seed", "1")
    ]
    assert script == python_script(config).strip()
    assert len(select(page, 2, 3).code) == 0


def test_a_file_of_the_users_has_no_link(open_page: Open, filled: list[RunResult]) -> None:
    page = select(open_page(), 0)
    assert button(page, "Train and compare").disabled
    assert "Compare offers only data sets of its list" in said(page)
    assert "can no longer be read" in said(page), "the file is gone"
    command, _ = (code.value for code in page.code)
    assert FILE in shlex.split(command)


def test_what_cannot_be_compared_is_one_sentence(open_page: Open, filled: list[RunResult]) -> None:
    page = select(open_page(), 0, 1)
    assert "these are of different data sets" in said(page)
    assert "these are split by different protocols" in said(select(page, 1, 2))
    assert "3 runs are selected; Compare shows one or two." in said(select(page, 1, 2, 3))
    assert button(page, "Compare").disabled
    page = select(page, 2, 5)
    assert (
        "A, the older: DeepSAD. B: DeepSAD + AnoOnly. Only λₙ (1 → 0) differs. Compare shows both on B's seed, 1."
        in said(page)
    )
    assert not button(page, "Compare").disabled


def test_a_run_of_an_earlier_version_is_said_to_be_one(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    store.put(replace(filled[0], key="another revision's"))
    store.put(replace(filled[1], key=run_key(filled[1].config, "cuda"), device="cuda"))
    page = select(open_page(), 1)
    assert "The run of DeepSAD is from an earlier version of the code or of its data" in said(page)
    assert not button(page, "Train and compare").disabled
    assert "was trained on a CUDA GPU" in said(select(page, 0))
    assert "trained" not in said(select(page, 3))


def test_settings_that_are_none_today_can_only_be_deleted(
    open_page: Open, store: Store, filled: list[RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {key: replace(run, config={**run.config, "norm": "instance"}) for key, run in store.runs().items()}
    monkeypatch.setattr(Store, "runs", lambda self: listed)
    page = select(open_page(), 1)
    assert "cannot be trained again: norm must be one of" in said(page)
    assert button(page, "Train and compare").disabled and not button(page, "Delete …").disabled
    assert len(page.code) == 0


# -- from here to Compare and back


def test_two_runs_open_side_by_side(open_page: Open, filled: list[RunResult]) -> None:
    older, newer = filled[1], filled[3]
    page = select(open_page(), 2, 4)
    button(page, "Compare").click().run()
    assert [caught.value for caught in page.exception] == []
    figures = f"AUCPR {newer.metrics.aucpr_anomaly:.2f} against {older.metrics.aucpr_anomaly:.2f}"
    assert sentence(page).startswith("On one seed **DeepSAD + AnoOnly** finds more of the anomalies than **DeepSAD**: ")
    assert figures in sentence(page)
    assert (page.selectbox(key="seeds").value, page.selectbox(key="seed").value) == (1, 1)
    assert len(page.warning) == 0


def test_compare_comes_back_as_it_was_left(open_page: Open, store: Store, filled: list[RunResult]) -> None:
    for number, lambda_n in enumerate((0.1, 0.25)):
        store.put(stored_as(filled[number], make_config(lambda_n=lambda_n)))
    settings = {"lambda_n": "0.25", "seeds": "1", "a": "lambda_n=0.1", "threshold": f"{FLAGGED[-1]:g} %"}
    page = open_page("compare", color="red", **settings)
    before = sentence(page)
    assert "**DeepSAD, λₙ = 0.25** finds" in before and "than **DeepSAD, λₙ = 0.1**" in before
    assert "'color'" in said(page)
    open_page("runs", page)
    assert sentence(page).startswith("8 runs")
    open_page("compare", page)
    assert sentence(page) == before
    assert page.query_params == settings
    assert page.select_slider(key="threshold").value == FLAGGED[-1]
    assert "'color'" not in said(page), "that was said before"


def test_a_run_opened_from_here_takes_nothing_from_before(
    open_page: Open, store: Store, filled: list[RunResult]
) -> None:
    store.put(stored_as(filled[0], make_config(lambda_n=0.1, norm="layer")))
    page = open_page("compare", lambda_n="0.1", norm="layer", seeds="1", a="zzz", threshold=f"{FLAGGED[-1]:g} %")
    assert "The link's pinned run cannot be used" in said(page)
    open_page("runs", page)
    select(page, list(store.runs()).index(filled[2].key))
    button(page, "Compare").click().run()
    assert page.query_params == {"seeds": "1"}
    assert page.select_slider(key="lambda_n").value == 0.0 and page.selectbox(key="norm").value == "published"
    assert page.select_slider(key="threshold").value == DEFAULT_FLAGGED
    assert "**DeepSAD + AnoOnly** finds more of the anomalies than **DeepSAD**" in sentence(page)
    assert len(page.warning) == 0


def test_streamlit_does_not_take_our_pages_for_its_own() -> None:
    """It would run each file of a folder `pages` beside script.py as a script at a first visit to its address."""
    assert not PagesManager(str(MAIN)).uses_pages_directory


# -- a store that another program holds locked


LOCKS = {
    "exclusive": ("BEGIN EXCLUSIVE",),
    "exclusive locking mode": ("PRAGMA locking_mode = EXCLUSIVE", "UPDATE entries SET pinned = 0"),
    "WAL, exclusive locking mode": (
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        "UPDATE entries SET pinned = 0",
    ),
}


@pytest.fixture
def other(store: Store, filled: list[RunResult]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("path", ["runs", "sweep", "datasets"])
def test_a_locked_store_is_said_and_the_notice_goes_with_the_lock(
    open_page: Open, other: sqlite3.Connection, path: str, kind: str
) -> None:
    for statement in LOCKS[kind]:
        other.execute(statement).fetchall()
    page = open_page(path)
    texts = "\n".join(element.value for element in (*page.error, *page.markdown)).replace("\\", "")
    assert "another program holds th" in texts and "file locked" in texts
    assert EMPTY not in texts and "No run of this sweep is trained yet" not in texts
    other.close()
    page.run()
    assert [caught.value for caught in page.exception] == []
    after = "\n".join(element.value for element in (*page.error, *page.warning, *page.markdown))
    assert "file locked" not in after
    assert path != "runs" or sentence(page).startswith("6 runs")


@pytest.mark.parametrize("path", ["runs", "sweep", "datasets", "compare", "reproduce"])
def test_a_page_shows_a_store_that_another_program_writes_to(
    open_page: Open, other: sqlite3.Connection, path: str
) -> None:
    other.execute("BEGIN IMMEDIATE")
    page = open_page(path)
    assert not any("locked" in element.value for element in (*page.error, *page.warning, *page.markdown))
    assert path != "runs" or sentence(page).startswith("6 runs")


def test_a_pin_that_a_lock_prevents_is_said_and_can_be_tried_again(open_page: Open, other: sqlite3.Connection) -> None:
    page = select(open_page(), 0)
    other.execute("BEGIN IMMEDIATE")
    button(page, "Pin").click().run()
    assert "could not be changed while another program holds that file locked" in page.error[0].value.replace("\\", "")
    other.rollback()
    select(page, 0)
    button(page, "Pin").click().run()
    assert not page.error and bool(table(page)["pinned"].iloc[0])


def test_a_result_that_a_lock_kept_from_the_store_is_no_notice_after_the_lock(
    open_page: Open, other: sqlite3.Connection, jobs: Jobs
) -> None:
    other.execute("BEGIN EXCLUSIVE")
    jobs.results.unwrap(StoredOutcome(None, "The run could not be stored.", is_busy=True))
    assert "could not be stored" in said(open_page("datasets"))
    other.rollback()
    assert "could not be stored" not in said(open_page("datasets"))
    jobs.results.unwrap(StoredOutcome(None, "The disk is full."))
    assert "The disk is full" in said(open_page("datasets")), "another problem does not end with a lock"
    jobs.results.unwrap(StoredOutcome(None))


def test_runs_counts_as_an_open_page(open_page: Open, jobs: Jobs) -> None:
    """Else the tables of a browser whose only page is Runs would be deleted."""
    page = open_page()
    owners = table_owners.server_table_owners()
    assert any(page.session_state["session"] in sessions for sessions in owners._sessions.values())
