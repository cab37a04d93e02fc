"""The wheel: its names and files, its commands, and its removal."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from anoonly_core.extras import REQUIREMENTS
from anoonly_core.version import __version__
from tests.package.conftest import ROOT, SCRIPTS, Environment, make_environment

OURS = {"anoonly_core", "anoonly_app"}
RENAMED = {"app": "anoonly_app", "assets": "anoonly_core/assets"}
RUN = ("run", "--dataset", "digits_3", "--anomaly-only", "--epochs", "2", "--seeds", "2", "--json")


def tracked(folder: str) -> set[str]:
    """The files of a folder that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(filter(None, listed.stdout.split("\0")))


def installed_name(path: str) -> str:
    """The name in the wheel of a file of the checkout."""
    top, _, rest = path.partition("/")
    return f"{RENAMED.get(top, top)}/{rest}"


def test_the_wheel_claims_no_names_but_ours(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == OURS | {f"anoonly-{__version__}.dist-info"}
    assert wheel.name == f"anoonly-{__version__}-py3-none-any.whl"


def test_the_wheel_has_every_file_but_the_pictures(wheel: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("This folder is no checkout of git.")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {
        name
        for folder in ("anoonly_core", *RENAMED)
        for name in tracked(folder)
        if not name.startswith("assets/screenshots/")
    }
    assert {installed_name(name) for name in files} <= names
    assert not [name for name in names if "__pycache__" in name or "screenshots" in name]
    assert {f"{package}/py.typed" for package in OURS} <= names


def test_the_metadata_names_license_extras_and_ranges(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"anoonly-{__version__}.dist-info/METADATA").decode()
    metadata = Parser().parsestr(text)
    assert (metadata["Version"], metadata["License-Expression"]) == (__version__, "MIT")
    assert set(metadata.get_all("Provides-Extra", [])) == {*REQUIREMENTS, "all"}
    needed = metadata.get_all("Requires-Dist", [])
    core = [line for line in needed if "extra ==" not in line]
    assert not [line for line in core if line.startswith(("streamlit", "plotly", "umap", "dask", "pyod"))]
    assert not [line for line in needed if "==" in line.partition(";")[0]], "a package depends on ranges, not pins"


def test_every_dependency_is_pinned_for_the_two_commands(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"anoonly-{__version__}.dist-info/METADATA").decode()
    ranges = {line.partition(">=")[0] for line in Parser().parsestr(text).get_all("Requires-Dist", [])}
    pinned = {
        line.partition("==")[0]
        for name in set(REQUIREMENTS.values())
        for line in (ROOT / name).read_text("utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    assert ranges == pinned


def test_the_commands_run_from_any_folder(installed: Environment) -> None:
    command = str(installed.folder / SCRIPTS / "anoonly")
    done = subprocess.run(
        [command, *RUN], cwd=installed.folder, env=installed.variables(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    as_script = json.loads(done.stdout)
    assert len(as_script["runs"]) == 2 and as_script["runs"][0]["config"]["lambda_n"] == 0
    as_module = installed.run("-m", "anoonly_core", *RUN)
    assert json.loads(as_module.stdout) == as_script, "the second comes from the store"
    shown = subprocess.run([command, "--version"], cwd="/", env=installed.variables(), capture_output=True, text=True)
    assert shown.stdout == f"{__version__}\n"
    refused = subprocess.run([command, "run", "--lr"], env=installed.variables(), capture_output=True, text=True)
    assert refused.stderr.endswith("see `anoonly run --help`.\n")


def test_the_packages_come_from_the_wheel_with_their_assets(installed: Environment) -> None:
    script = (
        "import anoonly_core, anoonly_app, importlib.util\n"
        "from anoonly_core.extras import install_command\n"
        "from anoonly_core.paths import ASSETS\n"
        "from anoonly_core.reproduction.results import SHIPPED\n"
        "print(anoonly_core.__file__, anoonly_app.__file__, ASSETS, SHIPPED.is_file(), install_command('cluster'))\n"
        "print([name for name in ('app', 'assets', 'tests') if importlib.util.find_spec(name)])\n"
    )
    done = installed.run("-c", script)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.count(str(installed.folder)) == 3
    assert first.endswith('True pip install "anoonly[cluster]"')
    assert second == "[]"


# A package that an extra would add, the extra, and what needs it.
WITHOUT_EXTRAS = (
    ("streamlit", "app", "main(['app'])"),
    ("pyod", "comparators", "main(['run', '--dataset', 'breast_cancer', '--baseline', 'XGBOD'])"),
    ("distributed", "cluster", "main(['sweep', '--cluster', 'tcp://127.0.0.1:9'])"),
    ("torchvision", "features", "anoonly_core.load_encoder('resnet18')"),
    ("umap", "app", "umap_of(np.zeros((9, 2)) + np.arange(9)[:, None])"),
)


def test_the_core_alone_says_what_an_extra_would_add(installed: Environment) -> None:
    hidden = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({[package for package, _, _ in WITHOUT_EXTRAS]})\n"  # as if not installed
        "import numpy as np\n"
        "import anoonly_core\n"
        "from anoonly_core.cli.main import main\n"
        "from anoonly_core.errors import AnoOnlyError\n"
        "def umap_of(X):\n"
        "    from anoonly_core.projection import project\n"  # here, since the others need no scikit-learn
        "    return project(X, 'umap')\n"
        "def tell(script):\n"
        "    try:\n"
        "        print(script())\n"
        "    except AnoOnlyError as error:\n"
        "        print(error, file=sys.stderr)\n"
    ) + "".join(f"tell(lambda: {script})\n" for _, _, script in WITHOUT_EXTRAS)
    done = installed.run("-c", hidden)
    sentences = done.stderr.splitlines()
    assert len(sentences) == len(WITHOUT_EXTRAS), done.stderr
    for sentence, (_, extra, _) in zip(sentences, WITHOUT_EXTRAS, strict=True):
        assert f'pip install "anoonly[{extra}]"' in sentence, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_removal_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "environment")
    before = environment.files()
    environment.pip("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    added = environment.files() - before
    assert f"{SCRIPTS}/anoonly{'.exe' if os.name == 'nt' else ''}" in added
    environment.pip("uninstall", "--quiet", "--yes", "anoonly")
    assert environment.files() == before
