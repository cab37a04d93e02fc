"""Image files damaged in every way: cut, bytes changed, parts repeated, headers overwritten."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.core.features.images.made import encoded, noise

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


def seeds() -> dict[str, bytes]:
    """Whole files of every format and many modes."""
    color = Image.fromarray(noise(40, 30))
    alpha = Image.fromarray(np.dstack([noise(40, 30), noise(40, 30)[..., 0]]))
    deep = Image.fromarray(noise(40, 30)[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    tiff = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    pages = {"save_all": True, "append_images": [Image.fromarray(noise(40, 30, 1))]}
    return {
        "PNG": encoded(color, exif=exif),
        "PNG alpha": encoded(alpha),
        "PNG 16": encoded(deep),
        "PNG palette": encoded(color.quantize(16), transparency=3),
        "APNG": encoded(color, **pages),
        "JPEG": encoded(color, "JPEG", exif=exif),
        "JPEG progressive": encoded(color, "JPEG", progressive=True),
        "JPEG CMYK": encoded(color.convert("CMYK"), "JPEG"),
        **{f"TIFF {name}": encoded(color, "TIFF", compression=name, exif=exif) for name in tiff},
        "TIFF 16": encoded(deep, "TIFF"),
        "TIFF F": encoded(Image.fromarray(np.asarray(deep) / np.float32(65535)), "TIFF"),
        "TIFF 1": encoded(color.convert("1"), "TIFF", compression="group4"),
        "TIFF pages": encoded(color, "TIFF", **pages),
        "WebP": encoded(color, "WEBP", exif=exif),
        "WebP lossless": encoded(alpha, "WEBP", lossless=True),
        "WebP frames": encoded(color, "WEBP", **pages),
        "BMP": encoded(color, "BMP"),
        "BMP palette": encoded(color.quantize(16), "BMP"),
        "GIF": encoded(color, "GIF", **pages),
    }


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """One damaged variant of a file."""
    body = bytearray(content)
    size = len(body)
    near = min(size, 300)  # headers and tags
    match generator.integers(6):
        case 0:
            return bytes(body[: generator.integers(size)])
        case 1:
            for place in generator.integers(size, size=generator.integers(1, 20)):
                body[place] = generator.integers(256)
        case 2:
            for place in generator.integers(near, size=generator.integers(1, 6)):
                body[place] = generator.choice(EXTREMES)
        case 3:
            place = generator.integers(near)
            body[place : place + 4] = generator.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\xff\xff"]
            )
        case 4:
            begin, end = sorted(generator.integers(size, size=2))
            body[begin:begin] = body[begin:end]
        case _:
            begin, end = sorted(generator.integers(size, size=2))
            del body[begin:end]
    return bytes(body)


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """That many damaged files, of all formats in turn."""
    generator, files = np.random.default_rng(seed), list(seeds().items())
    for number in range(count):
        name, content = files[number % len(files)]
        yield name, damaged(content, generator)
