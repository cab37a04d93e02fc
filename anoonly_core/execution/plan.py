"""The plan of a sweep: runs in stacks, with their expected time. `planner` makes one."""

from __future__ import annotations

from dataclasses import dataclass

from anoonly_core.config import RunConfig

__all__ = ["Plan", "PlannedStack", "duration"]


@dataclass(frozen=True)
class PlannedStack:
    """Runs by key that one worker trains in one call, and the seconds that they are expected to take.

    They have one shape and train as one stack. On a GPU they may have several shapes, which train beside each other.
    """

    configs: dict[str, RunConfig]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Stacks of a sweep in the order of work.

    `failures` has one sentence for each run that cannot be trained, by key.
    """

    stacks: tuple[PlannedStack, ...]
    failures: dict[str, str]

    def seconds(self, workers: int) -> float:
        """Return the expected seconds until all stacks are trained.

        Each of `workers` workers takes the next stack when it is free.
        """
        busy_s = [0.0] * workers
        for stack in self.stacks:
            first_free = busy_s.index(min(busy_s))
            busy_s[first_free] += stack.seconds
        return max(busy_s)


def duration(seconds: float) -> str:
    """Format seconds as "8 s", "3 min" or "2.5 h", and less than a second as "1 s"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
