"""Command `purify`: output, exported rows and refused options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.cli import main as cli
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.metrics.ranking import metrics
from anoonly_core.runs.run import run

QUICK = ["purify", "--dataset", "digits_only_3", "--contamination", "0.2", "--labeled-ratio", "0.01", "--epochs", "2"]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_report_and_the_rows_agree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "suspicious.csv"
    report = json.loads(answer(capsys, *QUICK, "--seeds", "2", "--remove", "0.3", "--json", "--out", str(out)))
    assert [one["config"]["run"]["seed"] for one in report["runs"]] == [0, 1]
    table, dataset = pd.read_csv(out), load_cached("digits_only_3")
    for seed, one in enumerate(report["runs"]):
        own = table[table["seed"] == seed]
        anomalous = dataset.y[own["row"]]
        assert one["counts"] == {
            "pool": len(own),
            "contaminants": anomalous.sum(),
            "removed": own["removed"].sum(),
            "contaminants_removed": anomalous[own["removed"]].sum(),
        }
        assert one["counts"]["removed"] == 48 and one["counts"]["contaminants"] == 32
        assert own["removed"].head(48).all() and (np.diff(own["suspicion"]) <= 0).all()
        assert one["s_aucroc"] == pytest.approx(metrics(anomalous, own["suspicion"].to_numpy()).aucroc)
        assert one["recall"] == one["counts"]["contaminants_removed"] / 32
        config = make_config(dataset="digits_only_3", contamination=0.2, labeled_ratio=0.01, epochs=2, seed=seed)
        assert one["metrics"]["before"] == run(config, "cpu").metrics.as_dict()
    gains = [one["metrics"]["after"]["aucroc"] - one["metrics"]["before"]["aucroc"] for one in report["runs"]]
    assert report["mean"]["gain"] == pytest.approx(np.mean(gains))
    assert report["std"]["gain"] == pytest.approx(np.std(gains, ddof=1))


def test_the_text_has_one_line_per_result(capsys: pytest.CaptureFixture[str]) -> None:
    lines = answer(capsys, *QUICK, "--seeds", "2").splitlines()
    assert lines[0] == "digits_only_3, DeepSAD, λ_n = 1; 3 models, scorer same"
    assert lines[1].startswith("pool of 160 rows, 32 of them known to be anomalies; 32 removed, ")
    assert sum(" ± 0." in line for line in lines) == 9 and lines[-1].startswith("2 seeds")
    alone = answer(capsys, *QUICK, "--parts", "1", "--scorer", "svdd", "--anomaly-only").splitlines()
    assert "λ_n = 0; 1 model, scorer svdd" in alone[0] and alone[-1] == "1 seed" and "±" not in "".join(alone)


def test_a_file_with_labeled_anomalies_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(120, 4)), columns=list("abcd"))
    table["y"] = (np.arange(120) % 10 == 0).astype(int)
    table.to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "suspicious.csv"
    words = answer(
        capsys, "purify", "--dataset", "mine.csv", "--labeled-ratio", "1", "--epochs", "1", "--out", str(out)
    )
    assert "0 of them known to be anomalies; 4 removed" in words
    assert "recall" not in words and "exactly" not in words and "AUCROC after" in words
    suspicious = pd.read_csv(out)
    assert len(suspicious) == 76 and suspicious["removed"].sum() == 4
    assert (table["y"][suspicious["row"]] == 0).all(), "row ids are places in the file"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--parts", "0"], "parts must be a whole number from 1 to 20"),
        (["--parts", "some"], "parts must be"),
        (["--remove", "1"], "remove must be a number from 0 to 0.95"),
        (["--scorer", "knn"], "scorer must be one of same, svdd, autoencoder"),
        (["--baseline", "GANomaly"], "GANomaly cannot be the final head"),
        (["--contamination", "1"], "contamination must be"),
        (["--dataset", "digits_only_33"], "did you mean"),
        (["--dataset", "absent.csv"], "There is no file"),
        (["--seeds", "0"], "seeds must be"),
        (["--out", "rows.xls"], "--out must end in .csv or .parquet"),
        (["--out", "/no/such/folder/rows.csv"], "There is no folder"),
        (
            ["--dataset", "digits_only_3", "--contamination", "0.2", "--labeled-ratio", "1"],
            "none is left to contaminate",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["purify", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and words in err
