"""Invalid input on the command line gets an answer or one sentence; `python -m tests.soak inputs` tests more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.soak.command import Commands, Output, judge
from tests.soak.inputs_cli import PLAUSIBLE, SHORT, commands, invocations, quick_invocations
from tests.soak.odd import for_each
from tests.soak.tally import Tally

CASES = 12  # of each command


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("commands"))
    yield started
    started.close()


@pytest.mark.parametrize("name", commands())
def test_commands_without_training_handle_any_arguments(name: str, running: Commands) -> None:
    tally = Tally(name)
    for_each(invocations(commands()[name]), CASES, lambda own: tally.take(running.run(own)))
    assert len(tally.outcomes) == CASES and tally.bad == []


@pytest.mark.parametrize("name", ["run", "zero-shot", "purify", "drift"])
def test_commands_with_training_handle_any_arguments(name: str, running: Commands) -> None:
    tally = Tally(name)
    for_each(quick_invocations(commands()[name]), 2, lambda own: tally.take(running.run(own, trains=True)))
    assert len(tally.outcomes) == 2 and tally.bad == []


def test_every_option_has_plausible_values() -> None:
    """A new option needs a plausible value to be fuzzed beyond its parser."""
    taken = {
        action.dest
        for command in commands().values()
        for action in (*command.by_place, *command.by_name)
        if action.nargs != 0
    }
    assert taken == PLAUSIBLE.keys() and commands().keys() >= SHORT.keys()


def test_a_hanging_command_is_reported_and_the_next_one_runs(running: Commands) -> None:
    patience, running.deadline_s = running.deadline_s, 0.0
    try:
        assert running.run(("datasets",)).kind == "hang"
    finally:
        running.deadline_s = patience
    assert running.run(("datasets",)).kind == "as asked"


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("as asked", Output(0, "figures\n", "", "", (), 0.0)),
        ("silence", Output(0, "", "", "", (), 0.0)),
        (
            "sentence",
            Output(2, "", "2 runs, 0 of them already in the store.\nThere is no file '. .csv'.\n", "", (), 0.0),
        ),
        ("traceback", Output(2, "", "Traceback (most recent call last):\nThere is no file x.\n", "", (), 0.0)),
        ("traceback", Output(2, "", "There is no file x.\n", "ValueError", (), 0.0)),
        ("traceback", Output(2, "", "There is no file x.\n", "", ("a stack failed",), 0.0)),
        ("fault", Output(1, "", "There is no file x.\n", "", (), 0.0)),
        ("fault", Output(2, "", "There is no file x. There is another one.\n", "", (), 0.0)),
        ("fault", Output(2, "", "Warning\nThere is no file x.\n", "", (), 0.0)),
        ("fault", Output(2, "", "There is no file \x01.\n", "", (), 0.0)),
        ("fault", Output(2, "", f"There is no file {'x' * 5000}.\n", "", (), 0.0)),
        ("fault", Output(2, "half a table\n", "There is no file x.\n", "", (), 0.0)),
        ("fault", Output(2, "", "", "", (), 0.0)),
    ],
)
def test_outputs_are_judged_by_kind(kind: str, output: Output) -> None:
    assert judge(("run",), output)[0] == kind
