"""A printable table of text and numbers, with export as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FORMATS", "Grid", "GridValue", "join_words", "to_csv", "to_latex", "to_markdown"]

GridValue = str | float | int | None


@dataclass(frozen=True)
class Grid:
    """A printable table.

    Attributes
    ----------
    title : str
        Title above the table.
    columns : tuple of str
        Headings.
    rows : tuple of tuple
        One entry per column in each row; None is an empty entry.
    notes : tuple of str
        Sentences below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[GridValue, ...], ...]
    notes: tuple[str, ...] = ()


def join_words(words: Sequence[str]) -> str:
    """Join words with commas and "and", such as "a, b and c"."""
    return "".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"


def to_csv(grid: Grid) -> str:
    """Format a table as CSV with a heading row and three decimals; title and notes are left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(grid.columns)
    writer.writerows([_text(entry, 3) for entry in row] for row in grid.rows)
    return out.getvalue()


def to_markdown(grid: Grid) -> str:
    """Format a table as GitHub Markdown with one decimal, the title above and the notes below.

    Columns of numbers are right-aligned.
    """
    rows = [[_text(entry).replace("|", "\\|") for entry in row] for row in grid.rows]
    head = [name.replace("|", "\\|") for name in grid.columns]
    widths = [max(3, *(len(row[column]) for row in [head, *rows])) for column in range(len(head))]
    left = [_has_words([row[column] for row in grid.rows]) for column in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            text.ljust(width) if is_left else text.rjust(width)
            for text, width, is_left in zip(row, widths, left, strict=True)
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * width if is_left else "-" * (width - 1) + ":" for width, is_left in zip(widths, left, strict=True)]
    notes = [f"\n{note}" for note in grid.notes]
    return "\n".join([f"**{grid.title}**", "", line(head), line(rule), *map(line, rows), *notes, ""])


def to_latex(grid: Grid) -> str:
    """Format a table as a floating LaTeX table for the package booktabs, with title and notes in the caption."""
    left = [_has_words([row[column] for row in grid.rows]) for column in range(len(grid.columns))]
    body = [" & ".join(_escaped(_text(entry)) for entry in row) + r" \\" for row in grid.rows]
    caption = _escaped(" ".join([f"{grid.title}.", *grid.notes]))
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{''.join('l' if is_left else 'r' for is_left in left)}}}",
            r"\toprule",
            " & ".join(map(_escaped, grid.columns)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


FORMATS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def _text(entry: GridValue, digits: int = 1) -> str:
    if entry is None:
        return ""
    return f"{entry:.{digits}f}" if isinstance(entry, float) else str(entry)


def _has_words(entries: list[GridValue]) -> bool:
    """Return True if any entry is a string that begins with a letter."""
    return any(isinstance(entry, str) and re.match(r"[^\W\d]", entry) for entry in entries)


_MATHS = {"±": r"$\pm$", "−": "$-$", "→": r"$\to$", "λ": r"$\lambda$", "ₙ": r"$_n$", "×": r"$\times$", "≥": r"$\ge$"}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"} | _MATHS


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
