"""From a .zip of pictures and from a table of texts to scores in a real browser, by keyboard where that is cheap."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from sklearn.datasets import load_digits

from anoonly_core.features.encoders.text_models import find_minilm
from tests.browser.compare_page import IDLE, ComparePage
from tests.previews import HOSTILE

Open = Callable[..., ComparePage]
PRIZES = ("you won a prize, send your card number now", "claim the free holiday that you won", "win cash now")
ORDERS = ("your order is late", "the parcel was sent to the wrong door", "please refund the second lamp", "thank you")


def pictures(path: Path, rows: int = 150) -> Path:
    """Write digits as PNG files in a folder for threes and one for others, and one damaged file."""
    X, y = load_digits(return_X_y=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (row, digit) in enumerate(zip(X[:rows], y[:rows], strict=True)):
            file = io.BytesIO()
            Image.fromarray((row.reshape(8, 8) * 15).astype(np.uint8)).save(file, "PNG")
            archive.writestr(f"{'three' if digit == 3 else 'other'}/{number}.png", file.getvalue())
        archive.writestr("other/damaged.png", b"no picture")
    return path


def mails(path: Path, rows: int = 120) -> Path:
    """Write texts with a label; all of a kind are hostile, so that any row shows whether it is escaped."""
    texts = [f"{(PRIZES if row % 6 == 0 else ORDERS)[row % 3]} {row} {HOSTILE}" for row in range(rows)]
    kinds = ["spam" if row % 6 == 0 else "ham" for row in range(rows)]
    pd.DataFrame({"message": texts, "kind": kinds}).to_csv(path, index=False)
    return path


def make_features(page: Page, path: Path, headline: str, encoder: str, made: str) -> None:
    """Upload a file, make features with an encoder by keyboard, and open them in Compare."""
    page.set_input_files("input[type=file]", path)
    expect(page.locator("h5").first).to_contain_text(headline)
    radio = page.get_by_role("radio", name=re.compile(f"^{re.escape(encoder)}"))
    if not radio.is_checked():
        radio.focus()
        page.keyboard.press("Space")
        expect(radio).to_be_checked()
    page.wait_for_selector(IDLE)
    page.get_by_role("button", name="Make features", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("h5").first).to_contain_text(made)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(re.compile(r"/compare\?dataset=own_"))


def select_first_row(page: Page) -> None:
    """Open the list of rows of a run of one seed and few epochs, and select its first row by keyboard."""
    page.goto(f"{page.url}&seeds=1&epochs=2&tab=rows")
    expect(page.locator("h5").first).to_contain_text("On one seed")
    page.wait_for_selector(IDLE)
    frame = page.locator("[data-testid=stDataFrame]").first
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 18)


def test_pictures_in_an_archive_become_scores_with_pictures(open_page: Open, tmp_path: Path) -> None:
    page = open_page("your-table").page
    made = "digits pixels.npz: 150 rows of"
    make_features(page, pictures(tmp_path / "digits.zip"), "digits.zip: 151 images, labels other (13", "pixels", made)
    select_first_row(page)
    card = page.locator(".row-card img")
    expect(card).to_be_visible()
    assert card.evaluate("(image) => image.complete && image.naturalWidth") == 8
    expect(page.locator(".row-card figcaption")).to_have_text(re.compile(r"^(three|other)/\d+\.png$"))


@pytest.mark.parametrize(
    "encoder",
    [
        "words",
        pytest.param(
            "minilm-int8", marks=pytest.mark.skipif(find_minilm() is None, reason="needs the package with its weights")
        ),
    ],
)
def test_texts_of_a_table_become_scores_with_words(open_page: Open, tmp_path: Path, encoder: str) -> None:
    page = open_page("your-table").page
    alerts: list[Mapping[str, str]] = []
    page.on("dialog", lambda dialog: alerts.append({"text": dialog.message}))
    made = f"mails message {encoder}.npz: 120 rows of"
    make_features(page, mails(tmp_path / "mails.csv"), "mails.csv: 120 rows, with texts in message", encoder, made)
    select_first_row(page)
    words = page.locator(".row-words p")
    expect(words).to_contain_text("<b>x</b><img src=q onerror=alert(1)> **bold** $x^2$ :material/home: :smile:")
    assert words.locator("*").count() == 0 and alerts == []
