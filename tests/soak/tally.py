"""What came of odd input, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BAD", "GOOD", "HEAD", "Outcome", "Tally", "rows_of"]

# What may come of a case: as it was asked, with a notice in place of what could not be, a sentence instead of it.
GOOD = ("as asked", "notice", "sentence")
# And what may not: a traceback, an answer that never comes, silence about what could not be, or another fault.
BAD = ("traceback", "hang", "silence", "fault")
HEAD = "| what | cases | as asked | notices | sentences | tracebacks | hangs | faults | slowest case |"


@dataclass(frozen=True)
class Outcome:
    """What came of one case: which of GOOD or BAD, what was said, and what it took."""

    case: str
    kind: str
    said: str = ""
    seconds: float = 0.0


@dataclass
class Tally:
    """The outcomes of one page or command."""

    what: str
    outcomes: list[Outcome] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """Count it."""
        self.outcomes.append(outcome)

    @property
    def bad(self) -> list[Outcome]:
        """Those that may not be."""
        return [own for own in self.outcomes if own.kind in BAD]

    def row(self) -> str:
        """A line of the table."""
        counted = Counter(own.kind for own in self.outcomes)
        counted["fault"] += counted["silence"]
        kinds = ("as asked", "notice", "sentence", "traceback", "hang", "fault")
        slowest = max((own.seconds for own in self.outcomes), default=0.0)
        cells = [self.what, len(self.outcomes), *(counted[kind] for kind in kinds), f"{slowest:.1f} s"]
        return f"| {' | '.join(map(str, cells))} |"


def rows_of(tallies: Sequence[Tally]) -> list[str]:
    """The table of several, with their sum."""
    together = Tally("all", [own for tally in tallies for own in tally.outcomes])
    return [HEAD, f"|---{'|--:' * 8}|", *(tally.row() for tally in tallies), together.row()]
