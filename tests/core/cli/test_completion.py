"""Completion in a shell: commands, options and values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anoonly_core.cli.completion import SHELLS
from anoonly_core.cli.main import main

ROOT = Path(__file__).parents[3]
EXPECTED = {
    "anoonly s": {"score", "sweep", "schema"},
    "anoonly run --data": {"--dataset"},
    "anoonly run --dataset breast": {"breast_cancer"},
    "anoonly sweep --baseline DeepS": {"DeepSAD"},
    "anoonly sweep --question fig9": {"fig9"},
    "anoonly run --preset paper": {"paper", "paper_printed"},
    "anoonly run --protocol le": {"leak_free"},
    "anoonly features --encoder resnet1": {"resnet18"},
    "anoonly completion f": {"fish"},
}
# Load the program once, then ask it in a new process for each line, as a shell does. It answers on descriptor 8.
SHELL = """
import json, os, sys
from anoonly_core.cli.main import main

answers = {}
for line in json.load(sys.stdin):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.environ.update(_ARGCOMPLETE="1", COMP_LINE=line, COMP_POINT=str(len(line)), COMP_TYPE="9")
        os.dup2(writing, 8)
        main()
        os._exit(1)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        answers[line] = answer.read()
    os.waitpid(child, 0)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def completed() -> dict[str, set[str]]:
    """Return the words that the program offers at the end of each line of EXPECTED."""
    done = subprocess.run(
        [sys.executable, "-c", SHELL], input=json.dumps([*EXPECTED]), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {line: {word.strip() for word in answer.split("\v")} for line, answer in json.loads(done.stdout).items()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows passes no file descriptors")
@pytest.mark.parametrize("line", EXPECTED)
def test_words_are_completed(line: str, completed: dict[str, set[str]]) -> None:
    assert completed[line] == EXPECTED[line]


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
