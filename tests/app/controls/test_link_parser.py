"""A link is read control by control; what cannot be used is one sentence, and no text breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anoonly_core.config import make_config
from app.controls.link_parser import OF_PAGES, read_link
from app.controls.registry import CONTROLS
from app.text.labels import format_value
from tests.app.conftest import assert_one_line

BAD = {
    "lambda_n": ["abc", "nan", "inf", "-1", "1.5", "", "published", "<script>alert(1)</script>", "9" * 5000],
    "batch_size": ["0", "-1", "1.5", "70000", "abc", "", "9" * 5000],
    "epochs": ["0", "10001", "abc"],
    "learning_rate": ["0", "2", "nan"],
    "labeled_ratio": ["0", "1.1", "nan"],
    "normal_ratio": ["0", "-0.5"],
    "contamination": ["0.81", "-0.1", "nan", "unnatural"],
    "norm": ["batchnorm", "", "PUBLISHED", "x" * 10_000],
    "baseline": ["deepsad", "", "<b>"],
    "preset": ["code"],
    "protocol": ["leaky"],
    "dataset": ["digits_99", "", "../../etc/passwd", "digits_3\n", "x" * 10_000],
    "seed": ["-1", "2147483648", "1.5"],
    "seeds": ["0", "11", "-1", "1.0", "", "²", "9" * 5000],
}


@pytest.mark.parametrize(
    ("name", "text"),
    [pytest.param(name, text, id=f"{name}={text[:20]}") for name, texts in BAD.items() for text in texts],
)
def test_a_bad_value_is_named_and_the_default_stands(name: str, text: str) -> None:
    values, notices = read_link({name: text})
    assert values == {}
    (notice,) = notices
    assert notice.startswith(f"The link's {name} must be ")
    assert "The default, " in notice
    assert_one_line(notice)


@pytest.mark.parametrize("name", ["lambda", "<script>", "x" * 10_000, "line\nbreak", ""])
def test_an_unknown_name_is_named(name: str) -> None:
    values, notices = read_link({name: "1"})
    assert values == {}
    (notice,) = notices
    assert "does not know" in notice
    assert_one_line(notice)


name_in_a_link = st.one_of(st.sampled_from([control.name for control in CONTROLS]), st.text(max_size=60))
text_in_a_link = st.one_of(
    st.text(max_size=80),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from([format_value(option) for control in CONTROLS for option in control.options]),
)


@given(st.dictionaries(name_in_a_link, text_in_a_link, max_size=6))
@example({"seeds": "9" * 5000})
@example({"lambda_n": "0.5", "norm": "layer", "a": "anything"})
def test_any_link_can_be_read(parameters: Mapping[str, str]) -> None:
    values, notices = read_link(parameters)
    others = OF_PAGES - {control.name for control in CONTROLS}
    assert len(values) + len(notices) == len(parameters.keys() - others)
    for notice in notices:
        assert_one_line(notice)
    for name, value in values.items():
        if name != "seeds":
            make_config(**{name: as_setting(name, value)})


def as_setting(name: str, value: Any) -> Any:
    """None where the control leaves the choice to what is published."""
    return None if value == "published" and name != "protocol" else value
