"""Command `which`: its report as text, and refused options."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from anoonly_core.cli.main import main

ASK = ("which", "digits_low", "--systems", "LogisticRegression; knn", "--counts", "1,2", "--workers", "1")


def test_the_ranking_comes_first_and_the_advice_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "points.csv"
    assert main([*ASK, "--seeds", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    ranking, curves, sentences = (part.splitlines() for part in printed.out.split("\n\n"))
    assert ranking[0] == "digits_low, 2 labeled, 2 seeds: AUCPR of the anomalies ± 95 %"
    assert {line.split()[0] for line in ranking[2:]} == {"LogisticRegression", "KNN"} and len(ranking) == 4
    assert curves[0].split() == ["AUCPR", "by", "labels", "1", "2"] and len(curves) == 3
    assert sentences[-1].startswith("With 2 labeled anomalies ")
    table = pd.read_csv(out)
    assert table["system"].tolist() == ["LogisticRegression"] * 2 + ["KNN"] * 2
    assert table["labels"].tolist() == [1, 2, 1, 2] and set(table["runs"]) == {2}

    assert main([*ASK, "--seeds", "2"]) == 0
    again = capsys.readouterr()
    assert again.out == printed.out
    assert again.err.count("already in the store.") == again.err.count("\n"), "nothing is trained twice"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--systems", "Oracle"], "There is no system called 'Oracle'"),
        (["--counts", "1,two"], "counts must be a whole number, not 'two'"),
        (["--labels", "1.5"], "labels must be a whole number"),
        (["--seeds", "0"], "seeds must be a whole number from 1 to 100"),
        (["--contamination", "2"], "contamination must be"),
        (["--out", "points.xls"], "--out must end in"),
        (["--wsadbench", "absent/runs.jsonl"], "There is no folder"),
    ],
    ids=str,
)
def test_a_bad_option_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, *arguments]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and printed.err.count("\n") == 1 and printed.out == ""
