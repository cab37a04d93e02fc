"""Encoding of a text file: by its byte order mark, else UTF-8, else the legacy encoding that fits its letters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from types import MappingProxyType

import charset_normalizer

from anoonly_core.errors import BadDataFile

__all__ = ["ENCODINGS", "find_encoding", "guess_legacy_encoding"]

MIN_SAMPLE = 16  # bytes that show an encoding
SAMPLE = 2**16  # bytes of lines with letters beyond ASCII
# Encodings that a user can choose, with the name that people know them by.
ENCODINGS = MappingProxyType(
    {
        "utf-8": "UTF-8",
        "cp1252": "Windows-1252 (Western Europe)",
        "cp1250": "Windows-1250 (Central Europe)",
        "cp1251": "Windows-1251 (Cyrillic)",
        "cp1253": "Windows-1253 (Greek)",
        "cp1254": "Windows-1254 (Turkish)",
        "iso8859_2": "ISO 8859-2 (Central Europe)",
        "koi8_r": "KOI8-R (Cyrillic)",
        "mac_roman": "Mac Roman",
        "cp850": "DOS 850",
        "cp932": "Shift JIS (Japanese)",
        "euc_jp": "EUC-JP (Japanese)",
        "gb18030": "GB 18030 (Chinese)",
        "big5": "Big5 (Chinese)",
        "euc_kr": "EUC-KR (Korean)",
        "utf-16": "UTF-16",
    }
)
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SIGNS = frozenset("€£§°²³µ–—‘’“”„…«»")
# Encodings of the Latin alphabet in order of preference, with the letters beyond ASCII of languages written in them.
_WEST = ("äöüß", "éèêëàâçîïôùûüÿœæ", "áéíóúñüçàãâêõ", "àèéìòù", "åäöæøé", "éëïöüè")
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "äöüß")
_LATIN = MappingProxyType(
    {
        "cp1252": _WEST,
        "cp1250": _CENTRAL,
        "cp1254": ("çğıi̇öşüâî",),
        "iso8859_2": _CENTRAL,
        "mac_roman": _WEST,
        "cp850": _WEST,
    }
)
_OTHER_ALPHABETS = ["cp1251", "koi8_r", "cp1253", "cp932", "euc_jp", "gb18030", "big5", "euc_kr"]


def find_encoding(begin: bytes) -> str:
    """Return the encoding of a text file by its first bytes: UTF-16 or UTF-32, otherwise UTF-8.

    UTF-16 and UTF-32 are found by their byte order mark; UTF-16 without one by the zero bytes of its ASCII letters.
    """
    for mark, encoding in _MARKS.items():
        if begin.startswith(mark):
            return encoding
    sample = begin[:1000]
    even, odd = (sample[parity::2].count(0) / max(len(sample) // 2, 1) for parity in (0, 1))
    if len(sample) >= MIN_SAMPLE and max(even, odd) > 0.6 and min(even, odd) < 0.1:
        return "utf-16-be" if even > odd else "utf-16-le"
    return "utf-8"


def guess_legacy_encoding(content: bytes, title: str) -> str:
    """Guess the encoding of text that is not UTF-8; return a key of `ENCODINGS`.

    Letters beyond ASCII that stand alone among ASCII letters are Latin. The encoding is then the first of `_LATIN` in
    which the most letters belong to one of its languages. Other text is left to charset-normalizer.

    Parameters
    ----------
    content
        Bytes with some that are no UTF-8, such as a part of the file.
    title
        Name of the file in messages.

    Raises
    ------
    BadDataFile
        If the bytes hold control characters, as files that are no text do, or no encoding fits.
    """
    if re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", content):
        raise BadDataFile(f"{title} is no text: it holds control characters, so it may be a file of another kind.")
    runs = re.findall(rb"[\x80-\xff]+", content)
    if sum(map(len, runs)) <= 2 * len(runs):
        scores = {encoding: _share(content, encoding, languages) for encoding, languages in _LATIN.items()}
        return max(scores, key=scores.__getitem__)
    lines = b"\n".join(line for line in re.split(rb"[\r\n]+", content) if not line.isascii())
    best = charset_normalizer.from_bytes(lines[:SAMPLE], cp_isolation=_OTHER_ALPHABETS).best()
    if best is None:
        raise BadDataFile(f"{title} has an unknown encoding: save it as UTF-8, or name its encoding with encoding=….")
    return best.encoding


def _share(content: bytes, encoding: str, languages: Sequence[str]) -> float:
    """Return the largest share of characters beyond ASCII that belong to one language; 0 if the encoding does not fit.

    Each language is given by its letters beyond ASCII in lower case. Signs such as € belong to all.
    """
    try:
        beyond = [character.lower() for character in content.decode(encoding) if not character.isascii()]
    except UnicodeDecodeError:
        return 0.0
    return max(sum(letter in language or letter in _SIGNS for letter in beyond) for language in languages) / len(beyond)
