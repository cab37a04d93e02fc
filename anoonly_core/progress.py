"""Progress callbacks: their type, and reports of parts of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["Cancelled", "Report", "report_each", "report_nothing", "report_part"]

# Takes the amount done and the total; `Cancelled` from it ends the task.
Report = Callable[[int, int], None]
PARTS = 1000  # steps of a task whose parts differ in kind
Item = TypeVar("Item")


class Cancelled(Exception):
    """The work was canceled: nobody needs its result any more. A report raises it."""


def report_nothing(done: int, total: int) -> None:
    """Do nothing; the report of a task that nobody watches."""


def report_part(report: Report, begin: float, end: float) -> Report:
    """Return a report for one part of a task, mapped to the shares `begin` to `end` of the whole."""

    def report_share(done: int, total: int) -> None:
        share = min(done / total, 1.0) if total else 0.0
        report(round(PARTS * (begin + (end - begin) * share)), PARTS)

    return report_share


def report_each(items: Sequence[Item], report: Report, begun: int = 0, total: int | None = None) -> Iterator[Item]:
    """Yield items, reporting before each one that `begun` steps and one for each earlier item are done.

    `total` is the number of all steps, by default that of the items.
    """
    for number, item in enumerate(items):
        report(begun + number, len(items) if total is None else total)
        yield item
