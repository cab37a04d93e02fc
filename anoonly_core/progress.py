"""Type of a progress callback."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Report"]

# Takes the amount done and the total; an exception from it cancels the work.
Report = Callable[[int, int], None]
