"""Command `reproduce`: invalid arguments, shipped results, and a table that is equal when trained twice."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from anoonly_core.cli import main as cli
from anoonly_core.cli.reproduce import NAMES
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.reproduction.experiments import EXPERIMENTS, planned_runs
from anoonly_core.reproduction.reports import WHICH
from anoonly_core.reproduction.results import COLUMNS, KEY_LETTERS, find_results, shipped_results, write_results
from anoonly_core.reproduction.which.runs import FILE
from anoonly_core.results.store import default_store

SMALL = "43_WDBC"  # 367 rows, one of the smallest files of ADBench


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table9"], "NAME must be some of table1"),
        (["table1", "--datasets", "digits_3"], "datasets must be some of"),
        (["table1", "--baselines", "SVM"], "baselines must be some of DeepSAD"),
        (["table1", "--seeds", "none"], "seeds must be a whole number"),
        (["table1", "--device", "tpu"], "device must be cpu or cuda"),
        (["table1", "--workers", "0"], "workers must be a whole number"),
        (["table1", "--out", "/dev/null/tables"], "could not be created"),
        (["table1", "--out", "a\0"], "The folder 'a\\x00' for --out could not be created"),
        (["table1", "--results", "/nowhere/runs.csv"], "There is no folder /nowhere"),
        (["table1", "--results", "a\0.csv"], "--results must name a file"),
        (["table1", "--results", __file__], "is not a file of results"),
        (["table1", "--shipped", "--results", "runs.csv"], "leave one of them out"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--workers" in arguments and not DATASETS[SMALL].is_local():
        pytest.skip("ADBench's files are absent: set ANOONLY_DATA")
    assert cli.main(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.strip().count("\n") <= 1 and "Traceback" not in error


def test_without_data_sets_the_error_names_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    assert cli.main(["reproduce", "all"]) == 2
    assert "--shipped" in capsys.readouterr().err


def test_shipped_results_are_printed_and_written_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    assert cli.main(["reproduce", "all", "--shipped", "--out", str(tmp_path / "tables")]) == 0
    output = capsys.readouterr().out
    assert "Table 1: AUCROC" in output and "Fig. 9: batch size" in output
    assert "Our results and the authors' code" in output
    written = sorted(file.name for file in (tmp_path / "tables").iterdir())
    for name in NAMES if FILE.exists() else set(NAMES) - {WHICH}:
        assert any(file.startswith((name, f"point-{name}")) for file in written), name
    assert {Path(file).suffix for file in written} == {".csv", ".md", ".tex"}
    with (tmp_path / "tables" / "table1-code-cells.csv").open(newline="", encoding="utf-8") as file:
        cells = {(row["row"], row["column"]): row for row in csv.DictReader(file)}
    assert cells["DeepSAD", "MVTec-AD"]["paper"] == "79.600" and cells["DeepSAD", "MVTec-AD"]["files"] == "10"
    assert not (tmp_path / "cache").exists()


def test_a_table_is_trained_once_and_its_files_are_equal_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not DATASETS[SMALL].is_local():
        pytest.skip("ADBench's files are absent: set ANOONLY_DATA")
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    command = ["reproduce", "table1", "--datasets", SMALL, "--baselines", "DevNet", "--seeds", "2"]
    assert cli.main([*command, "--workers", "1", "--out", str(tmp_path / "first")]) == 0
    first = capsys.readouterr()
    assert "4 runs, 0 of them already in the store" in first.err and "4 runs trained" in first.err
    assert cli.main([*command, "--out", str(tmp_path / "second"), "--results", str(tmp_path / "runs.csv")]) == 0
    second = capsys.readouterr()
    assert "4 runs, 4 of them already in the store" in second.err and first.out == second.out
    written = {file.name: file.read_bytes() for file in (tmp_path / "first").iterdir()}
    assert len(written) > 3 and written == {file.name: file.read_bytes() for file in (tmp_path / "second").iterdir()}

    # The written file has the results of the store; rows that the store lacks are kept.
    planned = planned_runs(EXPERIMENTS["table1"], [SMALL], seeds=2)
    runs = [run for run in planned if run.config.baseline == "DevNet"]
    path, store = tmp_path / "runs.csv", default_store()
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS and {row[0] for row in rows[1:]} == {run.key[:KEY_LETTERS] for run in runs}
    from_file, from_store = find_results(runs, None, path), find_results(runs, store)
    assert {key: result.metrics for key, result in from_file.items()} == {
        key: result.metrics for key, result in from_store.items()
    }
    assert all(result.is_local for result in from_store.values()) and not any(
        result.is_local for result in from_file.values()
    )
    store.delete([runs[0].key])
    before = path.read_text()
    assert write_results(runs, store, path) == 4 and path.read_text() == before
    assert write_results(runs[:1], store, path) == 4 and path.read_text() == before, "rows of other runs are kept"
    path.write_text(before.replace(runs[0].key[:KEY_LETTERS], "of-another-code."))
    assert write_results(runs, store, path) == 3, "a run that no experiment plans is removed"
    shares = next(iter(from_store.values())).batches
    assert shares == next(iter(from_file.values())).batches and shares["labelled_share"] == 0.5
    shipped_results.cache_clear()


def test_a_run_on_this_machine_is_close_to_the_shipped_result() -> None:
    """Processors round differently, so results are not equal to the bit."""
    if not DATASETS["6_cardio"].is_local():
        pytest.skip("ADBench's files are absent: set ANOONLY_DATA")
    from anoonly_core.runs.run import run

    planned = planned_runs(EXPERIMENTS["table1"], ["6_cardio"], seeds=1)
    deepsad = next(each for each in planned if each.variant.at["system"] == "DeepSAD")
    metrics = run(deepsad.config, "cpu").metrics.as_dict()
    assert find_results([deepsad], None)[deepsad.key].metrics["aucroc"] == pytest.approx(metrics["aucroc"], abs=0.02)
