"""Texts before an encoder sees them: one form of each character, and previews."""

from __future__ import annotations

import unicodedata

import pytest

from anoonly_core.features.texts.cleaning import MAX_MARKS, MAX_PREVIEW, normalize_text, preview_text

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one emoji of five characters
GERMANY = "\U0001f1e9\U0001f1ea"  # one flag of two characters


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("plain\x00 \x07", "plain\x00 \x07"),
        ("Zu\u0308rich", "Z\u00fcrich"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("a\ud800b", "a\ufffdb"),
        ("\u202eabc \u05e9\u05dc\u05d5\u05dd", "\u202eabc \u05e9\u05dc\u05d5\u05dd"),
        (FAMILY, FAMILY),
        ("ﬁ ²", "ﬁ ²"),  # another form of compatibility is another character
    ],
)
def test_a_text_has_one_form_of_each_character(text: str, normalized: str) -> None:
    assert normalize_text(text) == normalized
    assert normalize_text(normalized) == normalized
    normalize_text(text).encode()


def test_a_long_run_of_marks_is_divided_so_that_sorting_it_takes_no_minutes() -> None:
    marks = "\u0301\u0323"
    text = normalize_text("a" + marks * 250_000)
    runs = text.split("\u034f")
    assert max(map(len, runs)) <= MAX_MARKS + 1
    assert sum(map(len, runs)) == pytest.approx(500_001, abs=2)
    assert normalize_text("a" + marks * 15) == unicodedata.normalize("NFC", "a" + marks * 15)


def test_a_long_text_without_such_a_run_is_only_normalized() -> None:
    text = "Zu\u0308rich \u0645\u064f\u062d\u064e " * 2000
    assert normalize_text(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "preview"),
    [
        ("short text", "short text"),
        ("  two\n lines\tand  more ", "two lines and more"),
        ("nul\x00bell\x07", "nulbell"),
        ("turned \u202eround", "turned round"),
        ("word " * 100, "word " * 39 + "word…"),
        ("漢" * 500, "漢" * MAX_PREVIEW + "…"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "…"),
        ("a" * 5000, "a" * 200 + "…"),
    ],
)
def test_a_preview_is_the_begin_in_one_line(text: str, preview: str) -> None:
    assert preview_text(text) == preview


@pytest.mark.parametrize("unit", [FAMILY, GERMANY, "e\u0301\u0323", "👍🏽", "क्षि"])
@pytest.mark.parametrize("shift", range(5))
def test_a_preview_divides_no_character_as_people_see_it(unit: str, shift: int) -> None:
    begin = preview_text("x" * shift + unit * 300).removesuffix("…")[shift:]
    assert len(begin) > 150
    whole = "क्" if unit == "क्षि" else unit  # a cluster of consonants may be divided, its signs may not
    assert len(begin) % len(unit) == 0 or begin.endswith(whole)
