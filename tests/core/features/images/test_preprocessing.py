"""Resizing and cropping equal torchvision's transforms to the bit."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from anoonly_core.errors import ExtraMissing, InvalidConfig
from anoonly_core.features.encoders.torchvision_models import model_names
from anoonly_core.features.images import preprocessing
from anoonly_core.features.images.preprocessing import image_choices, preprocess
from tests.core.features.images.made import RESNET, noise

SIZES = [(1, 1), (1, 300), (300, 1), (224, 224), (256, 256), (257, 255), (640, 427), (33, 500), (1000, 3)]


@pytest.fixture(scope="module")
def transforms() -> ModuleType:
    """The transforms of torchvision, which is imported as the encoders import it."""
    try:
        model_names()
    except ExtraMissing:
        pytest.skip("torchvision is not installed")
    return importlib.import_module("torchvision.transforms._presets")


def pictures() -> dict[str, np.ndarray]:
    """Real photographs and digits, and made pictures of all proportions."""
    photos = {f"photo {number}": image for number, image in enumerate(load_sample_images().images)}
    digits = {f"digit {number}": load_digits().images[number].astype(np.uint8) * 16 for number in range(3)}
    return {**photos, **digits, **{f"{width} × {height}": noise(width, height) for width, height in SIZES}}


CHOICES = {
    "ResNet": RESNET,
    "bicubic": {**RESNET, "interpolation": "bicubic"},
    "ConvNeXt": {**RESNET, "resize": 236},
    "odd": {**RESNET, "resize": 101, "crop": 64},
    "padded": {**RESNET, "resize": 100, "crop": 131},
    "small": {**RESNET, "resize": 32, "crop": 32},
}


@pytest.mark.parametrize("name", CHOICES)
def test_pixels_equal_those_of_torchvision(transforms: ModuleType, name: str) -> None:
    choices = image_choices(CHOICES[name])
    transform = transforms.ImageClassification(
        crop_size=choices.crop,
        resize_size=choices.resize,
        mean=choices.mean,
        std=choices.std,
        interpolation=transforms.InterpolationMode(choices.interpolation),
    )
    for title, pixels in pictures().items():
        picture = Image.fromarray(pixels).convert("RGB")
        ours = preprocess(picture, choices)
        assert ours.dtype == np.uint8 and ours.shape == (choices.crop, choices.crop, 3)
        scaled = torch.from_numpy(ours.transpose(2, 0, 1).copy()).to(torch.float32).div(255)
        mean, std = (torch.tensor(values)[:, None, None] for values in (choices.mean, choices.std))
        assert torch.equal((scaled - mean) / std, transform(picture)), title


@pytest.mark.parametrize(("width", "height"), [(8, 8), (5, 9), (9, 5), (8, 3), (30, 31)])
def test_without_resizing_the_center_stays_in_a_black_border(width: int, height: int) -> None:
    pixels = noise(width, height) | 1
    ours = preprocess(Image.fromarray(pixels), image_choices({"resize": 0, "crop": 8}))
    assert ours.shape == (8, 8, 3)
    inside = ours[(ours != 0).any(axis=2)]
    assert len(inside) == min(width, 8) * min(height, 8)
    top, left = (round((height - 8) / 2) if height > 8 else 0), (round((width - 8) / 2) if width > 8 else 0)
    assert np.array_equal(inside.reshape(min(height, 8), min(width, 8), 3), pixels[top : top + 8, left : left + 8])


@pytest.mark.parametrize(("width", "height"), [(2000, 40), (40, 2000), (1999, 3)])
@pytest.mark.parametrize("crop", [24, 32, 50])
def test_of_a_long_picture_only_the_center_is_resized(
    monkeypatch: pytest.MonkeyPatch, width: int, height: int, crop: int
) -> None:
    picture, choices = Image.fromarray(noise(width, height)), image_choices({"resize": 32, "crop": crop})
    whole = preprocess(picture, choices)
    monkeypatch.setattr(preprocessing, "MAX_RESIZED", 100)
    part = preprocess(picture, choices)
    assert np.abs(part.astype(int) - whole).max() <= 1
    assert ((part == 0).all(axis=2) == (whole == 0).all(axis=2)).all()  # the same border


def test_an_absurdly_long_picture_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    resize = Image.Image.resize

    def spy(image: Image.Image, size: tuple[int, int], *rest: object) -> Image.Image:
        sizes.append(size)
        return resize(image, size, *rest)

    monkeypatch.setattr(Image.Image, "resize", spy)
    picture = Image.fromarray(np.full((1, 60_000, 3), 9, dtype=np.uint8))
    assert (preprocess(picture, image_choices(RESNET)) == 9).all()
    assert sizes == [(224, 224)]


@pytest.mark.parametrize(
    "changes",
    [{"resize": -1}, {"crop": 0}, {"crop": 10**6}, {"interpolation": "magic"}, {"mean": (0, 0)}, {"std": None}],
)
def test_preprocessing_of_another_kind_is_refused_by_a_sentence(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig, match=f"The choice {next(iter(changes))}[.0-9]* is invalid"):
        image_choices({**RESNET, **changes})
    with pytest.raises(InvalidConfig, match="The preprocessing of the encoder lacks resize"):
        image_choices({})
