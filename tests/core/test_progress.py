"""Reports of parts of a work."""

from __future__ import annotations

import pytest

from anoonly_core.progress import PARTS, Cancelled, report_each, report_part


def test_a_part_takes_the_whole_from_its_begin_to_its_end() -> None:
    told: list[tuple[int, int]] = []
    part = report_part(lambda done, total: told.append((done, total)), 0.5, 0.75)
    for done, total in ((0, 10), (5, 10), (10, 10), (99, 10), (3, 0)):
        part(done, total)
    assert told == [(share * PARTS // 1000, PARTS) for share in (500, 625, 750, 750, 500)]


def test_each_item_is_reported_before_it_is_yielded_and_a_report_cancels() -> None:
    told: list[tuple[int, int]] = []
    assert list(report_each("abc", lambda done, total: told.append((done, total)), 3, 6)) == ["a", "b", "c"]
    assert told == [(3, 6), (4, 6), (5, 6)]

    def cancel(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    items = report_each("abc", cancel)
    assert [next(items), next(items)] == ["a", "b"]
    with pytest.raises(Cancelled):
        next(items)
