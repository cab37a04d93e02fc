"""A recipe gives the run that it was made of: every setting, on the command line and in Python."""

from __future__ import annotations

import ast
import contextlib
import io
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anoonly_core import cli
from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.cli_options import configs_of
from anoonly_core.config import MAX_CONTAMINATION, RunConfig, make_config
from anoonly_core.recipes import command_line, python_script
from anoonly_core.run import run

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
    }
    given = {name: draw(st.none() | value) for name, value in values.items() if baseline.has(name)}
    return make_config(dataset="digits_8", baseline=baseline.name, **given)


def from_command_line(text: str) -> RunConfig:
    words = shlex.split(text)
    assert words[:3] == ["python", "-m", "anoonly_core"]
    (config,) = configs_of(cli._parser().parse_args(words[3:]))
    return config


def from_script(text: str) -> RunConfig:
    lines = text.splitlines()
    assert len(lines) == 6
    found: dict[str, Any] = {}
    exec("\n".join(lines[:4]), found)
    config = found["config"]
    assert isinstance(config, RunConfig)
    return config


@settings(max_examples=60, deadline=None)
@given(configs())
@example(make_config(baseline="FEAWAD", lambda_n=0.0, preset="published_code", norm="none"))
@example(make_config(baseline="XGBOD", seed=3))
def test_both_recipes_give_the_run_they_were_made_of(config: RunConfig) -> None:
    assert from_command_line(command_line(config)) == config
    assert from_script(python_script(config)) == config


@settings(max_examples=30, deadline=None)
@given(configs())
def test_nothing_is_said_that_goes_without_saying(config: RunConfig) -> None:
    said = [word[2:].replace("-", "_") for word in shlex.split(command_line(config)) if word.startswith("--")]
    for name in set(said) - {"dataset", "baseline"}:
        assert config.with_(**{name: None}) != config, name
    for name in set(RunConfig.model_fields) - set(said):
        assert config.with_(**{name: None}) == config, name


def test_what_is_published_is_left_out() -> None:
    assert command_line(make_config()) == "python -m anoonly_core run --dataset digits_3 --baseline DeepSAD"
    config = make_config(dataset="digits_8", lambda_n=0.0, contamination=0.05, labeled_ratio=0.2, seed=4)
    assert command_line(config) == (
        "python -m anoonly_core run --dataset digits_8 --baseline DeepSAD --lambda-n 0.0 "
        "--labeled-ratio 0.2 --contamination 0.05 --seed 4"
    )
    assert "make_config(dataset='digits_8', baseline='DeepSAD', lambda_n=0.0, " in python_script(config)


@pytest.mark.parametrize("baseline", [name for name in BASELINES if BASELINES[name].norms is None])
def test_what_a_comparator_lacks_is_not_said(baseline: str) -> None:
    assert command_line(make_config(baseline=baseline)).endswith(f" --baseline {baseline}")


@pytest.mark.parametrize(
    "name",
    ["my table.csv", "it's.csv", 'a "b" \\ $HOME `ls`.csv', "-x.csv", "--seed.csv", "ä;&|*?.csv", "two\nlines.csv"],
)
def test_any_file_can_be_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("x,y\n1,0\n")
    config = make_config(dataset=name, contamination=0.0)
    assert from_command_line(command_line(config)) == config
    assert from_script(python_script(config)) == config


def test_the_script_prints_the_runs_metrics() -> None:
    config = make_config(dataset="digits_8", lambda_n=0.0, epochs=1)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(python_script(config), {})
    assert ast.literal_eval(printed.getvalue()) == run(config).metrics.as_dict()
