"""The architecture: which folder may import which, what the server never loads, and what every module has."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("anoonly_core", "app")

# The floors, from the top: a room imports rooms of lower floors only. A room is a folder, or a module beside the
# folders; each page of the app is a room. Every room must be listed. "" is the package itself: nothing inside a
# package imports from it.
CORE_FLOORS: tuple[tuple[str, ...], ...] = (
    ("", "__main__"),
    ("cli",),
    ("execution",),
    ("labeling", "snippets"),
    ("detector", "drift", "purify", "replay", "supervision", "weak_supervision"),
    ("decision", "explanation", "features", "microscope", "reproduction", "runs", "zero_shot"),
    ("sweeps", "training", "which"),
    ("models", "projection", "results"),
    ("data",),
    ("config",),
    ("extras", "weights"),
    (
        "baselines",
        "bounded_json",
        "errors",
        "files",
        "lru",
        "machine",
        "metrics",
        "paths",
        "progress",
        "rng",
        "version",
    ),
)
VIEWS = (
    *("clean", "compare", "datasets", "drift", "label", "lessons", "microscope", "reproduce", "runs", "start", "sweep"),
    *("weak_supervision", "which", "why", "your_table"),
)
APP_FLOORS: tuple[tuple[str, ...], ...] = (
    ("", "__main__", "bundled_results"),
    ("bundled_questions",),
    ("main", "script"),
    ("application",),
    (*(f"views.{view}" for view in VIEWS), "views.zero_shot"),
    ("controls",),
    ("navigation",),
    ("plot", "widgets"),
    ("charts", "server"),
    ("text",),
)
FLOORS = {"anoonly_core": CORE_FLOORS, "app": APP_FLOORS}

# What the server imports of the core; none of it loads a heavy library.
LIGHT = [
    "anoonly_core",
    "anoonly_core.cli.main",
    "anoonly_core.config",
    "anoonly_core.data.catalogue",
    "anoonly_core.data.split",
    "anoonly_core.decision.rules",
    "anoonly_core.detector.result",
    "anoonly_core.drift.config",
    "anoonly_core.drift.result",
    "anoonly_core.drift.shifts",
    "anoonly_core.drift.summary",
    "anoonly_core.drift.ways",
    "anoonly_core.execution.executor",
    "anoonly_core.execution.plan",
    "anoonly_core.execution.pool",
    "anoonly_core.explanation.result",
    "anoonly_core.features.encoders.registry",
    "anoonly_core.features.run",
    "anoonly_core.metrics.ranking",
    "anoonly_core.projection",
    "anoonly_core.purify.config",
    "anoonly_core.purify.keys",
    "anoonly_core.purify.result",
    "anoonly_core.reproduction.reports",
    "anoonly_core.results.keys",
    "anoonly_core.results.result",
    "anoonly_core.results.store",
    "anoonly_core.snippets",
    "anoonly_core.supervision.columns",
    "anoonly_core.supervision.result",
    "anoonly_core.sweeps.presets",
    "anoonly_core.sweeps.sweep",
    "anoonly_core.which.summary",
    "anoonly_core.weak_supervision.points",
    "anoonly_core.weak_supervision.ranking",
    "anoonly_core.weak_supervision.result",
    "anoonly_core.zero_shot.config",
    "anoonly_core.zero_shot.result",
]
HEAVY = ("torch", "umap", "numba")
SLOW = ("sklearn", "scipy.stats")  # the server loads them in the background, the command line where it needs them
NOT_IN_THE_CORE = (*SLOW, "streamlit", "app")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
MODULES = sorted(PATHS)
CORE = [name for name in MODULES if name.split(".")[0] == "anoonly_core"]
APP = [name for name in MODULES if name.split(".")[0] == "app"]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


def imported_from(module: str, node: ast.ImportFrom) -> str:
    """Return the full name of the module that `from ... import` names in a module."""
    if not node.level:
        assert node.module is not None
        return node.module
    package = module if PATHS[module].name == "__init__.py" else module.rpartition(".")[0]
    return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


@cache
def imported(module: str) -> frozenset[str]:
    """Full names of everything that a module imports: at the top, in functions, for types alone."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = imported_from(module, node)
            inside = {f"{source}.{alias.name}" for alias in node.names}
            names |= {name if name in PATHS else source for name in inside}
    return frozenset(names)


def room(module: str) -> str:
    """The folder of a module, or its own name where it stands beside the folders; "" for the package itself."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["views"] else "".join(parts[:1])


def arrows(package: str) -> dict[str, dict[str, list[str]]]:
    """Imports between rooms of one package: who, whom, and by which modules."""
    found: dict[str, dict[str, list[str]]] = {}
    for module in (CORE, APP)[PACKAGES.index(package)]:
        for name in imported(module):
            if name in PATHS and name.split(".")[0] == package and room(name) != room(module):
                found.setdefault(room(module), {}).setdefault(room(name), []).append(f"{module} -> {name}")
    return found


# The floors


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_has_a_floor(package: str) -> None:
    listed = [name for floor in FLOORS[package] for name in floor]
    rooms = {room(name) for name in (CORE, APP)[PACKAGES.index(package)]} - {"views"}
    assert len(set(listed)) == len(listed)
    assert set(listed) == rooms


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_down(package: str) -> None:
    floor = {name: number for number, names in enumerate(FLOORS[package]) for name in names}
    wrong = [
        by for above, those in arrows(package).items() for below, by in those.items() if floor[above] >= floor[below]
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_no_circle_of_rooms(package: str) -> None:
    graph = {above: set(those) for above, those in arrows(package).items()}
    assert list(TopologicalSorter(graph).static_order())


def test_there_is_no_circle_of_modules() -> None:
    graph = {name: {other for other in imported(name) if other in PATHS} - {name} for name in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_no_view_imports_another() -> None:
    views = {above: set(those) for above, those in arrows("app").items() if above.startswith("views.")}
    assert len(views) == len(VIEWS) + 1
    assert not {view: those for view, those in views.items() if any(name.startswith("views.") for name in those)}


def importers(modules: list[str], packages: set[str]) -> dict[str, set[str]]:
    """Modules that import some of these packages, each with those."""
    found = {module: {name.split(".")[0] for name in imported(module)} & packages for module in modules}
    return {module: names for module, names in found.items() if names}


def test_the_core_knows_no_browser() -> None:
    assert importers(CORE, {"app", "streamlit", "tests", "plotly"}) == {}


def test_no_module_of_the_server_imports_a_heavy_library() -> None:
    assert importers(APP, set(HEAVY)) == {}


def names_the_app(node: ast.AST) -> bool:
    """True for an import that begins with `app`."""
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] == "app"
    return isinstance(node, ast.Import) and "app" in {alias.name.split(".")[0] for alias in node.names}


def test_the_app_names_itself_nowhere() -> None:
    """A wheel installs the folder under another name."""
    assert [module for module in APP if any(map(names_the_app, ast.walk(tree(module))))] == []


def test_relative_imports_are_resolved() -> None:
    assert "app.text.labels" in imported("app.views.compare.results")
    assert "app.views.compare.results" in imported("app.views.compare.page")
    assert "app.views.compare.page" in imported("app.application")


def test_one_module_each_starts_processes_and_clusters() -> None:
    starters = {"anoonly_core.execution.job", "anoonly_core.execution.start_method"}  # a child, and its parent
    starters |= {"anoonly_core.features.decoder"}  # processes that hostile files may crash, below all others
    multiprocessing = {"multiprocessing", "multiprocessing.util"}
    assert starters == {name for name in CORE if multiprocessing & imported(name)}
    assert [name for name in CORE if "distributed" in imported(name)] == ["anoonly_core.execution.dask_cluster"]


# What is loaded


LOADER = """
import importlib, json, sys
modules, watched = json.load(sys.stdin)
loaded = {}
for name in modules:
    before = set(sys.modules)
    importlib.import_module(name)
    loaded[name] = [library for library in watched if library in sys.modules and library not in before]
print(json.dumps(loaded))
"""


@cache
def loaded_by(modules: tuple[str, ...], watched: tuple[str, ...]) -> dict[str, list[str]]:
    """Import modules one after the other in a fresh process.

    Return which of the watched libraries each module is the first to load; modules that load none are left out.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOADER], input=json.dumps([modules, watched]), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-600:]
    return {name: libraries for name, libraries in json.loads(done.stdout).items() if libraries}


def loaded_by_the_server() -> dict[str, list[str]]:
    """Watched libraries that the server loads: first by what it imports of the core, then by the app."""
    return loaded_by((*LIGHT, *APP), (*HEAVY, *NOT_IN_THE_CORE))


def test_what_the_server_imports_of_the_core_is_light() -> None:
    assert set(LIGHT) <= set(CORE)
    assert not {name: libraries for name, libraries in loaded_by_the_server().items() if name in LIGHT}


def test_the_server_loads_neither_torch_nor_umap() -> None:
    assert not {name: heavy for name, libraries in loaded_by_the_server().items() if (heavy := {*libraries} & {*HEAVY})}


def test_the_server_starts_without_a_slow_library() -> None:
    assert not {name: slow for name, libraries in loaded_by_the_server().items() if (slow := {*libraries} & {*SLOW})}


def test_the_whole_core_imports_without_the_app() -> None:
    assert not loaded_by(tuple(CORE), ("streamlit", "app", "plotly", "umap", "distributed", "pytest"))


# What every module has


def test_public_names_are_in_all() -> None:
    for module in CORE:
        public = {
            node.name
            for node in tree(module).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
        }
        listed = getattr(importlib.import_module(module), "__all__", None)
        if listed is None:
            assert not public, f"{module} has no __all__"
            continue
        assert len(set(listed)) == len(listed), module
        assert all(hasattr(importlib.import_module(module), name) for name in listed), module
        assert public <= set(listed), module


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    return (node for node in body if isinstance(node, Definition) and not node.name.startswith("_"))


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for module in CORE for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef)}


def is_described(method: str, owner: ast.ClassDef) -> bool:
    """Tell whether the method or one that it overrides has a docstring."""
    defined = next((node for node in owner.body if isinstance(node, Definition) and node.name == method), None)
    if defined is not None and ast.get_docstring(defined):
        return True
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in owner.bases]
    if method == "forward" and "Module" in bases:  # torch.nn.Module describes what a forward is
        return True
    return any(is_described(method, classes()[base]) for base in bases if base in classes())


def silent_names(module: str) -> list[str]:
    """Public names of a module, and the module itself, that have no docstring."""
    source = tree(module)
    silent = [] if ast.get_docstring(source) or not source.body else ["the module itself"]
    for node in definitions(source.body):
        if not ast.get_docstring(node):
            silent.append(node.name)
        if isinstance(node, ast.ClassDef):
            methods = definitions(node.body)
            silent += [f"{node.name}.{method.name}" for method in methods if not is_described(method.name, node)]
    return silent


def test_public_names_have_docstrings() -> None:
    assert {module: silent for module in CORE if (silent := silent_names(module))} == {}


SEEDED = {"RandomState", "default_rng", "Generator", "SeedSequence"}


def is_global_draw(node: ast.AST) -> bool:
    """True where a name of the global random state of NumPy or PyTorch stands."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name | ast.Attribute):
        return False
    owner = ast.unparse(node.value)
    is_torch = owner == "torch.random" or (owner, node.attr) == ("torch", "manual_seed")
    return is_torch or (owner == "np.random" and node.attr not in SEEDED)


@pytest.mark.parametrize("source", ["np.random.seed(0)", "torch.random.seed()", "torch.manual_seed(1)"])
def test_a_draw_from_the_global_random_state_is_found(source: str) -> None:
    assert any(map(is_global_draw, ast.walk(ast.parse(source))))
    assert not any(map(is_global_draw, ast.walk(ast.parse("np.random.default_rng(0).random(); torch.Generator()"))))


def test_no_module_uses_global_random_state() -> None:
    assert importers(CORE, {"random"}) == {}
    found = {module: [node.lineno for node in ast.walk(tree(module)) if is_global_draw(node)] for module in CORE}
    assert {module: lines for module, lines in found.items() if lines} == {}
