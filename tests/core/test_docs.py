"""What the documents name is there: pictures, files, tasks, commands with their options; and the ten lines run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from anoonly_core.cli import main as cli
from app.navigation import PAGES
from tests.browser.screenshots import FOLDER, PICTURES
from tests.soak import __main__ as soak

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "SECURITY.md", "CHANGELOG.md")}
README = TEXTS["README.md"]
LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")
FILE = re.compile(r"`((?:app|anoonly_core|assets|tests)/[\w./]*|[\w-]+\.(?:txt|toml|md))`")
PLACEHOLDER = re.compile(r"NAME|NUMBER")
FROM_ITS_FOLDER = {"2_norms.toml": "assets/lessons"}


@pytest.mark.parametrize("name", TEXTS)
def test_links_pictures_and_files_are_there(name: str) -> None:
    text = TEXTS[name]
    named = {*LINK.findall(text), *(path for path in FILE.findall(text) if not PLACEHOLDER.search(path))}
    missing = {path for path in named if not (ROOT / FROM_ITS_FOLDER.get(path, "") / path).exists()}
    assert missing == set()


def test_the_contents_are_the_headings() -> None:
    headings = [
        re.sub(r"[^\w\- ]", "", own.lower()).replace(" ", "-") for own in re.findall(r"^## (.*)$", README, re.M)
    ]
    assert re.findall(r"\]\(#([\w-]+)\)", README) == headings


def test_every_page_has_its_picture_and_every_picture_its_place() -> None:
    shown = set(re.findall(r"assets/screenshots/(\w+)\.png", README))
    assert shown == set(PICTURES) == {path.stem for path in FOLDER.glob("*.png")}
    assert max(path.stat().st_size for path in FOLDER.glob("*.png")) < 250_000
    assert len(PAGES) == 11 <= len(shown)


def test_the_tasks_named_are_the_makefiles() -> None:
    tasks = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {task for text in TEXTS.values() for task in re.findall(r"(?:`|^ +)make ([a-z][\w-]+)", text, re.MULTILINE)}
    assert {"run", "test", "screenshots"} <= named <= tasks


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The command line's own parsers, by command."""
    actions = cli._parser()._actions
    found = next(own for own in actions if isinstance(own, argparse._SubParsersAction))
    return dict(found.choices)


def commands() -> Iterator[tuple[str, str]]:
    """Each command in the documents and the rest of its line; one in a paragraph may go on in the next line."""
    for text in TEXTS.values():
        for said in re.findall(r"^    python -m anoonly_core (.*)$", text, re.MULTILINE):
            yield said.split()[0], said.partition("#")[0]
        for said in re.findall(r"`python\s+-m\s+anoonly_core\s+([^`]*)`", text):
            yield said.split()[0], said


def test_commands_have_the_options_that_are_named() -> None:
    known = {name: set(parser._option_string_actions) for name, parser in parsers().items()}
    named = list(commands())
    assert {name for name, _ in named} == set(known), "a command is not told of, or is none"
    for name, rest in named:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known[name], f"{name} {rest}"


def test_options_in_the_text_are_some_commands() -> None:
    known = {option for parser in (*parsers().values(), soak.parser()) for option in parser._option_string_actions}
    prose = re.sub(r"^    .*$", "", README, flags=re.MULTILINE)
    named = {
        own for said in re.findall(r"`([^`]+)`", prose) for own in re.findall(r"(?:^|\s)(--[a-z-]+)(?![\w.])", said)
    }
    assert named - {"--nworkers", "--nthreads"} <= known | {"--server"}


def test_variables_named_are_read() -> None:
    sources = "".join(
        path.read_text("utf-8") for folder in ("app", "anoonly_core") for path in ROOT.glob(f"{folder}/**/*.py")
    )
    for text in TEXTS.values():
        assert {name for name in re.findall(r"ANOONLY_[A-Z]+", text) if name not in sources} == set()


def test_the_ten_lines_print_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = README.partition("## In ten lines of Python")[2]
    code = "\n".join(line[4:] for line in section.partition("\nIt prints")[0].splitlines())
    assert len([line for line in code.splitlines() if line]) <= 10
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    exec(compile(code, "README.md", "exec"), {})
    said = [float(number) for number in re.findall(r"\d\.\d+", section.partition("\nIt prints")[2])[:4]]
    printed = [float(number) for number in re.findall(r"(?<![\d.])\d\.\d+", capsys.readouterr().out)]
    assert [*printed[:2], min(printed[2:]), max(printed[2:])] == pytest.approx(said, abs=0.03)
