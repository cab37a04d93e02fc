"""Tells archives of images from archives of a table."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from anoonly_core.features.opening import holds_images


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["rows.csv"], False),
        (["rows.csv", "readme.md"], False),
        (["rows.csv", "figure.png"], False),
        (["labels.csv"], False),
        (["rows.csv", "__MACOSX/._rows.csv"], False),
        (["one.png", "labels.csv"], True),
        (["train/one.png", "train/Labels.CSV"], True),
        (["one.png"], True),
        (["a/one.png", "b/two.png", "labels.csv"], True),
    ],
)
def test_an_archive_of_images_is_told_from_one_of_a_table(tmp_path: Path, members: list[str], expected: bool) -> None:
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, b"content")
    assert holds_images(path) is expected
