"""Features of image files beside those of torchvision's own pipeline, on the same random weights.

    python -m tests.bench.backbone [--network resnet18] [FOLDER ...]

Compares scikit-learn's two pictures and digits, written as PNG files, and the images of folders, such as that of
scikit-image's package. torchvision opens a file with Pillow, applies the transforms that it publishes with the weights,
and its network runs up to its last layer. Pictures whose mode is not RGB or gray of 8 bits are counted apart: Pillow
alone reads transparency and 16 bits otherwise. Exits with 1 if a picture of the first kind differs in any bit.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_digits, load_sample_images

from anoonly_core.features.encoders.torchvision_models import load_torchvision
from anoonly_core.features.images.source import find_images
from anoonly_core.features.source import RawRow

DIGITS = 50
PLAIN_MODES = ("RGB", "L")


def write_pictures(folder: Path) -> None:
    """Write scikit-learn's two pictures and some digits as PNG files."""
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    for number, pixels in enumerate(load_digits().images[:DIGITS]):
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(folder / f"digit {number:02}.png")


def compare(folder: Path, name: str) -> Iterator[tuple[str, str, float]]:
    """Yield name, mode and largest difference of the features of each image in a folder."""
    encoder = load_torchvision(name, "random")
    from torchvision import models

    state, transforms = torch.get_rng_state(), models.get_model_weights(name).DEFAULT.transforms()
    torch.manual_seed(0)
    network = models.get_model(name, weights=None).eval()
    torch.set_rng_state(state)
    layer = [part for part in network.modules() if isinstance(part, torch.nn.Linear)][-1]
    entered: list[torch.Tensor] = []
    layer.register_forward_pre_hook(lambda part, inputs: entered.append(inputs[0]))
    source = find_images(folder, "none")
    for row, file in enumerate(source.names):
        (ours,) = source.read([row], encoder.identity.preprocessing)
        if not isinstance(ours, RawRow):
            print(f"{file}: {ours.reason}")
            continue
        with Image.open(folder / file) as image, torch.no_grad():
            network(transforms(ImageOps.exif_transpose(image).convert("RGB"))[None])
            mode = image.mode
        yield file, mode, float(np.abs(encoder.encode([ours.content])[0] - entered.pop().flatten().numpy()).max())


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backbone", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--network", default="resnet18")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        write_pictures(Path(name))
        for folder in (Path(name), *asked.folders):
            plain, others = [], []
            for file, mode, difference in compare(folder, asked.network):
                (plain if mode in PLAIN_MODES else others).append((file, mode, difference))
            equal = sum(not difference for _, _, difference in plain)
            wrong += len(plain) - equal
            print(f"{folder}: {equal} of {len(plain)} plain pictures have equal bits")
            for file, mode, difference in others:
                print(f"  {file} ({mode}): largest difference {difference:.3g}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
