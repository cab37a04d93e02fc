"""Choices between an image and its encoder: size, crop, interpolation and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anoonly_core.errors import InvalidConfig

__all__ = ["ImagePreprocessing", "image_preprocessing"]

MAX_SIDE = 1024
Triple = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]


class ImagePreprocessing(BaseModel):
    """Steps from a picture to the input of an encoder.

    Attributes
    ----------
    resize
        Pixels of the shorter side after resizing; 0 for none.
    crop
        Height and width of the crop from the center.
    interpolation
        Method of resizing.
    mean, std
        Of red, green and blue, from 0 to 1: subtracted, and divided by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    resize: int = Field(default=256, ge=0, le=MAX_SIDE)
    crop: int = Field(default=224, ge=1, le=MAX_SIDE)
    interpolation: str = Field(default="bilinear", pattern="^(bilinear|bicubic)$")
    mean: Triple = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)


def image_preprocessing(default: Mapping[str, Any], choices: Mapping[str, object]) -> dict[str, Any]:
    """Return the preprocessing of an encoder of images: `choices` replace those of `default`.

    Raises
    ------
    InvalidConfig
        If a choice has an unknown name or an invalid value.
    """
    try:
        return ImagePreprocessing.model_validate({**default, **choices}).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "preprocessing"
        raise InvalidConfig(f"The choice {name} is invalid ({first['msg'].lower()}).") from error
