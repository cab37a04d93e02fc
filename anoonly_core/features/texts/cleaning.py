"""Texts before an encoder sees them: one form of each character, and the beginning of a text as a preview."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_PREVIEW", "UNSPACED", "normalize_text", "preview_text"]

MAX_PREVIEW = 200  # characters
MIN_PREVIEW = 100  # characters that a cut at the end of a word leaves at least
MAX_MARKS = 30  # combining marks after one letter, as in the stream-safe text format of Unicode
SHORT = 10_000  # characters that are normalized at once, whatever they are
ELLIPSIS = "…"
JOINER, GRAPHEME_JOINER = "\u200d", "\u034f"
# Letters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIRECTIONS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def normalize_text(text: str) -> str:
    """Return a text in Unicode's normal form C, so that an accent counts the same however it is stored.

    A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. A run of more than `MAX_MARKS` combining marks is
    divided by U+034F, as the stream-safe text format of Unicode does: sorting a long run takes minutes.
    """
    if text.isascii():
        return text
    text = _SURROGATE.sub("\ufffd", text)
    return unicodedata.normalize("NFC", text if len(text) <= SHORT else _divide_marks(text))


def _divide_marks(text: str) -> str:
    """Return a text with U+034F after each `MAX_MARKS` combining marks of a run."""
    parts, begin, marks = [], 0, 0
    for place, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MAX_MARKS:
            parts.append(text[begin:place])
            begin, marks = place, 1
    return GRAPHEME_JOINER.join([*parts, text[begin:]])


def preview_text(text: str) -> str:
    """Return the beginning of a text in one line, at most `MAX_PREVIEW` characters and an ellipsis if more follows.

    The cut is at the end of a word where that leaves `MIN_PREVIEW` characters, and else between two characters as
    people see them. Control characters and those that reverse the direction of all that follows are left out.
    """
    begin = text[: 8 * MAX_PREVIEW]
    words = "".join(" " if character.isspace() else character for character in begin if _is_shown(character)).split()
    line = " ".join(words)
    if len(line) <= MAX_PREVIEW:
        return line if len(begin) == len(text) else f"{line}{ELLIPSIS}"
    cut = line.rfind(" ", MIN_PREVIEW, MAX_PREVIEW + 1)
    if cut < 0:
        cut = next((place for place in range(MAX_PREVIEW, MIN_PREVIEW, -1) if _is_border(line, place)), MAX_PREVIEW)
    return f"{line[:cut].rstrip()}{ELLIPSIS}"


def _is_shown(character: str) -> bool:
    is_control = unicodedata.category(character) == "Cc" and not character.isspace()
    return not is_control and unicodedata.bidirectional(character) not in _DIRECTIONS


def _is_border(text: str, place: int) -> bool:
    """Return True if a cut before `text[place]` divides no character with its marks, emoji or flag."""
    before, after = text[place - 1], text[place]
    if before == JOINER or after == JOINER or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # colors of skin
        return False
    flags = len(text[:place]) - len(text[:place].rstrip(_FLAGS))
    return not (after in _FLAGS and flags % 2)


_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # letters of which two are a flag
