"""Hostile JSON is refused before it is parsed."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from anoonly_core import bounded_json as module
from anoonly_core.bounded_json import MAX_CHARACTERS, MAX_DEPTH, MAX_NUMBER, MAX_VALUES, bounded_json

VALUES = MAX_VALUES // 10  # of the tests, and so is the memory; the limit itself is tested without tracing the memory
HARMFUL = {
    "deep lists": "[" * 200_000 + "]" * 200_000,
    "deep objects": '{"a":' * 200_000 + "1" + "}" * 200_000,
    "deep and open": "[" * 200_000,
    "deep inside": '{"a": 1, "b": [1, ' + "[" * 40 + "]" * 40 + "]}",
    "one deeper than allowed": "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "long integer": "9" * 100_000,
    "long negative integer": f'{{"a": -{"9" * 100_000}}}',
    "long fraction": f"[0.{'1' * 100_000}]",
    "long exponent": f"1e{'0' * 100_000}1",
    "empty lists": "[" + "[]," * VALUES + "[]]",
    "empty objects": "[" + "{}," * VALUES + "{}]",
    "zeros": "[" + "0," * VALUES + "0]",
    "short keys": "{" + ",".join(f'"{number}":0' for number in range(VALUES // 2 + 1)) + "}",
    "long string": f'"{"a" * MAX_CHARACTERS}"',
    "nothing": "",
}


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL)
def test_a_hostile_text_is_refused_before_parsing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VALUES", VALUES)
    tracemalloc.start()
    with pytest.raises(ValueError):
        bounded_json(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (1 << 20) // 10


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, -3e300, None, True, 'ü\n"\\[{,:']},
        [[[]]] * 1000,
        {f"column {number}": [number, str(number)] for number in range(20_000)},
        10**308,
        ["[" * 100_000, "{" * 100_000, "9" * 100_000, '"' * 100_000, "\\" * 100_001],
        "",
    ],
)
def test_a_harmless_text_is_parsed(value: object) -> None:
    assert bounded_json(json.dumps(value)) == value
    assert bounded_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


def test_an_unterminated_string_is_read_once() -> None:
    with pytest.raises(ValueError, match="Unterminated"):
        bounded_json('"' + '\\"' * 4_000_000)


def test_texts_at_the_limits_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(bounded_json("[" + "0," * (MAX_VALUES - 2) + "0]")) == MAX_VALUES - 1
    with pytest.raises(ValueError, match=f"{MAX_VALUES} values"):
        bounded_json("[" + "0," * (MAX_VALUES - 1) + "0]")
    monkeypatch.setattr(module, "MAX_VALUES", 10)
    assert bounded_json("[1,2,3,4,5,6,7,8,9]") == [*range(1, 10)]
    with pytest.raises(ValueError, match="10 values"):
        bounded_json("[1,2,3,4,5,6,7,8,9,10]")
    assert bounded_json("1" * MAX_NUMBER) == int("1" * MAX_NUMBER)
