"""Discrepancies: each sentence is made from the runs and changes with them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import cast

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
    found = DISCREPANCIES["sign"].measure(evidence_of(lambda run: 0.6 + 0.1 * has(run, lambda_n=0.0)))
    assert found is not None and "of opposite sign for 0 of 4 heads after Holm" in found.sentence


def signs(means: tuple[float, float], noise: float) -> str:
    """Return the sentence on the sign, with these changes of the two measures and this deviation over seeds."""
    evidence = evidence_of(lambda run: 0.6)
    frame = evidence.frame("table4").copy()
    noises = noise * (frame["seed"] - 2) * (frame["system"].str.endswith("AnoOnly"))
    for column, mean in zip(("aucpr_normal_published", "aucpr_normal"), means, strict=True):
        frame[column] = 60 + noises + mean * frame["system"].str.endswith("AnoOnly")
    found = DISCREPANCIES["sign"].measure(cast("Evidence", SimpleNamespace(frame=lambda name: frame)))
    assert found is not None
    return found.sentence


@pytest.mark.parametrize(
    ("means", "noise", "corrected", "uncorrected", "by_sign"),
    [
        ((-1.0, 1.0), 0.01, 4, 4, 4),
        ((1.0, -1.0), 0.01, 4, 4, 4),
        ((-1.0, 0.2), 0.3, 0, 0, 4),  # +0.2 ± 0.6 is no sign
        ((-1.0, 1.0), 0.3, 0, 4, 4),  # clear one by one, p = 0.009, and not eight times
        ((1.0, 1.0), 0.01, 0, 0, 0),
        ((-0.1, 0.1), 1.0, 0, 0, 4),
    ],
)
def test_a_sign_counts_where_it_is_clear(
    means: tuple[float, float], noise: float, corrected: int, uncorrected: int, by_sign: int
) -> None:
    sentence = signs(means, noise)
    assert f"of opposite sign for {corrected} of 4 heads after Holm's correction for 8 comparisons" in sentence
    assert f", for {uncorrected} uncorrected; the means have opposite signs for {by_sign}." in sentence


def test_a_cost_has_the_interval_of_its_difference(shipped: Evidence) -> None:
    found = DISCREPANCIES["robustness"].measure(shipped)
    assert found is not None and "in **2** of 7 cases after Holm's correction, in 2 uncorrected" in found.sentence
    assert [row[-1] for row in found.grid.rows][4] == "+6.1 ± 0.5"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mvtec-baseline", "Our DeepSAD with the code's settings gets **91.1** over 10 of 15 files"),
        ("mvtec-baseline", "The authors' own code gives 93.2 → 84.6 on 10 files."),
        ("norms", "Table 1's average for DeepSAD, 67.8, is Table 2's figure with scale and shift"),
        ("layer-norm", "Table 2 prints 64.6"),
        ("batch-of-one", "PyTorch's own batch norm refuses to train on a single row"),
        ("robustness", "+6.1 ± 0.5"),
    ],
)
def test_a_finding_is_fair_to_the_authors(shipped: Evidence, name: str, words: str) -> None:
    finding = DISCREPANCIES[name].measure(shipped)
    assert finding is not None and words in finding.sentence


def test_layer_norm_is_not_called_left_out() -> None:
    assert not re.search("omitted|left out", DISCREPANCIES["layer-norm"].title + DISCREPANCIES["layer-norm"].claim)


@pytest.mark.parametrize("name", ["sign", "leak", "robustness", "one-seed"])
def test_a_gain_of_heads_whose_norm_changes_too_is_not_put_down_to_lambda_n(name: str, shipped: Evidence) -> None:
    finding = DISCREPANCIES[name].measure(shipped)
    assert finding is not None
    assert re.search(
        r"With [\w, ]+ the norm changes along with λₙ .*: the gap may come from either\.", finding.sentence
    )
