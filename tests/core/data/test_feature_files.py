"""Feature files: what is written comes back, ADBench's reader reads them, and damaged or hostile ones are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.data.feature_files import (
    EncoderIdentity,
    FeatureAbout,
    LeftOut,
    feature_bytes,
    read_about,
    read_previews,
    write_features,
)
from anoonly_core.data.tables.readers import read_table
from anoonly_core.errors import BadDataFile

ENCODER = EncoderIdentity(
    name="pixels", kind="image", weights="", preprocessing={"side": 32, "mean": (0.5, 0.25)}, dimension=3
)
ABOUT = FeatureAbout(
    encoder=ENCODER, source="parts.zip", saved_by="1", left_out=(LeftOut(name="a.png", reason="it is truncated"),)
)
X = np.arange(6, dtype=np.float64).reshape(2, 3)
NAMES = ["good/ä.png", "bad/2.png"]
PREVIEWS = [b"first", b""]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "parts.npz"
    write_features(file, X, np.array(["good", "bad"]), NAMES, PREVIEWS, ABOUT)
    return file


def test_what_is_written_comes_back(path: Path) -> None:
    previews = read_previews(path)
    assert read_about(path) == ABOUT
    assert previews is not None and previews.kind == "image"
    assert [previews.name(row) for row in range(2)] == NAMES
    assert [previews.picture(row) for row in range(2)] == PREVIEWS
    assert previews.text(0) == "first"


def test_it_is_a_table_of_features_and_labels(path: Path) -> None:
    table = read_table(path)
    assert [*table.columns] == ["x0", "x1", "x2", "y"]
    assert table["y"].tolist() == ["good", "bad"]
    assert (table[["x0", "x1", "x2"]].to_numpy() == X.astype(np.float32)).all()


def test_equal_content_gives_equal_bytes(path: Path) -> None:
    assert path.read_bytes() == feature_bytes(X, np.array(["good", "bad"]), NAMES, PREVIEWS, ABOUT)


def changed(path: Path, **arrays: Any) -> Path:
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive}
    np.savez(path, **{**content, **arrays})
    return path


@pytest.mark.parametrize(
    "about",
    [
        np.zeros(0, np.uint8),
        np.frombuffer(b"[" * 100, np.uint8),
        np.frombuffer(b'{"encoder": 1}', np.uint8),
        np.frombuffer(b"\xff\xfe", np.uint8),
        np.zeros(2**23, np.uint8),
        np.array(["text"]),
    ],
)
def test_another_description_makes_it_an_ordinary_table(path: Path, about: np.ndarray) -> None:
    changed(path, about=about)
    assert read_about(path) is None
    assert read_previews(path) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"row,label\n1,0\n"])
def test_any_other_file_is_no_feature_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.npz"
    file.write_bytes(content)
    assert read_about(file) is None
    assert read_about(tmp_path / "absent.npz") is None


@pytest.mark.parametrize(
    "ends", [np.array([5]), np.array([5, 4]), np.array([-1, 5]), np.array([5, 500]), np.array([5.0, 5.0])]
)
def test_previews_that_do_not_fit_are_refused(path: Path, ends: np.ndarray) -> None:
    previews = read_previews(changed(path, previews_ends=ends))
    assert previews is not None
    with pytest.raises(BadDataFile, match=r"parts\.npz holds no previews"):
        previews.picture(0)


def test_packed_previews_are_refused(path: Path) -> None:
    """Reading one cell of them would unpack them all, which a small file can make endless."""
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive}
    np.savez_compressed(path, **content)
    previews = read_previews(path)
    assert previews is not None
    with pytest.raises(BadDataFile, match=r"parts\.npz holds no previews"):
        previews.name(0)


def test_only_rows_of_the_file_have_previews(path: Path) -> None:
    previews = read_previews(path)
    assert previews is not None
    assert [row in previews for row in (-1, 0, 1, 2)] == [False, True, True, False]


def test_a_file_that_is_written_again_shows_its_new_rows(path: Path) -> None:
    first = read_previews(path)
    assert first is not None and read_previews(path) is first
    write_features(path, X, None, ["c", "dd"], [b"1", b"22"], ABOUT)
    again = read_previews(path)
    assert again is not None and again.names([1, 0]) == ["dd", "c"]


def test_a_removed_file_is_one_sentence(path: Path) -> None:
    previews = read_previews(path)
    assert previews is not None and previews.name(0)
    path.unlink()
    assert read_previews(path) is None
    with pytest.raises(BadDataFile, match="make it again"):
        previews.name(0)


def test_it_says_what_made_it_and_what_is_left_out() -> None:
    weights = ENCODER.model_copy(update={"weights": "0123456789abcdef", "name": "resnet18"})
    many = tuple(LeftOut(name=f"{number}.png", reason="it is truncated") for number in range(5))
    about = ABOUT.model_copy(update={"encoder": weights, "left_out": many, "notes": ("Random weights.",)})
    assert about.origin == "features of the images in parts.zip by resnet18, weights 0123456789ab"
    first, second = about.sentences
    assert first == "Random weights."
    assert second.startswith("parts.zip: 5 rows were left out: 0.png (it is truncated), ")
    assert second.endswith(" and 2 more.")
    assert ABOUT.sentences == ("parts.zip: 1 row was left out: a.png (it is truncated).",)


def test_a_file_with_large_previews_is_read_where_another_table_is_too_large(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.data.tables.files.MAX_BYTES", 100)
    assert len(read_table(path)) == 2
    (path.parent / "rows.csv").write_text("a,b\n" + "1,2\n" * 50)
    with pytest.raises(BadDataFile, match=r"rows\.csv is too large: 0 MB, and at most 0 MB are read"):
        read_table(path.parent / "rows.csv")
    monkeypatch.setattr("anoonly_core.data.tables.files.MAX_UNPACKED", 100)
    with pytest.raises(BadDataFile, match="is too large"):
        read_table(path)


def test_an_archive_with_a_long_list_of_members_is_not_walked(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2000):
            archive.writestr(f"member {number}", b"")
    assert read_about(path) is None and read_previews(path) is None


def test_only_npz_files_are_looked_into(path: Path) -> None:
    """The archive of images of a visitor is never listed in the server."""
    assert read_previews(path.rename(path.with_suffix(".zip"))) is None
