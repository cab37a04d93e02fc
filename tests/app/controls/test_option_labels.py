"""Options in plain words: on every control, with the name in the code beside, and read back from an address."""

from __future__ import annotations

from typing import Any

import pytest

from app.controls.registry import CONTROLS, Control
from app.text.labels import OPTION_WORDS, option_label, option_of
from app.views.clean import page as clean
from app.views.drift import controls as drift
from app.views.zero_shot import controls as zero_shot

# Names of data sets and systems are the words for them.
NAMES = ("dataset", "baseline")
NAMED = [
    (control, option)
    for control in (*CONTROLS, *clean.OWN, *drift.OWN, *zero_shot.CONTROLS)
    for option in control.options
    if isinstance(option, str) and control.name not in NAMES
]


@pytest.mark.parametrize(("control", "option"), NAMED, ids=lambda part: getattr(part, "name", part))
def test_an_option_is_called_by_plain_words_and_its_name_in_the_code(control: Control, option: str) -> None:
    label, words = control.option_label(option), OPTION_WORDS[control.name][option]
    assert label == (option if words == option else f"{words} ({option})")
    assert len(words) > 3 and "_" not in words
    assert control.parse(label) == control.parse(option) == option
    assert control.widget_texts(option) == [label] and control.texts(option) == [option]
    assert control.read([label]) == (option, [])


def test_every_word_belongs_to_an_option() -> None:
    offered: dict[str, set[Any]] = {}
    for control, option in NAMED:
        offered.setdefault(control.name, set()).add(option)
    assert {name: set(words) for name, words in OPTION_WORDS.items()} == offered


@pytest.mark.parametrize(("name", "value", "label"), [("seeds", 5, "5"), ("lambda_n", 1e-4, "0.0001")])
def test_a_number_is_its_own_label(name: str, value: float, label: str) -> None:
    assert option_label(name, value) == label


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("norm", "layer norm (nonsense)"),
        ("norm", "(layer)"),
        ("dataset", "digits (digits_3)"),
        ("seeds", "five (5)"),
        ("protocol", "x (leak_free) y"),
        ("contamination", ""),
    ],
)
def test_other_texts_are_read_as_they_are(name: str, text: str) -> None:
    assert option_of(name, text) == text
