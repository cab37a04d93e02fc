"""Fair shares of a worker pool: which of several tasks are next, so that no owner holds up the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["Turns"]


class _Owned(Protocol):
    number: int
    owners: frozenset[str]


T = TypeVar("T", bound=_Owned)


class Turns:
    """Fair order of tasks, by the seconds of work that each owner was served; the least served owner is next.

    An owner is a visitor with unfinished tasks. A new one begins with the seconds of the least served owner, so coming
    late or often gains nothing.
    """

    def __init__(self) -> None:
        self.served_s: dict[str, float] = {}

    def set_owners(self, owners: Iterable[str]) -> None:
        """Set the owners with unfinished tasks: forget all others, and start new ones at the least seconds served."""
        least_s = min(self.served_s.values(), default=0.0)
        self.served_s = {owner: self.served_s.get(owner, least_s) for owner in owners}

    def charge(self, tasks: Iterable[T], seconds: float) -> None:
        """Add seconds of work to each owner of these tasks, once per owner, since the tasks ran this long."""
        for owner in {owner for task in tasks for owner in task.owners}:
            self.served_s[owner] = self.served_s.get(owner, 0.0) + seconds

    def choose(self, candidates: Iterable[T], count: int, running: Iterable[T] = ()) -> list[T]:
        """Return up to `count` of the candidate tasks, the next first.

        Each is one of the owner with the fewest tasks among `running` and those chosen before; of several owners that
        of the least served; and of several tasks that with the lowest number.
        """
        left, chosen = list(candidates), list[T]()
        load = Counter(owner for task in running for owner in task.owners)
        while left and len(chosen) < count:
            best = min(left, key=lambda task: self._rank(task, load))
            left.remove(best)
            chosen.append(best)
            load.update(best.owners)
        return chosen

    def _rank(self, task: T, load: Counter[str]) -> tuple[tuple[int, float], int]:
        ranks = ((load[owner], self.served_s.get(owner, 0.0)) for owner in task.owners)
        return min(ranks, default=(0, 0.0)), task.number
