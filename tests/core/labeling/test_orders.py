"""Orders of rows by one ranking, and by two in turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anoonly_core.labeling.orders import order_by, order_in_turn, places, shared_at_top


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 1, 2]),
        ([2, 0, 3, 1], [1, 2, 0, 3], [2, 1, 0, 3]),
        ([4, 0, 1, 2, 3], [0, 4, 3, 2, 1], [4, 0, 1, 3, 2]),
        ([0], [0], [0]),
    ],
)
def test_two_orders_in_turn(first: list[int], second: list[int], expected: list[int]) -> None:
    assert order_in_turn(np.array(first), np.array(second)).tolist() == expected


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.permutations(range(n)))))
def test_the_top_holds_half_of_each_top(orders: tuple[list[int], list[int]]) -> None:
    first, second = (np.array(order) for order in orders)
    merged = order_in_turn(first, second)
    assert sorted(merged) == sorted(first)
    for count in range(1, len(merged) + 1):
        assert {*first[: -(-count // 2)], *second[: count // 2]} <= {*merged[:count]}


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=30))
def test_rows_are_ordered_by_descending_score(scores: list[float]) -> None:
    order = order_by(np.array(scores, dtype=np.float32))
    assert [scores[row] for row in order] == sorted(scores, reverse=True)
    assert (order[places(order)[np.arange(len(scores))]] == np.arange(len(scores))).all()
    equal = [row for row in order if scores[row] == scores[order[0]]]
    assert equal == sorted(equal)


def test_shared_rows_at_the_top_are_counted() -> None:
    first, second = np.array([5, 1, 2, 3, 4, 0]), np.array([2, 0, 1, 5, 3, 4])
    assert [shared_at_top(first, second, count) for count in (1, 2, 3, 6)] == [0, 0, 2, 6]
