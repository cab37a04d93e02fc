"""Folders of images: what is listed, refused and counted, within limits."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from anoonly_core.errors import BadDataFile
from anoonly_core.features.images import listing
from anoonly_core.features.images.listing import ListedFile, Listing, list_folder
from tests.core.features.images.made import folder_of


def names(found: Listing) -> list[str]:
    return sorted(file.name for file in found.images)


def reasons(found: Listing) -> dict[str, str]:
    return {row.name: row.reason for row in found.left_out}


def test_images_of_every_suffix_are_listed_with_size_and_time(tmp_path: Path) -> None:
    suffixes = (".png", ".JPG", ".jpeg", ".jpe", ".jfif", ".tif", ".TIFF", ".webp", ".bmp", ".dib", ".gif")
    folder_of(tmp_path, {f"a/b/x{suffix}": b"123" for suffix in suffixes})
    found = list_folder(tmp_path, "parts")
    assert names(found) == sorted(f"a/b/x{suffix}" for suffix in suffixes)
    path = tmp_path / "a" / "b" / "x.png"
    assert ListedFile("a/b/x.png", 3, path.stat().st_mtime_ns) in found.images
    assert not found.left_out and not found.notes()


def test_other_files_are_counted_by_kind_and_not_listed(tmp_path: Path) -> None:
    others = {
        "a.txt": b"1",
        "b.png.part": b"1",
        "README": b"1",
        "inner.zip": b"PK",
        ".hidden.png": b"1",
        "._a.png": b"",
    }
    folder_of(tmp_path, {"x.png": b"1", ".thumbnails/y.png": b"1", **others})
    found = list_folder(tmp_path, "parts")
    assert names(found) == ["x.png"] and not found.left_out
    assert found.notes() == [
        "1 archive inside parts is not opened.",
        "3 files in parts that are hidden are not read.",
        "3 files in parts that are no image by the suffix are not read.",
    ]


def test_symbolic_links_are_left_out_and_never_followed(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "root", {"x.png": b"1"})
    outside = folder_of(tmp_path / "outside", {"secret.png": b"1"})
    (root / "file.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "circle").symlink_to(root)
    (root / "dangling.png").symlink_to(root / "nowhere")
    (root / "library.so").symlink_to(root / "library.so.1")  # no image, so it is counted
    found = list_folder(root, "root")
    assert names(found) == ["x.png"]
    assert set(reasons(found)) == {"file.png", "folder", "circle", "dangling.png"}
    assert set(reasons(found).values()) == {"it is a symbolic link, which is not followed"}
    assert found.notes() == ["1 file in root that is no image by the suffix is not read."]


def test_a_file_that_vanishes_meanwhile_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Vanishing:
        """An entry of a folder whose file is gone when it is asked for its size."""

        def __init__(self, name: str) -> None:
            self.name = name

        def is_symlink(self) -> bool:
            return False

        def is_dir(self, *, follow_symlinks: bool = True) -> bool:
            return False

        def is_file(self, *, follow_symlinks: bool = True) -> bool:
            return True

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            if self.name == "gone.png":
                raise FileNotFoundError(2, "No such file or directory")
            return os.stat(tmp_path / self.name)

    folder_of(tmp_path, {"a.png": b"1", "z.png": b"1"})
    entries = [Vanishing(name) for name in ("a.png", "gone.png", "z.png")]
    monkeypatch.setattr(listing.os, "scandir", lambda _: nullcontext(entries))
    found = list_folder(tmp_path, "parts")
    assert names(found) == ["a.png", "z.png"]
    assert reasons(found) == {"gone.png": "it cannot be read: No such file or directory"}


def test_empty_huge_and_special_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, {"empty.png": b"", "x.png": b"1" * 2**20, "huge.png": b"1" * (2**20 + 1)})
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.setattr(listing, "MAX_FILE", 2**20)
    found = list_folder(tmp_path, "parts")
    assert names(found) == ["x.png"]
    assert reasons(found) == {
        "empty.png": "it is empty",
        "huge.png": "it takes 2 MB, and at most 1 MB are read",
        "pipe.png": "it is no regular file",
    }


def test_long_deep_and_undecodable_names_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_DEPTH", 2)
    monkeypatch.setattr(listing, "MAX_PATH", 20)
    folder_of(tmp_path, {"a/b/x.png": b"1", "a/b/c/y.png": b"1", f"{'ä' * 9}.png": b"1"})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"1")
    found = list_folder(tmp_path, "parts")
    assert names(found) == ["a/b/x.png"]
    assert reasons(found) == {
        "a/b/c": "it is a folder more than 2 folders deep",
        f"{'ä' * 9}.png": "it has a path of 22 bytes, and at most 20 are read",
        "\\udcff.png": "it has a name that is not UTF-8",
    }


def test_a_folder_that_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, {"x.png": b"1", "locked/y.png": b"1"})
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(listing.os, "scandir", refuse)
    found = list_folder(tmp_path, "parts")
    assert names(found) == ["x.png"]
    assert reasons(found) == {"locked": "it is a folder that cannot be read: Permission denied"}
    with pytest.raises(BadDataFile, match="parts cannot be read: Permission denied"):
        list_folder(tmp_path / "locked", "parts")


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("MAX_IMAGES", 2, "parts holds more than 2 images: take a part of it."),
        ("MAX_ENTRIES", 2, "parts holds more than 2 files and folders: take a part of it."),
        ("MAX_TOTAL", 2, "The images of parts take more than 0 TB: take a part of it."),
        ("MAX_LEFT_OUT", 0, r"parts holds more than 0 files that cannot be read, such as e.png \(it is empty\)"),
    ],
)
def test_more_than_the_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, sentence: str
) -> None:
    folder_of(tmp_path, {"1.png": b"1", "2.png": b"1", "3.png": b"1", "e.png": b""})
    monkeypatch.setattr(listing, limit, value)
    with pytest.raises(BadDataFile, match=sentence):
        list_folder(tmp_path, "parts")


def test_100_000_images_are_listed_and_one_more_is_refused() -> None:
    found = Listing("parts")
    for number in range(listing.MAX_IMAGES):
        found.count_entry()
        found.add(ListedFile(f"{number}.png", 1, 0))
    assert len(found.images) == 100_000
    with pytest.raises(BadDataFile, match="holds more than 100,000 images"):
        found.add(ListedFile("more.png", 1, 0))
