"""Files of version 0.1.0 are still read: a store, and a detector with its training table."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core import AnoOnlyDetector, make_config, run
from anoonly_core.config import RunConfig
from anoonly_core.data.tables.readers import read_table
from anoonly_core.detector.scoring import ScoredTable, score_table
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store

FILES = Path(__file__).parent / "version_0_1_0"
DATASET = "rows.csv?label=state&anomaly=faulty&categories=one_hot"
# For trainings and scores on other processors, which may round differently.
RTOL, ATOL = 1e-5, 1e-6


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Return the configuration of the stored run, in a folder with copies of the files."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return make_config(dataset=DATASET, baseline="DevNet", lambda_n=0.0, epochs=2, labeled_ratio=0.4)


def scored(detector: AnoOnlyDetector) -> ScoredTable:
    return score_table(detector, read_table(Path("rows.csv")), "rows.csv")


def test_a_stored_run_is_found_by_its_key(config: RunConfig) -> None:
    store = Store(Path("runs.sqlite"))
    assert store.keys() == {run_key(config)}
    stored = store.get(run_key(config))
    assert stored is not None and stored.config == config
    assert store.runs()[stored.key].metrics == stored.metrics.as_dict()
    np.testing.assert_allclose(run(config, "cpu").scores, stored.scores, RTOL, ATOL)


def test_a_detector_opens_and_scores_the_same(config: RunConfig) -> None:
    detector = AnoOnlyDetector.load("devnet.safetensors")
    expected = pd.read_csv("scores.csv")
    found = scored(detector).table()
    assert found["row"].tolist() == expected["row"].tolist()
    assert found["flagged"].tolist() == expected["flagged"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], RTOL, ATOL)


def test_the_detector_and_the_stored_run_agree_to_the_bit(config: RunConfig) -> None:
    stored = Store(Path("runs.sqlite")).get(run_key(config))
    assert stored is not None
    scores = pd.read_csv("scores.csv").set_index("row")["score"]
    assert np.array_equal(scores[stored.test_rows].to_numpy(np.float32), stored.scores)


def test_a_detector_saved_again_scores_the_same_bits(config: RunConfig) -> None:
    old = AnoOnlyDetector.load("devnet.safetensors")
    old.save("again.safetensors")
    again = AnoOnlyDetector.load("again.safetensors")
    assert np.array_equal(scored(again).scores, scored(old).scores)
    assert again.threshold_ == old.threshold_ and again.config_ == old.config_
    assert np.array_equal(again.decision_scores_, old.decision_scores_)
