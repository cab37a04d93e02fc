"""Command `wsadbench`, and the option --wsadbench of a command that trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from anoonly_core.cli.main import main
from anoonly_core.results.wsadbench import read_lines, write_lines
from tests.core.results.test_wsadbench import THEIRS, check, line_of


def test_a_run_writes_its_line_and_the_command_compares_it_with_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    theirs.write_text(THEIRS)
    run = ("run", "--dataset", "digits_3", "--baseline", "LogisticRegression", "--labeled-anomalies", "5")
    for _ in range(2):
        assert main([*run, "--seeds", "2", "--wsadbench", str(ours)]) == 0
    lines = read_lines(ours)
    assert [(check(line)["model"], line.rla, line.seed) for line in lines] == [
        *(("LogisticRegression", 5, 0), ("LogisticRegression", 5, 1)),
    ]
    capsys.readouterr()
    assert main(["wsadbench", str(ours), str(theirs)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("3 results\n") and "LogisticRegression" in text and "DevNet" in text
    assert main(["wsadbench", str(tmp_path / "absent.jsonl")]) == 2


def test_each_set_of_conditions_has_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conditions: list[dict[str, object]] = [
        *({"rla": 1}, {"rla": 1.0}, {"target_for_unlabeled": "keep_label"}, {"is_cleanlab": "true"}),
    ]
    path = tmp_path / "results.jsonl"
    write_lines(path, [line_of("A", "one", 0, 0.5, **{"rla": 5, **values}) for values in conditions])
    assert main(["wsadbench", str(path)]) == 0
    tables = capsys.readouterr().out.split("\n\n")[1:]
    headings = {table.splitlines()[0] for table in tables}
    assert len(headings) == len(conditions) and all(len(table.splitlines()) == 3 for table in tables)
    assert any(heading.startswith("rla 1, ") for heading in headings)
    assert any(heading.startswith("rla 1.0, ") for heading in headings)
