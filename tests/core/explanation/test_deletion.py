"""Deletion test: areas known by hand, orders that are right, reversed or random, and scores without an explanation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anoonly_core.explanation.deletion import delete_columns, occlude
from anoonly_core.explanation.result import DeletionTest

WEIGHTS = np.array([5.0, -3.0, 2.0, 1.0, 0.5, 0.0, -0.5, 4.0, 0.1, -1.0])
Scores = Callable[[np.ndarray], np.ndarray]


def linear(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows.astype(np.float64) @ WEIGHTS)


def rows_of(count: int = 20, columns: int = 10) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 1, size=(count, columns)).astype(np.float32)


def deletion_of(
    contributions: np.ndarray, x: np.ndarray, score: Scores = linear, members: np.ndarray | None = None
) -> DeletionTest:
    each = np.arange(x.shape[1]) if members is None else members
    return delete_columns(score, x, np.zeros(x.shape[1], np.float32), each, contributions)


def test_occlusion_of_a_linear_score_is_its_contributions() -> None:
    x, reference = rows_of(), np.full(10, 0.25, np.float32)
    found = occlude(linear, x, reference, np.arange(10))
    np.testing.assert_allclose(found, WEIGHTS * (x.astype(np.float64) - 0.25), atol=1e-12)


def test_features_of_one_column_are_deleted_together() -> None:
    members = np.array([0, 0, 1, 2, 2, 2, 3, 3, 3, 3])
    x = rows_of()
    found = occlude(linear, x, np.zeros(10, np.float32), members)
    single = WEIGHTS * x.astype(np.float64)
    expected = np.stack([single[:, members == column].sum(axis=1) for column in range(4)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    result = deletion_of(expected, x, members=members)
    assert result.differing.tolist() == [4] * 20
    assert result.believed.all()


def test_the_area_of_two_columns_is_that_by_hand() -> None:
    """From 3 + 1 the score falls to 1 and to 0, or by the other order to 3 and to 0."""
    x = np.ones((1, 2), np.float32)

    def score(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows.astype(np.float64) @ np.array([3.0, 1.0]))

    assert deletion_of(np.array([[3.0, 1.0]]), x, score).area[0] == pytest.approx(0.375)
    assert deletion_of(np.array([[1.0, 3.0]]), x, score).area[0] == pytest.approx(0.625)
    areas = np.unique(deletion_of(np.array([[3.0, 1.0]]), x, score).random_areas.round(9))
    np.testing.assert_allclose(areas, [0.375, 0.625])


def test_right_contributions_are_believed_and_reversed_ones_are_not() -> None:
    x = rows_of()
    right = WEIGHTS * x
    assert deletion_of(right, x).believed.all()
    assert (deletion_of(right, x).slower_share == 1).all()
    wrong = deletion_of(-right, x)
    assert not wrong.beats_random.any() and not wrong.believed.any()
    assert (wrong.area > wrong.random_areas.mean(axis=1)).all()


def test_a_score_that_falls_below_the_median_is_explained_as_well() -> None:
    x = rows_of()
    result = deletion_of(-WEIGHTS * x, x, lambda rows: -linear(rows))
    assert result.believed.all()


def test_random_contributions_beat_random_orders_as_rarely_as_promised() -> None:
    x = rows_of(400)
    drawn = np.random.default_rng(1).normal(size=x.shape)
    share = deletion_of(drawn, x).beats_random.mean()
    assert 0.01 < share < 0.09  # 5 % of 400 rows, more than three standard errors wide


def test_an_order_slower_than_that_of_the_deviation_is_not_believed() -> None:
    """A score of the squared distance: |x − median| is the right order, one exchange makes it worse."""
    x = np.linspace(0.1, 1, 10, dtype=np.float32)[None]

    def score(rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows.astype(np.float64) ** 2).sum(axis=1))

    right = (x.astype(np.float64)) ** 2
    exchanged = right[:, [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]]
    assert deletion_of(right, x, score).believed.all()
    found = deletion_of(exchanged, x, score)
    assert found.beats_random.all() and not found.believed.any()


def test_an_order_by_which_the_score_rises_is_not_believed() -> None:
    """The score is a hill between the row and the median, so that no order lets it fall at once."""
    x = np.linspace(0.5, 1, 10, dtype=np.float32)[None]

    def score(rows: np.ndarray) -> np.ndarray:
        left = (rows.astype(np.float64) @ np.arange(1, 11)) / (x[0].astype(np.float64) @ np.arange(1, 11))
        return np.asarray(left * (4 - 3 * left))

    found = deletion_of(np.arange(1, 11) * x, x, score)
    assert found.beats_random.all() and found.area[0] < found.magnitude_area[0] + 1e-9
    assert found.area[0] > 0.5 and not found.believed.any()


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("all columns but the last say the same", lambda rows: (rows > 0.1).any(axis=1).astype(np.float64)),
        ("any deletion ends the anomaly", lambda rows: (rows > 0.1).all(axis=1).astype(np.float64)),
        ("only the number of columns counts", lambda rows: (rows > 0.1).sum(axis=1).astype(np.float64)),
    ],
)
def test_a_score_for_which_no_order_is_better_has_no_explanation(name: str, score: Scores) -> None:
    x = rows_of()
    result = deletion_of(occlude(score, x, np.zeros(10, np.float32), np.arange(10)), x, score)
    assert not result.believed.any(), name


def test_a_row_that_scores_as_the_median_is_not_explained() -> None:
    x = np.zeros((1, 10), np.float32)
    result = deletion_of(np.zeros((1, 10)), x)
    assert np.isnan(result.area[0]) and result.differing[0] == 0
    assert not result.believed[0] and result.slower_share[0] == 0


def test_one_column_that_differs_is_the_explanation() -> None:
    x = np.zeros((1, 10), np.float32)
    x[0, 2] = 1
    result = deletion_of(WEIGHTS * x, x)
    assert result.believed[0] and result.differing[0] == 1


def test_the_same_rows_give_the_same_test() -> None:
    x = rows_of(3)
    first, again = deletion_of(WEIGHTS * x, x), deletion_of(WEIGHTS * x, x)
    assert np.array_equal(first.random_areas, again.random_areas)
    assert np.array_equal(first.curve[:, 0], np.ones(3)) and np.allclose(first.curve[:, -1], 0)


def test_many_columns_are_deleted_in_steps() -> None:
    x = np.random.default_rng(2).uniform(0.5, 1, size=(2, 300)).astype(np.float32)
    weights = np.random.default_rng(3).normal(1, 1, size=300)

    def score(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows.astype(np.float64) @ weights)

    result = deletion_of(weights * x, x, score)
    assert result.curve.shape == (2, 33) and result.believed.all()
