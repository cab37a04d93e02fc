"""The names that `anoonly_core` offers, and what importing them loads."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import anoonly_core

ROOT = Path(__file__).parents[2]
NAMES = ("make_config", "run", "run_many", "sweep", "AnoOnlyDetector")
HEAVY = ("torch", "sklearn.manifold", "umap", "numba", "pandas")


def loaded_by(*statements: str) -> set[str]:
    """Which heavy libraries a fresh process has loaded after these statements."""
    script = "; ".join([*statements, "import sys", f"print([name for name in {HEAVY} if name in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stdout))


@pytest.mark.parametrize("statement", ["import anoonly_core", "from anoonly_core import make_config; make_config()"])
def test_no_heavy_library_is_loaded_before_a_run(statement: str) -> None:
    assert loaded_by(statement) == set()


@pytest.mark.parametrize("name", ["run", "run_many", "sweep", "AnoOnlyDetector"])
def test_what_trains_loads_torch(name: str) -> None:
    assert "torch" in loaded_by(f"from anoonly_core import {name}")


def test_the_facade_lists_its_names() -> None:
    assert set(anoonly_core.__all__) == {*NAMES, "__version__"} <= set(dir(anoonly_core))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_object_as_in_its_module(name: str) -> None:
    value = getattr(anoonly_core, name)
    assert value is getattr(sys.modules[value.__module__], name)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'anoonly_core' has no attribute 'train'$"):
        anoonly_core.train  # noqa: B018


def test_the_version_is_the_projects() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["dynamic"] == ["version"]
    path = ROOT / settings["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{anoonly_core.__version__}"' in path.read_text("utf-8").splitlines()
