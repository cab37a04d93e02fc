"""Gray pixels as features: an encoder without weights, to begin with and to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.errors import InvalidConfig
from anoonly_core.features.encoders.encoder import Encoder

__all__ = ["SIDE", "PixelEncoder", "load_pixels"]

SIDE = 32
MAX_SIDE = 100  # 10,000 columns, as many as a table may have
GRAY = np.array([19595, 38470, 7471], dtype=np.int64)  # of red, green and blue in 65,536, as ITU-R 601 and Pillow say


class PixelEncoder(Encoder):
    """Pixels of the picture in gray, row by row, from 0 (black) to 1.

    Parameters
    ----------
    side
        Height and width to which pictures are resized and cropped.

    Raises
    ------
    InvalidConfig
        If `side` is not from 1 to 100.
    """

    def __init__(self, side: int = SIDE) -> None:
        if not 1 <= side <= MAX_SIDE:
            raise InvalidConfig(f"The side of pictures for pixels must be from 1 to {MAX_SIDE}, not {side}.")
        self.identity = EncoderIdentity(
            name="pixels",
            kind="image",
            weights="",
            preprocessing={
                "resize": side,
                "crop": side,
                "interpolation": "bilinear",
                "mean": (0.0, 0.0, 0.0),
                "std": (1.0, 1.0, 1.0),
            },
            dimension=side * side,
        )

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        if not rows:
            return np.zeros((0, self.identity.dimension), np.float32)
        pixels = np.stack([np.asarray(row) for row in rows]).astype(np.int64)
        gray = (pixels @ GRAY + 0x8000) >> 16
        return (gray.reshape(len(rows), -1) / 255).astype(np.float32)


def load_pixels(weights: str | None, choices: Mapping[str, object]) -> PixelEncoder:
    """Return the encoder of gray pixels; the choice "crop" is the side.

    Raise InvalidConfig if weights are given, or the side is no whole number from 1 to 100.
    """
    if weights is not None:
        raise InvalidConfig("The encoder pixels has no weights: leave --weights out.")
    side = choices.get("crop", SIDE)
    if not isinstance(side, int):
        raise InvalidConfig(f"The side of pictures for pixels must be from 1 to {MAX_SIDE}, not {str(side)[:60]}.")
    return PixelEncoder(side)
