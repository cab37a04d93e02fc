"""The names that `anoonly_core` offers, and what importing them loads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import anoonly_core

ROOT = Path(__file__).parents[2]
NAMES = (
    *("make_config", "run", "run_many", "sweep", "AnoOnlyDetector", "AnoOnlyClassifier", "LabeledKFold"),
    *("make_drift_config", "run_drift", "open_source", "load_encoder", "make_features"),
)
WITHOUT = ("make_config", "LabeledKFold", "make_drift_config", "open_source", "load_encoder", "make_features")  # torch
HEAVY = ("torch", "sklearn", "umap", "numba", "pandas")


WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(name, path, target=None):
        if name == "torch":
            raise ModuleNotFoundError("torch is absent", name=name)
sys.meta_path.insert(0, Absent)
import anoonly_core
for name in anoonly_core.__all__:
    try:
        getattr(anoonly_core, name)
    except ModuleNotFoundError as error:
        print(name, error.name)
"""


def printed(script: str) -> str:
    """Return what a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("statement", ["import anoonly_core", "from anoonly_core import make_config; make_config()"])
def test_no_heavy_library_is_loaded_before_a_run(statement: str) -> None:
    assert printed(f"{statement}; import sys; print([name for name in {HEAVY} if name in sys.modules])") == "[]\n"


def test_what_trains_loads_torch() -> None:
    assert {*printed(WITHOUT_TORCH).splitlines()} == {f"{name} torch" for name in NAMES if name not in WITHOUT}


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
