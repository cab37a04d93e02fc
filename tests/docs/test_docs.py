"""README and docs/ name files, tasks, commands and functions that exist; the Python example prints its figures."""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from anoonly_core import __version__
from anoonly_core.cli import main as cli
from app.navigation import PAGES
from tests.bench import large
from tests.browser.screenshots import FOLDER, PICTURES
from tests.soak import __main__ as soak
from tests.test_architecture import APP_FLOORS, CORE_FLOORS

ROOT = Path(__file__).parents[2]
ROOT_TEXTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PATHS = [*(ROOT / name for name in ROOT_TEXTS), *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PATHS}
README = TEXTS["README.md"]
MAX_README_BYTES = 7168
MAX_PICTURE_BYTES = 250_000
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:app|anoonly_core|assets|docs|tests)/[\w./]*|[\w.-]+\.(?:txt|toml|md|yaml))`")
PLACEHOLDER = re.compile(r"NAME|NUMBER")
ELSEWHERE = {  # named by their file name, or by what they were called before
    "2_norms.toml": "assets/lessons/2_norms.toml",
    "assets/results/cuda.md": "assets/results/gpu.md",
}
BUILT = {"docs/_build/html"}
PUBLISHED = ROOT / "assets" / "published"
OTHER_PROGRAMS = {"--nworkers", "--nthreads", "--server", "--build", "--build-arg", "--extra-index-url"}


def without_code(text: str) -> str:
    """The text without fenced and indented code blocks."""
    return re.sub(r"^```.*?^```|^    .*?$", "", text, flags=re.MULTILINE | re.DOTALL)


def slugs(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", without_code(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files_and_headings(name: str) -> None:
    broken = []
    for link in LINK.findall(without_code(TEXTS[name])):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        if not path.exists() or (anchor and anchor not in slugs(path)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("name", TEXTS)
def test_files_named_exist(name: str) -> None:
    named = {path for path in FILE.findall(TEXTS[name]) if not PLACEHOLDER.search(path)} - BUILT
    places = (ROOT, PUBLISHED, ROOT / "docs" / "_ext", ROOT / "anoonly_core" / "baselines")
    assert not {path for path in named if not any((place / ELSEWHERE.get(path, path)).exists() for place in places)}


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= MAX_README_BYTES


def test_every_page_is_described() -> None:
    rows = re.findall(r"^\| \[([^\]]+)\]\(docs/pages\.md#", README, re.MULTILINE)
    assert rows == [entry.title for entry in PAGES.values()]
    headings = re.findall(r"^## (.*)$", TEXTS["docs/pages.md"], re.MULTILINE)
    assert set(rows) <= set(headings)


def test_every_document_is_in_the_contents() -> None:
    contents = TEXTS["docs/index.md"]
    blocks = re.findall(r"^```\{toctree\}(.*?)^```", contents, re.MULTILINE | re.DOTALL)
    listed = {name for block in blocks for name in block.split()}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"} <= listed


def test_every_picture_is_used_and_small() -> None:
    used = {name for text in TEXTS.values() for name in re.findall(r"assets/screenshots/(\w+)\.png", text)}
    assert used == set(PICTURES) == {path.stem for path in FOLDER.glob("*.png")}
    assert max(path.stat().st_size for path in FOLDER.glob("*.png")) < MAX_PICTURE_BYTES


def test_tasks_named_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    tasks = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    texts = {**TEXTS, ".ci/run": (ROOT / ".ci" / "run").read_text("utf-8")}
    named = {
        task
        for name, text in texts.items()
        for task in re.findall(r"^make ([\w-]+)" if name == ".ci/run" else r"(?:`|^ +)make ([a-z][\w-]+)", text, re.M)
    }
    assert {"run", "test", "docs", "screenshots"} <= named <= tasks
    assert tasks == set(re.findall(r"^([\w-]+):.* ## ", makefile, re.MULTILINE)), "make help does not list every task"
    assert re.search(r"^    make test\b", README, re.MULTILINE)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    actions = cli._parser()._actions
    subparsers = next(action for action in actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def commands() -> Iterator[tuple[str, str]]:
    """Each command in the documents with the rest of its line; one in a paragraph may continue in the next line."""
    for text in TEXTS.values():
        for line in re.findall(r"^    (?:python -m anoonly_core|anoonly) (\w.*)$", text, re.MULTILINE):
            yield line.split()[0], line.partition("#")[0]
        for line in re.findall(r"`(?:python\s+-m\s+anoonly_core|anoonly)\s+([a-z][^`]*)`", text):
            yield line.split()[0], line


def test_commands_have_the_options_named() -> None:
    known = {name: set(parser._option_string_actions) for name, parser in parsers().items()}
    named = list(commands())
    assert {name for name, _ in named} == set(known), "a command is undocumented or unknown"
    for name, rest in named:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) - OTHER_PROGRAMS <= known[name], f"{name} {rest}"


def test_options_in_the_text_belong_to_a_command() -> None:
    all_parsers = (cli._parser(), *parsers().values(), soak.make_parser(), large.make_parser())
    known = {option for parser in all_parsers for option in parser._option_string_actions}
    for name, text in TEXTS.items():
        quoted = re.findall(r"`([^`]+)`", without_code(text))
        options = {option for words in quoted for option in re.findall(r"(?:^|\s)(--[a-z-]+)(?![\w.])", words)}
        assert options - OTHER_PROGRAMS <= known | {"--out", "--places", "--sizes", "--table"}, name


def test_every_option_of_a_command_is_documented() -> None:
    text = TEXTS["docs/command-line.md"]
    for name in ("run", "sweep", "purify", "reproduce", "score"):
        section = re.split(r"^## ", text, flags=re.MULTILINE)[[*headings(text)].index(name) + 1]
        options = {option for option in parsers()[name]._option_string_actions if option.startswith("--")}
        of_run = set(parsers()["run"]._option_string_actions) if name in ("sweep", "purify") else set()
        missing = {option for option in options - of_run - {"--help", "--quiet"} if option not in section}
        assert not missing, f"{name}: {sorted(missing)}"


def headings(text: str) -> list[str]:
    """The second-level headings of a page, in order."""
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_variables_named_are_read() -> None:
    sources = "".join(
        path.read_text("utf-8") for folder in ("app", "anoonly_core") for path in ROOT.glob(f"{folder}/**/*.py")
    )
    read = set(re.findall(r"\"(ANOONLY_[A-Z_]+)\"", sources))
    for text in TEXTS.values():
        assert set(re.findall(r"ANOONLY_[A-Z_]+", text)) <= read
    documented = set(re.findall(r"^\| `(ANOONLY_[A-Z_]+)`", TEXTS["docs/deployment.md"], re.MULTILINE))
    assert read == documented


def defined_in(path: Path) -> set[str]:
    """Names of functions, classes, methods and module constants in a Python file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_functions_of_the_walks_exist() -> None:
    rows = re.findall(r"^\| \d+ \| `([\w./]+\.py)` \| (.*?) \|", TEXTS["docs/architecture.md"], re.MULTILINE)
    assert len(rows) >= 20
    for file, functions in rows:
        named = {part for name in re.findall(r"`([\w.]+)`", functions) for part in name.split(".")}
        assert named and named <= defined_in(ROOT / file), f"{file}: {named - defined_in(ROOT / file)}"


def test_registries_of_the_steps_exist() -> None:
    text = TEXTS["docs/contributing.md"]
    for name, file in re.findall(r"`([A-Z]{4,}[A-Z_]*)` in\s+`([\w/]+\.py)`", text):
        assert name in defined_in(ROOT / file), f"{name} in {file}"


def test_sections_that_docstrings_cite_exist() -> None:
    sections = re.findall(r"^## (\d+)\. ", TEXTS["docs/methods.md"], re.MULTILINE)
    assert sections == [str(number) for number in range(1, 19)]
    for folder in ("app", "anoonly_core"):
        for path in ROOT.glob(f"{folder}/**/*.py"):
            cited = re.findall(r"docs/methods\.md § (\d+)", path.read_text("utf-8"))
            assert set(cited) <= set(sections), path


def test_the_version_stands_in_one_place() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    latest = re.search(r"^## (\S+)", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert latest is not None and latest[1] == __version__
    assert "version" not in pyproject["project"] and pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["hatch"]["version"]["path"] == "anoonly_core/version.py"


def test_the_example_prints_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _, after = README.partition("\nIt prints")
    code = "\n".join(line[4:] for line in before.partition("## Python")[2].splitlines())
    assert len([line for line in code.splitlines() if line]) <= 10
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    exec(compile(code, "README.md", "exec"), {})
    stated = [float(number) for number in re.findall(r"\d\.\d+", after)[:4]]
    printed = [float(number) for number in re.findall(r"(?<![\d.])\d\.\d+", capsys.readouterr().out)]
    assert [*printed[:2], min(printed[2:]), max(printed[2:])] == pytest.approx(stated, abs=0.03)


@pytest.mark.parametrize(("heading", "floors"), [("Core floors:", CORE_FLOORS), ("App floors:", APP_FLOORS)])
def test_floors_are_those_that_the_architecture_test_enforces(
    heading: str, floors: tuple[tuple[str, ...], ...]
) -> None:
    lines = TEXTS["docs/architecture.md"].partition(heading)[2].strip().split("\n\n")[0].splitlines()
    rooms = [tuple(name for name in floor if name) for floor in floors]  # "" is the package itself
    assert [tuple(re.findall(r"`([\w.]+)`", line)) for line in lines] == rooms


def test_every_folder_has_a_purpose() -> None:
    described = re.findall(r"^\| (`.*?) \|", TEXTS["docs/architecture.md"].partition("## Floors")[0], re.MULTILINE)
    names = {name for cell in described for name in re.findall(r"`([\w.]+)`", cell)}
    assert names == {name.split(".")[0] for floor in (*CORE_FLOORS, *APP_FLOORS) for name in floor if name}
