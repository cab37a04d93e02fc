"""The note on exported figures of a comparison."""

from __future__ import annotations

from anoonly_core.results.result import RunResult
from anoonly_core.snippets import file_name

from ..text.verdict import conditions_line, describe_run
from .figure import FigureNote

__all__ = ["comparison_note"]


def comparison_note(a: RunResult, b: RunResult) -> FigureNote:
    """Return file name and footer of exported figures that show one seed of A and B."""
    names = f"A: {describe_run(a.config, b.config)}. B: {describe_run(b.config, a.config)}."
    conditions = conditions_line(a.config, b.config, b.counts, [b.config.seed])
    return FigureNote(file_name(b.config, f"seed_{b.config.seed}"), f"{names} {conditions}")
