"""Decode an image file that may be damaged or made to harm: pixels of mode RGB, or the reason why there are none.

The content decides the format. Limits hold before pixels are decoded. Alpha lies over white, of 16 bits the upper 8
are taken, and the picture stands as its EXIF orientation says. Color profiles are not applied, as in torchvision.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from anoonly_core.extras import extra_missing
from anoonly_core.features.images.guards import (
    MAX_PIECES,
    MAX_STRIPS,
    BoundedReader,
    TooManyPieces,
    count_strips,
    silent_stderr,
)

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FIRST_PAGE", "MAX_PIXELS", "MAX_SCANS", "THUMBNAIL_SIDE", "Picture", "Unreadable", "decode", "thumbnail"]

MAX_PIXELS = 2**26
MAX_SCANS = 50  # passes over the picture in a progressive JPEG; encoders make about ten
THUMBNAIL_SIDE = 64  # pixels
SHARP_SIDE = 32  # pixels up to which a thumbnail keeps each pixel
BLOCK_PIXELS = 2**20  # of deep pictures, converted at a time
FIRST_PAGE = "Only the first page or frame is read."

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8": "JPEG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"BM": "BMP",
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
}
_PAGED = frozenset(("TIFF", "GIF", "WEBP", "PNG"))  # a second picture in a JPEG is a preview
_ORIENTATION, _PHOTOMETRIC, _BITS, _TILE_WIDTH, _TILE_LENGTH = 274, 262, 258, 322, 323  # tags of EXIF and TIFF
_WHITE_IS_ZERO = 0


class Unreadable(Exception):
    """A file holds no picture that can be used; the message is a clause that says why."""


class Picture(NamedTuple):
    """Decoded picture of mode RGB, and a sentence on a choice that was made, "" without one."""

    image: Image.Image
    note: str


def decode(content: bytes) -> Picture:
    """Decode the first page of an image file.

    Parameters
    ----------
    content
        All bytes of the file.

    Raises
    ------
    Unreadable
        If the file is damaged, no image of a known format, or beyond a limit.
    ExtraMissing
        If Pillow is not installed.
    """
    format_name = _format(content)
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise extra_missing("Reading images", "features") from error
    is_loud = format_name == "TIFF"  # libtiff prints what is damaged
    with warnings.catch_warnings(), silent_stderr() if is_loud else nullcontext():
        warnings.simplefilter("ignore")  # of damaged metadata, which does not matter here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BoundedReader(content), formats=(format_name,)) as image:
                _check_header(image)
                note = FIRST_PAGE if format_name in _PAGED and getattr(image, "is_animated", False) else ""
                image.load()
                return Picture(_upright(_to_rgb(image), _orientation(image)), note)
        except Unreadable:
            raise
        except Exception as error:  # damaged files make the decoders raise any exception
            raise Unreadable(_reason(error, format_name)) from error


def _format(content: bytes) -> str:
    """Return Pillow's name of the format of a file by its first bytes, after checks that need no decoder."""
    if not content:
        raise Unreadable("it is empty")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        _check_size(*_webp_size(content))  # the decoder takes memory for all pixels when it is opened
        return "WEBP"
    name = next((name for magic, name in _MAGIC.items() if content.startswith(magic)), None)
    if name is None:
        raise Unreadable("it is no PNG, JPEG, TIFF, WebP, BMP or GIF by its content")
    if name == "JPEG" and content.count(b"\xff\xda") > MAX_SCANS:
        raise Unreadable(f"it is a JPEG of more than {MAX_SCANS} scans")
    if name == "TIFF" and _strips(content) > MAX_STRIPS:
        raise Unreadable(f"it is a TIFF of more than {MAX_STRIPS:,} strips")
    return name


def _strips(content: bytes) -> int:
    try:
        return count_strips(content)
    except ValueError as error:
        raise Unreadable("it is a TIFF file that ends too early") from error


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return width and height from the header of a WebP file; (0, 0) if it is cut."""
    kind, header = content[12:16], content[20:30]
    if len(header) < 10:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unreadable(f"it has {width:,} × {height:,} pixels, and at most {MAX_PIXELS / 1e6:.0f} million are read")


def _check_header(image: Image.Image) -> None:
    """Raise Unreadable if an opened picture has too many pixels, or tiles that have."""
    _check_size(*image.size)
    tags = getattr(image, "tag_v2", {})
    width, length = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if not isinstance(width, int) or not isinstance(length, int):
        raise Unreadable("it is a damaged TIFF")
    _check_size(width, length)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded picture of any mode to RGB."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_gray(image)).convert("RGB")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(layer, mask=layer)
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_gray(image: Image.Image) -> np.ndarray:
    """Return the gray levels of a picture of 12, 16 or 32 bits a pixel, uint8 [height, width]."""
    if image.mode == "I":
        raise Unreadable("it holds signed numbers or numbers of 32 bits: convert it to 8 or 16 bits")
    width, height = image.size
    levels = np.empty((height, width), dtype=np.uint8)
    step = max(1, BLOCK_PIXELS // width)
    for top in range(0, height, step):  # all at once would take several copies
        block = np.asarray(image.crop((0, top, width, min(top + step, height))))
        levels[top : top + step] = _levels(block, image)
    return levels


def _levels(values: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return the gray levels of some pixels, uint8; `values` are fractions or numbers of 12 or 16 bits."""
    tags = getattr(image, "tag_v2", {})
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # also where one is not a number
            raise Unreadable("it holds fractions that are not all from 0 to 1: convert it to 8 or 16 bits")
        levels = np.rint(values * np.float32(255)).astype(np.uint8)
    else:
        levels = (values >> (tags.get(_BITS, (16,))[0] - 8)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        levels = 255 - levels
    transparent = image.info.get("transparency")
    return np.where(values == transparent, np.uint8(255), levels) if isinstance(transparent, int) else levels


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded picture, 1 to 8; 1 if it has none that can be read."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata make it raise any exception, and the pixels are intact
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return a picture turned and mirrored as an EXIF orientation says."""
    from PIL.Image import Transpose

    methods = (
        *(None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE),
        *(Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90),
    )
    method = methods[orientation - 1]
    return image if method is None else image.transpose(method)


def _reason(error: Exception, format_name: str) -> str:
    """Return the clause that says why a file cannot be decoded."""
    from PIL import Image

    if isinstance(error, TooManyPieces):
        return f"it is a {format_name} file of more than {MAX_PIECES:,} pieces"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than the {MAX_PIXELS / 1e6:.0f} million pixels that are read"
    if "truncated" in str(error).lower():
        return f"it is a {format_name} file that ends too early"
    return f"it is a damaged {format_name} file, or of a kind that is not read"


def thumbnail(image: Image.Image) -> bytes:
    """Return a picture of mode RGB as a small WebP file: at most `THUMBNAIL_SIDE` pixels a side, up to about 3 kB."""
    small = image.copy() if max(image.size) <= THUMBNAIL_SIDE else _shrunk(image)
    body = io.BytesIO()
    small.save(body, "WEBP", lossless=max(small.size) <= SHARP_SIDE, quality=70, method=2)
    return body.getvalue()


def _shrunk(image: Image.Image) -> Image.Image:
    width, height = (max(1, round(side * THUMBNAIL_SIDE / max(image.size))) for side in image.size)
    return image.resize((width, height), reducing_gap=2.0)


logging.getLogger("PIL").addHandler(logging.NullHandler())  # its errors on damaged files would go to stderr otherwise
