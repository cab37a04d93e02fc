"""JSON from files that may be made to harm: size, depth, values and numbers are bounded before anything is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_NUMBER", "MAX_VALUES", "bounded_json"]

MAX_CHARACTERS = 16 * 2**20
MAX_DEPTH = 32
MAX_VALUES = 500_000  # values and keys; a list takes about 64 bytes
MAX_NUMBER = 400  # characters; Python writes 10**308 with 309 digits

# One token: a string, a bracket, or a run of characters that is a number or a word. A string without an end is one
# token too, else the search would begin again at each of its quotes.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|[^\s"\[\]{},:]++', re.DOTALL)


def bounded_json(text: str) -> Any:
    """Parse a JSON text after checking bounds on its size, depth, values and numbers; return the Python value.

    Parameters
    ----------
    text
        JSON text from a file that may be made to harm.

    Raises
    ------
    ValueError
        If the text is no JSON, or exceeds `MAX_CHARACTERS`, `MAX_DEPTH`, `MAX_VALUES` or `MAX_NUMBER`.
        Nothing of a text that exceeds a bound is parsed.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"more than {MAX_CHARACTERS} characters")
    depth = values = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "]}":
            depth -= 1
            continue
        values += 1
        if values > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} deep")
        elif first != '"' and token.end() - token.start() > MAX_NUMBER:
            raise ValueError(f"a number of more than {MAX_NUMBER} characters")
    return json.loads(text)
