"""The verdict says what the deletion test found."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.explanation.result import NOT_EXPLAINED, OCCLUSION
from app.text.explanation import summary_sentence, verdict_sentence
from tests.app.explained import explained


def test_a_fast_fall_is_believed() -> None:
    explanation = explained()
    sentence = verdict_sentence(explanation, 0)
    assert sentence.startswith("**Believe it**: by this order the score falls at least as fast as by 100 of 100 random")
    assert f"Score {explanation.scores[0]:.4g}, median row 1." in sentence
    assert summary_sentence(explanation) == "contributions explain 2 of 2 rows"


@pytest.mark.parametrize(
    ("area", "magnitude", "random", "reason"),
    [
        (0.41, 0.6, 0.4, "faster by 60 of 100 random orders"),
        (0.44, 0.6, 0.4, "faster by 90 of 100 random orders"),
        (0.2, 0.1, 0.4, "faster by the order of |x − median|"),
        (0.7, 0.8, 0.9, "rises on the way"),
        (np.nan, np.nan, np.nan, "scores as the median row does"),
    ],
)
def test_a_slow_fall_has_its_reason(area: float, magnitude: float, random: float, reason: str) -> None:
    explanation = explained(area, magnitude, random)
    sentence = verdict_sentence(explanation, 1)
    assert sentence.startswith(f"**{NOT_EXPLAINED}**") and reason in sentence
    assert summary_sentence(explanation) == "contributions explain 0 of 2 rows"


def test_orders_that_are_all_equal_explain_nothing() -> None:
    explanation = explained()
    assert explanation.deletion is not None
    explanation.deletion.random_areas[:] = 0.1
    assert "All orders let it fall equally fast." in verdict_sentence(explanation, 0)


def test_limits_of_the_contributions_are_said() -> None:
    assert "no gradient" in verdict_sentence(explained(method=OCCLUSION), 0)
    assert "miss 5 %" in verdict_sentence(explained(deviation=0.05), 0)
    assert "miss" not in verdict_sentence(explained(deviation=0.005), 0)
