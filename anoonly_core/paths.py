"""The folders on disk: the cache and the assets."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["ASSETS", "cache_folder"]

ASSETS = Path(__file__).parents[1] / "assets"


def cache_folder() -> Path:
    """Where downloads are kept: ANOONLY_CACHE, else the user's cache folder. It need not exist yet."""
    chosen = os.environ.get("ANOONLY_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("anoonly")
