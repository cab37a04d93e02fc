"""The type of a progress callback."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Report"]

Report = Callable[[int, int], None]
