"""Rows of image data sets as small images."""

from __future__ import annotations

from typing import Any

import numpy as np

from anoonly_core.data.dataset import Dataset

__all__ = ["MAX_ROW_IMAGES", "row_image", "row_pictures"]

MAX_ROW_IMAGES = 100  # in one table


def row_pictures(dataset: Dataset, positions: np.ndarray) -> dict[str, Any] | None:
    """Return rows as pictures for the browser: their shape, and by row id a hexadecimal digit a pixel.

    None if the rows of the data set are no pictures. `positions` are those of the rows in the data set.
    """
    if dataset.image_shape is None:
        return None
    distinct = np.unique(positions)
    pixels = dataset.X[distinct]
    levels = np.clip(np.rint(15 * pixels / max(float(pixels.max(initial=0)), 1e-9)), 0, 15).astype(int)
    texts = ["".join(f"{level:x}" for level in row) for row in levels]
    rows = map(str, dataset.row_ids[distinct].tolist())
    return {"shape": list(dataset.image_shape), "rows": dict(zip(rows, texts, strict=True))}


def row_image(dataset: Dataset, row_id: int) -> str:
    """Return the row with this id as a PNG of 32 × 32 pixels in a data URL; the data set must have an image shape."""
    import base64
    import io

    from PIL import Image

    position = int(np.flatnonzero(dataset.row_ids == row_id)[0])
    pixels = dataset.X[position].reshape(dataset.image_shape)
    gray = (255 * pixels / max(float(pixels.max()), 1.0)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(gray).resize((32, 32), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
