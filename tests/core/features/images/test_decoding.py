"""Decoding: right pixels for every format and mode, and one clause for each file that holds none."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from anoonly_core.errors import ExtraMissing
from anoonly_core.features.images import decoding
from anoonly_core.features.images.decoding import FIRST_PAGE, Unreadable, decode, thumbnail
from tests.core.features.images.made import encoded, noise

RGB = noise(20, 12)
GRAY = RGB[..., 0]
CONTENT = encoded(RGB)


def pixels_of(content: bytes) -> np.ndarray:
    """Decoded pixels; a warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode(content).image
    assert image.mode == "RGB"
    return np.asarray(image)


def gray(levels: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(levels, dtype=np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("PNG", {}),
        ("PNG", {"optimize": True}),
        ("TIFF", {}),
        *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
    ],
)
def test_formats_without_loss_give_the_very_pixels(format_name: str, options: dict[str, object]) -> None:
    assert np.array_equal(pixels_of(encoded(RGB, format_name, **options)), RGB)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {"compression": "jpeg"}),
    ],
)
def test_formats_with_loss_give_about_the_pixels(format_name: str, options: dict[str, object]) -> None:
    large = noise(200, 120)
    assert np.abs(pixels_of(encoded(large, format_name, **options)).astype(int) - large).mean() < 3


def test_a_jpeg_gives_the_pixels_of_pillow() -> None:
    content = encoded(RGB, "JPEG")
    assert np.array_equal(pixels_of(content), np.asarray(Image.open(io.BytesIO(content))))


def with_alpha(alpha: np.ndarray) -> np.ndarray:
    """The picture over white."""
    weight = alpha[..., None] / 255
    return RGB * weight + 255 * (1 - weight)


ALPHA = np.linspace(0, 255, 12 * 20).astype(np.uint8).reshape(12, 20)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_alpha_lies_over_white(format_name: str) -> None:
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    options = {"lossless": True, "exact": True} if format_name == "WEBP" else {}
    assert np.abs(pixels_of(encoded(image, format_name, **options)) - with_alpha(ALPHA)).max() <= 1


def test_gray_with_alpha_lies_over_white() -> None:
    image = Image.merge("LA", (Image.fromarray(GRAY), Image.fromarray(ALPHA)))
    wanted = GRAY * (ALPHA / 255) + 255 - ALPHA
    assert np.abs(pixels_of(encoded(image)) - wanted[..., None]).max() <= 1


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "WEBP", "JPEG"])
def test_gray_pictures_have_three_equal_channels(format_name: str) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {"quality": 100} if format_name == "JPEG" else {}
    found = pixels_of(encoded(GRAY, format_name, **options))
    assert (found == found[..., :1]).all()
    assert np.abs(found.astype(int) - gray(GRAY)).max() <= (2 if format_name in ("JPEG", "WEBP") else 0)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP"])
def test_black_and_white_is_0_and_255(format_name: str) -> None:
    assert np.array_equal(pixels_of(encoded(Image.fromarray(GRAY > 128), format_name)), gray((GRAY > 128) * 255))


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "TIFF", "BMP"])
def test_palettes_give_their_colors(format_name: str) -> None:
    image = Image.fromarray(RGB).quantize(16)
    assert np.array_equal(pixels_of(encoded(image, format_name)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("transparency", [3, bytes([255, 255, 255, 0, 128]), 0])
def test_palettes_with_transparent_colors_lie_over_white(transparency: int | bytes) -> None:
    image = Image.fromarray(RGB).quantize(16)
    indices, colors = np.asarray(image), np.asarray(image.convert("RGB")).astype(float)
    alphas = np.full(256, 255.0)
    values = {transparency: 0} if isinstance(transparency, int) else dict(enumerate(transparency))
    for index, alpha in values.items():
        alphas[index] = alpha
    weight = alphas[indices][..., None] / 255
    found = pixels_of(encoded(image, transparency=transparency))
    assert np.abs(found - (colors * weight + 255 * (1 - weight))).max() <= 1


def test_a_transparent_color_without_a_palette_lies_over_white() -> None:
    pixels = RGB.copy()
    pixels[:3] = (1, 2, 3)
    found = pixels_of(encoded(pixels, transparency=(1, 2, 3)))
    assert (found[:3] == 255).all() and np.array_equal(found[3:], RGB[3:])
    levels = GRAY.copy()
    levels[GRAY == 9] = 8
    levels[:3] = 9
    found = pixels_of(encoded(levels, transparency=9))
    assert (found[:3] == 255).all() and np.array_equal(found[3:], gray(levels[3:]))


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk_is_converted(format_name: str) -> None:
    solid = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    found = pixels_of(encoded(solid, format_name, **({"quality": 100} if format_name == "JPEG" else {})))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 4


def test_other_color_spaces_of_tiff_are_converted() -> None:
    color = Image.new("RGB", (16, 16), (200, 40, 40))
    assert np.abs(pixels_of(encoded(color.convert("YCbCr"), "TIFF")).astype(int) - [200, 40, 40]).max() <= 4
    lab = encoded(Image.new("LAB", (16, 16), (255, 128, 128)), "TIFF")
    assert (pixels_of(lab) >= 250).all()  # lightness 100 is white


DEEP = np.array([[0, 255, 256, 4095], [4096, 32768, 65279, 65535]], dtype=np.uint16)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_clipped(format_name: str) -> None:
    assert np.array_equal(pixels_of(encoded(Image.fromarray(DEEP), format_name)), gray(DEEP >> 8))


def test_16_bits_of_color_are_scaled_like_those_of_gray() -> None:
    rows = b"".join(b"\0" + row.astype(">u2").repeat(3).tobytes() for row in DEEP)
    content = png((struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0), rows))
    assert np.array_equal(pixels_of(content), gray(DEEP >> 8))


def test_big_endian_and_compressed_16_bits_are_scaled() -> None:
    image = Image.fromarray(DEEP)
    assert np.array_equal(pixels_of(encoded(image, "TIFF", compression="tiff_lzw")), gray(DEEP >> 8))
    assert np.array_equal(pixels_of(tiff(DEEP.astype(">u2").tobytes(), (4, 2), {258: 16}, ">")), gray(DEEP >> 8))


def test_16_bits_with_a_transparent_level_lie_over_white() -> None:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP)
    content = png((struct.pack(">IIBBBBB", 4, 2, 16, 0, 0, 0, 0), rows), (b"tRNS", struct.pack(">H", 255)))
    wanted = DEEP >> 8
    wanted[0, 1] = 255
    assert np.array_equal(pixels_of(content), gray(wanted))


def test_16_bits_where_white_is_0_are_inverted() -> None:
    assert np.array_equal(pixels_of(tiff(DEEP.tobytes(), (4, 2), {258: 16, 262: 0})), gray(255 - (DEEP >> 8)))


def test_12_bits_are_scaled_by_their_own_range() -> None:
    packed = bytes([0x00, 0x0F, 0xFF, 0x80, 0x01, 0x00])  # 0, 4095, 2048, 256
    assert pixels_of(tiff(packed, (4, 1), {258: 12}))[0, :, 0].tolist() == [0, 255, 128, 16]


def test_fractions_from_0_to_1_are_scaled() -> None:
    fractions = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(pixels_of(encoded(Image.fromarray(fractions), "TIFF")), gray(np.rint(fractions * 255)))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_pictures_are_converted_block_by_block(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (37, 11)).astype(np.uint16)
    content = encoded(Image.fromarray(values if dtype is np.uint16 else values / np.float32(65535)), "TIFF")
    whole = pixels_of(content)
    monkeypatch.setattr(decoding, "BLOCK_PIXELS", 50)
    assert np.array_equal(pixels_of(content), whole)


@pytest.mark.parametrize("value", [-0.1, 1.5, 255.0, np.nan, np.inf])
def test_other_fractions_are_refused(value: float) -> None:
    content = encoded(Image.fromarray(np.array([[0.5, value]], dtype=np.float32)), "TIFF")
    assert clause(content) == "it holds fractions that are not all from 0 to 1: convert it to 8 or 16 bits"


def test_numbers_of_32_bits_are_refused() -> None:
    content = encoded(Image.fromarray(np.array([[5, 70_000]], dtype=np.int32)), "TIFF")
    assert clause(content) == "it holds signed numbers or numbers of 32 bits: convert it to 8 or 16 bits"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_as_their_exif_says(format_name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options: dict[str, object] = {"lossless": True} if format_name == "WEBP" else {}
    content = encoded(RGB, format_name, exif=exif, **options)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert wanted.size == ((12, 20) if orientation > 4 else (20, 12))
    assert np.array_equal(pixels_of(content), np.asarray(wanted))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_exif_leaves_the_pixels(exif: bytes) -> None:
    assert np.array_equal(pixels_of(encoded(RGB, "PNG", exif=exif[6:])), RGB)
    assert pixels_of(encoded(RGB, "JPEG", exif=exif)).shape == RGB.shape


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    assert np.array_equal(pixels_of(encoded(RGB, "PNG", exif=exif)), RGB)


@pytest.mark.parametrize("format_name", ["TIFF", "GIF", "WEBP", "PNG"])
def test_of_several_pages_or_frames_the_first_is_read_and_said(format_name: str) -> None:
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    options = {"lossless": True} if format_name == "WEBP" else {}
    found = decode(encoded(first, format_name, save_all=True, append_images=[second], **options))
    assert found.note == FIRST_PAGE and found.image.getpixel((4, 4)) == (255, 0, 0)
    assert decode(encoded(first, format_name)).note == ""


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_pictures_of_one_pixel_and_of_one_line_are_read(format_name: str, size: tuple[int, int]) -> None:
    found = decode(encoded(Image.new("RGB", size, "white"), format_name))
    assert found.image.size == size and found.image.getpixel((0, 0)) == (255, 255, 255)
    small = Image.open(io.BytesIO(thumbnail(found.image)))
    assert max(small.size) == min(64, max(size)) and min(small.size) >= 1


# Files that hold no picture


def clause(content: bytes) -> str:
    with warnings.catch_warnings(), pytest.raises(Unreadable) as caught:
        warnings.simplefilter("error")
        decode(content)
    return str(caught.value)


def png(first: tuple[bytes, bytes], *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of a header, rows and further chunks."""
    header, rows = first
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(strip: bytes, size: tuple[int, int], tags: dict[int, int], order: str = "<") -> bytes:
    """A TIFF of one strip of gray levels, with further or other tags."""
    entries = {256: size[0], 257: size[1], 259: 1, 262: 1, 277: 1, 278: size[1], 279: len(strip), 273: 8, **tags}
    body = struct.pack(f"{order}H", len(entries))
    for tag, value in sorted(entries.items()):
        body += struct.pack(
            f"{order}HHII" if tag not in (258, 259, 262, 277) else f"{order}HHIHxx",
            tag,
            4 if tag not in (258, 259, 262, 277) else 3,
            1,
            value,
        )
    magic = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(strip))
    return magic + strip + body + bytes(4)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"GIF", b"text", b"%PDF-1.4", b"\x7fELF" * 9, b"RIFF1234WAVE", b"<svg/>"]
)
def test_what_is_no_image_is_named_so(content: bytes) -> None:
    assert clause(content) == (
        "it is no PNG, JPEG, TIFF, WebP, BMP or GIF by its content" if content else "it is empty"
    )


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_files_are_named_so(format_name: str, share: float) -> None:
    content = encoded(noise(300, 200), format_name)
    found = clause(content[: int(len(content) * share)])
    assert found in (
        f"it is a {format_name} file that ends too early",
        f"it is a damaged {format_name} file, or of a kind that is not read",
    )


def test_formats_that_others_may_decode_are_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = ("PPM", "ICO", "JPEG2000", "TGA", "PCX", "EPS", "DDS", "SGI")
    for format_name in formats:
        try:
            content = encoded(RGB, format_name)
        except (KeyError, OSError):
            continue
        assert clause(content) == "it is no PNG, JPEG, TIFF, WebP, BMP or GIF by its content"


def bombs() -> dict[str, bytes]:
    """Small files that say they have 60,000 × 60,000 pixels."""
    side = 60_000
    gif = bytearray(encoded(RGB, "GIF"))
    gif[6:10] = struct.pack("<HH", side, side)
    bmp = bytearray(encoded(RGB, "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    jpeg = encoded(RGB, "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    webp = bytearray(encoded(Image.fromarray(np.dstack([RGB, ALPHA])), "WEBP", exif=b"Exif\0\0x"))
    webp[24:30] = (side).to_bytes(3, "little") * 2
    return {
        "PNG": png((struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"")),
        "GIF": bytes(gif),
        "BMP": bytes(bmp),
        "JPEG": jpeg[: frame + 5] + struct.pack(">HH", side, side) + jpeg[frame + 9 :],
        "TIFF": tiff(b"\0", (side, side), {258: 8}),
        "WEBP": bytes(webp),
    }


@pytest.mark.parametrize("format_name", bombs())
def test_bombs_are_refused_by_their_header(monkeypatch: pytest.MonkeyPatch, format_name: str) -> None:
    content = bombs()[format_name]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    found = clause(content)
    assert "pixels" in found and "67 million" in found


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_the_limit_of_pixels_holds_to_the_pixel(monkeypatch: pytest.MonkeyPatch, format_name: str) -> None:
    content = encoded(RGB, format_name)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 20 * 12)
    assert pixels_of(content).shape == (12, 20, 3)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 20 * 12 - 1)
    assert clause(content).startswith("it has 20 × 12 pixels")


def test_tiles_larger_than_the_picture_are_refused() -> None:
    assert clause(tiff(b"\0", (1, 1), {258: 8, 322: 60_000, 323: 60_000})).startswith("it has 60,000 × 60,000 pixels")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    content = encoded(RGB, "JPEG", progressive=True)
    scan = content.index(b"\xff\xda")
    assert clause(content[:scan] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" * 200 + content[scan:]) == (
        "it is a JPEG of more than 50 scans"
    )


def test_text_that_unfolds_in_a_png_is_refused() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(2 * 10**6))
    content = png((struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), b"\0\0"), (b"zTXt", bomb))
    assert clause(content) == "it is a damaged PNG file, or of a kind that is not read"


def test_a_lack_of_memory_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    assert clause(encoded(RGB)) == "it needs more memory than there is"


def test_without_pillow_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ExtraMissing, match="Reading images needs packages that are not installed: run `pip install"):
        decode(CONTENT)


# Thumbnails


@pytest.mark.parametrize(("size", "shown"), [((640, 427), (64, 43)), ((30, 200), (10, 64)), ((8, 8), (8, 8))])
def test_thumbnails_are_small_webp_files_of_the_whole_picture(size: tuple[int, int], shown: tuple[int, int]) -> None:
    pixels = noise(*size)
    content = thumbnail(Image.fromarray(pixels))
    small = Image.open(io.BytesIO(content))
    assert small.format == "WEBP" and small.size == shown and len(content) < 2048
    wanted = np.asarray(Image.fromarray(pixels).resize(shown)).astype(int)
    assert np.abs(np.asarray(small.convert("RGB")) - wanted).mean() < 12


def test_a_thumbnail_of_a_tiny_picture_keeps_each_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(thumbnail(Image.fromarray(pixels))))), pixels)


def test_the_thumbnail_of_pure_noise_stays_small() -> None:
    for side in (32, 64, 500):
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        assert len(thumbnail(Image.fromarray(pixels))) < 5000
