"""The registry of mechanisms, their descriptions, and the setting norm_strength."""

from __future__ import annotations

from typing import Any

import pytest

from anoonly_core.baselines import MECHANISMS, NORM_LABELS, PAPER_NORMS
from anoonly_core.baselines.mechanisms import Dial, Mechanism, check_mechanism
from anoonly_core.config import make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.models.norms import NORMS, register_norm
from anoonly_core.models.statistics_norms import StatisticsNorm
from anoonly_core.results.keys import run_key

WITH_DIAL = [name for name, mechanism in MECHANISMS.items() if mechanism.dial is not None]


def test_the_registry_names_the_norms_and_the_papers_first() -> None:
    assert list(NORMS) == list(MECHANISMS) == list(NORM_LABELS)
    assert tuple(MECHANISMS)[: len(PAPER_NORMS)] == PAPER_NORMS
    for name, mechanism in MECHANISMS.items():
        assert mechanism.name == name and check_mechanism(mechanism) == ""
        assert mechanism.source and mechanism.summary.endswith(".") and len(mechanism.label.split()) <= 6
        norm = NORMS[name](1, 4, 1e-3, 0.1)
        assert getattr(norm, "mechanism", mechanism) is mechanism


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "My Norm"}, "lower-case"),
        ({"dial": Dial("x", 5, 0, 1, (5,))}, "outside"),
        ({"dial": Dial("x", 1, 0, 1, (0, 0.5))}, "levels must ascend"),
        ({"dial": Dial("x", 1, 0, 1, (1, 0.5))}, "levels must ascend"),
        ({"dial": Dial("x", 1, 0, 1, (1, 2))}, "levels must lie"),
    ],
)
def test_a_wrong_description_is_refused(changes: dict[str, Any], words: str) -> None:
    wrong = Mechanism(**{"name": "mine", "label": "mine", "source": "here", "summary": "A norm.", **changes})
    assert words in check_mechanism(wrong)

    class Mine(StatisticsNorm):
        mechanism = wrong

    with pytest.raises(ValueError, match=words):
        register_norm(Mine)
    assert "mine" not in MECHANISMS


def test_a_name_that_is_taken_is_refused() -> None:
    class Mine(StatisticsNorm):
        mechanism = Mechanism("ghost", "mine", "here", "A norm.")

    with pytest.raises(ValueError, match="already"):
        register_norm(Mine)


@pytest.mark.parametrize("name", WITH_DIAL)
def test_the_standard_strength_keeps_the_key_and_another_changes_it(name: str) -> None:
    dial = MECHANISMS[name].dial
    assert dial is not None
    usual = make_config(norm=name)
    assert usual.strength == dial.standard and "norm_strength" not in usual.canonical()
    assert make_config(norm=name, norm_strength=dial.standard) == usual
    assert make_config(norm=name, norm_strength=f"{dial.standard:g}") == usual
    keys = {run_key(make_config(norm=name, norm_strength=level)) for level in dial.levels}
    assert len(keys) == len(dial.levels) and run_key(usual) in keys
    for beyond in (dial.low - 1, dial.high * 2 + 1):
        with pytest.raises(InvalidConfig, match=r"^norm_strength must be"):
            make_config(norm=name, norm_strength=beyond)


@pytest.mark.parametrize("norm", [name for name in MECHANISMS if name not in WITH_DIAL])
def test_a_norm_without_a_dial_takes_no_strength(norm: str) -> None:
    with pytest.raises(InvalidConfig, match=r"^norm_strength must be left out"):
        make_config(norm=norm, norm_strength=1)
