"""Rank an uploaded table: without labels first, then with rows labeled by hand."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import score_table
from anoonly_core.errors import AnoOnlyError
from anoonly_core.labeling.run import rank_with_labels, rank_without_labels
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.labeling.table import labeled_table
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.snippets import labeled_script

CANCER = resolve("breast_cancer").load()  # 5 % of its rows are malignant


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))


def upload(table: pd.DataFrame) -> Upload:
    added = uploads.add("cells.csv", io.BytesIO(table.to_csv(index=False).encode()), "me", "here")
    return uploads.apply_schema(added, TableSchema(label=""))[0]


def unlabeled() -> Upload:
    return upload(pd.DataFrame(CANCER.X).add_prefix("x"))


@pytest.mark.parametrize("scorer", UNSUPERVISED_SCORERS)
def test_each_unsupervised_scorer_ranks_the_whole_table(scorer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 10)  # of the autoencoder, in place of 100
    table = unlabeled()
    with pytest.raises(AnoOnlyError, match="label column"):
        resolve(table.name).load()
    config = make_config(dataset=table.name)
    ranking = rank_without_labels(config, scorer)
    assert ranking.scores.shape == (CANCER.rows,) and len(ranking.rows) == len(ranking.hidden) == CANCER.rows
    assert roc_auc_score(CANCER.y, ranking.scores) > 0.75
    np.testing.assert_array_equal(ranking.scores, rank_without_labels(config, scorer).scores)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_a_tiny_table_is_ranked_or_refused_in_a_sentence(rows: int) -> None:
    table = upload(pd.DataFrame({"a": [1.0, 1.0, 5.0, 2.0][:rows], "b": 0.0}))
    config = make_config(dataset=table.name, epochs=2)
    scorers = [name for name in UNSUPERVISED_SCORERS if name != "autoencoder"]
    for rank in (
        *(partial(rank_without_labels, config, name) for name in scorers),
        partial(rank_with_labels, config, [0]),
    ):
        try:
            assert np.isfinite(rank().scores).all()
        except AnoOnlyError as error:
            assert str(error).endswith(".") and rows < 3


def test_more_labels_find_more_anomalies() -> None:
    table, anomalies = unlabeled(), np.flatnonzero(CANCER.y)
    config = make_config(dataset=table.name, lambda_n=1.0)
    others = np.setdiff1d(np.arange(CANCER.rows), anomalies[:8])
    rankings = [rank_with_labels(config, anomalies[:count]) for count in (1, 8)]
    aucrocs = [roc_auc_score(CANCER.y[others], ranking.scores[others]) for ranking in rankings]
    assert 0.9 < aucrocs[0] < aucrocs[1]
    dataset, split = labeled_table(table.name, [3, 5])
    assert split.labeled.sum() == 2 and dataset.row_ids[split.labeled].tolist() == [3, 5]
    with pytest.raises(AnoOnlyError, match="at least one row"):
        rank_with_labels(config, [])


def test_detector_file_and_script_score_as_the_ranking_to_the_bit(tmp_path: Path) -> None:
    table, labeled = unlabeled(), np.flatnonzero(CANCER.y)[:4].tolist()
    config = make_config(dataset=table.name, baseline="DevNet", lambda_n=1.0, epochs=3, seed=2)
    ranking = rank_with_labels(config, labeled)
    assert ranking.file is not None
    (tmp_path / "d.safetensors").write_bytes(ranking.file)
    pd.DataFrame(CANCER.X).add_prefix("x").to_csv(tmp_path / "cells.csv", index=False)
    scored = score_table(AnoOnlyDetector.load(tmp_path / "d.safetensors"), read_table(tmp_path / "cells.csv"), "cells")
    np.testing.assert_array_equal(scored.scores.astype(np.float32), ranking.scores)
    script = labeled_script(config, labeled)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    written = pd.read_csv(tmp_path / "scores.csv").sort_values("row")
    np.testing.assert_array_equal(written["score"].to_numpy(np.float32), ranking.scores)
    assert (tmp_path / "cells_DevNet_detector.safetensors").is_file()
