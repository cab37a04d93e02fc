"""Tables of packages from file to scores: a detector of half of the rows finds the anomalies among the others."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anoonly_core.cli.main import main
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from tests.bench.tables import TABLES, write_halves

BY_NAME = {table.name: table for table in TABLES}
QUICK = ("--anomaly-only", "--epochs", "15", "--quiet")


@pytest.mark.parametrize(
    "name", ["wine (scikit-learn)", "penguins-raw.csv (palmerpenguins)", "gapminder.csv.gz (plotly)"]
)
def test_half_of_a_table_finds_the_anomalies_of_the_other_half(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = BY_NAME[name]
    uri = write_halves(table, tmp_path)[0]
    assert main(["fit", uri, *QUICK, "--out", "d.safetensors"]) == 0
    assert main(["score", "d.safetensors", "new.csv", "--id", table.label, "--out", "scores.csv", "--quiet"]) == 0
    scores = pd.read_csv("scores.csv", dtype={table.label: str})
    truth = scores[table.label] == table.anomaly
    assert roc_auc_score(truth, scores["score"]) > 0.9
    assert scores["flagged"][truth].mean() > scores["flagged"][~truth].mean() + 0.5


@pytest.mark.parametrize(
    "name", ["penguins.csv (palmerpenguins)", "wine (scikit-learn)", "breast cancer (scikit-learn)"]
)
def test_the_label_of_a_named_column_is_guessed(name: str, tmp_path: Path) -> None:
    table = BY_NAME[name]
    write_halves(table, tmp_path)
    guess = suggest_schema(profile_table(read_table(tmp_path / "train.csv")))
    assert (guess.label, guess.anomaly) == (table.label, (table.anomaly,))
