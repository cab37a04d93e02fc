"""The Datasets page as Streamlit runs it, without a browser: it lists, looks, fetches from a server here, removes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.data.adbench.files import cached_path, manifest
from anoonly_core.data.catalogue import DATASETS, load_cached, resolve
from anoonly_core.data.dataset import Provenance, make_dataset
from app.server import jobs as jobs_module
from app.server.jobs import JobKind, Jobs, dataset_key
from app.views.datasets.preview import MAX_ROWS, make_preview, preview_figure
from app.views.datasets.table import (
    ABSENT,
    BUNDLED,
    CACHED,
    GIVEN,
    datasets_table,
    filter_datasets,
    format_download_size,
    format_megabytes,
    missing_datasets,
)
from tests.app.conftest import MakeJobs, opened, wait_for
from tests.core.data.adbench.test_download import Server, serving

LETTER = "20_letter"


@pytest.fixture(scope="session", autouse=True)
def folder() -> Path | None:
    """ANOONLY_DATA as it is before this module's cache hides it."""
    given = os.environ.get("ANOONLY_DATA")
    return Path(given) if given else None


@pytest.fixture
def letter(folder: Path | None) -> Path:
    """A real file of ADBench's."""
    if folder is None or not (file := folder / "Classical" / f"{LETTER}.npz").is_file():
        pytest.skip(f"ANOONLY_DATA holds no {LETTER}: not checked on a real file")
    return file


@pytest.fixture(scope="module")
def mirror(cache: Path) -> Iterator[Server]:
    """A server of files, which the worker processes started from here ask."""
    with serving(b"not ADBench's") as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_MIRROR", running.url)
        patch.setenv("NO_PROXY", "*")
        yield running


@pytest.fixture(scope="module")
def workers(mirror: Server, make_jobs: MakeJobs) -> Jobs:
    return make_jobs()


@pytest.fixture(autouse=True)
def jobs(workers: Jobs, cache: Path, mirror: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The server's jobs, and nothing in the cache but the store."""
    monkeypatch.setattr(jobs_module, "_jobs", lambda: workers)
    shutil.rmtree(cache / "adbench", ignore_errors=True)
    yield workers
    for session in ("one", "two"):
        workers.release(session, [JobKind.DOWNLOADS])
    mirror.plan, mirror.body = ["404"], b"not ADBench's"


def put(name: str, content: bytes = b"a file") -> Path:
    path = cached_path(manifest()[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def page() -> AppTest:
    return opened("datasets")


def select(shown: AppTest, name: str) -> AppTest:
    row = table(shown).index.get_loc(name)
    shown.session_state["datasets_table"] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    shown.run()
    assert [caught.value for caught in shown.exception] == []
    return shown


def table(shown: AppTest) -> pd.DataFrame:
    found: pd.DataFrame = shown.dataframe[0].value
    return found


def button(shown: AppTest, words: str):  # type: ignore[no-untyped-def]  # Streamlit does not export its type
    return next(button for button in shown.button if words in plain(button.label))


def plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.replace("**", ""))


def said(shown: AppTest) -> str:
    return "\n".join(plain(text.value) for text in (*shown.markdown, *shown.caption, *shown.error, *shown.info))


# The table


def test_each_data_set_is_a_row_with_what_is_known_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put("CIFAR10_1", b"12345")
    given = tmp_path / "Classical" / "9_census.npz"
    given.parent.mkdir()
    given.write_bytes(b"123")
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path))
    listed = datasets_table()
    assert list(listed.index) == list(DATASETS)
    states = listed["state"].value_counts().to_dict()
    assert states == {BUNDLED: 24, CACHED: 1, GIVEN: 1, ABSENT: 193}
    assert listed.loc["digits_3", ["rows", "columns"]].tolist() == [1699, 64]
    assert listed.loc["9_census", "share"] == pytest.approx(18568 / 299285)
    assert listed.loc["CIFAR10_2", ["rows", "share", "size"]].isna().all()
    assert listed.loc["CIFAR10_1", "size"] == 5 / 2**20 and listed.loc["9_census", "size"] == 3 / 2**20
    assert listed.loc["CIFAR10_0", "size"] == 4113896 / 2**20
    assert pd.isna(listed.loc["digits_3", "size"])


def test_filters_leave_what_is_asked_for() -> None:
    put("MVTec-AD_tile")
    listed = datasets_table()
    assert len(filter_datasets(listed, "NLP_by_BERT", False, "")) == 13
    assert list(filter_datasets(listed, None, True, "mvtec")["name"]) == ["MVTec-AD_tile"]
    assert list(filter_datasets(listed, None, False, "ResNet CIFAR").index) == []
    assert set(filter_datasets(listed, None, False, "vit cifar")["family"]) == {"CV_by_ViT"}


def test_sizes_are_said_as_far_as_they_are_known() -> None:
    assert format_download_size(["6_cardio"]) == "0.07 MB"
    assert format_download_size(["CIFAR10_0", "CIFAR10_1"]) == "at least 3.9 MB"
    assert format_download_size(["CIFAR10_1"]) == "of unknown size"
    assert [format_megabytes(size * 2**20) for size in (0, 0.02, 0.5, 12.3)] == ["0 MB", "0.02 MB", "0.5 MB", "12 MB"]
    put("CIFAR10_1")
    assert missing_datasets(["digits_3", "CIFAR10_1", "CIFAR10_2"]) == ["CIFAR10_2"]


# The look


def test_a_look_shows_each_class_and_is_the_same_every_time() -> None:
    dataset = resolve("digits_3").load()
    look = make_preview(dataset)
    assert look.points.shape == (MAX_ROWS, 2) and look.anomalous.sum() == 75
    np.testing.assert_array_equal(make_preview(dataset).points, look.points)
    assert set(look.row_ids[look.anomalous]) <= set(dataset.row_ids[dataset.y == 1])
    assert "1425 of the 1614 normal rows and 75 of the 85 anomalies" in look.caption and 0 < look.variance < 1
    assert list(look.pictures) == ["normal", "anomaly"]
    assert look.rows["label"].tolist() == ["normal", "normal", "anomaly", "anomaly"]
    row = look.rows["row"].iloc[0]
    np.testing.assert_array_equal(look.rows.iloc[0, 2:], dataset.X[dataset.row_ids == row][0, :30])


def test_of_a_rare_class_a_few_rows_are_seen_and_lie_on_top() -> None:
    y = np.zeros(20_000)
    y[::1000] = 1
    X = np.c_[np.arange(20_000.0), np.zeros(20_000)]
    look = make_preview(make_dataset("made", X, y, Provenance("here", "none")))
    assert look.anomalous.sum() == 10 and len(look.points) == MAX_ROWS and look.pictures == {}
    assert look.variance == pytest.approx(1.0), "one column alone moves"
    assert [trace.name for trace in preview_figure(look).data] == ["normal", "anomaly"]
    flipped = make_preview(make_dataset("made", X, 1 - y, Provenance("here", "none")))
    assert [trace.name for trace in preview_figure(flipped).data] == ["anomaly", "normal"]
    few = make_preview(make_dataset("made", X[:40], np.arange(40) % 2, Provenance("here", "none")))
    assert few.caption.startswith("PCA of all 40 rows, ")


# The page


def test_it_opens_with_a_sentence_the_table_and_a_look() -> None:
    shown = page()
    assert "219 data sets, 24 on this machine (24 bundled), 195 to download; the cache in " in said(shown)
    assert len(table(shown)) == 219
    assert "digits_3: 1699 rows of 64 columns, 85 anomalies (5.00%); the 3 is the anomaly." in said(shown)
    assert "PCA of 1425 of the 1614 normal rows" in said(shown)
    pictured = "".join(part.proto.body for part in shown.get("html"))
    assert pictured.count('alt="normal, row') == pictured.count('alt="anomaly, row') == 9
    assert len(shown.get("plotly_chart")) == 1
    assert "downloaded data sets | 0 | 0 MB" in said(shown) and "finished runs" in said(shown)
    assert not any("Download" in one.label or "Remove" in one.label for one in shown.button)


def test_what_is_not_here_can_be_read_about_but_not_looked_at() -> None:
    shown = select(page(), "9_census")
    assert "299285 rows of 500 columns, 18568 anomalies (6.20%)" in said(shown)
    assert "github.com/Minqi824/ADBench" in said(shown) and "checksum" in said(shown)
    assert "Download it to see a preview." in said(shown)
    assert len(shown.get("plotly_chart")) == 0
    assert button(shown, "Download 9_census, of unknown size")
    assert button(shown, "Download the family, 47 sets, at least ")


def test_filters_decide_what_is_fetched_together_and_the_selection_stays() -> None:
    shown = page()
    shown.text_input(key="datasets_words").set_value("mvtec").run()
    assert len(table(shown)) == 30 and "30 of them are listed." in said(shown)
    assert button(shown, "Download all 30 missing sets, 23 MB")
    assert "Select a data set" in said(shown), "digits_3 is not listed"
    select(shown, "MVTec-AD_wood")
    shown.selectbox(key="datasets_family").set_value("CV_by_ResNet18").run()
    assert len(table(shown)) == 15 and "MVTec-AD_wood: " in said(shown)
    shown.toggle(key="datasets_here").set_value(True).run()
    assert len(table(shown)) == 0 and [caught.value for caught in shown.exception] == []


def test_a_data_set_opens_in_compare() -> None:
    shown = select(page(), "9_census")
    button(shown, "Open in Compare").click().run()
    assert shown.query_params == {"dataset": "9_census"}
    assert "9_census is not on this machine yet" in said(shown)


def test_removing_asks_first() -> None:
    path = put(LETTER)
    shown = select(page(), LETTER)
    assert "The cache's file of 20_letter is damaged: remove it and download it again." in said(shown)
    button(shown, "Remove from the cache").click().run()
    assert path.exists() and "Remove 20_letter from the cache folder?" in said(shown)
    shown.button(key="remove_for_good").click().run()
    assert not path.exists()
    shown.run()
    assert button(shown, "Download 20_letter") and "195 to download" in said(shown)


def test_what_lies_in_your_folder_cannot_be_removed(monkeypatch: pytest.MonkeyPatch, letter: Path) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(letter.parents[1]))
    shown = select(page(), LETTER)
    assert table(shown).loc[LETTER, "state"] == GIVEN
    assert "PCA of 1406 of the 1500 normal rows and 94 of the 100 anomalies" in said(shown)
    assert not any("Remove" in one.label for one in shown.button)


def test_a_foreign_file_in_your_folder_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "Classical" / f"{LETTER}.npz"
    file.parent.mkdir()
    file.write_bytes(b"mine")
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path))
    shown = select(page(), LETTER)
    assert "its checksum differs" in said(shown) and "downloaded data sets" in said(shown), "the page goes on"


# Downloads


def test_a_fetched_data_set_is_here_and_can_be_looked_at(mirror: Server, letter: Path) -> None:
    mirror.plan, mirror.body = ["right"], letter.read_bytes()
    shown = select(page(), LETTER)
    button(shown, "Download 20_letter").click().run()
    assert [caught.value for caught in shown.exception] == [] and len(shown.error) == 0
    assert table(shown).loc[LETTER, "state"] == CACHED
    assert "PCA of 1406 of the 1500 normal rows" in said(shown)
    assert "downloaded data sets | 1 | 0.02 MB" in said(shown)


def test_of_several_all_failures_are_said_at_the_end(mirror: Server) -> None:
    mirror.plan = ["404"]
    shown = page()
    shown.text_input(key="datasets_words").set_value("SVHN_").run()
    shown.selectbox(key="datasets_family").set_value("CV_by_ViT").run()
    button(shown, "Download all 10 missing sets").click().run()
    (error,) = shown.error
    assert plain(error.value).startswith("10 of 10 data sets could not be fetched and can be tried again: ")
    assert "CV_by_ViT/SVHN_0 is not on this machine and the server has no such file (404), likewise " in plain(
        error.value
    )


def test_a_download_outlives_the_page_and_a_cancel_keeps_what_is_here(mirror: Server, jobs: Jobs) -> None:
    mirror.plan, mirror.body = ["404", "stalled"], bytes(100_000)
    names = ["CIFAR10_1", "CIFAR10_2", "CIFAR10_3"]
    jobs.request_downloads("one", names)
    jobs.request_downloads("two", names[1:])
    wait_for(lambda: (view := jobs.view([dataset_key(names[1])])) is not None and view.done > 0, "bytes")
    view = jobs.view([dataset_key(names[2])])
    assert view is not None and (view.done, view.total) == (50_000, 100_000)
    jobs.release("one")
    assert jobs.downloads() == jobs.downloads("one") == names, "another page's runs are given up, no download is"
    jobs.release("one", [JobKind.DOWNLOADS])
    assert jobs.downloads("one") == [] and jobs.downloads() == names, "somebody else waits too"
    put(names[0])
    jobs.release("two", [JobKind.DOWNLOADS])
    assert jobs.downloads() == [] and jobs.view([dataset_key(names[1])]) is None
    assert jobs.results.failure(dataset_key(names[1])) is None and DATASETS[names[0]].is_local()


def test_a_download_that_was_left_behind_can_be_cancelled(
    mirror: Server, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.plan, mirror.body = ["stalled"], bytes(100_000)
    jobs.request_downloads("one", ["CIFAR10_1"])
    jobs.adopt_downloads("two")
    assert jobs.downloads("two") == [], "somebody waits for it"
    monkeypatch.setattr(jobs, "is_session_active", lambda session: session != "one")
    jobs.adopt_downloads("two")
    jobs.release("two", [JobKind.DOWNLOADS])
    assert jobs.downloads() == []


def test_whoever_comes_back_sees_how_far_it_is(mirror: Server, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that is opened while others' files come shows them; here it is told that they have come."""
    told: list[list[str]] = []
    monkeypatch.setattr("app.widgets.download.follow_downloads", lambda names, jobs, session: told.append(list(names)))
    mirror.plan, mirror.body = ["stalled"], bytes(100_000)
    jobs.request_downloads("one", ["CIFAR10_1", "CIFAR10_2"])
    page()
    assert told == [["CIFAR10_1", "CIFAR10_2"]]


def test_only_images_have_strips_of_pictures() -> None:
    assert make_preview(load_cached("novels")).pictures == {}
    assert [*make_preview(load_cached("digits_3")).pictures] == ["normal", "anomaly"]
