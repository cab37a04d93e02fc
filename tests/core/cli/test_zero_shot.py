"""Command `zero-shot`: meaning of options, output and refused values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from anoonly_core.cli import main as cli
from anoonly_core.cli import zero_shot
from anoonly_core.zero_shot.config import ZeroShotConfig
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS

QUICK = ["--steps", "2", "--tasks", "2", "--test-rows", "20"]


def configs(*arguments: str) -> list[ZeroShotConfig]:
    return zero_shot._configs(cli._parser().parse_args(["zero-shot", *arguments]))


def test_half_of_the_classes_are_held_out_by_default() -> None:
    asked = configs()
    assert [config.seed for config in asked] == [0, 1, 2, 3, 4]
    assert asked[0].meta == tuple("01234") and asked[0].held_out == tuple("56789")
    assert configs("--held-out", "3")[0].meta == tuple("012456789")
    assert configs("--meta", "3, 4")[0].held_out == tuple("01256789")


def test_json_has_every_scorer_at_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zero-shot", "--seeds", "1", "--json", "--class-counts", "--meta", "0,1,2", *QUICK]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["aucroc_by_ratio"]) == set(SCORER_LABELS) and report["seeds"] == 1
    assert all(len(own["mean"]) == len(own["std"]) == len(RATIOS) for own in report["aucroc_by_ratio"].values())
    assert all(
        len(own["margin"]) == len(own["lead_margin"]) == len(RATIOS) for own in report["aucroc_by_ratio"].values()
    )
    assert report["interval_over"] == "classes" and report["test_batches"] == "among classes never seen"
    assert set(report["by_class_count"]) == {"2", "3"}
    np.testing.assert_allclose(report["by_class_count"]["3"], report["aucroc_by_ratio"]["batch"]["mean"], rtol=1e-6)


def test_a_file_of_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X, y = load_wine(return_X_y=True)
    pd.DataFrame(X).assign(kind=y).to_csv(tmp_path / "wine.csv", index=False)
    asked = ["zero-shot", "--table", str(tmp_path / "wine.csv"), "--column", "kind", "--seeds", "1", *QUICK]
    assert cli.main(asked) == 2
    assert "'0' has 41 for that: take fewer rows a task" in capsys.readouterr().err
    assert cli.main([*asked, "--rows", "40"]) == 0
    out, err = capsys.readouterr()
    assert "trained on 0, 1; tested on 2" in out and "batch statistics" in out and err == ""
    assert "further rows of classes that were trained on, ± 95 % over the seeds of one class" in out


def test_small_batches_give_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zero-shot", "--seeds", "1", *QUICK, "--test-rows", "8"]) == 0
    assert "fewer than 16 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--table", "nope"], "no table of several classes called 'nope'"),
        (["--table", "no.csv"], "There is no file no.csv"),
        (["--held-out", "11"], "held_out names '11'"),
        (["--held-out", "3", "--meta", "3,4"], "'3' is held out"),
        (["--meta", "1"], "meta must be"),
        (["--seeds", "x"], "seeds must be a whole number"),
        (["--seeds", "0"], "seeds must be a whole number from 1"),
        (["--steps", "1e9"], "steps must be"),
        (["--test-rows", "1"], "one row has no statistics"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zero-shot", *arguments]) == 2
    out, err = capsys.readouterr()
    assert words in err and err.count("\n") == 1 and out == ""
