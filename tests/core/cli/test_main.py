"""The command line: output, streams and exit codes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch

from anoonly_core import __version__
from anoonly_core.baselines import BASELINES
from anoonly_core.cli import fetch as fetch_cli
from anoonly_core.cli.main import main
from anoonly_core.cli.options import RUN_SETTINGS
from anoonly_core.cli.schema import load_schema
from anoonly_core.config import RULES, make_config
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.files import manifest
from anoonly_core.runs.run import run
from tests.core.data.adbench.test_download import QUICK, Server, serving
from tests.core.data.adbench.test_files import BODY, entry_for

ROOT = Path(__file__).parents[3]
QUICK_RUN = ["run", "--epochs", "2", "--device", "cpu"]
METRICS = ["aucroc", "aucpr_anomaly", "aucpr_normal", "aucpr_normal_published"]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must succeed and return its output."""
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a new process."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-m", "anoonly_core", *arguments],
        cwd=ROOT,
        env=plain | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def assert_refused(code: object, out: str, err: str, *words: str) -> None:
    assert code == 2
    assert out == ""
    assert err.endswith("\n") and err[:-1].isprintable() and err[-2] in ".?`", err
    assert ". " not in err.replace("..., ", ""), err
    assert all(word in err for word in words), err


# Bad input

BAD_INPUT: dict[str, tuple[list[str], str]] = {
    "no command": (["--quiet"], "COMMAND"),
    "unknown command": (["frobnicate"], "frobnicate"),
    "unknown option": (["run", "--lr", "1"], "--lr"),
    "unknown option with a line break": (["run", "--two\nlines"], "--two lines"),
    "unknown option with control characters": (["run", "--a\x01\x9c"], r"--a\x01\x9c"),
    "very long unknown word": (["run", "x" * 5000], "x..."),
    "superfluous word": (["run", "digits_3"], "digits_3"),
    "option without a value": (["run", "--norm"], "--norm"),
    "unknown data set": (["run", "--dataset", "digit_3"], "did you mean digits_3"),
    "no such file": (["run", "--dataset", "absent.csv"], "There is no file absent.csv."),
    "no such file, odd name": (["run", "--dataset", "two\nlines.csv"], r"'two\nlines.csv'"),
    "very long name": (["run", "--dataset", "x" * 300], "xxx..."),
    "folder": (["run", "--dataset", "."], "'.'"),
    "empty name": (["run", "--dataset", ""], "dataset must be"),
    "λ_n -1": (["run", "--lambda-n", "-1"], "lambda_n must be"),
    "λ_n nan": (["run", "--lambda-n", "nan"], "lambda_n must be"),
    "λ_n -inf": (["run", "--lambda-n=-inf"], "lambda_n must be"),
    "batch size 0": (["run", "--batch-size", "0"], "batch_size must be"),
    "contamination 1": (["run", "--contamination", "1"], "contamination must be"),
    "preset": (["run", "--preset", "mine"], "preset must be"),
    "seed -1": (["run", "--seed", "-1"], "seed must be"),
    "AnoOnly of a system without λ_n": (["run", "--baseline", "REPEN", "--anomaly-only"], "REPEN has no λ_n"),
    "λ_n of a system without one": (["run", "--baseline", "XGBOD", "--lambda-n", "1"], "XGBOD has no lambda_n"),
    "a batch with no room": (["run", "--baseline", "PReNet", "--batch-size", "3"], "4 or more for PReNet"),
    "both λ_n": (["run", "--anomaly-only", "--lambda-n", "0"], "--anomaly-only"),
    "no seeds": (["run", "--seeds", "0"], "seeds must be"),
    "half a seed": (["run", "--seeds", "1.5"], "seeds must be"),
    "too many seeds": (["run", "--seeds", "1001"], "seeds must be"),
    "seeds beyond the last": (["run", "--seeds", "2", "--seed", str(2**31 - 1)], "seed must be"),
    "seed and seeds abbreviated": (["run", "--see", "2"], "--se"),
    "unknown device": ([*QUICK_RUN[:3], "--device", "mps"], "auto, cpu, cuda"),
    "impossible split": ([*QUICK_RUN, "--labeled-ratio", "1", "--contamination", "0.1"], "contaminate"),
    "nothing to fetch": (["fetch"], "NAME"),
    "unknown fetch": (["fetch", "CIFAR10_10"], "did you mean CIFAR10_1"),
    "fetch of a bundled set": (["fetch", "digits_3"], "needs no download"),
    "fetch, one of two unknown": (["fetch", "6_cardio", "nonsense"], "nonsense"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert_refused(code, *capsys.readouterr(), words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_cuda_without_a_gpu_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(main(["run", "--epochs", "1", "--device", "cuda"]), *capsys.readouterr(), "CUDA", "device cpu")


@pytest.mark.parametrize("name", ["no command", "λ_n -1"])
def test_the_program_refuses_bad_input_in_a_new_process(name: str) -> None:
    arguments, words = BAD_INPUT[name]
    done = program(*arguments)
    assert_refused(done.returncode, done.stdout, done.stderr, words)


def test_bad_input_is_refused_without_torch() -> None:
    script = (
        "import sys\n"
        "from anoonly_core.cli.main import main\n"
        "assert main(['run', '--lambda-n', '-1']) == 2 and main(['run', '--dataset', 'nonsense']) == 2\n"
        "assert 'torch' not in sys.modules and 'sklearn.manifold' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [("bad.csv", b""), ("bad.npz", b"no archive"), ("bad.parquet", b"PAR1"), ("bad.csv", b"a,y\n1,2\n2,0\n")],
)
def test_a_bad_file_gets_one_sentence(capsys: pytest.CaptureFixture[str], name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    assert_refused(main([*QUICK_RUN, "--dataset", name]), *capsys.readouterr(), name)


# run


def test_run_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--seed", "7", "--norm", "layer", "--batch-size", "64"))
    assert list(report) == ["config", "metrics", "seconds", "counts"]
    config = make_config(epochs=2, seed=7, norm="layer", batch_size=64)
    assert report["config"] == config.model_dump(mode="json")
    assert list(report["metrics"]) == METRICS
    assert all(0 <= value <= 1 for value in report["metrics"].values())
    assert list(report["seconds"]) == ["train", "score"]
    assert all(seconds > 0 for seconds in report["seconds"].values())

    result = run(config, "cpu")
    assert report["metrics"] == result.metrics.as_dict()
    assert report["counts"] == result.counts


def test_every_setting_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "dataset": "digits_8",
        "baseline": "DeepSAD",
        "lambda_n": 1e-2,
        "norm": "batch_no_affine",
        "batch_size": 32,
        "epochs": 1,
        "learning_rate": 1e-2,
        "labeled_ratio": 0.5,
        "normal_ratio": 0.5,
        "contamination": 0.01,
        "preset": "published_code",
        "protocol": "published",
        "seed": 3,
        "grad_direct": 0.75,
        "grad_variance": 0.5,
        "grad_mean": 0.25,
        "grad_place": "last",
        "norm_strength": None,
        "labeled_anomalies": None,
        "labeled_normals": 2,
        "labeled_normal_ratio": 0.5,
        "unlabeled_ratio": 0.5,
        "flipped_anomalies": 0.1,
        "flipped_normals": 0.001,
        "unseen_types": 0,
    }
    assert tuple(values) == RUN_SETTINGS == tuple(RULES)
    given = {name: value for name, value in values.items() if value is not None}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    assert json.loads(answer(capsys, "run", *options, "--json"))["config"] == values


def test_anomaly_only_is_lambda_0(capsys: pytest.CaptureFixture[str]) -> None:
    short, long = (
        json.loads(answer(capsys, *QUICK_RUN, "--json", *options))
        for options in (["--anomaly-only"], ["--lambda-n", "0"])
    )
    assert short == long, "the second comes from the store"
    assert short["config"]["lambda_n"] == 0


def test_seeds_count_up_and_have_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--seeds", "3", "--seed", "5"))
    assert list(report) == ["runs", "mean", "std"]
    assert [run["config"]["seed"] for run in report["runs"]] == [5, 6, 7]
    assert all(list(run) == ["config", "metrics", "seconds", "counts"] for run in report["runs"])
    for name in METRICS:
        values = [run["metrics"][name] for run in report["runs"]]
        assert len(set(values)) == 3
        assert report["mean"][name] == pytest.approx(np.mean(values), rel=1e-12)
        assert report["std"][name] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert list(report["mean"]) == list(report["std"]) == METRICS

    alone = json.loads(answer(capsys, *QUICK_RUN, "--json", "--seed", "6"))
    assert alone["metrics"] == report["runs"][1]["metrics"]


def test_one_seed_has_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--seeds", "1"))
    assert len(report["runs"]) == 1
    assert report["std"] == dict.fromkeys(METRICS, 0.0)


def test_a_second_run_comes_from_the_store(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = answer(capsys, *QUICK_RUN, "--json")
    monkeypatch.setattr("anoonly_core.runs.train_stack.train", lambda stack: pytest.fail("it was trained again"))
    assert answer(capsys, *QUICK_RUN, "--json") == first


def test_a_store_that_cannot_be_written_does_not_stop_a_run(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "file"))
    assert json.loads(answer(capsys, *QUICK_RUN, "--json"))["metrics"]["aucroc"] > 0
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "could not be stored" in record.getMessage()


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet", "mine.npz", "a folder/my, 'own' ü.csv"])
def test_a_file_of_the_user_can_be_run(capsys: pytest.CaptureFixture[str], name: str) -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = (np.arange(200) % 10 == 0).astype(int)
    X[y == 1] += 2
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=y)
    if path.suffix == ".npz":
        np.savez(path, X=X, y=y)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--dataset", name))
    assert report["config"]["dataset"] == name
    assert report["counts"]["rows"] == 200 and report["counts"]["test_anomalies"] == 6


def test_the_text_has_the_settings_and_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--anomaly-only"))
    text = answer(capsys, *QUICK_RUN, "--anomaly-only")
    counts = report["counts"]
    head, split, *rows, last = text.splitlines()
    assert head == "digits_3, DeepSAD, λ_n = 0, norm batch_no_affine, epochs 2, batch 128, learning rate 0.001"
    assert split == (
        f"{counts['labelled_anomalies']} labeled anomalies, pool of {counts['pool_normal']} normal and "
        f"{counts['pool_anomalies']} anomalous rows (leak_free split, contamination natural), "
        f"{counts['test']} test rows"
    )
    assert [row.split() for row in rows] == [[name, f"{value:.4f}"] for name, value in report["metrics"].items()]
    assert re.fullmatch(r"1 run, \d+\.\d\d s of training on the CPU", last)


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize("baseline", BASELINES)
def test_every_system_runs_and_prints_its_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, baseline: str
) -> None:
    monkeypatch.setattr("anoonly_core.models.feawad.FEAWAD.pretraining_epochs", 1)
    has = BASELINES[baseline].has
    quick = ["--epochs", "1", "--batch-size", "32"] if has("epochs") else []
    asked = ["run", "--dataset", "breast_cancer", "--baseline", baseline, *quick, "--seeds", "2"]
    report = json.loads(answer(capsys, *asked, "--json"))
    config = report["runs"][0]["config"]
    assert {name for name in ("lambda_n", "norm", "epochs") if config[name] is None} == {
        name for name in ("lambda_n", "norm", "epochs") if not has(name)
    }
    head = answer(capsys, *asked).splitlines()[0]
    assert head.startswith(f"breast_cancer, {baseline}")
    for name, words in (("lambda_n", "λ_n = 1"), ("norm", "norm "), ("epochs", "epochs 1")):
        assert (words in head) is has(name)
    assert "None" not in head


def test_the_text_of_several_seeds_has_mean_and_spread(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(answer(capsys, *QUICK_RUN, "--json", "--seeds", "2"))
    *_, first, second, third, fourth, last = answer(capsys, *QUICK_RUN, "--seeds", "2").splitlines()
    for row, name in zip((first, second, third, fourth), METRICS, strict=True):
        assert row.split() == [name, f"{report['mean'][name]:.4f}", "±", f"{report['std'][name]:.4f}"]
    assert last.startswith("2 runs, ")


def test_the_text_names_the_leak(capsys: pytest.CaptureFixture[str]) -> None:
    leaky = [*QUICK_RUN, "--dataset", "breast_cancer", "--protocol", "published"]
    copies = json.loads(answer(capsys, *leaky, "--json"))["counts"]["test_copies_of_training_part"]
    assert copies > 0
    assert f"Leak: {copies} test rows are copies of training rows." in answer(capsys, *leaky)
    assert "Leak" not in answer(capsys, *QUICK_RUN, "--dataset", "breast_cancer")


# datasets, --help, --version


def test_datasets_lists_all_219(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(answer(capsys, "datasets", "--json"))
    assert len(rows) == 219
    keys = ["name", "family", "bundled", "at_hand", "rows", "columns", "anomalies"]
    assert all(list(row) == keys for row in rows)
    assert (rows[3]["rows"], rows[3]["columns"], rows[3]["anomalies"]) == (1699, 64, 85)
    assert sum(row["bundled"] for row in rows) == sum(row["at_hand"] for row in rows) == 24
    lines = answer(capsys, "datasets").splitlines()
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]
    assert lines[3].split()[2:] == ["1699", "rows", "64", "columns", "85", "anomalies", "bundled"]
    assert sum(line.endswith(" bundled") for line in lines) == 24
    assert sum(line.endswith(" to fetch") for line in lines) == 195


def test_datasets_lists_what_is_on_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, real_data: Path
) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    at_hand = {row["name"] for row in json.loads(answer(capsys, "datasets", "--json")) if row["at_hand"]}
    assert {path.stem for path in real_data.glob("*/*.npz")} <= at_hand


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["fetch", "--help"], ["datasets", "--help"]])
def test_help_is_printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert stop.value.code == 0 and err == "" and out.startswith("usage: python -m anoonly_core")
    if arguments[0] == "run":
        said = " ".join(out.split())
        assert all(f"--{name.replace('_', '-')}" in said and rule in said for name, rule in RULES.items())


def test_the_program_prints_its_version() -> None:
    assert program("--version").stdout == f"{__version__}\n"


# fetch


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Yield a mirror with one file, used for ADBench's 6_cardio and 10_cover."""
    with serving(BODY) as running:
        monkeypatch.setenv("ANOONLY_MIRROR", running.url)
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.setattr(adbench, "LIMITS", QUICK)
        ours = {name: replace(entry_for(BODY, name), folder="Classical") for name in ("6_cardio", "10_cover")}
        ours["twin"] = entry_for(BODY, "twin", "Elsewhere")
        for module in (fetch_cli, adbench):
            monkeypatch.setattr(module, "manifest", lambda: ours)
        yield running


def test_fetch_prints_where_the_files_are(capsys: pytest.CaptureFixture[str], server: Server, tmp_path: Path) -> None:
    wanted = [tmp_path / "cache" / "adbench" / "Classical" / f"{name}.npz" for name in ("6_cardio", "10_cover")]
    assert answer(capsys, "fetch", "6_cardio", "Classical/10_cover").splitlines() == list(map(str, wanted))
    assert all(path.read_bytes() == BODY for path in wanted)
    assert server.paths == ["/Classical/6_cardio.npz", "/Classical/10_cover.npz"]
    assert answer(capsys, "fetch", "6_cardio") == f"{wanted[0]}\n"
    assert len(server.paths) == 2, "files in the cache are not fetched again"


def test_fetch_prints_json(capsys: pytest.CaptureFixture[str], server: Server, tmp_path: Path) -> None:
    report = json.loads(answer(capsys, "fetch", "6_cardio", "Classical/10_cover", "--json"))
    jsonschema.Draft202012Validator(load_schema("fetch")).validate(report)
    folder = tmp_path / "cache" / "adbench" / "Classical"
    assert [(entry["path"], entry["bytes"]) for entry in report] == [
        (str(folder / f"{name}.npz"), len(BODY)) for name in ("6_cardio", "10_cover")
    ]


def test_fetch_downloads_a_whole_folder(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    assert len(answer(capsys, "fetch", "Classical").splitlines()) == 2
    assert sorted(server.paths) == ["/Classical/10_cover.npz", "/Classical/6_cardio.npz"]


@pytest.mark.parametrize("behavior", ["404", "corrupt", "truncated"])
def test_a_failed_fetch_is_an_error(capsys: pytest.CaptureFixture[str], server: Server, behavior: str) -> None:
    server.plan = [behavior]
    assert_refused(main(["fetch", "6_cardio"]), *capsys.readouterr(), "6_cardio", "ANOONLY_DATA")


def test_an_unknown_name_stops_the_fetch_before_it_starts(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    assert_refused(main(["fetch", "6_cardio", "nonsense"]), *capsys.readouterr(), "nonsense")
    assert server.paths == []


def test_folders_of_adbench_are_not_data_sets() -> None:
    assert not {entry.folder for entry in manifest().values()} & set(manifest())


def test_a_quiet_command_prints_its_result_only(capfd: pytest.CaptureFixture[str]) -> None:
    quick = ["--epochs", "1", "--seeds", "1", "--workers", "1", "--json"]
    assert main(["sweep", *quick]) == 0
    out, err = capfd.readouterr()
    assert "already in the store" in err
    for arguments in (["--quiet", "sweep"], ["sweep", "--quiet"]):
        assert main([*arguments, *quick]) == 0
        assert capfd.readouterr() == (out, "")


def test_a_quiet_command_prints_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(main(["run", "--quiet", "--dataset", "absent.csv"]), *capsys.readouterr(), "There is no file")


# Pipes, encodings and signals


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_without_greek_letters_gets_escapes(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    console = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(console, encoding=encoding))
    assert main(QUICK_RUN) == 0
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    sys.stdout.flush()
    assert rb"\u03bb_n = 1" in console.getvalue() and rb"\u03bb_n = 0" in console.getvalue()


@pytest.mark.parametrize("arguments", [["datasets"], QUICK_RUN], ids=["much", "little"])
def test_a_closed_pipe_is_not_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """As with `... | head`: output larger than the buffer, and output written only at the last flush."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(arguments) == 0
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_ctrl_c_stops_with_a_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anoonly_core.runs.run.run_many", interrupt)
    assert main(QUICK_RUN) == 130
    assert capsys.readouterr() == ("", "Stopped.\n")
