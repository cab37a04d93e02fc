"""The house: who may import whom, what stays light, and that all that is public is named and described."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "anoonly_core"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = sorted(PATHS)

# Who may import which modules of the core, besides its root for the version. The first pattern that fits counts.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "anoonly_core": (),
    "anoonly_core.errors": (),
    "anoonly_core.streams": (),
    "anoonly_core.baselines*": ("baselines.*",),
    "anoonly_core.config": ("errors", "baselines"),
    "anoonly_core.data*": ("config", "streams", "errors", "baselines", "data", "data.*"),
    "anoonly_core.norms": (),
    "anoonly_core.layers": ("baselines.*", "norms"),
    "anoonly_core.methods*": (
        *("baselines", "baselines.*", "layers", "norms", "methods", "methods.*"),
        *("config", "streams", "errors", "data.*"),  # XGBOD, which trains itself
    ),
    "anoonly_core.evaluate": (),
    "anoonly_core.interval": (),
    "anoonly_core.project": (),
    "anoonly_core.pretrained": ("config", "data.*"),
    "anoonly_core.card_rows": ("data.*",),
    "anoonly_core.threads": (),
    "anoonly_core.stack": ("config", "streams", "data.*", "methods", "methods.*", "pretrained", "card_rows", "threads"),
    "anoonly_core.optimisation": (),
    "anoonly_core.captured": (),
    "anoonly_core.train": ("stack", "methods", "pretrained", "optimisation", "captured"),
    "anoonly_core.stacked_metrics": (),
    "anoonly_core.measuring": ("errors", "evaluate", "methods", "stack", "stacked_metrics"),
    "anoonly_core.evidence*": (
        *("baselines", "config", "data.*", "errors", "evaluate", "keys", "questions", "result", "store"),
        *("evidence", "evidence.*", "interval"),
    ),
    "anoonly_core.zero_shot*": (
        "config",
        "streams",
        "errors",
        "data.*",
        "zero_shot.*",
        "layers",
        "norms",
        "optimisation",
        "store",
    ),
}

LIGHT = [
    "anoonly_core",
    "anoonly_core.errors",
    "anoonly_core.streams",
    "anoonly_core.baselines",
    "anoonly_core.config",
    "anoonly_core.data.adbench",
    "anoonly_core.data.catalogue",
    "anoonly_core.data.split",
    "anoonly_core.evaluate",
    "anoonly_core.result",
    "anoonly_core.keys",
    "anoonly_core.purify.config",
    "anoonly_core.purify.result",
    "anoonly_core.store",
    "anoonly_core.zero_shot.config",
    "anoonly_core.zero_shot.result",
    "anoonly_core.fitted_run",
    "anoonly_core.recipes",
    "anoonly_core.plan",
    "anoonly_core.evidence.reports",
    "anoonly_core.sweep",
    "anoonly_core.questions",
    "anoonly_core.workers",
    "anoonly_core.execute",
    "anoonly_core.cli",
]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


@cache
def imported(module: str) -> frozenset[str]:
    """Full names of all that a module imports, wherever in it: at the top, in functions, for types alone."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively in line {node.lineno}"
            assert node.module is not None
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in PATHS else node.module for name in inside}
    return frozenset(names)


def inside(module: str) -> set[str]:
    """The modules of the core that a module imports, the root apart."""
    return {name for name in imported(module) if name in PATHS and name != "anoonly_core"}


# Who imports whom


def test_the_core_was_found() -> None:
    assert {*LIGHT, *(name for name in MAY_IMPORT if "*" not in name)} <= set(MODULES)
    assert "anoonly_core.data.split" in inside("anoonly_core.stack")
    assert "anoonly_core.data.adbench" in inside("anoonly_core.data.catalogue")


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    allowed = next((may for pattern, may in MAY_IMPORT.items() if fnmatch(module, pattern)), ("*",))
    wrong = {name for name in inside(module) if not any(fnmatch(name, f"anoonly_core.{may}") for may in allowed)}
    assert not wrong, f"{module} must not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_in_the_core_knows_the_app(module: str) -> None:
    roots = {name.split(".")[0] for name in imported(module)}
    assert not roots & {"app", "streamlit", "tests", "plotly"}


def test_only_the_workers_know_what_runs_them() -> None:
    ends = ["anoonly_core.worker", "anoonly_core.worker_process"]  # a pipe's two
    assert [name for name in MODULES if "multiprocessing" in imported(name)] == ends
    assert [name for name in MODULES if "distributed" in imported(name)] == ["anoonly_core.cluster"]


@pytest.mark.parametrize("module", ["train", "run", "store", "sweep", "cli"])
def test_who_stands_above_is_not_imported_from_below(module: str) -> None:
    above = {
        "train": ["run", "cli", "store"],
        "run": ["planner", "execute", "cli"],
        "store": ["run", "train", "cli"],
        "sweep": ["run", "execute", "cli"],
        "cli": ["__main__"],
    }
    assert not inside(f"anoonly_core.{module}") & {f"anoonly_core.{name}" for name in above[module]}


def test_there_are_no_circles() -> None:
    order = list(TopologicalSorter({module: inside(module) - {module} for module in MODULES}).static_order())
    assert len(order) == len(MODULES)


# What stays light


def in_a_fresh_process(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_server_imports_is_light() -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {LIGHT}:\n"
        "    importlib.import_module(name)\n"
        "    for heavy in ('torch', 'umap', 'numba', 'sklearn.manifold', 'streamlit', 'app'):\n"
        "        assert heavy not in sys.modules, f'{name} brings {heavy}'\n"
    )
    in_a_fresh_process(script)


def test_the_whole_core_imports_without_the_app() -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {MODULES}:\n"
        "    importlib.import_module(name)\n"
        "wrong = ('streamlit', 'app', 'plotly', 'umap', 'distributed', 'pytest')\n"
        "print(*(name for name in wrong if name in sys.modules))\n"
    )
    assert in_a_fresh_process(script) == "\n"


# What is public


@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_public_is_in_all(module: str) -> None:
    public = {
        node.name
        for node in tree(module).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    }
    listed = getattr(importlib.import_module(module), "__all__", None)
    if listed is None:
        assert not public, f"{module} has no __all__"
        return
    assert len(set(listed)) == len(listed)
    assert all(hasattr(importlib.import_module(module), name) for name in listed)
    assert public <= set(listed)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    return (node for node in body if isinstance(node, Definition) and not node.name.startswith("_"))


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for module in MODULES for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef)}


def is_described(method: str, owner: ast.ClassDef) -> bool:
    """Whether the method or one that it overrides has a docstring."""
    own = next((node for node in owner.body if isinstance(node, Definition) and node.name == method), None)
    if own is not None and ast.get_docstring(own):
        return True
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in owner.bases]
    if method == "forward" and "Module" in bases:  # torch.nn.Module describes what a forward is
        return True
    return any(is_described(method, classes()[base]) for base in bases if base in classes())


@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_public_is_described(module: str) -> None:
    source = tree(module)
    silent = [] if ast.get_docstring(source) or not source.body else ["the module itself"]
    for node in definitions(source.body):
        if not ast.get_docstring(node):
            silent.append(node.name)
        if isinstance(node, ast.ClassDef):
            methods = definitions(node.body)
            silent += [f"{node.name}.{method.name}" for method in methods if not is_described(method.name, node)]
    assert not silent, f"{module} leaves undescribed: {', '.join(silent)}"


# How the house is kept


@pytest.mark.parametrize("module", MODULES)
def test_no_file_outgrows_one_sitting(module: str) -> None:
    assert len(PATHS[module].read_text(encoding="utf-8").splitlines()) <= 300


SEEDED = {"RandomState", "default_rng", "Generator", "SeedSequence"}


@pytest.mark.parametrize("module", MODULES)
def test_nobody_uses_global_random_state(module: str) -> None:
    assert "random" not in imported(module)
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            assert owner != "torch.random" and (owner, node.attr) != ("torch", "manual_seed")
            assert owner != "np.random" or node.attr in SEEDED, f"{module} draws from {owner} in line {node.lineno}"
