"""Folders on disk: cache and assets."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["ASSETS", "cache_folder"]

ASSETS = Path(__file__).parents[1] / "assets"


def cache_folder() -> Path:
    """Return the folder for downloads and results: ANOONLY_CACHE, or else "anoonly" in the user's cache folder.

    The folder may not exist yet.
    """
    configured = os.environ.get("ANOONLY_CACHE")
    return Path(configured).expanduser() if configured else platformdirs.user_cache_path("anoonly")
