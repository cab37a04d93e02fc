"""Generated commands and scripts reproduce the run that they were made from."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_SHARES, MECHANISMS, NORM_LABELS
from anoonly_core.cli import main as cli
from anoonly_core.cli.options import parse_configs
from anoonly_core.config import MAX_CONTAMINATION, RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.runs.run import run
from anoonly_core.snippets import detector_script, file_name, python_script, run_command, score_command, sweep_command
from anoonly_core.sweeps.sweep import make_sweep

ROOT = Path(__file__).parents[2]
ODD = '"; import os #.csv'

shares = st.floats(0, 1, exclude_min=True)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    baseline = BASELINES[draw(st.sampled_from(list(BASELINES)))]
    values: dict[str, Any] = {
        "lambda_n": st.sampled_from([0.0, 1.0, -0.0]) | st.floats(0, 1),
        "norm": st.sampled_from(list(NORM_LABELS)),
        "batch_size": st.integers(baseline.smallest_batch, 65536),
        "epochs": st.integers(1, 10000),
        "learning_rate": shares,
        "labeled_ratio": shares,
        "normal_ratio": shares,
        "contamination": st.just("natural") | st.floats(0, MAX_CONTAMINATION),
        "preset": st.sampled_from(list(baseline.settings)),
        "protocol": st.sampled_from(["leak_free", "published"]),
        "seed": st.integers(0, 2**31 - 1),
        "labeled_normals": st.integers(0, 5),
        "labeled_normal_ratio": st.sampled_from([0.0, 0.5, 2.0]),
        "unlabeled_ratio": shares,
        "flipped_anomalies": shares,
        "flipped_normals": shares,
        "unseen_types": st.integers(0, 3),
    }
    given = {name: draw(st.none() | value) for name, value in values.items() if baseline.has(name)}
    config = make_config(dataset="digits_8", baseline=baseline.name, **given)
    if config.norm is not None and (dial := MECHANISMS[config.norm].dial) is not None:
        return config.with_(norm_strength=draw(st.none() | st.floats(dial.low, dial.high)))
    if config.norm not in BATCH_NORMS:
        return config
    place = draw(st.sampled_from(["all", "first", "last"]))
    return config.with_(**{name: draw(st.just(1.0) | st.floats(0, 1)) for name in GRADIENT_SHARES}, grad_place=place)


def from_command_line(text: str) -> RunConfig:
    words = shlex.split(text)
    assert words[:3] == ["python", "-m", "anoonly_core"]
    (config,) = parse_configs(cli._parser().parse_args(words[3:]))
    return config


def from_script(text: str) -> RunConfig:
    lines = text.splitlines()
    assert len(lines) == 5
    found: dict[str, Any] = {}
    exec("\n".join(lines[:3]), found)
    config = found["config"]
    assert isinstance(config, RunConfig)
    return config


@settings(max_examples=60, deadline=None)
@given(configs())
@example(make_config(baseline="FEAWAD", lambda_n=0.0, preset="published_code", norm="none"))
@example(make_config(baseline="XGBOD", seed=3))
def test_command_and_script_give_the_original_configuration(config: RunConfig) -> None:
    assert from_command_line(run_command(config)) == config
    assert from_script(python_script(config)) == config


@settings(max_examples=30, deadline=None)
@given(configs())
def test_the_command_has_only_settings_that_differ_from_the_defaults(config: RunConfig) -> None:
    said = [word[2:].replace("-", "_") for word in shlex.split(run_command(config)) if word.startswith("--")]
    for name in set(said) - {"dataset", "baseline"}:
        assert getattr(config.as_published(name), name) != getattr(config, name), name
    for name in set(RunConfig.model_fields) - set(said):
        assert getattr(config.as_published(name), name) == getattr(config, name), name


def test_published_settings_are_left_out() -> None:
    assert run_command(make_config()) == "python -m anoonly_core run --dataset digits_3 --baseline DeepSAD"
    config = make_config(dataset="digits_8", lambda_n=0.0, contamination=0.05, labeled_ratio=0.2, seed=4)
    assert run_command(config) == (
        "python -m anoonly_core run --dataset digits_8 --baseline DeepSAD --lambda-n 0.0 "
        "--labeled-ratio 0.2 --contamination 0.05 --seed 4"
    )
    assert "make_config(dataset='digits_8', baseline='DeepSAD', lambda_n=0.0, " in python_script(config)


@pytest.mark.parametrize("baseline", [name for name in BASELINES if BASELINES[name].norms is None])
def test_settings_that_a_comparator_lacks_are_left_out(baseline: str) -> None:
    assert run_command(make_config(baseline=baseline)).endswith(f" --baseline {baseline}")


@pytest.mark.parametrize(
    "name",
    ["my table.csv", "it's.csv", 'a "b" \\ $HOME `ls`.csv', "-x.csv", "--seed.csv", "ä;&|*?.csv", "two\nlines.csv"],
)
def test_any_file_name_is_quoted_correctly(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("x,y\n1,0\n")
    config = make_config(dataset=name, contamination=0.0)
    assert from_command_line(run_command(config)) == config
    assert from_script(python_script(config)) == config


def test_the_script_prints_the_metrics_of_the_run() -> None:
    config = make_config(dataset="digits_8", lambda_n=0.0, epochs=1)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(python_script(config), {})
    assert ast.literal_eval(printed.getvalue()) == run(config).metrics.as_dict()


# The script that fits a detector


def upload_table(shown: str, folder: Path) -> str:
    """Upload a table with this file name, write the same file to the folder, and return the table's name."""
    drawn = np.random.default_rng(0)
    faulty = np.arange(120) % 8 == 0
    table = pd.DataFrame({"weight": drawn.normal(size=120) + 3 * faulty, "size": drawn.normal(size=120)})
    table.assign(state=np.where(faulty, "faulty, by & by", "sound")).to_csv(folder / shown, index=False)
    with (folder / shown).open("rb") as source:
        uploaded = uploads.add(shown, source, "me", "here")
    uploads.apply_schema(uploaded, TableSchema(label="state", anomaly=("faulty, by & by",)))
    return uploaded.name


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def in_this_process(script: str, folder: Path) -> None:
    with contextlib.chdir(folder):
        exec(script, {})


def in_new_process(script: str, folder: Path) -> None:
    """Run the script in a new process without access to uploaded tables."""
    (folder / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ANOONLY_CACHE": str(folder / "other")}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("shown", "execute"), [("", in_this_process), (ODD, in_new_process)])
def test_the_detector_script_gives_the_scores_of_the_run_to_the_bit(
    shown: str, execute: Callable[[str, Path], None], own_cache: Path
) -> None:
    settings: dict[str, Any] = {"lambda_n": 0.0, "epochs": 2, "seed": 3, "norm": "layer", "labeled_ratio": 0.4}
    config = make_config(dataset=upload_table(shown, own_cache) if shown else "digits_3", **settings)
    result, dataset = run(config, "cpu"), load_cached(config.dataset)
    execute(detector_script(config), own_cache)
    table = pd.read_csv(own_cache / "scores.csv")
    assert table["row"].tolist() == dataset.row_ids[result.test_rows].tolist()
    assert np.array_equal(table["score"].to_numpy(np.float32), result.scores)
    loaded = AnoOnlyDetector.load(own_cache / file_name(config, "detector.safetensors"))
    assert np.array_equal(loaded.decision_function(dataset.X[result.test_rows]).astype(np.float32), result.scores)


@settings(max_examples=60, deadline=None)
@given(configs())
@example(make_config(baseline="FEAWAD", lambda_n=0.0, preset="published_code", norm="none"))
def test_the_detector_script_has_every_setting(config: RunConfig) -> None:
    calls = {
        call.func.id: call
        for call in ast.walk(ast.parse(detector_script(config)))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }

    def said(call: ast.Call) -> dict[str, Any]:
        return {word.arg or "": ast.literal_eval(word.value) for word in call.keywords if word.arg != "dataset"}

    (baseline,) = calls["AnoOnlyDetector"].args
    detector = said(calls["AnoOnlyDetector"])
    seed = detector.pop("random_state")
    split = said(calls["make_config"])
    assert {"seed": 0, **split}["seed"] == seed
    given = {**split, **detector, "baseline": ast.literal_eval(baseline), "dataset": config.dataset}
    assert make_config(**given) == config


def test_an_uploaded_table_is_named_by_its_file(own_cache: Path) -> None:
    """A stored name such as own_cells_1a2b3c4d is unknown on other machines."""
    config = make_config(dataset=upload_table(ODD, own_cache), epochs=2)
    address = f"{ODD}?label=state&anomaly=faulty%2C by %26 by"
    assert shlex.split(run_command(config))[5] == address
    assert f"make_config(dataset={address!r}, " in python_script(config)
    sweep = make_sweep({"dataset": config.dataset}, [("lambda_n", [1.0, 0.0])], 2)
    assert shlex.split(sweep_command(sweep))[5] == address
    for text in (run_command(config), python_script(config), detector_script(config), score_command(config)):
        assert "own_" not in text
    assert shlex.split(score_command(config))[5] == ODD


@pytest.mark.parametrize(
    ("dataset", "stem", "file"),
    [
        ("digits_3", "digits_3", "rows.csv"),
        ("CV_by_ViT/CIFAR10_0", "CV_by_ViT_CIFAR10_0", "rows.csv"),
        ("../a b/<script>.csv?label=x", "script", "../a b/<script>.csv"),
        ("-x.csv", "x", "./-x.csv"),
        ("ü&.csv.gz", "table", "ü&.csv.gz"),
        (f"{'long' * 50}.npz", "long" * 15, f"{'long' * 50}.npz"),
    ],
)
def test_output_files_have_safe_names(dataset: str, stem: str, file: str) -> None:
    config = make_config(dataset=dataset, baseline="DevNet")
    assert file_name(config, "scores.csv") == f"{stem}_DevNet_scores.csv"
    words = shlex.split(score_command(config))
    assert words[4:] == [f"{stem}_DevNet_detector.safetensors", file, "--out", "scores.csv"]
