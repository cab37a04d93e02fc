"""Rows of image data sets as small images."""

from __future__ import annotations

import numpy as np

from anoonly_core.data.dataset import Dataset

__all__ = ["MAX_ROW_IMAGES", "row_image"]

MAX_ROW_IMAGES = 100  # in one table


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
