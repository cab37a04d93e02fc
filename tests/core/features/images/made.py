"""Images that the tests make: files, folders and archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

RESNET = {
    "resize": 256,
    "crop": 224,
    "interpolation": "bilinear",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
SMALL = {**RESNET, "resize": 8, "crop": 8}


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth random colors, uint8 [height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: Image.Image | np.ndarray, format_name: str = "PNG", **options: object) -> bytes:
    """An image as the bytes of a file."""
    body = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(body, format_name, **options)
    return body.getvalue()


PIXEL = encoded(np.full((1, 1, 3), 7, dtype=np.uint8))


def folder_of(root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder that holds these files by their paths."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def archive_of(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A .zip archive that holds these members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
