"""Image encoders of local files in the format of ONNX, with the preprocessing that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.data.tables.files import MAX_COLUMNS, printable
from anoonly_core.errors import BadModelFile
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.onnx_session import open_session
from anoonly_core.features.encoders.preprocessing import image_preprocessing

__all__ = ["IMAGENET", "ONNX_IMAGES", "OnnxImages"]

ONNX_IMAGES = "onnx-images"
# As most networks for pictures were trained.
IMAGENET: Mapping[str, Any] = {
    "resize": 256,
    "crop": 224,
    "interpolation": "bilinear",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
COLORS = 3
FLOAT = "tensor(float)"


class OnnxImages(Encoder):
    """A network for pictures in the format of ONNX; its first output holds the features.

    An output of feature maps is averaged over height and width. Each picture is one call, so that its features do not
    depend on others.

    Parameters
    ----------
    model
        Network with one input of floats, [1, 3, height, width] or [1, height, width, 3], in red, green and blue.
    choices
        Choices that replace those of `IMAGENET`. A network for one size of pictures sets the crop, and the size of
        the resizing to 8/7 of that, unless they are chosen.

    Raises
    ------
    ExtraMissing
        If ONNX Runtime is not installed.
    BadModelFile
        If the file is missing, too large or damaged, or the network is no encoder of pictures.
    InvalidConfig
        If a choice is invalid.
    """

    def __init__(self, model: Path, choices: Mapping[str, object] | None = None) -> None:
        self._shown = printable(model)
        self._session, weights = open_session(model)
        self._input, self._is_first, side = self._check_input()
        sizes = {} if side is None else {"resize": side * 8 // 7, "crop": side}
        settings = image_preprocessing({**IMAGENET, **sizes}, choices or {})
        if side is not None and settings["crop"] != side:
            raise BadModelFile(f"{self._shown} takes pictures of {side} × {side} pixels: leave the crop out.")
        self._mean, self._std = (np.array(values, dtype=np.float32) for values in (settings["mean"], settings["std"]))
        trial = self._features(np.zeros((settings["crop"], settings["crop"], COLORS), dtype=np.uint8))
        self.identity = EncoderIdentity(
            name=ONNX_IMAGES,
            kind="image",
            weights=weights,
            preprocessing=settings,
            dimension=len(trial),
        )

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        features = np.zeros((len(rows), self.identity.dimension), dtype=np.float32)
        for place, pixels in enumerate(rows):
            features[place] = self._features(np.asarray(pixels))
        return features

    def _features(self, pixels: np.ndarray) -> np.ndarray:
        """Return the features of one picture, uint8 [height, width, 3]."""
        picture = (pixels.astype(np.float32) / np.float32(255) - self._mean) / self._std
        picture = picture.transpose(2, 0, 1) if self._is_first else picture
        try:
            output = self._session.run(None, {self._input: np.ascontiguousarray(picture[None])})[0]
        except Exception as error:  # ONNX Runtime has a class of its own for each kind
            side = len(pixels)
            raise BadModelFile(f"{self._shown} cannot encode pictures of {side} × {side} pixels.") from error
        values = np.asarray(output)
        if values.ndim == 4 and len(values) == 1:
            values = values.mean(axis=(2, 3) if self._is_first else (1, 2), dtype=np.float64)
        if values.ndim != 2 or len(values) != 1 or not 1 <= values.shape[1] <= MAX_COLUMNS:
            raise BadModelFile(
                f"{self._shown} is no encoder of pictures: its first output has the shape {list(values.shape)}, and it "
                "must be [1, features] or feature maps."
            )
        return np.asarray(values[0], dtype=np.float32)

    def _check_input(self) -> tuple[str, bool, int | None]:
        """Return the name of the input, True if its colors come first, and its side in pixels if that is fixed."""
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 and inputs[0].type == FLOAT else []
        is_first = len(shape) == 4 and shape[1] == COLORS
        if len(shape) != 4 or not (is_first or shape[3] == COLORS):
            listed = printable(", ".join(f"{item.name} ({item.type} {item.shape})" for item in inputs)) or "none"
            raise BadModelFile(
                f"{self._shown} is no encoder of pictures: its inputs are {listed}, and there must be one of floats "
                "with three colors, [1, 3, height, width] or [1, height, width, 3]."
            )
        height, width = shape[2:] if is_first else shape[1:3]
        sides = {side for side in (height, width) if isinstance(side, int)}
        if len(sides) > 1:
            raise BadModelFile(f"{self._shown} takes pictures of {width} × {height} pixels, and they must be square.")
        return inputs[0].name, is_first, sides.pop() if sides else None
