"""The question weak-supervision of the command sweep."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from anoonly_core.cli import main as cli
from anoonly_core.cli import weak_supervision
from anoonly_core.cli.main import main
from anoonly_core.cli.schema import load_schema
from anoonly_core.config import make_config
from anoonly_core.execution.pool import Task
from anoonly_core.snippets import weak_supervision_command
from anoonly_core.weak_supervision.result import COLUMNS

ASK = ("sweep", "--question", "weak-supervision")


class InThisProcess:
    """A pool whose tasks are done as soon as they are scheduled."""

    def schedule(self, function: Any, *arguments: Any) -> Task:
        task = Task(1, Future())
        try:
            task.future.set_result(function(*arguments))
        except BaseException as error:
            task.future.set_exception(error)
        return task


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in this process."""

    @contextmanager
    def workers(options: Any) -> Iterator[InThisProcess]:
        yield InThisProcess()

    monkeypatch.setattr(weak_supervision, "open_workers", workers)


@pytest.mark.usefixtures("in_this_process")
def test_the_ranking_is_printed_and_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    quick = ("--dataset", "breast_cancer", "--epochs", "1", "--seeds", "2", "--seed", "3", "--norm", "layer, ghost")
    assert main([*ASK, *quick, "--out", str(tmp_path / "runs.csv")]) == 0
    text = capsys.readouterr().out
    zero, small = text.split("\n\n")
    assert zero.startswith("λ_n = 0\n") and small.startswith("λ_n = 0.01\n")
    assert len(zero.splitlines()) == len(small.splitlines()) == 2 + 1 + 1 + 5
    assert "ghost batch norm" in zero and "to batch norm" in zero
    table = pd.read_csv(tmp_path / "runs.csv")
    assert list(table) == list(COLUMNS) and len(table) == 2 * 2 * 7 and set(table["seed"]) == {3, 4}

    assert main([*ASK, *quick, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, load_schema("sweep"))
    assert document["seeds"] == 2 and document["settings"]["epochs"] == 1
    means = {
        lambda_n: [p["mean"]["aucpr_anomaly"] for p in document["points"] if p["at"]["lambda_n"] == lambda_n]
        for lambda_n in (0, 0.01)
    }
    assert all(values == sorted(values, reverse=True) and len(values) == 7 for values in means.values())
    layer = next(
        point for point in document["points"] if point["at"] == {"norm": "layer", "norm_strength": None, "lambda_n": 0}
    )
    assert layer["measures"]["reach"] == 0 and layer["measures"]["direct"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--norm", "batchnorm"], "norm must be one of"),
        (["--lambda-n", "0"], "varies lambda_n itself: leave --lambda-n out"),
        (["--plugin", "absent.py"], "absent.py cannot be read"),
        (["--plugin", "norm.txt"], "--plugin must name a Python file"),
        (["--norm-strength", "4"], "leave --norm-strength out"),
        (["--epochs", "1,2"], "takes one value of epochs"),
        (["--baseline", "REPEN"], "REPEN has no"),
        (["--cluster", "tcp://127.0.0.1:9"], "leave --cluster and --device out"),
        (["--seeds", "0"], "seeds must be"),
        (["--dataset", "digits_33"], "did you mean"),
        (["--out", "table.xls"], "--out must end in"),
        (["--workers", "0"], "workers must be"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1 and captured.out == ""


@pytest.mark.parametrize("changes", [{}, {"baseline": "PReNet", "epochs": 3}, {"contamination": 0.1, "seed": 4}])
def test_the_command_of_the_page_asks_for_the_same_comparison(changes: dict[str, Any]) -> None:
    config = make_config(**{"dataset": "digits_8", "lambda_n": 0.0, **changes})
    words = shlex.split(weak_supervision_command(config.with_(norm="layer", lambda_n=0.5)))
    assert words[:3] == ["python", "-m", "anoonly_core"]
    assert weak_supervision._first_config(cli._parser().parse_args(words[3:])) == config


def test_a_plugin_needs_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--plugin", "my_norm.py"]) == 2
    assert "--plugin needs --question weak-supervision" in capsys.readouterr().err
