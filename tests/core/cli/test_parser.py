"""Help with defaults and examples, and errors that suggest what may be meant."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from anoonly_core.cli.main import _parser, main
from anoonly_core.cli.options import RUN_SETTINGS
from anoonly_core.cli.parser import EXAMPLES
from anoonly_core.config import make_config

PARSER = _parser()
(COMMANDS,) = (action.choices for action in PARSER._actions if isinstance(action, argparse._SubParsersAction))


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "") and err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "did you mean run; see `"),
        (["scroe", "d.safetensors"], "did you mean score"),
        (["zeroshot"], "did you mean zero-shot"),
        (["run", "--sede", "3"], "did you mean --seed or --seeds; see `python -m anoonly_core run --help`"),
        (["run", "--lamda-n=0"], "did you mean --lambda-n"),
        (["fit", "rows.csv", "--out", "d.safetensors", "--flaged-share", "0.1"], "did you mean --flagged-share"),
        (["schema", "scores"], "did you mean score"),
        (["completion", "bsh"], "did you mean bash"),
    ],
)
def test_a_word_that_may_be_meant_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refused(capsys, arguments)


@pytest.mark.parametrize(
    "arguments",
    [["xyzzy"], ["run", "--xyzzy"], ["run", "stray"], ["schema", "xyzzy"], ["run", ""], ["score", " ", "\x98", ""]],
)
def test_nothing_is_suggested_for_a_word_like_no_other(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert "did you mean" not in refused(capsys, arguments)


@pytest.mark.parametrize("word", ["", " ", "\n\t"])
def test_an_unknown_word_of_blanks_is_shown_in_quotes(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert refused(capsys, ["run", word]).startswith(f"Unrecognized arguments: {word!r}; see ")


def test_a_bare_call_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith("usage: ") and all(name in out for name in COMMANDS)
    assert "Example: python -m anoonly_core run --dataset digits_8" in " ".join(out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_that_parses(name: str) -> None:
    command = COMMANDS[name]
    assert f"Example: python -m anoonly_core {name} {EXAMPLES[name]}" in " ".join(command.format_help().split())
    options, further = PARSER.parse_known_args([name, *shlex.split(EXAMPLES[name])])
    assert options.parser is command and (not further or name == "app")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_states_defaults(name: str) -> None:
    command = COMMANDS[name]
    formatter = command._get_formatter()
    for action in command._actions:
        words = formatter._get_help_string(action) or ""
        has_default = action.nargs != 0 and action.default not in (None, argparse.SUPPRESS, [])
        if action.option_strings and (has_default or action.dest in RUN_SETTINGS):
            assert re.search(r"default: \S", words), (name, action.dest)


@pytest.mark.parametrize("setting", ["labeled_ratio", "contamination", "seed", "grad_mean", "baseline", "unseen_types"])
def test_the_default_in_the_help_is_that_of_a_run(setting: str) -> None:
    value = getattr(make_config(), setting)
    (action,) = (action for action in COMMANDS["run"]._actions if action.dest == setting)
    assert (action.help or "").endswith(f"; default: {value:g}" if isinstance(value, float) else f"; default: {value}")


@pytest.mark.parametrize("quiet", [["-q", "datasets"], ["datasets", "-q"], ["datasets", "--quiet"]])
def test_quiet_has_a_short_form(capsys: pytest.CaptureFixture[str], quiet: list[str]) -> None:
    assert PARSER.parse_args(quiet).quiet
