"""Streams: rows that training has not seen, drawn by seed, with the composition that their shift asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset, Provenance, SplitKeys, make_dataset
from anoonly_core.data.labels import types_in_order
from anoonly_core.data.split import Split, make_split
from anoonly_core.drift.config import DriftConfig, make_drift_config
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.stream import Stream, batch_features, make_stream
from anoonly_core.errors import InvalidConfig


def streamed(dataset: str = "digits_3", seed: int = 0, **settings: Any) -> tuple[DriftConfig, Dataset, Split, Stream]:
    run = make_config(dataset=dataset, seed=seed, **settings.pop("run", {}))
    config = make_drift_config(run, **{"batches": 12, "start": 4, **settings})
    loaded = load_cached(dataset)
    split = make_split(loaded, run)
    return config, loaded, split, make_stream(loaded, split, config)


def timed(rows: int = 400, anomalies_late: bool = False) -> Dataset:
    """Return a table with a time column, whose rows are stored in another order."""
    rng = np.random.default_rng(0)
    times = rng.permutation(rows)
    y = (times % 10 == 3).astype(np.int8)
    X = rng.normal(size=(rows, 3)) + times[:, None] / rows
    return make_dataset("timed", X, y, Provenance("made", "none"), split_keys=SplitKeys(times=times))


def test_no_row_was_trained_on_or_calibrates() -> None:
    _, dataset, split, stream = streamed()
    assert not np.isin(stream.rows, split.train).any() and np.isin(stream.rows, split.test).all()
    assert not np.isin(stream.rows, stream.calibration).any() and not np.isin(stream.calibration, split.train).any()
    assert (dataset.y[stream.calibration] == 0).all()
    assert (stream.anomalous == (dataset.y[stream.rows] == 1)).all()


def test_rows_that_the_published_protocol_repeats_are_left_out() -> None:
    _, _, split, stream = streamed("breast_cancer", level=0.2, run={"protocol": "published"})
    assert np.isin(split.test, split.train).any() and len(np.unique(split.test)) < len(split.test)
    used = np.concatenate([stream.rows.ravel(), stream.calibration])
    assert not np.isin(used, split.train).any() and len(np.unique(stream.calibration)) == len(stream.calibration)
    assert not np.isin(stream.rows, stream.calibration).any()


def test_rows_return_only_after_all_others_of_their_kind() -> None:
    _, dataset, split, stream = streamed(batches=40)
    rows, counts = np.unique(stream.rows[~stream.anomalous], return_counts=True)
    assert counts.max() - counts.min() <= 1 and counts.max() > 1
    used = len(rows) + len(stream.calibration)
    assert used == (dataset.y[split.test] == 0).sum()
    assert all(len(np.unique(batch)) == len(batch) for batch in stream.rows)


def test_short_streams_repeat_no_row() -> None:
    _, _, _, stream = streamed(batches=4, start=1)
    assert len(np.unique(stream.rows)) == stream.rows.size


@pytest.mark.parametrize("share", [0.0, 0.03, 0.05, 0.3, 0.9])
def test_the_share_of_anomalies_is_exact_over_the_stream(share: float) -> None:
    _, _, _, stream = streamed(anomaly_share=share, rows=50)
    assert abs(stream.anomalous.sum() - share * stream.rows.size) <= 0.5
    counts = stream.anomalous.sum(axis=1)
    assert counts.max() - counts.min() <= 1


def test_the_shift_applies_from_its_start_and_the_rows_do_not_depend_on_it() -> None:
    _, dataset, _, stream = streamed(shift="mean", amount=2)
    plain = streamed(schedule="none")[3]
    assert (stream.rows == plain.rows).all() and (stream.anomalous == plain.anomalous).all()
    assert stream.X[:4].tobytes() == dataset.X[stream.rows[:4]].tobytes() == plain.X[:4].tobytes()
    assert (stream.X[4:] != plain.X[4:]).any(axis=(1, 2)).all()
    assert stream.intensity.tolist() == [0] * 4 + [2] * 8


@pytest.mark.parametrize("shift", [name for name in SHIFTS if name not in ("order", "new_type")])
def test_a_stream_is_seeded_and_its_batches_can_be_computed_again(shift: str) -> None:
    config, dataset, split, stream = streamed(shift=shift)
    again, other = streamed(shift=shift)[3], streamed(shift=shift, seed=1)[3]
    assert (again.rows == stream.rows).all() and again.X.tobytes() == stream.X.tobytes()
    assert (other.rows != stream.rows).any()
    for batch in (0, 7):
        features = batch_features(dataset, split, config, stream.rows[batch], batch)
        assert features.tobytes() == stream.X[batch].tobytes()


def test_more_anomalies_arrive() -> None:
    _, _, _, stream = streamed(shift="share", amount=1, anomaly_share=0.1, rows=60)
    assert stream.anomalous[:4].mean() == pytest.approx(0.1, abs=0.01)
    assert stream.anomalous[4:].mean() == pytest.approx(0.5, abs=0.01)


def test_a_new_digit_becomes_normal_and_an_old_one_leaves() -> None:
    _, dataset, _, stream = streamed("digits_low", shift="mixture", run={"unseen_types": 1})
    assert dataset.classes is not None and dataset.types is not None
    classes, y = dataset.classes[stream.rows], dataset.y[stream.rows]
    arriving = (dataset.types[stream.rows] == types_in_order(dataset, 0)[0]) & (y == 1)
    assert not arriving[:4].any() and arriving[4:].any()
    assert not stream.anomalous[arriving].any() and (stream.anomalous == (y == 1) & ~arriving).all()
    before, after = (set(classes[part][y[part] == 0]) for part in (slice(4), slice(4, None)))
    assert len(before - after) == 1 and after < before


def test_another_normal_digit_takes_the_place_if_there_is_one_type() -> None:
    _, dataset, _, stream = streamed("digits_3", shift="mixture")
    assert dataset.classes is not None
    classes = np.where(stream.anomalous, -1, dataset.classes[stream.rows])
    left = set(classes[:4].ravel()) - set(classes[4:].ravel())
    assert len(left) == 1
    shares = [np.bincount(classes[part][classes[part] >= 0], minlength=10) for part in (slice(4), slice(4, None))]
    growth = (shares[1] / shares[1].sum()) / np.maximum(shares[0] / shares[0].sum(), 1e-9)
    assert 1.5 < np.sort(growth)[-1] < 3


def test_new_types_of_anomaly_are_those_that_training_lacks() -> None:
    _, dataset, split, stream = streamed("digits_low", shift="new_type", anomaly_share=0.2, run={"unseen_types": 1})
    assert dataset.types is not None
    new = types_in_order(dataset, 0)[0]
    types = np.where(stream.anomalous, dataset.types[stream.rows], -1)
    assert (types[4:][stream.anomalous[4:]] == new).all() and (types[:4] != new).all()
    assert not (dataset.types[split.train] == new).any()


def test_half_of_a_shift_replaces_about_half() -> None:
    _, dataset, _, stream = streamed("digits_only_3", shift="mixture", amount=0.5, batches=40, level=0.1)
    normal = dataset.y[stream.rows[4:]][~stream.anomalous[4:]] == 0
    assert 0.4 < normal.mean() < 0.6


def test_real_order_is_that_of_the_time_column() -> None:
    dataset = timed()
    config = make_drift_config(make_config(protocol="by_time"), shift="order", rows=20, batches=60, start=2)
    split = make_split(dataset, config.run)
    stream = make_stream(dataset, split, config)
    times = dataset.split_keys.times
    assert times is not None
    assert (np.diff(times[stream.rows].ravel()) > 0).all() and stream.rows.shape == (4, 20)
    assert times[stream.calibration].max() < times[stream.rows].min()
    assert times[split.train].max() < times[stream.calibration].min()
    assert (stream.anomalous == (dataset.y[stream.rows] == 1)).all() and (stream.intensity == 0).all()
    assert stream.X.tobytes() == dataset.X[stream.rows].tobytes()


@pytest.mark.parametrize(
    ("rows", "settings", "sentence"),
    [
        (400, {"rows": 64}, "fill 1 batches of 64 rows, and a stream needs 2"),
        (120, {"rows": 8, "level": 0.01}, "needs 99 normal test rows beside the stream, and timed has"),
    ],
)
def test_too_few_rows_are_said(rows: int, settings: dict[str, Any], sentence: str) -> None:
    dataset = timed(rows)
    config = make_drift_config(make_config(protocol="by_time"), shift="order", **settings)
    with pytest.raises(InvalidConfig, match=sentence):
        make_stream(dataset, make_split(dataset, config.run), config)


def test_a_stream_of_too_many_values_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(400, 300)).astype(np.float32)
    dataset = make_dataset("wide", X, (np.arange(400) % 10 == 0).astype(np.int8), Provenance("made", "none"))
    config = make_drift_config(make_config(), rows=256, batches=300)
    with pytest.raises(InvalidConfig, match="at most 109 batches of 256 rows, not 300: take fewer"):
        make_stream(dataset, make_split(dataset, config.run), config)


def test_missing_values_are_filled_before_the_shift() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    X[rng.random(X.shape) < 0.2] = np.nan
    y = (np.arange(600) % 10 == 0).astype(np.int8)
    dataset = make_dataset("gaps", X, y, Provenance("made", "none"), may_be_missing=True)
    config = make_drift_config(make_config(), shift="rotation")
    stream = make_stream(dataset, make_split(dataset, config.run), config)
    assert np.isfinite(stream.X).all()
