"""Pixels as an image encoder takes them: shorter side resized, center cropped, equal to torchvision's transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from anoonly_core.errors import InvalidConfig
from anoonly_core.features.encoders.preprocessing import ImagePreprocessing, image_preprocessing

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["image_choices", "preprocess"]

MAX_RESIZED = 2**24  # pixels of a whole resized picture; of a longer one only the part that stays is computed


def image_choices(preprocessing: Mapping[str, object]) -> ImagePreprocessing:
    """Return the choices in the preprocessing of an `EncoderIdentity`; other keys are those of its encoder.

    Raises
    ------
    InvalidConfig
        If they are not those of an image encoder.
    """
    known = {name: value for name, value in preprocessing.items() if name in ImagePreprocessing.model_fields}
    if missing := [name for name in ("resize", "crop") if name not in known]:
        raise InvalidConfig(f"The preprocessing of the encoder lacks {missing[0]}: choose an encoder of images.")
    return ImagePreprocessing.model_validate(image_preprocessing(known, {}))


def preprocess(picture: Image.Image, choices: ImagePreprocessing) -> np.ndarray:
    """Return the pixels of a picture as an encoder takes them, uint8 [crop, crop, 3].

    They equal, to the bit, those of torchvision's `ImageClassification` before it normalizes. Of a picture that is
    more than 256 times as long as wide only the part at the center is resized; it may differ by one level.

    Parameters
    ----------
    picture
        Picture of mode RGB.
    choices
        Sizes and filter; the encoder normalizes.

    Source: torchvision.transforms.functional, `resize` and `center_crop`.
    """
    from PIL import Image

    resample = Image.Resampling[choices.interpolation.upper()]
    width, height = picture.size
    if choices.resize:
        width, height = _resized(width, height, choices.resize)
    left, top = _margin(width, choices.crop), _margin(height, choices.crop)
    if (width, height) == picture.size:
        part = picture
    elif width * height <= MAX_RESIZED:
        part = picture.resize((width, height), resample)
    else:
        part, left, top = _resized_part(picture, (width, height), (left, top), choices.crop, resample)
    return np.array(part.crop((left, top, left + choices.crop, top + choices.crop)))


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Return the size with a given shorter side and the longer one in proportion, rounded down."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _margin(side: int, crop: int) -> int:
    """Return where the part at the center begins; below 0 if the side is shorter than the part."""
    return -((crop - side) // 2) if crop > side else round((side - crop) / 2)


def _resized_part(
    picture: Image.Image,
    size: tuple[int, int],
    begin: tuple[int, int],
    crop: int,
    resample: Image.Resampling,
) -> tuple[Image.Image, int, int]:
    """Resize the part of a picture that stays; return it with the beginning of the crop in it.

    `size` is that of the whole resized picture, and `begin` that of the crop in it.
    """
    lows = [max(low, 0) for low in begin]
    highs = [min(low + crop, side) for low, side in zip(begin, size, strict=True)]
    across, down = (before / after for before, after in zip(picture.size, size, strict=True))
    box = (lows[0] * across, lows[1] * down, highs[0] * across, highs[1] * down)
    kept = (highs[0] - lows[0], highs[1] - lows[1])
    return picture.resize(kept, resample, box), begin[0] - lows[0], begin[1] - lows[1]
