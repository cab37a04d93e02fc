"""Files that would keep a decoder busy are refused soon, and no decoder writes to stderr."""

from __future__ import annotations

import os
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from anoonly_core.features.images import decoding, guards
from anoonly_core.features.images.decoding import Unreadable, decode, thumbnail
from anoonly_core.features.images.guards import count_strips, silent_stderr
from anoonly_core.features.images.preprocessing import image_choices, preprocess
from tests.core.features.images.fuzzing import cases
from tests.core.features.images.made import SMALL, encoded, noise

RGB = noise(20, 12)


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_parts(format_name: str, part: bytes, before: bytes, shift: int = 0) -> bytes:
    """A file with a part two thousand times in front of some bytes of it."""
    content = encoded(RGB, format_name)
    place = content.index(before) + shift
    return content[:place] + part * 2000 + content[place:]


def busy() -> dict[str, bytes]:
    return {
        "PNG texts": with_parts("PNG", chunk(b"tEXt"), b"IDAT", -4),
        "PNG pixels": with_parts("PNG", chunk(b"IDAT"), b"IDAT", -4),
        "PNG end": with_parts("PNG", chunk(b"tIME"), b"IEND", -4),
        "JPEG comments": with_parts("JPEG", b"\xff\xfe\0\x02", b"\xff\xdb"),
        "JPEG fill": with_parts("JPEG", b"\xff", b"\xff\xdb"),
        "GIF comments": with_parts("GIF", b"!\xfe\x01a\0", b",\0\0\0\0"),
        "GIF blocks": with_parts("GIF", b"!\xff\x01a\0", b",\0\0\0\0"),
        "GIF end": encoded(RGB, "GIF")[:-1] + b"!\xfe\x01a\0" * 2000 + b";",
    }


@pytest.mark.parametrize("name", busy())
def test_files_of_very_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content = busy()[name]
    assert decode(content).image.size == (20, 12)
    monkeypatch.setattr(guards, "MAX_PIECES", 1500)
    assert decode(encoded(RGB, name.split()[0])).image.size == (20, 12)
    with pytest.raises(Unreadable, match=f"it is a {name.split()[0]} file of more than 1,000,000 pieces"):
        decode(content)


@pytest.mark.parametrize(("order", "is_big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_strips_of_a_tiff_are_counted_in_all_its_kinds(order: str, is_big: bool) -> None:
    tags = {256: 20, 257: 12, 258: 8, 273: 300_000}
    entry = f"{order}HHQQ" if is_big else f"{order}HHII"
    directory = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(tags))
    directory += b"".join(struct.pack(entry, tag, 4, count if tag == 273 else 1, 8) for tag, count in tags.items())
    magic = b"II" if order == "<" else b"MM"
    header = magic + (struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if is_big else struct.pack(f"{order}HI", 42, 8))
    assert count_strips(header + directory) == 300_000
    with pytest.raises(Unreadable, match="it is a TIFF of more than 131,072 strips"):
        decode(header + directory)
    with pytest.raises(Unreadable, match="it is a TIFF file that ends too early"):
        decode((header + directory)[:-30])


def test_strips_of_files_that_others_wrote_are_counted() -> None:
    tall = Image.new("L", (1, 1000))
    assert count_strips(encoded(tall, "TIFF", compression="tiff_lzw", strip_size=1)) == 1000
    assert count_strips(encoded(tall, "TIFF", big_tiff=True)) == 1
    assert np.array_equal(np.asarray(decode(encoded(RGB, "TIFF", compression="tiff_lzw", strip_size=60)).image), RGB)


def test_nothing_appears_on_stderr_and_stderr_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with silent_stderr():
        os.write(2, b"from C")
        print("from Python", file=sys.__stderr__, flush=True)
    with pytest.raises(KeyError), silent_stderr():
        raise KeyError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_without_stderr_the_context_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with silent_stderr():
        assert decode(encoded(RGB)).image.size == (20, 12)


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_give_pixels_or_a_clause_and_no_warning(capfd: pytest.CaptureFixture[str], seed: int) -> None:
    choices = image_choices(SMALL)
    refused = 0
    for name, content in cases(400, seed):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                image = decode(content).image
        except Unreadable as error:
            refused += 1
            assert str(error).startswith(("it is ", "it has ", "it holds ", "it needs ")), name
        else:
            assert image.mode == "RGB" and image.width * image.height <= decoding.MAX_PIXELS
            assert preprocess(image, choices).shape == (8, 8, 3) and len(thumbnail(image)) < 5000
    assert 100 < refused < 390
    assert capfd.readouterr() == ("", "")
