"""The contract of every encoder of the registry, and what loading one says when it cannot."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.errors import BadModelFile, InvalidConfig
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.registry import ENCODERS, EncoderSpec, load_encoder, load_identical
from tests.core.features.encoders.test_text_encoders import write_model
from tests.onnx_files import image_model

TEXTS = ("Nothing is wrong.", "", "Größe: 3 µm, 温度 正常 🙂", "word " * 2000)
NAMES = sorted(ENCODERS)
_folder = tempfile.TemporaryDirectory()  # of small models


@cache
def weights_of(name: str) -> str | None:
    """Random or small weights where a test has no others; skip an encoder whose package is absent."""
    spec = ENCODERS[name]
    if spec.library == "torchvision":
        return "random"
    pytest.importorskip(spec.library or "sklearn")
    if name == "minilm-int8" and spec.missing():
        pytest.skip(f"{name} needs {spec.missing()}")
    if name == "onnx-images":
        path = Path(_folder.name, "net.onnx")
        path.write_bytes(image_model([1, 3, 32, 32]))
        return str(path)
    return str(write_model(Path(_folder.name, "texts"))) if name == "onnx-texts" else None


@cache
def loaded(name: str) -> Encoder:
    return load_encoder(name, weights_of(name))


def rows_of(encoder: Encoder) -> Sequence[np.ndarray | str]:
    if encoder.identity.kind == "text":
        return TEXTS
    side = encoder.identity.preprocessing["crop"]
    rng = np.random.default_rng(0)
    assert isinstance(side, int)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8), np.zeros((side, side, 3), np.uint8)]


@cache
def features_of(name: str) -> np.ndarray:
    return loaded(name).encode(rows_of(loaded(name)))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_finite_and_as_many_as_declared(name: str) -> None:
    encoder, features = loaded(name), features_of(name)
    assert features.dtype == np.float32
    assert features.shape == (len(rows_of(encoder)), encoder.identity.dimension)
    assert np.isfinite(features).all()
    assert ENCODERS[name].dimension in (None, encoder.identity.dimension)
    assert encoder.encode([]).shape == (0, encoder.identity.dimension)


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_rows_beside(name: str) -> None:
    encoder = loaded(name)
    rows = rows_of(encoder)
    assert (encoder.encode(rows[::-1])[::-1] == features_of(name)).all()
    assert (encoder.encode(rows[1:2]) == features_of(name)[1:2]).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_identity_is_stable_and_loads_the_same_encoder(name: str) -> None:
    identity = loaded(name).identity
    restored = EncoderIdentity.model_validate_json(identity.model_dump_json())
    assert restored == identity
    assert (identity.name, identity.kind) == (name, ENCODERS[name].kind)
    again = load_identical(restored, weights_of(name) if name.startswith("onnx") else None)
    assert again.identity == identity
    assert (again.encode(rows_of(again)[:1]) == features_of(name)[:1]).all()


@pytest.mark.parametrize("spec", ENCODERS.values(), ids=lambda spec: spec.name)
def test_an_entry_says_what_it_is(spec: EncoderSpec) -> None:
    assert ENCODERS[spec.name] is spec
    assert spec.kind in ("image", "text")
    assert spec.license and spec.weights_from
    assert spec.weights_mb >= 0
    assert not spec.missing().endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_random_choices_are_refused(name: str) -> None:
    with pytest.raises(InvalidConfig):
        load_encoder(name, weights_of(name), {"unknown": 1})


@pytest.mark.parametrize("name", ["resnet81", "pixel", "", "../resnet18"])
def test_an_unknown_encoder_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig, match="There is no encoder called"):
        load_encoder(name)


def test_an_unknown_encoder_is_refused_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "anoonly_core.features.encoders.registry.find_spec",
        lambda name: None if name == "torchvision" else find_spec(name),
    )
    with pytest.raises(InvalidConfig, match="There is no encoder called 'pixel': did you mean pixels"):
        load_encoder("pixel")
    assert "pip install" in ENCODERS["resnet18"].missing()


def test_another_identity_is_refused(tmp_path: Path) -> None:
    identity = loaded("pixels").identity.model_copy(update={"dimension": 1025})
    with pytest.raises(
        BadModelFile, match=r"are of pixels \(1025 features\), and what is found here is pixels \(1024 fe"
    ):
        load_identical(identity)


@pytest.mark.parametrize(
    ("weights", "choices"),
    [("weights.pth", {}), (None, {"crop": 0}), (None, {"crop": 101}), (None, {"crop": "8"}), (None, {"resize": 32})],
)
def test_pixels_take_their_side_only(weights: str | None, choices: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        load_encoder("pixels", weights, choices)
    assert load_encoder("pixels", None, {"crop": 8}).identity.dimension == 64


def test_pixels_are_gray_as_pillow_makes_them() -> None:
    image = pytest.importorskip("PIL.Image")
    picture = rows_of(loaded("pixels"))[0]
    gray = np.asarray(image.fromarray(picture).convert("L"), dtype=np.float32) / 255
    assert (loaded("pixels").encode([picture]).reshape(32, 32) == gray).all()
