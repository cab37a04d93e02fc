"""A hostile folder and its archive become a data set of the rows that hold a picture; all others are listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.feature_files import read_about, read_previews
from anoonly_core.features.encoders.pixels import PixelEncoder
from anoonly_core.features.images.decoding import thumbnail
from anoonly_core.features.images.preprocessing import image_choices, preprocess
from anoonly_core.features.images.source import find_images
from anoonly_core.features.run import make_features
from tests.core.features.images.made import PIXEL, archive_of, encoded, folder_of, noise
from tests.core.features.images.test_decoding import bombs

GOOD = {f"bottle/train/good/{number}.png": noise(20, 30, number) for number in range(6)}
BROKEN = {f"bottle/test/broken/{number}.png": noise(30, 20, number) for number in range(5)}
PICTURES = {**BROKEN, **GOOD}
HOSTILE = {
    **{f"bottle/test/broken/bomb {name}.png": content for name, content in bombs().items()},
    "bottle/test/broken/cut.png": PIXEL[:40],
    "bottle/test/broken/script.jpg": b"#!/bin/sh\n",
    "bottle/ground_truth/broken/0_mask.png": PIXEL,
    "bottle/readme.txt": b"text",
}
PAGES = encoded(noise(9, 9), "TIFF", save_all=True, append_images=[Image.fromarray(noise(9, 9, 1))])


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_hostile_source_becomes_a_data_set(tmp_path: Path, kind: str) -> None:
    files = {name: encoded(pixels) for name, pixels in PICTURES.items()}
    files |= {**HOSTILE, "bottle/train/good/pages.tif": PAGES}
    if kind == "folder":
        path = folder_of(tmp_path / "parts", files)
        (path / "bottle" / "link.png").symlink_to("/etc/passwd")
    else:
        path = archive_of(tmp_path / "parts.zip", {**files, "../link.png": PIXEL})
    out, encoder = tmp_path / "parts.npz", PixelEncoder(8)
    make_features(find_images(path), encoder, out, workers=1)

    data, previews, about = load_cached(f"{out}?label=y&anomaly=broken"), read_previews(out), read_about(out)
    assert previews is not None and about is not None
    names = [*PICTURES, "bottle/train/good/pages.tif"]
    assert previews.names(range(12)) == names and data.y.tolist() == [1] * 5 + [0] * 7
    choices = image_choices(encoder.identity.preprocessing)
    for row, pixels in enumerate(PICTURES.values()):
        picture = Image.fromarray(pixels)
        assert np.array_equal(data.X[row], encoder.encode([preprocess(picture, choices)])[0])
        assert previews.picture(row) == thumbnail(picture)
    reasons = {left.name.rpartition("/")[2]: left.reason for left in about.left_out}
    assert set(reasons) == {*(f"bomb {name}.png" for name in bombs()), "cut.png", "script.jpg", "link.png"}
    assert reasons["script.jpg"] == "it is no PNG, JPEG, TIFF, WebP, BMP or GIF by its content"
    assert sum("pixels" in reason for reason in reasons.values()) == 6
    counted = ("1 file in", "1 mask in", "1 image: Only the first page")
    assert all(any(note.startswith(words) for note in about.notes) for words in counted)
