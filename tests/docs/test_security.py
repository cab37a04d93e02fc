"""SECURITY.md names, for each promise, tests that exist; what the tools install is held to hashes."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
SECTION = TEXT.partition("## Promised\n")[2].partition("\n## ")[0]
PROMISES = re.split(r"^- ", SECTION, flags=re.MULTILINE)[1:]
NAMED = re.compile(r"^  - `(tests/[\w/]+\.py)::(test_\w+)`$", re.MULTILINE)
LOCK = ROOT / "tests" / "browser" / "axe" / "package-lock.json"


@cache
def functions_of(path: str) -> frozenset[str]:
    """The tests of a file that are not skipped whatever the machine."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    skipped = {"skip", "xfail"}
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and not any(name.attr in skipped for mark in node.decorator_list for name in attributes(mark))
    )


def attributes(node: ast.expr) -> list[ast.Attribute]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Attribute)]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.split("**")[1])
def test_every_promise_names_tests_that_exist(promise: str) -> None:
    text, _, listed = promise.partition("\n  Shown by:\n")
    assert text.startswith("**") and text.count("**") == 2
    lines = listed.strip("\n").splitlines()
    named = NAMED.findall(listed)
    assert named and len(named) == len(lines), "a line is no test"
    assert not [f"{file}::{test}" for file, test in named if test not in functions_of(file)]


def test_no_promise_stands_outside_the_list() -> None:
    assert len(PROMISES) >= 20
    assert sum(promise.count("**") for promise in PROMISES) == SECTION.count("**")
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert headings[:3] == ["Promised", "Visibility", "Not promised"]


def test_a_test_shows_one_promise() -> None:
    named = NAMED.findall(SECTION)
    assert len(set(named)) == len(named)


def test_what_npm_installs_is_held_to_a_hash_and_names_no_host() -> None:
    text = LOCK.read_text("utf-8")
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    wanted = json.loads(LOCK.with_name("package.json").read_text("utf-8"))["dependencies"]
    assert {f"node_modules/{name}": version for name, version in wanted.items()} == {
        name: package["version"] for name, package in packages.items()
    }
    assert all(re.fullmatch(r"sha512-[\w+/]{86}==", package["integrity"]) for package in packages.values())
    assert "://" not in text and "resolved" not in text
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"npm (\w+)\b.*--prefix", makefile) == ["ci"], "npm install ignores the hash of the lock file"
