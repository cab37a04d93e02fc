"""Boxes over the data sets hold the quartiles of the runs, and the sentence follows them."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.reproduction.boxes import BOXES, boxes_grid, boxes_sentence, make_boxes
from anoonly_core.reproduction.evidence import shipped_evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, HEADS, PlannedRun
from anoonly_core.reproduction.families import PAPER_FAMILIES
from tests.core.reproduction.made import FILES, has, runs_of

METRIC = "aucpr_anomaly"
MVTEC = tuple(
    f"MVTec-AD_{name}" for name in ("bottle", "cable", "capsule", "carpet", "grid", "leather", "tile", "wood")
)


def value(run: PlannedRun) -> float:
    files = (*FILES, *MVTEC)
    return 0.3 + 0.02 * files.index(run.config.dataset) + 0.001 * run.config.seed + 0.1 * has(run, lambda_n=0.0)


def test_a_box_has_the_quartiles_of_the_means_of_its_data_sets() -> None:
    boxes = make_boxes(runs_of(BOXES, value), "text", METRIC)
    assert {box.system for box in boxes} == {run.at["system"] for run in EXPERIMENTS[BOXES].variants}
    box = next(box for box in boxes if box.system == "DevNet + AnoOnly")
    means = [100 * (0.4 + 0.02 * number + 0.002) for number in range(len(FILES))]
    assert list(box.values) == list(FILES) and list(box.values.values()) == pytest.approx(means)
    assert box.quartiles == pytest.approx(np.percentile(means, [0, 25, 50, 75, 100]))
    row = next(row for row in boxes_grid(boxes, "text", METRIC).rows if row[0] == "DevNet + AnoOnly")
    assert row[1:] == (5, *box.quartiles)


def test_all_systems_are_drawn_over_the_same_data_sets() -> None:
    frame = runs_of(BOXES, value)
    frame = frame[(frame["system"] != "REPEN") | (frame["dataset"] != "SVHN_0")]
    boxes = make_boxes(frame, "text", METRIC)
    assert {tuple(box.values) for box in boxes} == {tuple(name for name in FILES if name != "SVHN_0")}


@pytest.mark.parametrize(("files", "clear"), [(FILES, "Clear for none of 4 heads"), (MVTEC, "Clear for 4 of 4 heads")])
def test_the_sentence_has_the_medians_and_the_corrected_tests(files: tuple[str, ...], clear: str) -> None:
    boxes = make_boxes(runs_of(BOXES, value, files), "text", METRIC)
    sentence = boxes_sentence(boxes, METRIC)
    medians = {box.system: box.median for box in boxes}
    assert clear in sentence and f"over {len(files)} data sets" in sentence
    for head in HEADS:
        assert f"**{head}** {medians[head]:.1f} → {medians[f'{head} + AnoOnly']:.1f} (+10.0" in sentence


def test_without_runs_there_are_no_boxes() -> None:
    frame = runs_of(BOXES, value)
    assert make_boxes(frame.iloc[:0], "text", METRIC) == [] and boxes_sentence([], METRIC) == ""
    assert make_boxes(frame[frame["family"] == "Mars"], "text", METRIC) == []


def test_what_ships_fills_the_boxes_with_the_files_of_the_paper() -> None:
    frame = shipped_evidence().frame(BOXES)
    for source in ("text", "code"):
        boxes = make_boxes(frame, source, METRIC)
        assert len(boxes) == 11 and {len(box.values) for box in boxes} == {15}
    assert set(frame[frame["dataset"].isin(boxes[0].values)]["family"]) <= set(PAPER_FAMILIES)
