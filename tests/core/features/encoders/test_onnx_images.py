"""Networks for pictures in the format of ONNX: what enters them, what is taken from them, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.errors import BadModelFile, InvalidConfig
from anoonly_core.features.encoders.registry import load_encoder, load_identical
from tests.onnx_files import image_model

pytest.importorskip("onnxruntime")
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(5)]


def write(folder: Path, content: bytes) -> str:
    path = folder / "net.onnx"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("shape", [[1, 3, 16, 16], ["batch", 3, "height", "width"], [1, 16, 16, 3]])
def test_feature_maps_are_averaged_in_both_layouts(
    tmp_path: Path, pictures: list[np.ndarray], shape: list[str | int]
) -> None:
    path = write(tmp_path, image_model(shape))
    encoder = load_encoder("onnx-images", path, {**PLAIN, "crop": 16, "resize": 16})
    expected = np.stack([picture.reshape(-1, 3).mean(axis=0) / 255 for picture in pictures])
    features = encoder.encode(pictures)
    assert np.allclose(features, expected, rtol=1e-5)
    assert features.dtype == np.float32
    assert (encoder.encode(pictures[2:3]) == features[2:3]).all()
    assert encoder.encode([]).shape == (0, 3)
    assert encoder.identity.weights == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert load_identical(encoder.identity, path).identity == encoder.identity


def test_pictures_are_normalized(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    path = write(tmp_path, image_model([1, 3, 16, 16]))
    plain = load_encoder("onnx-images", path, PLAIN).encode(pictures)
    normalized = load_encoder("onnx-images", path, {"mean": (0.5, 0.25, 0.0), "std": (0.5, 1.0, 2.0)}).encode(pictures)
    assert np.allclose(normalized, (plain - [0.5, 0.25, 0.0]) / [0.5, 1.0, 2.0], atol=1e-6)


@pytest.mark.parametrize(
    ("side", "choices", "expected"),
    [
        (16, {}, (18, 16)),
        (224, {}, (256, 224)),
        ("side", {}, (256, 224)),
        (16, {"resize": 0}, (0, 16)),
        ("side", {"crop": 32}, (256, 32)),
    ],
)
def test_a_network_for_one_size_sets_it(
    tmp_path: Path, side: int | str, choices: dict[str, object], expected: tuple[int, int]
) -> None:
    encoder = load_encoder("onnx-images", write(tmp_path, image_model([1, 3, side, side])), choices)
    assert (encoder.identity.preprocessing["resize"], encoder.identity.preprocessing["crop"]) == expected


@pytest.mark.parametrize(
    ("content", "choices", "sentence"),
    [
        (image_model([1, 3, 16, 16]), {"crop": 8}, "takes pictures of 16 × 16 pixels: leave the crop out"),
        (image_model([1, 3, 16, 8]), {}, "takes pictures of 8 × 16 pixels, and they must be square"),
        (image_model([1, 4, 16, 16]), {}, "is no encoder of pictures: its inputs are picture"),
        (image_model([1, 3]), {}, "is no encoder of pictures: its inputs are picture"),
        (image_model([1, 3, 16, 16], kind="int64"), {}, "there must be one of floats"),
        (image_model([1, 3, 16, 16], "Shape"), {}, "cannot be opened|its first output has the shape"),
        (b"", {}, "cannot be opened by ONNX Runtime"),
        (b"\x08\x08", {}, "cannot be opened by ONNX Runtime"),
    ],
)
def test_what_is_no_encoder_of_pictures_is_refused(
    tmp_path: Path, content: bytes, choices: dict[str, object], sentence: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BadModelFile, match=sentence):
        load_encoder("onnx-images", path, choices)


def test_a_file_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="needs --weights"):
        load_encoder("onnx-images")
    with pytest.raises(BadModelFile, match="There is no file"):
        load_encoder("onnx-images", str(tmp_path / "absent.onnx"))


def test_other_weights_have_another_identity(tmp_path: Path) -> None:
    first = load_encoder("onnx-images", write(tmp_path, image_model([1, 3, 16, 16]))).identity
    other = write(tmp_path, image_model([1, 3, 16, 16], "Relu"))
    with pytest.raises(BadModelFile, match=rf"are of onnx-images with weights {first.weights[:12]} .*name the same"):
        load_identical(first, other)
