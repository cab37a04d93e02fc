"""Uploads of images and texts: what they hold, and how they become uploads of features."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.feature_files import read_about
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.errors import BadDataFile, UnknownDataset
from anoonly_core.execution import tasks
from anoonly_core.features import raw_uploads
from anoonly_core.features.raw_uploads import (
    RawChoice,
    check_dimension,
    feature_path,
    feature_title,
    raw_rows,
    survey_upload,
)
from anoonly_core.features.run import partial_folder
from anoonly_core.progress import Cancelled
from tests.core.features.images.made import encoded, noise

WORDS = ("the", "order", "was", "late", "and", "customer", "asked", "for", "a", "refund", "of", "second", "parcel")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))


def add(content: bytes, name: str) -> Upload:
    return uploads.add(name, io.BytesIO(content), "me", "here")


def archive(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return body.getvalue()


def pictures(count: int) -> dict[str, bytes]:
    return {f"{'bent' if row % 4 == 0 else 'good'}/{row}.png": encoded(noise(8, 8, row)) for row in range(count)}


def mails(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 8)) for _ in range(rows)]
    return pd.DataFrame({"id": range(rows), "message": texts, "kind": ["spam", *["ham"] * 4] * (rows // 5)})


def add_mails(table: pd.DataFrame | None = None) -> Upload:
    return add((mails() if table is None else table).to_csv(index=False).encode(), "mails.csv")


def test_an_archive_of_images_is_told_by_its_content() -> None:
    found = survey_upload(add(archive({**pictures(8), "../out.png": b"x", "read.me": b"words"}), "parts.zip"))
    assert (found.kind, found.rows, found.labels) == ("image", 8, {"good": 6, "bent": 2})
    assert [row.name for row in found.left_out] == ["../out.png"] and found.left_out_rows == 1


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"table.csv": b"a,b\n1,2\n3,4\n"}, "table"),
        ({"mails.csv": mails().to_csv(index=False).encode()}, "text"),
        ({"one.png": encoded(noise(8, 8, 0))}, "image"),
        ({"labels.csv": b"file,label\na.png,good\n", "a.png": encoded(noise(8, 8, 0))}, "image"),
        ({"deep/er/a.jpg": b"no image, which is seen later", "deep/er/b.txt": b""}, "image"),
    ],
)
def test_content_decides_what_an_archive_is(files: dict[str, bytes], kind: str) -> None:
    assert survey_upload(add(archive(files), "thing.zip")).kind == kind


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive({}), "thing.zip must hold one table, and it holds 0 files"),
        (archive({"a.csv": b"a\n1\n", "b.csv": b"a\n1\n"}), "must hold one table, and it holds 2 files"),
        (archive({"../a.png": b"x"}), "thing.zip holds no image that can be read: 1 file left out"),
        (b"no archive", "thing.zip is a damaged .zip archive"),
        (archive(pictures(3))[:-40], "thing.zip is a damaged .zip archive"),
    ],
)
def test_an_archive_of_neither_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(BadDataFile) as caught:
        survey_upload(add(content, "thing.zip"))
    assert sentence in str(caught.value)


def test_a_table_with_texts_says_its_columns() -> None:
    found = survey_upload(add_mails())
    assert (found.kind, found.rows, found.columns, found.label_columns) == ("text", 60, ("message",), ("kind",))
    assert survey_upload(add(b"a,b\n1,x\n3,y\n", "plain.csv")).kind == "table"


def test_a_column_of_empty_texts_holds_none() -> None:
    assert survey_upload(add_mails(mails().assign(message=""))).kind == "table"


def test_a_long_text_is_no_fault() -> None:
    table = mails()
    table.loc[3, "message"] = "word " * 20_000
    upload = add_mails(table)
    assert survey_upload(upload).columns == ("message",)
    assert len(raw_rows(upload, RawChoice("words", "message", "kind")).names) == 60


def test_texts_become_an_upload_that_opens_as_a_data_set() -> None:
    raw, choice = (
        add_mails(mails().assign(message=[" ", *mails()["message"][1:]])),
        RawChoice("words", "message", "kind"),
    )
    name = tasks.encode_upload(raw.name, choice, "me", "here")
    made = uploads.get(name)
    assert (made.file_name, made.owner, made.server) == ("mails message words.npz", "me", "here")
    assert not feature_path(raw, choice).exists() and uploads.find(raw.name) is not None
    uploads.apply_schema(made, make_schema({"label": "y", "anomaly": ("spam",)}))
    dataset = load_cached(name)
    assert (dataset.rows, int(dataset.y.sum())) == (59, 11)
    assert dataset.previews is not None and dataset.previews.name(4) == "5"
    assert dataset.previews.text(4) == mails()["message"][5]


def test_images_become_an_upload_that_knows_what_was_left_out() -> None:
    raw = add(archive({**pictures(12), "good/damaged.png": b"no image"}), "parts.zip")
    name = tasks.encode_upload(raw.name, RawChoice("pixels"), "me", "here")
    made, _ = uploads.apply_schema(uploads.get(name), make_schema({"label": "y", "anomaly": ("bent",)}))
    dataset = load_cached(name)
    assert made.file_name == "parts pixels.npz" and (dataset.rows, int(dataset.y.sum())) == (12, 3)
    assert any("parts.zip: 1 row was left out: good/damaged.png" in note for note in made.notes)
    assert dataset.previews is not None and dataset.previews.picture(3)[8:12] == b"WEBP"
    assert dataset.provenance.note == "features of the images in parts.zip by pixels"


def test_a_stopped_task_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, choice = add_mails(mails(1200)), RawChoice("words", "message")
    begun: list[int] = []

    def stop(done: int, total: int) -> None:
        begun.append(done)
        if done:
            raise Cancelled

    monkeypatch.setattr(tasks, "report_progress", stop)
    with pytest.raises(Cancelled):
        tasks.encode_upload(raw.name, choice, "me", "here")
    assert partial_folder(feature_path(raw, choice)).is_dir()
    monkeypatch.setattr(tasks, "report_progress", lambda done, total: begun.append(done))
    begun.clear()
    made = uploads.get(tasks.encode_upload(raw.name, choice, "me", "here"))
    assert begun[0] > 0
    assert not partial_folder(feature_path(raw, choice)).exists()
    about = read_about(uploads.source_path(made))
    assert about is not None and about.source == "mails.csv"


def test_features_without_room_are_kept_until_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, choice = add_mails(), RawChoice("words", "message")
    add_features = raw_uploads.add_features

    def refuse(*arguments: object) -> Upload:
        raise BadDataFile("no room")

    monkeypatch.setattr(raw_uploads, "add_features", refuse)
    with pytest.raises(BadDataFile, match="no room"):
        tasks.encode_upload(raw.name, choice, "me", "here")
    monkeypatch.setattr(raw_uploads, "add_features", add_features)
    monkeypatch.setattr(tasks, "make_features", refuse)  # they are made already
    assert uploads.find(tasks.encode_upload(raw.name, choice, "me", "here")) is not None


def test_there_must_be_room_before_features_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = add_mails()
    monkeypatch.setattr(uploads, "MAX_TABLES", 1)
    monkeypatch.setattr(tasks, "make_features", lambda *arguments: pytest.fail("it began"))
    with pytest.raises(BadDataFile, match="You already have 1 tables here: remove one before you upload mails mess"):
        tasks.encode_upload(raw.name, RawChoice("words", "message"), "me", "here")


def test_a_removed_upload_is_one_sentence() -> None:
    raw = add_mails()
    uploads.remove(raw)
    with pytest.raises(UnknownDataset, match=r"mails\.csv was removed"):
        survey_upload(raw)
    with pytest.raises(UnknownDataset, match="was removed"):
        tasks.encode_upload(raw.name, RawChoice("words", "message"), "me", "here")


def test_more_rows_than_a_page_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_uploads, "MAX_RAW_ROWS", 50)
    with pytest.raises(BadDataFile, match="holds 60 texts, and at most 50 become features on a page"):
        raw_rows(add_mails(), RawChoice("words", "message"))


@pytest.mark.parametrize(
    ("rows", "dimension", "fits"),
    [
        (100, None, True),
        (20_000, 512, True),
        (20_000, 1024, True),
        (20_000, 2048, False),
        (10, 20_000, False),
        (60_000, 1000, False),
    ],
)
def test_features_must_fit_an_upload(rows: int, dimension: int | None, fits: bool) -> None:
    assert (check_dimension(rows, dimension) == "") == fits


def test_each_choice_has_a_file_and_the_same_choice_the_same() -> None:
    raw = add_mails()
    choices = [RawChoice("words", "message", "kind"), RawChoice("words", "message"), RawChoice("minilm", "message")]
    assert len({feature_path(raw, choice) for choice in choices}) == 3
    assert feature_path(raw, RawChoice("words", "message", "kind")) == feature_path(raw, choices[0])
    long = RawChoice("words", "m" * 5000)
    assert len(feature_title(raw, long)) < 200
