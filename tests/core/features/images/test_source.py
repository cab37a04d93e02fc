"""Folders and archives as raw rows: names, labels, pixels, and files that are missing, changed or damaged."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.errors import BadDataFile, InvalidConfig, UnknownDataset
from anoonly_core.features.images import source as module
from anoonly_core.features.images.decoding import FIRST_PAGE, thumbnail
from anoonly_core.features.images.preprocessing import image_choices, preprocess
from anoonly_core.features.images.source import ImageSource, find_images
from anoonly_core.features.source import RawRow
from tests.core.features.images.made import PIXEL, SMALL, archive_of, encoded, folder_of, noise

PICTURES = {"good/a.png": noise(20, 12, 0), "good/b.png": noise(9, 30, 1), "bad/c.png": noise(8, 8, 2)}
FILES = {name: encoded(pixels) for name, pixels in PICTURES.items()}
Maker = Callable[[Path, dict[str, bytes]], Path]
BOTH = pytest.mark.parametrize(
    "make", [folder_of, lambda path, files: archive_of(path.with_suffix(".zip"), files)], ids=["folder", "archive"]
)


def rows_of(source: ImageSource) -> list[RawRow]:
    found = source.read(range(len(source.names)), SMALL)
    assert all(isinstance(row, RawRow) for row in found)
    return [row for row in found if isinstance(row, RawRow)]


@BOTH
def test_rows_have_the_pixels_and_previews_of_their_files(tmp_path: Path, make: Maker) -> None:
    source = pickle.loads(pickle.dumps(find_images(make(tmp_path / "parts", FILES))))
    assert source.kind == "image" and source.title.startswith("parts")
    assert source.names == ("bad/c.png", "good/a.png", "good/b.png") and source.labels == ("bad", "good", "good")
    assert source.left_out == () and source.notes == ()
    for name, row in zip(source.names, rows_of(source), strict=True):
        picture = Image.fromarray(PICTURES[name])
        assert np.array_equal(row.content, preprocess(picture, image_choices(SMALL)))
        assert row.preview == thumbnail(picture) and row.note == ""


@BOTH
def test_rows_are_read_in_any_order_and_number(tmp_path: Path, make: Maker) -> None:
    source = find_images(make(tmp_path / "parts", FILES))
    every = rows_of(source)
    again = source.read([2, 0, 2], SMALL)
    assert [np.array_equal(row.content, every[at].content) for row, at in zip(again, (2, 0, 2), strict=True)] == [
        True
    ] * 3
    assert source.read([], SMALL) == []


def test_a_folder_and_its_archive_give_the_same_rows(tmp_path: Path) -> None:
    folder, archive = find_images(folder_of(tmp_path / "p", FILES)), find_images(archive_of(tmp_path / "p.zip", FILES))
    assert (folder.names, folder.labels) == (archive.names, archive.labels)
    for ours, theirs in zip(rows_of(folder), rows_of(archive), strict=True):
        assert np.array_equal(ours.content, theirs.content) and ours.preview == theirs.preview


@BOTH
def test_damaged_files_are_left_out_beside_good_ones(tmp_path: Path, make: Maker) -> None:
    files = {"a.png": FILES["good/a.png"][:60], "b.png": b"no image", "c.png": FILES["bad/c.png"], "d.jpg": b""}
    files["e.tif"] = encoded(noise(8, 8), "TIFF", save_all=True, append_images=[Image.fromarray(noise(8, 8, 1))])
    files["wrong.jpg"] = FILES["good/a.png"]  # the content decides
    source = find_images(make(tmp_path / "parts", files))
    found = source.read(range(len(source.names)), SMALL)
    reasons = {row.name: row.reason for row in (*source.left_out, *found) if isinstance(row, LeftOut)}
    assert reasons == {
        "a.png": "it is a PNG file that ends too early",
        "b.png": "it is no PNG, JPEG, TIFF, WebP, BMP or GIF by its content",
        "d.jpg": "it is empty",
    }
    assert [row.note for row in found if isinstance(row, RawRow)] == ["", FIRST_PAGE, ""]


def test_files_that_change_or_go_while_they_are_read_are_left_out(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "parts", {f"{name}.png": FILES["bad/c.png"] for name in "abcdef"})
    source = find_images(root)
    (root / "a.png").unlink()
    (root / "b.png").write_bytes(FILES["good/a.png"])
    os.utime(root / "c.png", ns=(0, 0))
    for name, target in (("d", tmp_path / "secret.png"), ("e", root / "f.png")):
        (root / f"{name}.png").unlink()
        target.write_bytes(FILES["bad/c.png"]) if name == "d" else None
        (root / f"{name}.png").symlink_to(target)
    found = source.read(range(6), SMALL)
    reasons = [row.reason if isinstance(row, LeftOut) else "" for row in found]
    assert reasons[0] == "it cannot be read: No such file or directory"
    assert reasons[1] == reasons[2] == "it has changed since it was listed"
    assert all(reason.startswith("it cannot be read: Too many levels of symbolic links") for reason in reasons[3:5])
    assert reasons[5] == ""


def test_a_pipe_in_place_of_a_file_blocks_nothing(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "parts", {"a.png": PIXEL})
    source = find_images(root)
    (root / "a.png").unlink()
    os.mkfifo(root / "a.png")
    assert source.read([0], SMALL) == [LeftOut(name="a.png", reason="it has changed since it was listed")]


def test_an_archive_that_changes_or_goes_leaves_its_rows_out(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "p.zip", FILES)
    source = find_images(path)
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    first, *others = source.read([1, 0, 2], SMALL)
    assert first == LeftOut(name="good/a.png", reason="it is damaged in the archive")
    assert all(isinstance(row, RawRow) for row in others)
    path.unlink()
    assert {row.reason for row in source.read([0, 1], SMALL) if isinstance(row, LeftOut)} == {
        "it cannot be read: No such file or directory"
    }


# Labels


@BOTH
def test_labels_come_from_a_table_beside_the_images(tmp_path: Path, make: Maker) -> None:
    files = {**FILES, "labels.csv": b"file,label\na.png,ok\nb.png,crack\n", "good/labels.csv": b"not this one"}
    source = find_images(make(tmp_path / "parts", files))
    assert source.labels == ("", "ok", "crack")
    assert source.notes == (
        f"1 file in {source.title} that is no image by the suffix is not read.",  # the table below the top
        f"The labels are those of labels.csv in {source.title}.",
        "Images without a label in labels.csv: 1 of 3.",
    )
    assert find_images(source.path, "none").labels is None


@BOTH
def test_labels_come_from_a_table_that_is_named(tmp_path: Path, make: Maker) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("name,y\ngood/a.png,1\ngood/b.png,2\nbad/c.png,3\n")
    files = {**FILES, "labels.csv": b"file,label\na.png,ok\n"}
    source = find_images(make(tmp_path / "parts", files), table)
    assert source.labels == ("3", "1", "2") and source.notes == ()
    table.write_text("name,y\nq.png,1\n")
    with pytest.raises(BadDataFile, match=r"mine\.csv names none of the images"):
        find_images(source.path, table)


@BOTH
def test_a_huge_table_beside_the_images_is_not_read(
    tmp_path: Path, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LABEL_FILE", 10)
    monkeypatch.setattr(ImageSource, "_content", None)
    path = make(tmp_path / "parts", {**FILES, "labels.csv": b"file,label\na.png,ok\n"})
    with pytest.raises(BadDataFile, match=r"labels\.csv in parts.* has more than the 0 MB of labels that are read"):
        find_images(path)


def test_a_damaged_table_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "p.zip", {"labels.csv": b"file,label\na.png,ok\n" * 9, **FILES})
    content = bytearray(path.read_bytes())
    content[45] ^= 255
    path.write_bytes(content)
    with pytest.raises(BadDataFile, match=r"labels\.csv in p\.zip cannot be read: mend or remove it"):
        find_images(path)
    assert find_images(path, "none").labels is None


@BOTH
def test_mvtec_ad_gives_its_labels_and_no_masks(tmp_path: Path, make: Maker) -> None:
    names = ("train/good/0.png", "test/good/0.png", "test/crack/0.png", "ground_truth/crack/0_mask.png")
    files = {f"bottle/{name}": PIXEL for name in names} | {"bottle/license.txt": b"1", "bottle/readme.txt": b"1"}
    source = find_images(make(tmp_path / "mvtec", files))
    assert source.names == ("bottle/test/crack/0.png", "bottle/test/good/0.png", "bottle/train/good/0.png")
    assert source.labels == ("crack", "good", "good")
    assert [note.split()[0] for note in source.notes] == ["2", "The", "1", "As"]
    unlabeled = find_images(source.path, "none")
    assert unlabeled.names == source.names and len(unlabeled.notes) == 3


def test_a_label_of_absurd_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataFile, match="has a label of 150 characters, and at most 100 are read"):
        find_images(archive_of(tmp_path / "p.zip", {f"{'x' * 150}/a.png": PIXEL, "y/a.png": PIXEL}))


# Inputs that are no source


def test_what_holds_no_image_is_refused_by_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset, match=r"There is no folder and no \.zip archive"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "a.png").write_bytes(PIXEL)
    with pytest.raises(BadDataFile, match=r"a\.png is neither a folder nor a \.zip archive"):
        find_images(tmp_path / "a.png")
    (tmp_path / "cut.ZIP").write_bytes(archive_of(tmp_path / "whole.zip", FILES).read_bytes()[:-30])
    with pytest.raises(BadDataFile, match=r"cut\.ZIP is a damaged \.zip archive: make it again"):
        find_images(tmp_path / "cut.ZIP")
    for absurd in ("x" * 5000, "x\0y"):
        with pytest.raises(UnknownDataset, match=r"There is no folder and no \.zip archive"):
            find_images(tmp_path / absurd)
    empty = folder_of(tmp_path / "empty", {"a.txt": b"1"})
    with pytest.raises(BadDataFile, match="empty holds no image among its 1 file: PNG, JPEG"):
        find_images(empty)
    with pytest.raises(BadDataFile, match=r"p\.zip holds no image: PNG"):
        find_images(archive_of(tmp_path / "p.zip", {}))
    hostile = archive_of(tmp_path / "h.zip", {"../a.png": PIXEL})
    with pytest.raises(
        BadDataFile, match=r"h\.zip holds no image that can be read: 1 file left out, such as \.\./a\.png"
    ):
        find_images(hostile)
    masks = folder_of(tmp_path / "masks", {"test/x/labels.csv": b"1", ".git/a.png": PIXEL})
    with pytest.raises(BadDataFile, match="masks holds no image among its 1 file"):
        find_images(masks)


def test_preprocessing_of_texts_is_refused(tmp_path: Path) -> None:
    source = find_images(folder_of(tmp_path, {"a.png": PIXEL}))
    with pytest.raises(
        InvalidConfig, match="The preprocessing of the encoder lacks resize: choose an encoder of images"
    ):
        source.read([0], {"tokens": 256})


# Identity


@BOTH
def test_the_identity_changes_with_names_contents_and_labels(tmp_path: Path, make: Maker) -> None:
    first = find_images(make(tmp_path / "first", FILES))
    identities = {first.identity}
    changes: list[dict[str, bytes]] = [
        {**FILES, "new.png": PIXEL},
        {**FILES, "good/a.png": encoded(noise(20, 12, 5))},
        {name: content for name, content in FILES.items() if name != "good/a.png"},
        {**FILES, "labels.csv": b"file,label\na.png,ok\n"},
    ]
    for number, files in enumerate(changes):
        identities.add(find_images(make(tmp_path / f"changed{number}", files)).identity)
    identities.add(find_images(first.path, "none").identity)
    assert len(identities) == 6
    assert find_images(first.path).identity == first.identity


def test_an_archive_that_moves_keeps_its_identity(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "p.zip", FILES)
    before = find_images(path).identity
    assert find_images(path.rename(tmp_path / "q.zip")).identity == before
