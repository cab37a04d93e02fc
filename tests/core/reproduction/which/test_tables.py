"""Tables and sentences of rankings follow the runs."""

from __future__ import annotations

from typing import Any

import pytest

from anoonly_core.reproduction.reports import WHICH, experiments_for
from anoonly_core.reproduction.which.ranking import REFERENCE
from anoonly_core.reproduction.which.runs import Point, points_of, series_of
from anoonly_core.reproduction.which.tables import (
    COMMAND,
    Rankings,
    crossover_of,
    crossover_sentence,
    means_grid,
    rank_series,
    ranking_sentence,
    ranks_grid,
    which_reports,
)
from tests.core.reproduction.which.made import EMBEDDINGS, runs_of

SYSTEMS = (REFERENCE, "LogisticRegression", "RandomForest", "KNN", "DeepSAD")
TENTH = Point("clean", 0.1)


def value(dataset: str, system: str, point: dict[str, Any], seed: int) -> float:
    """Return an AUCPR: logistic regression gains with the labels, and passes AnoOnly with all of them."""
    share = point["labeled_ratio"] if "labeled_anomalies" not in point else point["labeled_anomalies"] / 10
    base = {REFERENCE: 0.6, "LogisticRegression": 0.5 + 0.2 * share, "RandomForest": 0.45, "KNN": 0.2, "DeepSAD": 0.4}
    noise = 0.001 * ((seed * 7 + len(dataset) * 3 + len(system)) % 5)
    return base[system] + noise + 0.01 * EMBEDDINGS.index(dataset) if dataset in EMBEDDINGS else base[system] + noise


RUNS = runs_of(SYSTEMS, value)


def series(pool: str = "clean", of: Point = TENTH) -> Rankings:
    points = series_of(points_of(RUNS, "embeddings", pool), of)
    return rank_series(RUNS, "embeddings", points)


def test_means_are_those_of_the_runs() -> None:
    grid = means_grid(RUNS, "embeddings", list(series()))
    assert grid.columns == ("system", "1 %", "10 %", "100 %")
    assert [row[0] for row in grid.rows] == ["DeepSAD", REFERENCE, "LogisticRegression", "RandomForest", "KNN"]
    at = RUNS[(RUNS["contamination"] == "0.0") & RUNS["dataset"].isin(EMBEDDINGS) & (RUNS["labeled_ratio"] == 1.0)]
    cells = {row[0]: row[-1] for row in grid.rows}
    for system in SYSTEMS:
        assert cells[system] == pytest.approx(100 * at[at["system"] == system]["aucpr"].mean())
    assert "5 data sets" in grid.notes[0] and COMMAND in grid.notes[0]


def test_columns_of_different_data_sets_say_so() -> None:
    runs = RUNS[(RUNS["dataset"] != "CIFAR10_0") | (RUNS["labeled_ratio"] != 1.0)]
    grid = means_grid(runs, "embeddings", points_of(runs, "embeddings", "clean"))
    assert "5, 5 and 4 data sets, so compare within a column" in grid.notes[0]


def test_the_crossover_compares_with_the_best_classifier() -> None:
    crossover = crossover_of(RUNS, "embeddings", series())
    assert crossover is not None and crossover.classifier == "LogisticRegression"
    signs = [difference > 0 for difference in crossover.differences.values()]
    assert signs == [True, True, False]
    sentence = crossover_sentence(crossover)
    assert sentence.startswith(f"{REFERENCE} minus LogisticRegression") and "clear at none" in sentence  # 5 data sets
    assert f"{next(iter(crossover.differences.values())):+.1f} at 1 %" in sentence


@pytest.mark.parametrize("missing", [REFERENCE, "LogisticRegression RandomForest"])
def test_without_both_there_is_no_crossover(missing: str) -> None:
    runs = RUNS[[system not in missing for system in RUNS["system"]]]
    assert crossover_of(runs, "embeddings", rank_series(runs, "embeddings", [TENTH])) is None


def test_a_ranking_in_words_and_as_a_table() -> None:
    ranking = series()[TENTH]
    sentence = ranking_sentence(ranking, "embeddings", TENTH)
    assert sentence.startswith(
        f"With 10 % of the anomalies labeled and a clean pool, **{REFERENCE}** has the best mean rank of 5 systems "
        "on 5 data sets (embeddings): 1.0"
    )
    assert "It is clearly ahead of 0 systems and clearly behind 0; 4 cannot be told apart." in sentence
    grid = ranks_grid(ranking, "embeddings", TENTH)
    assert [row[0] for row in grid.rows] == [REFERENCE, "LogisticRegression", "RandomForest", "DeepSAD", "KNN"]
    assert grid.rows[0][3:7] == (None,) * 4 and grid.rows[-1][4:7] == (0, 0, 5)
    last = series()[Point("clean", 1.0)]
    words = ranking_sentence(last, "embeddings", Point("clean", 1.0))
    assert "**LogisticRegression** has the best mean rank" in words and f"; **{REFERENCE}** has 2.0" in words


def test_a_lead_is_clear_with_enough_data_sets() -> None:
    datasets = [
        f"MVTec-AD_{name}" for name in ("bottle", "cable", "capsule", "carpet", "grid", "leather", "tile", "wood")
    ]
    runs = runs_of(SYSTEMS, value, datasets)
    (ranking,) = rank_series(runs, "ResNet-18", [TENTH]).values()
    assert "clearly ahead of 4 systems and clearly behind 0; 0 cannot" in ranking_sentence(ranking, "ResNet-18", TENTH)


def test_the_report_has_means_and_ranks_of_each_scope_and_pool() -> None:
    found = dict(which_reports(RUNS))
    stems = [stem for stem in found if stem.endswith("-means")]
    assert stems == [
        f"which-{scope}-{part}-means"
        for scope in ("embeddings", "ResNet-18", "BERT", "classical")
        for part in ("clean-shares", "natural-shares", "natural-counts")
    ]
    assert not [stem for stem in found if stem.startswith("which-BERT") and stem.endswith("-ranks")]  # of one file
    assert "1 data set." in found["which-BERT-clean-shares-means"].notes[0]
    assert "which-classical-natural-counts-5-ranks" in found and "which-embeddings-clean-shares-10-ranks" in found
    assert "minus LogisticRegression" in found["which-embeddings-clean-shares-means"].notes[0]
    assert dict(which_reports(RUNS.iloc[:0])) == {} and experiments_for(WHICH) == []
