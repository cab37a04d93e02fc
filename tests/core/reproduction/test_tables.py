"""Cells: what they average, what they stand beside, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.reproduction.cells import means_by_seed, signed, values_by_file
from anoonly_core.reproduction.experiments import PlannedRun
from anoonly_core.reproduction.published import authors_runs, paper_tables
from anoonly_core.reproduction.tables import ALL, make_table, scopes_of
from tests.core.reproduction.made import at, runs_of

# By data set and seed: so far apart that no wrong mean comes out right.
OF_FILE = {"CIFAR10_0": 0.50, "CIFAR10_4": 0.70, "MVTec-AD_bottle": 0.90, "SVHN_0": 0.30, "20news_3": 0.10}


def value(run: PlannedRun) -> float:
    return OF_FILE[run.config.dataset] + 0.01 * run.config.seed + (0.05 if at(run, lambda_n=0.0) else 0.0)


def test_a_cell_is_the_mean_over_files_and_its_spread_is_over_seeds() -> None:
    table = make_table("table1", runs_of("table1", value), "text")
    cell = table.cells["DeepSAD", "CIFAR10"]
    assert cell.mean == pytest.approx(62.0) and cell.spread == pytest.approx(np.std([60, 61, 62, 63, 64], ddof=1))
    assert (cell.files, cell.of, len(cell.keys)) == (("CIFAR10_0", "CIFAR10_4"), 10, 10)
    assert cell.text() == "62.0 ± 1.6" and table.heading("CIFAR10") == "CIFAR10 (2 of 10)"


def test_families_count_once_in_the_mean_of_all() -> None:
    table = make_table("table1", runs_of("table1", value), "text")
    cell = table.cells["DeepSAD + AnoOnly", ALL]
    assert cell.mean == pytest.approx(100 * np.mean([0.60, 0.90, 0.30, 0.10]) + 2 + 5)
    assert cell.of == 10 + 15 + 10 + 6 and len(cell.files) == 5


def test_a_cell_stands_beside_the_paper_and_the_authors_code_on_the_same_files() -> None:
    frame = runs_of("table1", value)
    cell = make_table("table1", frame, "code").cells["DeepSAD", "SVHN"]
    runs = authors_runs()
    own = runs[(runs["system"] == "DeepSAD") & (runs["dataset"] == "SVHN_0")]
    clean = own[[pool == 0.0 for pool in own["contamination"]]]
    assert cell.paper == paper_tables()["aucroc", "DeepSAD", "SVHN"] == 55.4
    assert len(clean) == 3 and cell.authors == pytest.approx(clean["aucroc"].mean())
    assert make_table("table1", frame, "code").cells["REPEN", "SVHN"].authors is None
    families = [paper_tables()["aucroc", "DeepSAD", family] for family in ("CIFAR10", "MVTec-AD", "SVHN", "20news")]
    assert make_table("table1", frame, "text").cells["DeepSAD", ALL].paper == pytest.approx(np.mean(families))


def test_what_varies_something_else_has_no_published_figure_but_the_norms() -> None:
    leak = make_table("leak", runs_of("leak", value), "code", "MVTec-AD")
    assert all(cell.paper is None and cell.authors is None for cell in leak.cells.values())
    norms = runs_of("table2", value)
    whole = make_table("table2", norms, "text", ALL).cells["layer norm", "DeepSAD + AnoOnly"]
    assert whole.paper == 54.77 and whole.authors is None
    assert make_table("table2", norms, "text", "CIFAR10").cells["layer norm", "DeepSAD + AnoOnly"].paper is None
    dirty = make_table("fig8", runs_of("fig8", value), "code", "SVHN")
    assert dirty.cells["DeepSAD", "anomalies left in"].paper is None
    assert dirty.cells["DeepSAD", "anomalies left in"].authors is not None
    assert dirty.cells["DeepSAD", "clean pool"].paper == 55.4


def test_files_with_fewer_seeds_are_left_out_and_fewer_files_are_said() -> None:
    frame = runs_of("table1", value)
    halved = frame[~((frame["dataset"] == "CIFAR10_4") & (frame["seed"] > 1) & (frame["system"] == "DevNet"))]
    cell = make_table("table1", halved, "text").cells["DevNet", "CIFAR10"]
    assert len(cell.values) == 5 and cell.files == ("CIFAR10_0",) and len(cell.keys) == 5  # a run begun by hand
    gone = frame[~((frame["dataset"] == "CIFAR10_4") & (frame["system"] == "DevNet"))]
    table = make_table("table1", gone, "text")
    assert table.cell_text("DevNet", "CIFAR10").endswith("[1 file]") and table.heading("CIFAR10") == "CIFAR10 (2 of 10)"
    lost = frame[~((frame["family"] == "SVHN") & (frame["system"] == "DevNet"))]
    assert ("DevNet", ALL) not in make_table("table1", lost, "text").cells


def test_places_and_empty_frames() -> None:
    frame = runs_of("fig7", value)
    assert scopes_of("fig7", frame) == [ALL, "CIFAR10", "MVTec-AD", "SVHN", "20news"]
    assert scopes_of("table1", runs_of("table1", value, ["SVHN_0"])) == []
    assert not make_table("fig7", frame.iloc[:0], "text", ALL).cells


def test_numbers_in_words() -> None:
    assert (signed(5.06), signed(-5.06), signed(0.04), signed(-0.04)) == ("+5.1", "−5.1", "0.0", "0.0")
    own = runs_of("table1", value, ["SVHN_0"], seeds=2)
    values = values_by_file(own[(own["system"] == "DeepSAD") & (own["reading"] == "text")], "aucroc")
    assert values == {("SVHN", "SVHN_0"): pytest.approx({0: 30.0, 1: 31.0})} and means_by_seed({}) == []
