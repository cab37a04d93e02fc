"""Agreement of what each command prints with --json, of its schema and of the settings of a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from anoonly_core import AnoOnlyDetector
from anoonly_core.cli import main as cli
from anoonly_core.cli.main import main
from anoonly_core.cli.schema import COMMANDS, load_schema
from anoonly_core.config import RunConfig

QUICK: dict[str, tuple[list[str], ...]] = {
    "datasets": ([],),
    "drift": (
        ["--epochs", "1", "--batches", "4", "--rows", "16", "--detector", "adwin", "--absorption"],
        ["--epochs", "1", "--batches", "4", "--rows", "8", "--seeds", "2", "--dataset", "rows.csv", "--level", "0.2"],
    ),
    "fit": (["rows.csv", "--out", "d.safetensors", "--epochs", "1"],),
    "label": (
        ["digits_low", "--rules", "highest,disagreement", "--seeds", "2", "--rounds", "1", "--epochs", "1"],
        ["rows.csv", "--rules", "random", "--seeds", "1", "--rounds", "2", "--rows", "3", "--epochs", "1"],
    ),
    "purify": (
        ["--dataset", "digits_only_3", "--contamination", "0.2", "--epochs", "1", "--parts", "1"],
        ["--dataset", "rows.csv", "--epochs", "1", "--parts", "1", "--remove", "0.1", "--seeds", "2"],
    ),
    "reproduce": (["table1", "sign", "--shipped"],),
    "run": (
        ["--epochs", "1"],
        ["--epochs", "1", "--seeds", "2", "--dataset", "rows.csv", "--baseline", "REPEN"],
        ["--baseline", "XGBOD", "--dataset", "rows.csv"],
    ),
    "score": (
        ["model.safetensors", "rows.csv"],
        ["model.safetensors", "rows.csv", "--top", "3", "--id", "a"],
        ["model.safetensors", "rows.csv", "--top", "3", "--explain", "2"],
    ),
    "sweep": (["--epochs", "1", "--seeds", "2", "--workers", "1", "--norm", "none,layer"],),
    "which": (
        ["digits_low", "--systems", "LogisticRegression;KNN", "--seeds", "2", "--counts", "1,2", "--workers", "1"],
    ),
    "wsadbench": (["theirs.jsonl"],),
    "zero-shot": (
        ["--steps", "2", "--tasks", "2", "--seeds", "1", "--held-out", "8,9", "--class-counts"],
        ["--steps", "2", "--tasks", "2", "--seeds", "2", "--held-out", "9"],
    ),
}
CASES = [(name, options) for name, several in QUICK.items() for options in several]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(120, 3))
    y = (np.arange(120) % 10 == 0).astype(int)
    line = {"model": "DevNet", "dataset": "6_cardio", "rla": 1.0, "seed": 0, "aucroc": 0.9, "aucpr": 0.8}
    Path("theirs.jsonl").write_text(json.dumps(line))
    pd.DataFrame(X + 2 * y[:, None], columns=["a", "b", "c"]).assign(label=y).to_csv("rows.csv", index=False)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(arguments) == 0

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    return json.loads(capsys.readouterr().out, parse_constant=refuse)


@pytest.mark.parametrize(("command", "options"), CASES, ids=[f"{name} {' '.join(own)}"[:50] for name, own in CASES])
def test_the_output_fits_the_schema(capsys: pytest.CaptureFixture[str], command: str, options: list[str]) -> None:
    if command == "score":
        table = pd.read_csv("rows.csv")
        detector = AnoOnlyDetector("DeepSAD", epochs=1, random_state=0)
        detector.fit(table[["a", "b", "c"]].to_numpy(), table["label"].to_numpy()).save("model.safetensors")
        table[["a", "b", "c"]].to_csv("rows.csv", index=False)
    report = printed(capsys, command, *options, "--json")
    jsonschema.Draft202012Validator(load_schema(command)).validate(report)


def test_a_schema_refuses_other_reports(capsys: pytest.CaptureFixture[str]) -> None:
    report = printed(capsys, "run", "--epochs", "1", "--json")
    check = jsonschema.Draft202012Validator(load_schema("run")).is_valid
    assert check(report)
    assert not check({**report, "surplus": 1})
    assert not check({name: value for name, value in report.items() if name != "counts"})
    assert not check({**report, "metrics": {**report["metrics"], "aucroc": "0.5"}})
    assert not check({"runs": [], "mean": report["metrics"], "std": report["metrics"]})


@pytest.mark.parametrize("command", ["run", "purify"])
def test_a_schema_has_the_settings_of_a_run(command: str) -> None:
    described = load_schema(command)["$defs"]["config"]
    settings = RunConfig.model_json_schema()["properties"]
    assert list(described["properties"]) == described["required"] == list(settings)
    for name, setting in settings.items():
        assert described["properties"][name].get("enum") == setting.get("enum")


def test_every_command_with_json_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    actions = cli._parser()._actions
    parsers = next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices
    with_json = {name for name, parser in parsers.items() if "--json" in parser._option_string_actions}
    assert with_json == set(COMMANDS) == {*parsers} - {"app", "completion", "schema"}
    assert with_json == QUICK.keys() | {"fetch", "features"}  # which have tests of their own
    for name in COMMANDS:
        schema = printed(capsys, "schema", name)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema == load_schema(name)
