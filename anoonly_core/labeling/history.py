"""History of labeling by hand: answers by round, with undo, and as CSV; does not load torch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from anoonly_core.errors import InvalidInput

__all__ = ["COLUMNS", "Answer", "History", "Label", "read_history"]

COLUMNS = ("round", "row", "label", "rule", "score")
MAX_ANSWERS = 100_000
BY_HAND = "by hand"  # in place of a rule: the user chose the row


class Label(StrEnum):
    """Label that a user gives a row."""

    ANOMALY = "anomaly"
    NORMAL = "normal"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Answer:
    """The label of one row.

    Attributes
    ----------
    round
        Number of the round, from 1.
    row
        Row number in the file or data set.
    label
        Label of the row.
    rule
        Query rule that chose the row, or BY_HAND.
    score
        Anomaly score of the row when it was labeled; NaN if there was none.
    """

    round: int
    row: int
    label: Label
    rule: str
    score: float


@dataclass(frozen=True)
class History:
    """Answers in the order in which they were given; a later answer about a row replaces an earlier one."""

    answers: tuple[Answer, ...] = ()

    @property
    def labels(self) -> dict[int, Label]:
        """The label of each answered row, by row number."""
        return {answer.row: answer.label for answer in self.answers}

    @property
    def rounds(self) -> int:
        """Number of the last round; 0 without answers."""
        return max((answer.round for answer in self.answers), default=0)

    def rows(self, label: Label) -> list[int]:
        """Return the numbers of the rows with a label, ascending."""
        return sorted(row for row, given in self.labels.items() if given == label)

    def add(self, answers: Sequence[Answer]) -> History:
        """Return the history with further answers at its end."""
        return History((*self.answers, *answers))

    def undo(self) -> History:
        """Return the history without its last answer; an empty history stays empty."""
        return History(self.answers[:-1])

    def without(self, rows: set[int]) -> History:
        """Return the history without all answers about some rows, given by number."""
        return History(tuple(answer for answer in self.answers if answer.row not in rows))

    def to_csv(self) -> str:
        """Return the answers as CSV with the columns round, row, label, rule and score."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for answer in self.answers:
            score = "" if math.isnan(answer.score) else f"{answer.score:.9g}"
            writer.writerow((answer.round, answer.row, answer.label.value, answer.rule, score))
        return text.getvalue()


def read_history(text: str, rows: set[int]) -> History:
    """Read a history from CSV as `History.to_csv` writes it; other columns are ignored, rule and score may lack.

    Parameters
    ----------
    text
        The CSV.
    rows
        Numbers of the rows that the table has.

    Raises
    ------
    InvalidInput
        If the columns `row` and `label` are not there, a value cannot be read, a row is unknown, or there are more
        than 100,000 answers.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if not {"row", "label"} <= set(reader.fieldnames or ()):
        raise InvalidInput(f"The file of labels has no columns row and label: give a CSV with {', '.join(COLUMNS)}.")
    answers: list[Answer] = []
    try:
        for number, line in enumerate(reader, start=2):
            answers.append(_read_answer(line, number, rows))
            if len(answers) > MAX_ANSWERS:
                raise InvalidInput(f"The file of labels has more than {MAX_ANSWERS:,} lines: shorten it.")
    except csv.Error as error:
        raise InvalidInput(f"The file of labels is no CSV ({error}): export it again.") from error
    return History(tuple(answers))


def _read_answer(line: dict[str, str], number: int, rows: set[int]) -> Answer:
    """Read one line, given by column, with its number in the file for error sentences."""
    try:
        row, label = int(line["row"]), Label((line["label"] or "").strip().lower())
        at = int(line.get("round") or 1)
        score = float(line.get("score") or "nan")
    except (TypeError, ValueError):
        raise InvalidInput(
            f"Line {number} of the file of labels cannot be read: give a row number and one of {', '.join(Label)}."
        ) from None
    if row not in rows:
        raise InvalidInput(f"Line {number} of the file of labels names row {row}, which the table does not have.")
    if at < 1:
        raise InvalidInput(f"Line {number} of the file of labels is in round {at}: rounds count from 1.")
    return Answer(at, row, label, (line.get("rule") or BY_HAND).strip()[:40], score)
