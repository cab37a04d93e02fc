"""Discrepancies: each sentence is made from the runs and changes with them."""

from __future__ import annotations

import re

import pytest

from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence
from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.grid import to_markdown
from tests.core.reproduction.made import evidence_of, has

WITHOUT_RUNS = ("readme", "anomaly-share")


@pytest.fixture(scope="module")
def shipped() -> Evidence:
    return shipped_evidence()


@pytest.mark.parametrize("name", DISCREPANCIES)
def test_every_discrepancy_has_a_finding_in_the_shipped_results(name: str, shipped: Evidence) -> None:
    finding = DISCREPANCIES[name].measure(shipped)
    assert finding is not None and re.search(r"\d", finding.sentence)
    text = finding.sentence + to_markdown(finding.grid)
    assert "nan" not in text and "not measured" not in text
    assert DISCREPANCIES[name].command == f"python -m anoonly_core reproduce {name}"


@pytest.mark.parametrize("name", [name for name in DISCREPANCIES if name not in WITHOUT_RUNS])
def test_a_finding_needs_runs_and_changes_with_them(name: str) -> None:
    assert DISCREPANCIES[name].measure(evidence_of(lambda run: None)) is None

    def equal(run: PlannedRun) -> float:
        return 0.6 + 0.01 * run.config.seed

    def different(run: PlannedRun) -> float:
        return (
            equal(run) + 0.1 * has(run, lambda_n=0.0) + 0.05 * has(run, source="code") + 0.07 * has(run, norm="batch")
        )

    findings = [DISCREPANCIES[name].measure(evidence_of(value)) for value in (equal, different)]
    assert findings[0] is not None and findings[1] is not None
    if name != "batches":  # made from the rows of batches, not from metrics
        assert to_markdown(findings[0].grid) != to_markdown(findings[1].grid)


def test_the_sign_finding_counts_no_opposite_gains_if_there_are_none() -> None:
    finding = DISCREPANCIES["sign"].measure(evidence_of(lambda run: 0.6 + 0.1 * has(run, lambda_n=0.0)))
    assert finding is not None and "opposite directions for 0 of 4 heads" in finding.sentence
