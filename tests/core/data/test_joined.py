"""Joined data sets hold all rows, and moved splits find theirs among them."""

from __future__ import annotations

import numpy as np

from anoonly_core.data.joined import join_datasets
from tests.core.training.stacks import made_split, made_table


def test_rows_of_all_data_sets_stand_below_each_other() -> None:
    datasets = [made_table(90), made_table(60, seed=1), made_table(70, seed=2)]
    joined, first_rows = join_datasets(datasets)
    assert first_rows == [0, 90, 150] and joined.rows == 220
    for dataset, first in zip(datasets, first_rows, strict=True):
        split, moved = made_split(dataset), made_split(dataset).moved(first)
        for own, there in ((split.train, moved.train), (split.test, moved.test)):
            assert np.array_equal(dataset.X[own], joined.X[there]) and np.array_equal(dataset.y[own], joined.y[there])
        assert np.array_equal(split.scaled(dataset, split.test), moved.scaled(joined, moved.test))


def test_a_single_data_set_stays_as_it_is() -> None:
    dataset, split = made_table(), made_split(made_table())
    assert join_datasets([dataset]) == (dataset, [0]) and split.moved(0) is split
