"""Experiments: complete, valid, without duplicate runs, and with a shipped result for each run."""

from __future__ import annotations

from collections import Counter

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.adbench.files import manifest
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.experiments import EXPERIMENTS, SYSTEMS, TOO_LARGE, planned_runs
from anoonly_core.reproduction.families import FAMILIES, PAPER_FAMILIES, family_of, files_of
from anoonly_core.reproduction.reports import REPORTS, experiments_for
from anoonly_core.reproduction.results import (
    COLUMNS,
    KEY_LETTERS,
    SETTINGS,
    SHIPPED,
    read_rows,
    shipped_datasets,
    shipped_results,
)
from anoonly_core.reproduction.tables import LAYOUTS
from anoonly_core.results.keys import run_key


def test_families_consist_of_adbench_files() -> None:
    counts = {name: len(files_of(name)) for name in FAMILIES}
    assert counts == {
        "CIFAR10": 10,
        "FashionMNIST": 10,
        "MNIST-C": 16,
        "MVTec-AD": 15,
        "SVHN": 10,
        "20news": 6,
        "agnews": 4,
        "amazon": 1,
        "imdb": 1,
        "yelp": 1,
        "Classical": 47,
    }
    named = [name for family in FAMILIES for name in files_of(family)]
    assert len(named) == len(set(named)) and set(named) <= set(manifest())
    assert family_of("MVTec-AD_metal_nut") == "MVTec-AD" and family_of("digits_3") is None


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_distinct_runs_that_fit_its_table(name: str) -> None:
    experiment, layout = EXPERIMENTS[name], LAYOUTS[name]
    planned = planned_runs(experiment, ["MVTec-AD_bottle", "6_cardio"], seeds=2)
    keys = [{run.key, run.gpu_key} for run in planned]
    assert planned and len(set.union(*keys)) == sum(map(len, keys)), "no two runs share a key"
    assert all((len(pair) == 1) == (run.config.baseline == "XGBOD") for pair, run in zip(keys, planned, strict=True))
    assert {run.config.seed for run in planned} == {0, 1}
    for variant in experiment.variants:
        assert {layout.rows, layout.columns} <= {*variant.at, "family"}
        assert variant.at["baseline"] == variant.settings["baseline"]
    cells = [tuple(sorted((field, str(value)) for field, value in each.at.items())) for each in experiment.variants]
    assert not [cell for cell, count in Counter(cells).items() if count > 1]


def test_the_tables_have_all_systems_for_both_sources() -> None:
    variants = EXPERIMENTS["table1"].variants
    assert len({(variant.at["system"], variant.at["source"]) for variant in variants}) == 22
    assert {BASELINES[variant.at["baseline"]].name for variant in variants} == {*SYSTEMS}
    assert all(EXPERIMENTS[name].variants == EXPERIMENTS["table1"].variants for name in ("table3", "table4"))
    assert {variant.settings["contamination"] for variant in variants} == {0.0}


def test_other_data_sets_are_trained_only_as_the_text_says() -> None:
    runs = planned_runs(EXPERIMENTS["table1"], ["10_cover"], seeds=1)
    assert {run.config.protocol for run in runs} == {"leak_free"}
    assert {"XGBOD", "GANomaly"}.isdisjoint(run.config.baseline for run in runs) and len(TOO_LARGE) == 2
    sizes = {
        name: {
            run.config.batch_size
            for run in planned_runs(EXPERIMENTS["fig9"], [name], seeds=1)
            if run.config.baseline == "DeepSAD"
        }
        for name in ("CIFAR10_0", "20news_3")
    }
    assert sizes["20news_3"] - sizes["CIFAR10_0"] == {1, 2}
    assert not planned_runs(EXPERIMENTS["fig5"], ["10_cover"]) and not planned_runs(EXPERIMENTS["table1"], ["digits_3"])


def test_every_report_names_its_experiments() -> None:
    assert set(DISCREPANCIES) | set(EXPERIMENTS) | {"differences", "which"} == set(REPORTS)
    for name in REPORTS:
        assert set(experiments_for(name)) <= set(EXPERIMENTS)


def test_a_result_ships_for_every_run_of_the_shipped_data_sets() -> None:
    """It also fails if a raised revision makes the shipped file stale."""
    shipped, files = shipped_results(), shipped_datasets()
    assert len(files) == 23 and {family_of(name) for name in files} & set(PAPER_FAMILIES) == {
        *("CIFAR10", "MVTec-AD", "SVHN", "20news")
    }
    wanted = {run.key: run for name in EXPERIMENTS for run in planned_runs(EXPERIMENTS[name], files)}
    missing = [
        run.config.canonical()
        for run in wanted.values()
        if run.key[:KEY_LETTERS] not in shipped and run.gpu_key[:KEY_LETTERS] not in shipped
    ]
    assert not missing, f"{len(missing)} of {len(wanted)} runs do not ship, such as {missing[0]}"
    assert len(shipped) == len(wanted)
    assert all(
        set(run.metrics) and 0 <= min(run.metrics.values()) <= max(run.metrics.values()) <= 1
        for run in shipped.values()
    )


def test_every_shipped_result_has_the_key_of_its_settings() -> None:
    rows = read_rows(SHIPPED)
    settings = [COLUMNS.index(name) for name in SETTINGS]
    for row in rows:
        values = zip(SETTINGS, (row[column] for column in settings), strict=True)
        config = make_config(**{name: value for name, value in values if value})
        assert run_key(config, row[COLUMNS.index("device")]).startswith(row[COLUMNS.index("key")]), row
    assert len(rows) == len({row[COLUMNS.index("key")] for row in rows}) == 12380
