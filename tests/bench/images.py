"""Images a second on one core, and the memory of reading many: python -m tests.bench.images [--images 10000].

Makes pictures of 500 × 375 pixels in a temporary folder, of one format or mixed (seven of ten JPEG), and reads them as
rows for ResNet-18: decoding, resizing, cropping and a thumbnail. Each line is measured in a new process. The median and
the spread are those of blocks of 500 images.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from anoonly_core.features.images.source import find_images
from anoonly_core.features.source import RawRow

SIZE = (500, 375)
CHUNK, BLOCK = 16, 500
PREPROCESSING = {"resize": 256, "crop": 224, "interpolation": "bilinear"}
FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP"}


def picture(number: int) -> Image.Image:
    """A smooth picture with a grain, another one for each number."""
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
    grain = generator.integers(-8, 9, (*SIZE[::-1], 1), dtype=np.int16)
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def make(path: Path, count: int, suffixes: list[str]) -> None:
    """Write pictures into a .zip archive; it is stored, as archives of images are in effect."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            suffix = suffixes[number % len(suffixes)]
            body = io.BytesIO()
            options = {"compression": "tiff_lzw"} if suffix == "tif" else {}
            picture(number).save(body, FORMATS[suffix], **options)
            archive.writestr(f"{'odd' if number % 2 else 'even'}/{number:06d}.{suffix}", body.getvalue())


def measure(path: Path) -> None:
    """Read all pictures of an archive or folder, and print a line of a Markdown table."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    source = find_images(path)
    seconds, read, previews = [], 0, 0
    every = range(len(source.names))
    for block in (every[first : first + BLOCK] for first in every[::BLOCK]):
        begun = time.process_time()
        for rows in (block[first : first + CHUNK] for first in range(0, len(block), CHUNK)):
            for row in source.read(rows, PREPROCESSING):
                assert isinstance(row, RawRow), row
                read, previews = read + 1, previews + len(row.preview)
        seconds.append((time.process_time() - begun) / len(block))
    rates = np.sort(1 / np.array(seconds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"| {path.name} | {read:,} | {path.stat().st_size / 2**20:.0f} | {np.median(rates):.0f} ({rates[0]:.0f} to "
        f"{rates[-1]:.0f}) | {peak / 1024:.0f} ({(peak - before) / 1024:.0f} more) | {previews / read:.0f} |",
        flush=True,
    )


def main() -> None:
    """Make pictures, and measure each archive in a new process."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.images", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="mixed pictures; a tenth of each format alone")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    print("| Archive | images | MB | images a second of one core | peak memory, MB | bytes of a thumbnail |")
    print("|---|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, count, suffixes in (
            *((suffix, options.images // 10, [suffix]) for suffix in FORMATS),
            ("mixed", options.images, ["jpg"] * 7 + ["png", "tif", "webp"]),
        ):
            path = Path(folder) / f"{name}.zip"
            make(path, count, suffixes)
            subprocess.run([sys.executable, "-m", "tests.bench.images", "--measure", str(path)], check=True)
            path.unlink()


if __name__ == "__main__":
    main()
