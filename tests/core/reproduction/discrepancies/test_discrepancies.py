"""What does not add up: every point says something that its runs say, and says otherwise when they do."""

from __future__ import annotations

import re

import pytest

from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence
from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.grid import to_markdown
from tests.core.reproduction.made import at, evidence_of

PUBLISHED_ALONE = ("readme", "anomaly-share")


@pytest.fixture(scope="module")
def as_shipped() -> Evidence:
    return shipped_evidence()


@pytest.mark.parametrize("name", DISCREPANCIES)
def test_every_point_is_found_in_what_ships(name: str, as_shipped: Evidence) -> None:
    found = DISCREPANCIES[name].measure(as_shipped)
    assert found is not None and re.search(r"\d", found.sentence)
    said = found.sentence + to_markdown(found.grid)
    assert "nan" not in said and "not measured" not in said
    assert DISCREPANCIES[name].command == f"python -m anoonly_core reproduce {name}"


@pytest.mark.parametrize("name", [name for name in DISCREPANCIES if name not in PUBLISHED_ALONE])
def test_no_point_speaks_without_runs_or_by_heart(name: str) -> None:
    assert DISCREPANCIES[name].measure(evidence_of(lambda run: None)) is None

    def one(run: PlannedRun) -> float:
        return 0.6 + 0.01 * run.config.seed

    def other(run: PlannedRun) -> float:
        return one(run) + 0.1 * at(run, lambda_n=0.0) + 0.05 * at(run, reading="code") + 0.07 * at(run, norm="batch")

    said = [DISCREPANCIES[name].measure(evidence_of(value)) for value in (one, other)]
    assert said[0] is not None and said[1] is not None
    if name != "batches":  # which rests on how batches are made up, not on the metrics
        assert to_markdown(said[0].grid) != to_markdown(said[1].grid)


def test_the_sign_turns_round_only_where_it_does() -> None:
    found = DISCREPANCIES["sign"].measure(evidence_of(lambda run: 0.6 + 0.1 * at(run, lambda_n=0.0)))
    assert found is not None and "opposite ways for 0 of 4 heads" in found.sentence
