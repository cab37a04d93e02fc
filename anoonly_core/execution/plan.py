"""What a plan is: runs cut into stacks, and how long they will take. `planner` makes one."""

from __future__ import annotations

from dataclasses import dataclass

from anoonly_core.config import RunConfig

__all__ = ["Plan", "PlannedStack", "duration"]


@dataclass(frozen=True)
class PlannedStack:
    """Runs by key that train as one stack on a core, or as several at once on a GPU; the seconds expected of them."""

    configs: dict[str, RunConfig]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """All stacks in the order of work, and by key, in a sentence, why a run cannot be had."""

    stacks: tuple[PlannedStack, ...]
    failures: dict[str, str]

    def seconds(self, workers: int) -> float:
        """How long so many workers are expected to take, each taking the next stack when it is free."""
        busy = [0.0] * workers
        for stack in self.stacks:
            first = busy.index(min(busy))
            busy[first] += stack.seconds
        return max(busy)


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min" or "2.5 h"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
