"""Rows of image data sets as small images."""

from __future__ import annotations

from typing import Any

import numpy as np

from anoonly_core.data.dataset import Dataset

__all__ = ["MAX_ROW_IMAGES", "row_image", "row_pictures"]

MAX_ROW_IMAGES = 100  # in one table


def row_pictures(dataset: Dataset, positions: np.ndarray) -> dict[str, Any] | None:
    """Return rows of an image data set as grayscale pictures in a compact form for the browser.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    positions : np.ndarray
        Row indices in the data set, int [n]; may repeat.

    Returns
    -------
    dict or None
        "shape": height and width; "rows": by row id, as text, one hexadecimal digit a pixel (0 black, f the brightest
        pixel of these rows). None if the rows of the data set are no images.
    """
    if dataset.image_shape is None:
        return None
    distinct = np.unique(positions)
    pixels = dataset.X[distinct]
    levels = np.clip(np.rint(15 * pixels / max(float(pixels.max(initial=0)), 1e-9)), 0, 15).astype(int)
    texts = ["".join(f"{level:x}" for level in row) for row in levels]
    rows = map(str, dataset.row_ids[distinct].tolist())
    return {"shape": list(dataset.image_shape), "rows": dict(zip(rows, texts, strict=True))}


def row_image(dataset: Dataset, row_id: int, size: int = 32) -> str:
    """Return one row of an image data set as a square grayscale PNG, `size` pixels wide, in a data URL.

    `row_id` is the id in `Dataset.row_ids`, not the row's index. The data set must have an image shape.
    """
    import base64
    import io

    from PIL import Image

    position = int(np.flatnonzero(dataset.row_ids == row_id)[0])
    pixels = dataset.X[position].reshape(dataset.image_shape)
    gray = (255 * pixels / max(float(pixels.max()), 1.0)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(gray).resize((size, size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
