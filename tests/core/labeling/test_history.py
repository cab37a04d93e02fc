"""Tests of the history of labeling: undo, replacing, and CSV there and back."""

from __future__ import annotations

import pytest

from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.history import Answer, History, Label, read_history

ROWS = set(range(100))
HISTORY = History(
    (
        Answer(1, 7, Label.ANOMALY, "highest", 2.5),
        Answer(1, 3, Label.NORMAL, "highest", float("nan")),
        Answer(2, 9, Label.UNSURE, "mix", -1e-7),
        Answer(2, 3, Label.ANOMALY, "by hand", 0.1),
    )
)


def test_the_last_answer_about_a_row_counts_and_can_be_undone() -> None:
    assert HISTORY.labels == {7: Label.ANOMALY, 3: Label.ANOMALY, 9: Label.UNSURE}
    assert HISTORY.rows(Label.ANOMALY) == [3, 7] and HISTORY.rounds == 2
    assert HISTORY.undo().labels[3] == Label.NORMAL
    assert HISTORY.without({3}).labels == {7: Label.ANOMALY, 9: Label.UNSURE}
    assert History().undo() == History() and History().rounds == 0


def test_a_history_comes_back_from_its_csv() -> None:
    text = HISTORY.to_csv()
    assert text.splitlines()[:2] == ["round,row,label,rule,score", "1,7,anomaly,highest,2.5"]
    assert read_history(text, ROWS).to_csv() == text
    assert read_history("\ufeff" + text, ROWS).labels == HISTORY.labels


@pytest.mark.parametrize("text", ["row,label\n4,Anomaly\n", "label,row,mine\nanomaly ,4,x\n"])
def test_rule_score_and_round_may_lack(text: str) -> None:
    (answer,) = read_history(text, ROWS).answers
    assert (answer.round, answer.row, answer.label, answer.rule) == (1, 4, Label.ANOMALY, "by hand")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no columns row and label"),
        ("a,b\n1,2\n", "no columns row and label"),
        ("row,label\nx,normal\n", "Line 2 of the file of labels cannot be read"),
        ("row,label\n1,perhaps\n", "one of anomaly, normal, unsure"),
        ("row,label\n1,normal\n2\n", "Line 3"),
        ("row,label\n100,normal\n", "names row 100, which the table does not have"),
        ("row,label,round\n1,normal,0\n", "rounds count from 1"),
        ("row,label,score\n1,normal,high\n", "Line 2"),
    ],
)
def test_a_file_that_is_no_history_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        read_history(text, ROWS)
    assert str(caught.value).endswith(".")
