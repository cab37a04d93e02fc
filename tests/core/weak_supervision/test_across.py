"""The ranking of mechanisms across data sets on tables with known means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from anoonly_core.reproduction.grid import FORMATS, to_csv
from anoonly_core.weak_supervision.across import (
    EVERY,
    AcrossRanking,
    across_reports,
    points_grid,
    ranked_across,
    shipped_measures,
    systems_grid,
)
from anoonly_core.weak_supervision.result import COLUMNS, MEASURES

NAN = float("nan")
# Difference to batch norm on each data set.
SHIFTS = {
    ("batch", NAN): [0.0, 0.0, 0.0, 0.0],
    ("ghost", 4.0): [-0.30, -0.31, -0.29, -0.30],
    ("ghost", 32.0): [0.10, 0.12, 0.11, 0.09],
    ("layer", NAN): [0.3, -0.3, 0.2, -0.2],
}
NAMES = ("6_cardio", "digits_1", "digits_2", "digits_3")


def table(datasets: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for number, dataset in enumerate(NAMES[:datasets]):
        noise = rng.normal(0, 0.01, size=5)
        for (norm, strength), shifts in SHIFTS.items():
            for seed in range(5):
                row = {"dataset": dataset, "baseline": "DevNet", "lambda_n": 0.0, "norm": norm, "strength": strength}
                value = 0.5 + 0.05 * number + noise[seed] + shifts[number] * (1 + 0.01 * seed)
                rows.append(row | {"seed": seed, **dict.fromkeys(MEASURES, 0.5), "aucpr_anomaly": value})
    return pd.DataFrame(rows, columns=list(COLUMNS)).sample(frac=1, random_state=0)


def ranking(datasets: int = 4) -> AcrossRanking:
    return ranked_across(table(datasets), "DevNet", 0.0)


def test_means_are_over_data_sets_and_tests_count_all_points() -> None:
    found = ranking()
    assert [(point.norm, point.strength) for point in found.points] == [
        ("ghost", 32.0),
        ("layer", None),
        ("ghost", 4.0),
    ]
    best, layer, worst = found.points
    deltas = np.array(SHIFTS["ghost", 32.0]) * 1.02
    assert list(best.deltas) == list(NAMES) and list(best.deltas.values()) == pytest.approx(deltas)
    assert best.delta == pytest.approx(deltas.mean()) and best.ahead == 4 and layer.ahead == 2
    assert best.margin == pytest.approx(stats.t.ppf(0.975, 3) * deltas.std(ddof=1) / 2)
    p_value = stats.ttest_1samp(deltas, 0).pvalue
    assert best.is_clear == (2 * p_value < 0.05) and best.is_clear and worst.is_clear and not layer.is_clear
    assert best.better_on == NAMES and worst.worse_on == NAMES
    assert layer.better_on == ("6_cardio", "digits_2") and layer.worse_on == ("digits_1", "digits_3")
    batch = table().query("dataset == '6_cardio' and norm == 'batch'")
    assert found.base["6_cardio"] == pytest.approx(batch["aucpr_anomaly"].mean())
    assert [point.norm for point in found.best] == ["ghost", "layer"]


def test_one_data_set_is_not_tested() -> None:
    found = ranking(1)
    assert len(found.base) == 1 and all(point.margin is None and not point.is_clear for point in found.points)


def test_a_data_set_without_batch_norm_and_runs_that_diverged_are_left_out() -> None:
    runs = table()
    runs = runs[(runs["dataset"] != "digits_1") | (runs["norm"] != "batch")]
    gone = (runs["dataset"] == "digits_2") & (runs["norm"] == "layer")
    runs.loc[gone, "aucpr_anomaly"] = NAN
    found = ranked_across(runs, "DevNet", 0.0)
    assert sorted(found.base) == ["6_cardio", "digits_2", "digits_3"]
    (layer,) = [point for point in found.points if point.norm == "layer"]
    assert sorted(layer.deltas) == ["6_cardio", "digits_3"]


def test_other_systems_and_weights_have_no_part_in_it() -> None:
    runs = table()
    others = pd.concat([runs, runs.assign(lambda_n=0.01, aucpr_anomaly=0.0), runs.assign(baseline="PReNet")])
    assert ranked_across(others, "DevNet", 0.0) == ranking()
    assert not ranked_across(runs, "DeepSAD", 0.0).points


def test_the_grid_states_the_figures_of_the_ranking() -> None:
    found = ranking()
    grid = points_grid(found, found.points)
    assert grid.rows[0][:6] == ("ghost batch norm", "32", "+10.7", "2.1", "4 of 4", "yes")
    assert grid.rows[0][6:] == ("4 data sets", None) and grid.rows[1][6] == "6_cardio, digits_2"
    assert "4 data sets" in grid.title and "all 3 points" in grid.notes[0] and "3 of the data sets" in grid.notes[1]
    assert len(points_grid(ranking(1), ranking(1).points).notes) == 1
    assert all("10.7" in export(grid) for export in FORMATS.values()) and to_csv(grid).count("\n") == 4
    (row,) = systems_grid([found, ranked_across(table(), "DeepSAD", 0.0)]).rows
    assert row[:3] == ("DevNet", "0", 4) and row[4:] == ("ghost batch norm, 32", "+10.7 ± 2.1", 1, 1, 3)


def test_the_reports_hold_every_system_and_weight() -> None:
    tables = dict(across_reports())
    systems = tables["mechanisms-systems"]
    for baseline, lambda_n, *_, points in systems.rows:
        best, every = tables[f"mechanisms-{baseline}-{lambda_n}"], tables[f"mechanisms-{baseline}-{lambda_n}{EVERY}"]
        assert len(every.rows) == points > len(best.rows) and every.rows[0] == best.rows[0]
    assert len(tables) == 1 + 2 * len(systems.rows)


def test_what_ships_can_be_ranked() -> None:
    runs = shipped_measures()
    for baseline in runs["baseline"].unique():
        for lambda_n in runs["lambda_n"].unique():
            found = ranked_across(runs, baseline, lambda_n)
            assert set(found.base) == set(runs[runs["baseline"] == baseline]["dataset"])
            deltas = [point.delta for point in found.points]
            assert deltas == sorted(deltas, reverse=True) and len(deltas) > 40
