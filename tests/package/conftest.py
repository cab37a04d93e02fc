"""The wheel, built once, and an environment with nothing but it and the packages of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


@dataclass(frozen=True)
class Environment:
    """A virtual environment outside the checkout, which sees the packages of this one."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / SCRIPTS / "python"

    def pip(self, *arguments: str) -> str:
        """Run the pip of the tests on this environment."""
        return checked([sys.executable, "-m", "pip", "--python", str(self.python), *arguments], self.folder)

    def run(self, *arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the Python of this environment in its folder, without the variables that lead to the checkout.

        `text` is the standard input.
        """
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=self.variables() | environment,
            input=text,
            capture_output=True,
            encoding="utf-8",
        )

    def variables(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        plain.pop("ANOONLY_DATA", None)
        return plain | {"ANOONLY_CACHE": str(self.folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def files(self) -> set[str]:
        """Every file and folder of the environment."""
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}


def checked(command: list[str], folder: Path) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_environment(folder: Path) -> Environment:
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    environment = Environment(folder)
    inside = Path(
        checked(
            [str(environment.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
        ).strip()
    )
    (inside / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return environment


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without isolation and hence without network."""
    folder = tmp_path_factory.mktemp("dist")
    checked([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment with the wheel, in a folder whose name has spaces and letters beyond ASCII."""
    environment = make_environment(tmp_path_factory.mktemp("eine Umgebung für λ"))
    environment.pip("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    yield environment
