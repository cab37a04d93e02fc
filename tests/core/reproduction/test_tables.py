"""Cells: what they average, what they stand beside, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.reproduction.cells import means_by_seed, signed, values_by_file
from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.published import authors_runs, paper_tables
from anoonly_core.reproduction.tables import ALL, make_table, scopes_of
from tests.core.reproduction.made import has, runs_of

# Values so far apart that a wrong mean is never equal to the right one.
OF_FILE = {"CIFAR10_0": 0.50, "CIFAR10_4": 0.70, "MVTec-AD_bottle": 0.90, "SVHN_0": 0.30, "20news_3": 0.10}


def value(run: PlannedRun) -> float:
    return OF_FILE[run.config.dataset] + 0.01 * run.config.seed + (0.05 if has(run, lambda_n=0.0) else 0.0)


def test_a_cell_has_the_mean_over_files_and_the_deviation_over_seeds() -> None:
    table = make_table("table1", runs_of("table1", value), "text")
    cell = table.cells["DeepSAD", "CIFAR10"]
    assert cell.mean == pytest.approx(62.0) and cell.spread == pytest.approx(np.std([60, 61, 62, 63, 64], ddof=1))
    assert (cell.files, cell.total_files, len(cell.keys)) == (("CIFAR10_0", "CIFAR10_4"), 10, 10)
    assert cell.text() == "62.0 ± 1.6" and table.heading("CIFAR10") == "CIFAR10 (2 of 10)"


def test_families_have_equal_weight_in_the_mean_of_all() -> None:
    table = make_table("table1", runs_of("table1", value), "text")
    cell = table.cells["DeepSAD + AnoOnly", ALL]
    assert cell.mean == pytest.approx(100 * np.mean([0.60, 0.90, 0.30, 0.10]) + 2 + 5)
    assert cell.total_files == 10 + 15 + 10 + 6 and len(cell.files) == 5


def test_a_cell_has_the_value_of_the_paper_and_of_the_authors_code_on_the_same_files() -> None:
    frame = runs_of("table1", value)
    cell = make_table("table1", frame, "code").cells["DeepSAD", "SVHN"]
    runs = authors_runs()
    of_file = runs[(runs["system"] == "DeepSAD") & (runs["dataset"] == "SVHN_0")]
    clean = of_file[[pool == 0.0 for pool in of_file["contamination"]]]
    assert cell.paper == paper_tables()["aucroc", "DeepSAD", "SVHN"] == 55.4
    assert len(clean) == 3 and cell.authors == pytest.approx(clean["aucroc"].mean())
    assert make_table("table1", frame, "code").cells["REPEN", "SVHN"].authors is None
    families = [paper_tables()["aucroc", "DeepSAD", family] for family in ("CIFAR10", "MVTec-AD", "SVHN", "20news")]
    assert make_table("table1", frame, "text").cells["DeepSAD", ALL].paper == pytest.approx(np.mean(families))


def test_cells_that_vary_other_settings_have_no_published_value_but_the_norms() -> None:
    leak = make_table("leak", runs_of("leak", value), "code", "MVTec-AD")
    assert all(cell.paper is None and cell.authors is None for cell in leak.cells.values())
    norms = runs_of("table2", value)
    over_all = make_table("table2", norms, "text", ALL).cells["layer norm", "DeepSAD + AnoOnly"]
    assert over_all.paper == 54.77 and over_all.authors is None
    assert make_table("table2", norms, "text", "CIFAR10").cells["layer norm", "DeepSAD + AnoOnly"].paper is None
    dirty = make_table("fig8", runs_of("fig8", value), "code", "SVHN")
    assert dirty.cells["DeepSAD", "anomalies left in"].paper is None
    assert dirty.cells["DeepSAD", "anomalies left in"].authors is not None
    assert dirty.cells["DeepSAD", "clean pool"].paper == 55.4


def test_files_with_fewer_seeds_are_left_out_and_the_number_of_files_is_shown() -> None:
    frame = runs_of("table1", value)
    halved = frame[~((frame["dataset"] == "CIFAR10_4") & (frame["seed"] > 1) & (frame["system"] == "DevNet"))]
    cell = make_table("table1", halved, "text").cells["DevNet", "CIFAR10"]
    assert len(cell.values) == 5 and cell.files == ("CIFAR10_0",) and len(cell.keys) == 5
    without_file = frame[~((frame["dataset"] == "CIFAR10_4") & (frame["system"] == "DevNet"))]
    table = make_table("table1", without_file, "text")
    assert table.cell_text("DevNet", "CIFAR10").endswith("[1 file]") and table.heading("CIFAR10") == "CIFAR10 (2 of 10)"
    without_family = frame[~((frame["family"] == "SVHN") & (frame["system"] == "DevNet"))]
    assert ("DevNet", ALL) not in make_table("table1", without_family, "text").cells


def test_scopes_and_empty_frames() -> None:
    frame = runs_of("fig7", value)
    assert scopes_of("fig7", frame) == [ALL, "CIFAR10", "MVTec-AD", "SVHN", "20news"]
    assert scopes_of("table1", runs_of("table1", value, ["SVHN_0"])) == []
    assert not make_table("fig7", frame.iloc[:0], "text", ALL).cells


def test_signs_and_values_by_file() -> None:
    assert (signed(5.06), signed(-5.06), signed(0.04), signed(-0.04)) == ("+5.1", "−5.1", "0.0", "0.0")
    runs = runs_of("table1", value, ["SVHN_0"], seeds=2)
    values = values_by_file(runs[(runs["system"] == "DeepSAD") & (runs["source"] == "text")], "aucroc")
    assert values == {("SVHN", "SVHN_0"): pytest.approx({0: 30.0, 1: 31.0})} and means_by_seed({}) == []
