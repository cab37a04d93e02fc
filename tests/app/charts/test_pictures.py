"""Tests of app.charts.pictures: the pictures of rows for the browser."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.data.catalogue import load_cached
from app.charts.pictures import row_pictures


@pytest.mark.parametrize("name", ["digits_3", "digits_0", "digits_low", "digits_only_3"])
def test_a_picture_has_the_pixels_of_its_row(name: str) -> None:
    dataset = load_cached(name)
    positions = np.array([5, 0, 5, 17])
    found = row_pictures(dataset, positions)
    assert found is not None and found["shape"] == [8, 8]
    assert set(found["rows"]) == {str(dataset.row_ids[position]) for position in positions}
    brightest = dataset.X[np.unique(positions)].max()
    for position in positions:
        levels = [int(digit, 16) for digit in found["rows"][str(dataset.row_ids[position])]]
        np.testing.assert_allclose(np.array(levels) / 15, dataset.X[position] / brightest, atol=0.5 / 15 + 1e-6)


def test_rows_of_a_table_are_no_pictures() -> None:
    assert row_pictures(load_cached("breast_cancer"), np.array([0, 1])) is None
