"""Export of tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io

from anoonly_core.reproduction.grid import Grid, to_csv, to_latex, to_markdown

GRID = Grid("50 % & more_x", ("", "a|b", "λₙ"), (("one, two", 1.23456, None), ("R\\S", 7, "−2.0 ± 0.5")), ("A note.",))


def test_csv_can_be_read_back() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(GRID))))
    assert rows == [["", "a|b", "λₙ"], ["one, two", "1.235", ""], ["R\\S", "7", "−2.0 ± 0.5"]]


def test_markdown_has_equal_columns_in_all_rows() -> None:
    lines = to_markdown(GRID).splitlines()
    assert lines[0] == "**50 % & more_x**" and lines[-1] == "A note."
    assert len({line.replace("\\|", "").count("|") for line in lines[2:6]}) == 1
    assert lines[3].split("|")[2].strip().endswith(":") and "1.2 " in lines[4]


def test_latex_escapes_special_characters() -> None:
    text = to_latex(GRID)
    assert r"\caption{50 \% \& more\_x. A note.}" in text
    assert r"R\textbackslash{}S & 7 & $-$2.0 $\pm$ 0.5 \\" in text and r"$\lambda$$_n$" in text
    assert text.count(r"\\") == 3 and r"\begin{tabular}{lrr}" in text
