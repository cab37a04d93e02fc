"""Install the wheel with the lowest or the newest packages that its ranges admit, and use it.

    python -m tests.package.ranges lowest|newest [--python python3.12] [--folder FOLDER]

It makes a virtual environment with the extra `app`, lists the packages, trains two runs by the command, answers a
health request, and opens every page. It downloads packages: with PyTorch's CUDA libraries, several GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

from tests.browser.server import Server
from tests.package.conftest import ROOT, SCRIPTS, Environment

__all__ = ["lowest", "ranges"]

ENDS = ("lowest", "newest")
EXTRA = "app"
RUN = ("run", "--dataset", "digits_3", "--anomaly-only", "--seeds", "2", "--json")


def ranges(wheel: Path, extra: str = EXTRA) -> list[Requirement]:
    """Return the requirements of a wheel with an extra on this system."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    needed = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    found = [Requirement(line) for line in needed]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


def lowest(needed: list[Requirement]) -> list[str]:
    """Return for each requirement the constraint that takes its lowest version."""
    return [f"{one.name}=={bound.version}" for one in needed for bound in one.specifier if bound.operator == ">="]


def install(end: str, python: str, folder: Path) -> Environment:
    """Make an environment with the wheel and the packages of one end of its ranges."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (wheel,) = folder.glob("*.whl")
    environment = Environment(folder / "environment")
    run([python, "-m", "venv", str(environment.folder)], folder)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest(ranges(wheel)) if end == "lowest" else []))
    pip = (str(environment.python), "-m", "pip", "--disable-pip-version-check")
    run([*pip, "install", "--no-compile", "--constraint", str(constraints), f"{wheel}[{EXTRA}]"], folder)
    for one in ranges(wheel):
        script = f"import importlib.metadata as m; print({one.name!r}, m.version({one.name!r}))"
        print(" ", run([str(environment.python), "-c", script], folder).strip())
    return environment


def use(environment: Environment) -> None:
    """Train, serve and draw with an environment; CalledProcessError or RuntimeError if anything fails."""
    (environment.folder / "cache").mkdir()
    print(run([str(environment.folder / SCRIPTS / "anoonly"), *RUN], environment.folder, environment)[:300])
    server = Server(
        environment.folder / "cache",
        environment=environment.variables(),
        command=("-m", "anoonly_core", "app"),
        folder=environment.folder,
        python=environment.python,
    )
    try:
        server.wait_until_healthy()
        print("anoonly app: healthy")
    finally:
        server.stop()
    pages = str(ROOT / "tests" / "package" / "pages.py")
    print(run([str(environment.python), pages], environment.folder, environment))


def run(command: list[str], folder: Path, environment: Environment | None = None) -> str:
    """Run a command, and return its standard output; print the rest if it fails."""
    variables = environment.variables() if environment else None
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8")
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", file=sys.stderr)
        done.check_returncode()
    return done.stdout


def main() -> None:
    """Install the wheel with one end of its ranges and use it; a failure is an error."""
    parser = argparse.ArgumentParser(prog="python -m tests.package.ranges", description=__doc__)
    parser.add_argument("end", choices=ENDS)
    parser.add_argument("--python", default=sys.executable, help="the Python of the environment")
    parser.add_argument("--folder", type=Path, help="an empty folder that is kept; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anoonly-ranges-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        use(install(options.end, options.python, folder))


if __name__ == "__main__":
    main()
