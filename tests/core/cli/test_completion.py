"""Completion in a shell: commands, options and values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anoonly_core.cli.completion import SHELLS
from anoonly_core.cli.main import main

ROOT = Path(__file__).parents[3]


def completed(line: str) -> set[str]:
    """Return the words that the program offers at the end of a line, as a shell asks for them."""
    reading, writing = os.pipe()
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    script = f"import os; os.dup2({writing}, 8); from anoonly_core.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, pass_fds=[writing], check=False)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        return {word.strip() for word in answer.read().split("\v")}


@pytest.mark.skipif(os.name == "nt", reason="Windows passes no file descriptors")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("anoonly s", {"score", "sweep", "schema"}),
        ("anoonly run --data", {"--dataset"}),
        ("anoonly run --dataset breast", {"breast_cancer"}),
        ("anoonly sweep --baseline DeepS", {"DeepSAD"}),
        ("anoonly sweep --question fig9", {"fig9"}),
        ("anoonly run --preset paper", {"paper", "paper_printed"}),
        ("anoonly run --protocol le", {"leak_free"}),
        ("anoonly completion f", {"fish"}),
    ],
)
def test_words_are_completed(line: str, expected: set[str]) -> None:
    assert completed(line) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_the_code_for_a_shell_names_the_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    code = capsys.readouterr().out
    assert "anoonly" in code and "_ARGCOMPLETE" in code


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="bash is not installed")
def test_bash_accepts_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    checked = capsys.readouterr().out + "\ncomplete -p anoonly\n"
    done = subprocess.run(["/bin/bash", "-c", checked], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(" anoonly\n"), done.stderr
