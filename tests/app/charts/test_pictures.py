"""Tests of app.charts.pictures: the pictures and words of rows for the browser; hostile ones stay plain words."""

from __future__ import annotations

import base64
import html
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from app.charts.pictures import (
    HOVER_BYTES,
    HOVER_SIDE,
    MAX_PICTURE,
    MAX_ROW_IMAGES,
    gallery,
    row_cell,
    row_columns,
    row_pictures,
    small_pictures,
)
from tests.previews import HOSTILE, picture, previews_of, write_digits, write_texts


@pytest.mark.parametrize("name", ["digits_3", "digits_0", "digits_low", "digits_only_3"])
def test_a_picture_has_the_pixels_of_its_row(name: str) -> None:
    dataset = load_cached(name)
    positions = np.array([5, 0, 5, 17])
    found = row_pictures(dataset, positions)
    assert found is not None and found["shape"] == [8, 8]
    assert set(found["rows"]) == {str(dataset.row_ids[position]) for position in positions}
    brightest = dataset.X[np.unique(positions)].max()
    for position in positions:
        levels = [int(digit, 16) for digit in found["rows"][str(dataset.row_ids[position])]]
        np.testing.assert_allclose(np.array(levels) / 15, dataset.X[position] / brightest, atol=0.5 / 15 + 1e-6)


def test_rows_of_a_table_are_no_pictures() -> None:
    assert row_pictures(load_cached("breast_cancer"), np.array([0, 1])) is None


# Previews


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    return load_cached(f"{write_digits(tmp_path / 'digits.npz', 150)}?label=y&anomaly=3")


TEXTS = [HOSTILE, "", "long " * 2000, "two\nlines", "مرحبا", *(f"plain {number}" for number in range(1100))]


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    return load_cached(f"{write_texts(tmp_path / 'mails.npz', TEXTS)}?label=y&anomaly=spam")


def decoded(url: str) -> Image.Image:
    head, _, content = url.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_row_with_a_preview_shows_its_picture_and_name(images: Dataset) -> None:
    cell = row_cell(images, 7)
    assert cell is not None and cell.name == "7/7.png" and not cell.text
    assert images.previews is not None
    assert base64.b64decode(cell.picture.partition(",")[2]) == images.previews.picture(7)
    assert row_cell(images, 150) is None, "a row of a separate test file"
    assert row_cell(load_cached("breast_cancer"), 3) is None
    plain = row_cell(load_cached("digits_3"), 3)
    assert plain is not None and plain.picture.startswith("data:image/png;base64,")


@pytest.mark.parametrize("content", [b"", b"x" * (MAX_PICTURE + 1)])
def test_a_picture_that_no_preview_is_like_is_not_sent(tmp_path: Path, content: bytes) -> None:
    path = write_digits(tmp_path / "digits.npz", 40, [content] * 40)
    cell = row_cell(load_cached(f"{path}?label=y&anomaly=3"), 7)
    assert cell is not None and cell.picture == ""


class Words(HTMLParser):
    """Elements of a piece of HTML, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_hostile_text_is_plain_words_on_a_card(texts: Dataset) -> None:
    cell = row_cell(texts, 0)
    assert cell is not None and "\u202e" not in cell.text
    page = Words(cell.card(100))
    assert page.elements == ["div", "p", "small"]
    assert page.words == HOSTILE.replace("\u202e", "").replace("\u202c", "") + "row 0"
    assert Words(gallery([cell], [True])).elements == ["div", "p"]


def test_a_hostile_name_is_plain_words(images: Dataset) -> None:
    cell = row_cell(images, 3)
    assert cell is not None
    hostile = replace(cell, name='"><script>alert(1)</script>')
    assert Words(hostile.card(100)).elements == ["figure", "img", "figcaption"]
    assert Words(gallery([hostile, None], [False, True])).elements == ["div", "img"]
    assert html.escape(hostile.name) in gallery([hostile], [False])


def test_texts_of_every_length_have_a_card(texts: Dataset) -> None:
    cells = [row_cell(texts, row) for row in range(5)]
    assert [len(cell.text) for cell in cells if cell] == [len(HOSTILE) - 2, 0, 10_000, 9, 5]
    assert cells[1] is not None and "(no words)" in cells[1].card(100)
    assert cells[3] is not None and cells[3].text == "two\nlines"


def test_a_table_has_pictures_of_its_first_rows(images: Dataset) -> None:
    columns = row_columns(images, images.row_ids[::-1].tolist())
    assert [*columns] == ["picture", "name"]
    assert len(columns["picture"]) == len(columns["name"]) == 150
    assert sum(url is not None for url in columns["picture"]) == MAX_ROW_IMAGES
    assert columns["name"][0] == "0/149.png" or columns["name"][0].endswith("/149.png")  # type: ignore[union-attr]


def test_a_table_has_words_of_its_first_rows(texts: Dataset) -> None:
    columns = row_columns(texts, [2, 1, *range(5, 1105), 9999])
    assert [*columns] == ["text", "name"]
    assert columns["text"][:3] == ["long " * 39 + "lon …", "", "plain 0"]
    assert columns["text"][-1] is None and len(columns["text"]) == 1103
    assert max(len(words) for words in columns["text"] if words) == 200
    assert row_columns(load_cached("breast_cancer"), [1, 2]) == {}


def test_marks_show_words(texts: Dataset) -> None:
    found = row_pictures(texts, np.arange(texts.rows))
    assert found is not None and found["kind"] == "text" and len(found["rows"]) == texts.rows
    assert len(json.dumps(found)) < 100_000
    assert found["rows"]["3"] == "two lines"


def test_marks_show_pictures(images: Dataset) -> None:
    found = row_pictures(images, np.array([3, 3, 9]))
    assert found is not None and found["kind"] == "image" and [*found["rows"]] == ["3", "9"]
    assert decoded(found["rows"]["9"]).size == (48, 48)


def test_many_large_pictures_become_small_ones(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    path = write_digits(tmp_path / "digits.npz", 300, [picture(noise, 128)] * 299 + [b"no picture"])
    previews = previews_of(path, "image")
    assert 300 * len(previews.picture(0)) > HOVER_BYTES
    urls = small_pictures(previews, range(300))
    assert sum(map(len, urls.values())) <= HOVER_BYTES and [*urls] == list(range(299))
    assert decoded(urls[5]).size == (HOVER_SIDE, HOVER_SIDE)
    assert small_pictures(previews, range(300)) is urls
    few = small_pictures(previews, range(300), 20_000)
    assert 0 < len(few) < 299 and sum(map(len, few.values())) <= 20_000
