"""Folders on disk: the project, cache, assets and the code that Numba compiles."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import platformdirs

__all__ = ["ASSETS", "IS_CHECKOUT", "cache_folder", "set_numba_cache"]

PACKAGE = Path(__file__).parent
IS_CHECKOUT = (PACKAGE.parent / "assets").is_dir() and (PACKAGE.parent / "pyproject.toml").is_file()
ASSETS = (PACKAGE.parent if IS_CHECKOUT else PACKAGE) / "assets"  # a wheel has them inside the package
NUMBA_CACHE_BYTES = 8 << 20  # more than the compiled code of UMAP


def cache_folder() -> Path:
    """Return the folder for downloads and results: ANOONLY_CACHE, or else "anoonly" in the user's cache folder.

    The folder may not exist yet.
    """
    configured = os.environ.get("ANOONLY_CACHE")
    return Path(configured).expanduser() if configured else platformdirs.user_cache_path("anoonly")


def set_numba_cache() -> bool:
    """Set NUMBA_CACHE_DIR to a folder with room, before UMAP makes Numba compile; child processes inherit it.

    The first folder that can be written: NUMBA_CACHE_DIR, "numba" in the cache folder, or a temporary folder that is
    deleted when this process exits. Without such a folder, Numba fails where neither the environment nor the home
    folder of the user can be written.

    Returns
    -------
    bool
        False if none of these folders has room for 8 MiB; NUMBA_CACHE_DIR is then unchanged.
    """
    folder = _numba_cache(os.environ.get("NUMBA_CACHE_DIR"), cache_folder() / "numba")
    if folder is None:
        return False
    os.environ["NUMBA_CACHE_DIR"] = folder
    if (numba := sys.modules.get("numba.core.config")) is not None:  # it has read the variable already
        numba.CACHE_DIR = folder  # type: ignore[attr-defined]
    return True


@cache
def _numba_cache(configured: str | None, default: Path) -> str | None:
    """Return the first usable folder for compiled code: `configured`, `default` or a temporary one; None if none is.

    Checked once per process for the same arguments.
    """
    folders = (*([Path(configured)] if configured else []), default)
    usable = next((folder for folder in folders if _has_room(folder)), None) or _temporary_folder()
    return str(usable.absolute()) if usable is not None else None


def _has_room(folder: Path) -> bool:
    """Create a folder if it is missing, and return True if a file of 8 MiB can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(NUMBA_CACHE_BYTES))
    except OSError:
        return False
    return True


def _temporary_folder() -> Path | None:
    """Create a temporary folder with room for 8 MiB, deleted when this process exits; return None if that fails."""
    with suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix="anoonly-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        if _has_room(folder):
            return folder
    return None
