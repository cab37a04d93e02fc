"""Ranks and tests against values of the literature and of SciPy; gaps, ties and systems without a reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from anoonly_core.reproduction.which.ranking import (
    REFERENCE,
    Ranking,
    critical_difference,
    rank_systems,
    tied_ranges,
)

SYSTEMS = (REFERENCE, "LogisticRegression", "KNN", "DeepSAD")
DATASETS = tuple(f"set {number}" for number in range(8))


def runs(values: dict[str, list[list[float]]], datasets: tuple[str, ...] = DATASETS) -> pd.DataFrame:
    """Return runs at one point from the AUCPR of each system, data set and seed."""
    return pd.DataFrame(
        [
            {"dataset": dataset, "system": system, "seed": seed, "aucpr": aucpr, "seconds": 2.0}
            for system, of_system in values.items()
            for dataset, of_set in zip(datasets, of_system, strict=False)
            for seed, aucpr in enumerate(of_set)
        ]
    )


def drawn(offsets: dict[str, float], datasets: int = 8) -> dict[str, list[list[float]]]:
    """Return the AUCPR of systems with an offset each, beside noise that repeats."""
    rng = np.random.RandomState(1)
    return {system: (0.5 + offset + rng.normal(0, 0.01, (datasets, 5))).tolist() for system, offset in offsets.items()}


def ranked(frame: pd.DataFrame) -> Ranking:
    ranking = rank_systems(frame)
    assert ranking is not None
    return ranking


# Demšar 2006, Table 5 (a): q at 0.05, here as a difference with N = k (k + 1) / 6, where the root is 1.
@pytest.mark.parametrize(("systems", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)])
def test_the_critical_difference_is_nemenyi_s(systems: int, q: float) -> None:
    assert critical_difference(systems, 1) / (systems * (systems + 1) / 6) ** 0.5 == pytest.approx(q, abs=1.1e-3)


def test_the_critical_difference_of_demsar_s_example() -> None:
    """Four classifiers on 14 data sets: CD 1.25 (§ 3.2.3)."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(
    ("ranks", "difference", "ranges"),
    [
        ([1.0, 2.0, 3.0, 4.0], 1.5, [(0, 1), (1, 2), (2, 3)]),
        ([1.0, 1.2, 1.4, 3.9], 1.0, [(0, 2)]),
        ([1.0, 2.0, 3.0], 5.0, [(0, 2)]),
        ([1.0, 3.0, 5.0], 1.0, []),
        ([1.0, 2.0], 1.0, []),  # as far apart as the difference: they can be told apart
        ([2.0, 2.0, 2.0], 0.5, [(0, 2)]),
        ([], 1.0, []),
    ],
)
def test_ranges_are_the_longest(ranks: list[float], difference: float, ranges: list[tuple[int, int]]) -> None:
    assert list(tied_ranges(ranks, difference)) == ranges


def test_ranks_and_tests_are_those_of_scipy() -> None:
    values = drawn({REFERENCE: 0.0, "LogisticRegression": 0.008, "KNN": -0.1, "DeepSAD": 0.004})
    ranking = ranked(runs(values))
    means = {system: np.mean(of_system, axis=1) for system, of_system in values.items()}
    ranks = np.mean([stats.rankdata([-means[name][row] for name in means]) for row in range(8)], axis=0)
    assert {system.name: system.rank for system in ranking.systems} == pytest.approx(
        dict(zip(means, ranks, strict=True))
    )
    assert [system.rank for system in ranking.systems] == sorted(ranks)
    assert ranking.friedman_p == pytest.approx(stats.friedmanchisquare(*means.values()).pvalue)
    raw = {name: stats.wilcoxon(means[name] - means[REFERENCE]).pvalue for name in SYSTEMS[1:]}
    least = min(raw, key=raw.__getitem__)
    found = ranking.system(least)
    assert found is not None and found.p == pytest.approx(3 * raw[least])  # Holm
    assert ranking.reference == REFERENCE and ranking.left_out == () and ranking.datasets == DATASETS


@pytest.mark.parametrize(
    ("offset", "counts", "is_clear"),
    [(0.2, (8, 0, 0), True), (-0.2, (0, 0, 8), True), (0.0, (0, 8, 0), False)],
)
def test_wins_ties_and_losses_are_those_of_the_system(
    offset: float, counts: tuple[int, int, int], is_clear: bool
) -> None:
    values = drawn({REFERENCE: 0.0, "KNN": offset, "DeepSAD": -0.4})
    found = ranked(runs(values)).system("KNN")
    assert found is not None and (found.wins, found.ties, found.losses) == counts
    assert found.is_clear == is_clear and found.kind == "unsupervised"
    assert found.mean == pytest.approx(100 * np.mean(values["KNN"])) and found.seconds == 2.0


def test_counts_are_corrected_for_the_number_of_data_sets() -> None:
    """A difference with p 0.04 on one of eight data sets is no win."""
    values = drawn({REFERENCE: 0.0, "KNN": 0.0, "DeepSAD": -0.4})
    pattern = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    margin = stats.t.ppf(1 - 0.04 / 2, 4) * pattern.std(ddof=1) / 5**0.5
    values["KNN"] = [
        (np.array(of_set) + 0.01 * (pattern + margin * (row == 0))).tolist()
        for row, of_set in enumerate(values[REFERENCE])
    ]
    found = ranked(runs(values)).system("KNN")
    assert found is not None and (found.wins, found.ties, found.losses) == (0, 8, 0)
    alone = stats.ttest_1samp(np.subtract(values["KNN"][0], values[REFERENCE][0]), 0).pvalue
    assert alone == pytest.approx(0.04)


def test_a_system_with_many_gaps_is_left_out_and_one_with_few_costs_data_sets() -> None:
    values = drawn(dict.fromkeys(SYSTEMS, 0.0), datasets=8)
    values["KNN"], values["DeepSAD"] = values["KNN"][:6], values["DeepSAD"][:7]
    ranking = ranked(runs(values))
    assert ranking.left_out == ("KNN",) and ranking.datasets == DATASETS[:7]
    assert {system.name for system in ranking.systems} == {*SYSTEMS} - {"KNN"}


@pytest.mark.parametrize(("systems", "datasets"), [(2, 2), (2, 3), (3, 2), (3, 3)])
def test_too_few_systems_or_data_sets_are_not_ranked(systems: int, datasets: int) -> None:
    ranking = rank_systems(runs(drawn(dict.fromkeys(SYSTEMS[:systems], 0.0), datasets)))
    assert (ranking is not None) == (systems == 3 and datasets == 3)


def test_no_runs_are_not_ranked() -> None:
    assert rank_systems(runs({}).reindex(columns=["dataset", "system", "seed", "aucpr", "seconds"])) is None


def test_without_the_reference_systems_are_ranked_and_not_compared() -> None:
    ranking = ranked(runs(drawn({"KNN": 0.0, "DeepSAD": 0.1, "a later system": 0.2})))
    assert ranking.reference == "" and [system.p for system in ranking.systems] == [None] * 3
    assert ranking.systems[0].name == "a later system" and ranking.systems[0].kind == "other"


def test_equal_systems_share_a_rank_and_have_no_test() -> None:
    values = drawn({REFERENCE: 0.0, "DeepSAD": -0.4})
    values["KNN"] = values[REFERENCE]
    ranking = ranked(runs(values))
    found = ranking.system("KNN")
    assert found is not None and found.p is None and found.rank == 1.5 and (found.wins, found.losses) == (0, 0)
