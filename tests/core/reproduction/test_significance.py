"""Gains of AnoOnly, compared with SciPy and computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from anoonly_core.reproduction.cells import signed
from anoonly_core.reproduction.experiments import (
    EXPERIMENTS,
    HEADS,
    PlannedRun,
    planned_runs,
    tied_norms,
    tied_norms_sentence,
)
from anoonly_core.reproduction.published import paper_tables
from anoonly_core.reproduction.significance import claimed_gain, gain, gains, gains_grid, margin_of_error
from anoonly_core.reproduction.tables import ALL
from tests.core.reproduction.made import has, runs_of

FILES = ("CIFAR10_0", "CIFAR10_4", "SVHN_0")
RNG = np.random.default_rng(0)
CHANGES = {(name, seed): float(RNG.normal(0.02, 0.02)) for name in FILES for seed in range(5)}


def value(run: PlannedRun) -> float:
    change = CHANGES[run.config.dataset, run.config.seed] if has(run, lambda_n=0.0) else 0.0
    return 0.5 + 0.03 * run.config.seed + change  # the level of each seed cancels in the pairs


def test_a_gain_is_paired_by_file_and_seed() -> None:
    runs = runs_of("table1", value, FILES)
    measured = gain(runs[runs["source"] == "text"], "DeepSAD", "aucroc", ["CIFAR10", "SVHN"], ALL)
    assert measured is not None and (measured.pairs, measured.files, measured.total_files) == (15, 3, 20)
    means_by_seed = [
        100 * np.mean([np.mean([CHANGES["CIFAR10_0", s], CHANGES["CIFAR10_4", s]]), CHANGES["SVHN_0", s]])
        for s in range(5)
    ]
    assert measured.mean == pytest.approx(np.mean(means_by_seed))
    interval = stats.t.interval(0.95, 4, loc=np.mean(means_by_seed), scale=stats.sem(means_by_seed))
    assert measured.margin == pytest.approx((interval[1] - interval[0]) / 2)
    assert measured.p_pairs == pytest.approx(stats.wilcoxon(list(CHANGES.values())).pvalue)
    assert measured.better == sum(change > 0 for change in CHANGES.values())
    assert measured.is_clear == (abs(measured.mean) > measured.margin)


def test_one_pair_has_no_margin_and_no_p() -> None:
    runs = runs_of("table1", lambda run: 0.5, ["SVHN_0"], seeds=1)
    measured = gain(runs[runs["source"] == "text"], "DevNet", "aucroc", ["SVHN"], "SVHN")
    assert measured is not None and (measured.margin, measured.p_pairs, measured.p_files, measured.is_clear) == (
        None,
        None,
        None,
        False,
    )
    assert gain(runs.iloc[:0], "DevNet", "aucroc", ["SVHN"], "SVHN") is None
    assert margin_of_error([1.0]) is None


def test_every_head_has_a_gain_on_each_family_and_on_all() -> None:
    results = gains(runs_of("table1", value, FILES), "code", "aucroc")
    assert [(each.head, each.scope) for each in results[:3]] == [
        (results[0].head, scope) for scope in ("CIFAR10", "SVHN", ALL)
    ]
    grid = gains_grid(results, "aucroc")
    assert len(grid.rows) == len(results) == 12 and "12 tests" in grid.notes[1]


@pytest.mark.parametrize(
    ("source", "tied"),
    [
        (
            "text",
            {"FEAWAD": "no norm → batch norm", "PReNet": "no norm → batch norm", "DevNet": "no norm → batch norm"},
        ),
        ("code", {"PReNet": "no norm → batch norm", "DevNet": "no norm → batch norm"}),
    ],
)
def test_heads_whose_norm_changes_with_lambda_n_are_those_of_the_planned_runs(
    source: str, tied: dict[str, str]
) -> None:
    assert tied_norms(source) == tied
    planned = planned_runs(EXPERIMENTS["table1"], ["SVHN_0"], seeds=1)
    norms: dict[str, set[str | None]] = {}
    for run in planned:
        if run.variant.at["source"] == source and run.config.baseline in HEADS:
            norms.setdefault(run.config.baseline, set()).add(run.config.norm)
    assert {head for head, both in norms.items() if len(both) > 1} == set(tied)


@pytest.mark.parametrize(
    ("heads", "sources", "words"),
    [
        (["DeepSAD"], ["text", "code"], ""),
        (["FEAWAD"], ["code"], ""),
        (["FEAWAD"], ["text"], " With FEAWAD the norm changes"),
        (["DevNet", "DeepSAD", "PReNet"], ["code"], " With PReNet and DevNet the norm changes"),
        (HEADS, ["text", "code"], " With FEAWAD, PReNet and DevNet the norm changes"),
        ([], ["text"], ""),
    ],
)
def test_a_gap_of_two_causes_is_named_for_its_heads_alone(heads: list[str], sources: list[str], words: str) -> None:
    sentence = tied_norms_sentence(heads, sources)
    assert sentence.startswith(words) and bool(sentence) == bool(words)
    assert not sentence or sentence.endswith("along with λₙ (no norm → batch norm): the gap may come from either.")


@pytest.mark.parametrize("source", ["text", "code"])
def test_the_table_of_gains_has_the_claims_and_names_the_second_cause(source: str) -> None:
    results = gains(runs_of("table1", value, FILES), source, "aucroc")
    grid = gains_grid(results, "aucroc")
    assert tied_norms_sentence(HEADS, [source]).strip() in grid.notes
    claimed = grid.columns.index("claimed")
    for each, row in zip(results, grid.rows, strict=True):
        families = {"CIFAR10": ["CIFAR10"], "SVHN": ["SVHN"], ALL: ["CIFAR10", "SVHN"]}[each.scope]
        figures = [
            np.mean([paper_tables()["aucroc", system, family] for family in families])
            for system in (each.head, f"{each.head} + AnoOnly")
        ]
        assert each.claimed == pytest.approx(figures[1] - figures[0]) and each.source == source
        assert row[claimed] == signed(each.claimed)


def test_the_right_sign_has_no_claimed_gain() -> None:
    assert claimed_gain("DeepSAD", "aucpr_normal", ["SVHN"]) is None
    assert claimed_gain("DeepSAD", "aucroc", []) is None
    assert claimed_gain("DeepSAD", "aucroc", ["SVHN", "10_cover"]) is None
