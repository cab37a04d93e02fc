"""Command `sweep`: meaning of options and refused values."""

from __future__ import annotations

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from anoonly_core.cli import engines, sweep
from anoonly_core.cli import main as cli
from anoonly_core.execution.pool import Task
from anoonly_core.machine import cores
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.store import default_store
from anoonly_core.runs.run import run_many
from anoonly_core.sweeps.sweep import Sweep


def parse_sweep(*arguments: str) -> Sweep:
    return sweep.parse_sweep(cli._parser().parse_args(["sweep", *arguments]))


def axes(*arguments: str) -> dict[str, tuple[Any, ...]]:
    return {axis.name: axis.values for axis in parse_sweep(*arguments).axes}


def test_several_values_are_varied_and_one_is_fixed() -> None:
    sweep = parse_sweep(
        "--dataset", "digits_8", "--lambda-n", "1, 1e-2,0", "--epochs", "3", "--seed", "4", "--seeds", "2"
    )
    assert {axis.name: axis.values for axis in sweep.axes} == {"lambda_n": (1.0, 0.01, 0.0)}
    assert sweep.settings == {"dataset": "digits_8", "epochs": 3, "seed": 4} and sweep.seeds == 2


def test_without_a_lambda_the_baseline_and_anoonly_are_both_trained() -> None:
    assert axes("--labeled-ratio", "0.1,0.5") == {"labeled_ratio": (0.1, 0.5), "lambda_n": (1.0, 0.0)}
    assert axes("--labeled-ratio", "0.1,0.5", "--lambda-n", "0") == {"labeled_ratio": (0.1, 0.5)}
    assert parse_sweep().seeds == 5


def test_published_is_a_value() -> None:
    assert axes("--norm", "published,layer")["norm"] == (None, "layer")
    assert axes("--protocol", "published,leak_free")["protocol"] == ("published", "leak_free")


def test_options_narrow_a_preset() -> None:
    assert axes("--question", "fig7")["lambda_n"][-2:] == (1e-6, 0.0)
    asked = axes("--question", "fig9", "--batch-size", "32,64", "--lambda-n", "0")
    assert asked == {"batch_size": (32, 64), "lambda_n": (0.0,)}
    assert list(axes("--question", "fig8", "--preset", "paper,published_code")) == [
        *("contamination", "baseline", "lambda_n", "preset")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lambda-n", "1,x"], "lambda_n must be"),
        (["--lambda-n", "1,,0"], "lambda_n must be"),
        (["--question", "fig99"], "question must be one of fig5"),
        (["--seeds", "many"], "seeds must be a whole number"),
        (["--seeds", "0"], "seeds must be a whole number"),
        (["--dataset", "digits_33"], "did you mean"),
        (["--out", "table.xls"], r"--out must end in \.csv or \.parquet"),
        (["--out", "/no/such/folder/table.csv"], "There is no folder"),
        (["--workers", "0"], "workers must be"),
        (["--workers", str(4 * cores() + 1)], "workers must be a whole number from 1 to .* per core"),
        (["--workers", "9" * 4000], r"workers must be .*, not 9{20}\."),
        (["--out", "a\0.csv"], "--out must name a file"),
        (["--out", "\ud800.csv"], "--out must name a file"),
        (["--out", f"{'a' * 300}.csv"], "--out must name a file of at most 200"),
        (["--out", f"{'a' * 300}/a.csv"], "There is no folder"),
        (["--workers", "some"], "workers must be"),
        (["--device", "tpu"], "device must be one of auto, cpu, cuda, not 'tpu'"),
        pytest.param(
            *(["--device", "cuda", "--workers", "1"], "PyTorch finds no CUDA GPU"),
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU"),
        ),
        (["--cluster", "tcp://127.0.0.1:9"], "No Dask scheduler answers"),
        (["--baseline", "PReNet", "--batch-size", "1,2"], "batch_size must be 4 or more"),
        (
            ["--batch-size", ",".join(map(str, range(1, 4002))), "--seeds", "5"],
            "would have 40010 runs; reduce it to at most 20000",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.execution.dask_cluster.CONNECT_S", 1)
    assert cli.main(["sweep", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert pd.Series([printed.err]).str.contains(words).all()


class NoProcesses:
    """A worker pool without GPU that trains nothing."""

    def __init__(self, count: int, initializer: Any) -> None:
        self.count = count

    def schedule(self, function: Any) -> Task:
        task = Task(1, Future())
        task.future.set_result("")
        return task

    def close(self) -> None: ...


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(engines.LocalEngine, "plan", refuse)
    monkeypatch.setattr(engines, "WorkerPool", NoProcesses)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_table_has_every_run(
    no_processes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    arguments = ["--epochs", "1", "--contamination", "natural,0", "--seeds", "2", "--json"]
    sweep = parse_sweep(*arguments)
    results = run_many(list(sweep.configs.values()), store=default_store())
    path = tmp_path / f"table.{suffix}"
    assert cli.main(["sweep", *arguments, "--out", str(path)]) == 0
    report = json.loads(capsys.readouterr().out)
    table = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert list(table["key"]) == [result.key for result in results]
    assert [path.name for path in tmp_path.iterdir()] == [path.name], "nothing else is left lying about"
    for name in METRICS:
        found = [getattr(result.metrics, name) for result in results]
        assert list(table[name]) == found
        assert report["points"][0]["mean"][name] == pytest.approx(np.mean(found[:2]))
        assert report["points"][0]["std"][name] == pytest.approx(np.std(found[:2], ddof=1))
    assert [point["at"] for point in report["points"]] == [
        {"contamination": pool, "lambda_n": value} for pool in ("natural", 0.0) for value in (1.0, 0.0)
    ]


def test_the_text_has_one_line_per_grid_point(no_processes: None, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--epochs", "1", "--batch-size", "1,64", "--baseline", "DevNet", "--seeds", "2", "--lambda-n", "0"]
    run_many(list(parse_sweep(*arguments).configs.values()), store=default_store())
    assert cli.main(["sweep", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("Left out: batch_size must be 2 or more for DevNet")
    header, *lines = printed.out.splitlines()
    assert header.split() == ["batch_size", "runs", "aucroc", "aucpr_anomaly", "aucpr_normal"]
    assert len(lines) == 1 and lines[0].split()[:2] == ["64", "2"] and lines[0].count("±") == 3
