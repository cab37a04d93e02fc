"""Optional packages: the extras of this package, and how to install one here."""

from __future__ import annotations

from anoonly_core.errors import ExtraMissing
from anoonly_core.paths import IS_CHECKOUT

__all__ = ["REQUIREMENTS", "extra_missing", "install_command"]

# The extras of the wheel, and the file of a checkout that pins the same packages.
REQUIREMENTS = {
    "app": "requirements.txt",
    "plots": "requirements.txt",
    "comparators": "requirements-comparators.txt",
    "cluster": "requirements-cluster.txt",
    "drift": "requirements-drift.txt",
    "features": "requirements-features.txt",
    "pretrained": "requirements-pretrained.txt",
}


def install_command(extra: str) -> str:
    """Return the shell command that installs an extra of this package.

    In a checkout, the command installs the pinned versions.

    Parameters
    ----------
    extra : str
        A key of REQUIREMENTS.
    """
    return f"pip install -r {REQUIREMENTS[extra]}" if IS_CHECKOUT else f'pip install "anoonly[{extra}]"'


def extra_missing(feature: str, extra: str) -> ExtraMissing:
    """Build the error that a feature, such as "UMAP", needs an extra that is not installed; it names the command.

    `extra` is a key of REQUIREMENTS.
    """
    return ExtraMissing(f"{feature} needs packages that are not installed: run `{install_command(extra)}`.")
