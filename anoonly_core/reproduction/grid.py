"""A printed table: titled columns and rows of text or numbers, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

__all__ = ["FORMATS", "Grid", "GridValue", "to_csv", "to_latex", "to_markdown"]

GridValue = str | float | int | None


@dataclass(frozen=True)
class Grid:
    """columns: what stands over each. rows: as many entries each; None is an empty one. notes: sentences below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[GridValue, ...], ...]
    notes: tuple[str, ...] = ()


def to_csv(grid: Grid) -> str:
    """Comma-separated, the columns' names first, numbers to three places; the notes are left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(grid.columns)
    writer.writerows([_text(entry, 3) for entry in row] for row in grid.rows)
    return out.getvalue()


def to_markdown(grid: Grid) -> str:
    """A GitHub table with its title above and its notes below; columns of numbers to the right."""
    rows = [[_text(entry).replace("|", "\\|") for entry in row] for row in grid.rows]
    head = [name.replace("|", "\\|") for name in grid.columns]
    widths = [max(3, *(len(row[place]) for row in [head, *rows])) for place in range(len(head))]
    left = [_is_words([row[place] for row in grid.rows]) for place in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            own.ljust(width) if words else own.rjust(width) for own, width, words in zip(row, widths, left, strict=True)
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * width if words else "-" * (width - 1) + ":" for width, words in zip(widths, left, strict=True)]
    notes = [f"\n{note}" for note in grid.notes]
    return "\n".join([f"**{grid.title}**", "", line(head), line(rule), *map(line, rows), *notes, ""])


def to_latex(grid: Grid) -> str:
    """A floating table for the package booktabs, the notes in its caption."""
    left = [_is_words([row[place] for row in grid.rows]) for place in range(len(grid.columns))]
    body = [" & ".join(_escaped(_text(entry)) for entry in row) + r" \\" for row in grid.rows]
    caption = _escaped(" ".join([f"{grid.title}.", *grid.notes]))
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{''.join('l' if words else 'r' for words in left)}}}",
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


def _is_words(entries: list[GridValue]) -> bool:
    return any(isinstance(entry, str) and re.match(r"[^\W\d]", entry) for entry in entries)


_MATHS = {"±": r"$\pm$", "−": "$-$", "→": r"$\to$", "λ": r"$\lambda$", "ₙ": r"$_n$", "×": r"$\times$", "≥": r"$\ge$"}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"} | _MATHS


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
