"""Counts of the outcomes of fuzz tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BAD", "GOOD", "HEAD", "Outcome", "Tally", "rows_of"]

# Allowed outcomes: success, success with a notice about a replaced value, an error sentence.
GOOD = ("as asked", "notice", "sentence")
# Failures: a traceback, no answer, an invalid value without a notice, another fault.
BAD = ("traceback", "hang", "silence", "fault")
HEAD = "| what | cases | as asked | notices | sentences | tracebacks | hangs | faults | slowest case |"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one case. kind: of GOOD or BAD. said: text about it."""

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
        """Add an outcome."""
        self.outcomes.append(outcome)

    @property
    def bad(self) -> list[Outcome]:
        """Outcomes of a kind in BAD."""
        return [outcome for outcome in self.outcomes if outcome.kind in BAD]

    def row(self) -> str:
        """Return the row of the Markdown table."""
        counted = Counter(outcome.kind for outcome in self.outcomes)
        counted["fault"] += counted["silence"]
        kinds = ("as asked", "notice", "sentence", "traceback", "hang", "fault")
        slowest = max((outcome.seconds for outcome in self.outcomes), default=0.0)
        cells = [self.what, len(self.outcomes), *(counted[kind] for kind in kinds), f"{slowest:.1f} s"]
        return f"| {' | '.join(map(str, cells))} |"


def rows_of(tallies: Sequence[Tally]) -> list[str]:
    """Return the lines of a Markdown table of all tallies with their sum."""
    together = Tally("all", [outcome for tally in tallies for outcome in tally.outcomes])
    return [HEAD, f"|---{'|--:' * 8}|", *(tally.row() for tally in tallies), together.row()]
