"""Recordings: equal to the run at the end, and equal for all runs before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.errors import InvalidConfig
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.replay import run as recording
from anoonly_core.replay.result import Replay
from anoonly_core.replay.run import record, recorded_epochs
from anoonly_core.results.result import HISTORY_METRICS, Role
from anoonly_core.runs.run import run


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)


def pair(**settings: Any) -> list[RunConfig]:
    """Return a baseline and AnoOnly."""
    b = make_config(**{"dataset": "digits_3", "epochs": 6, "lambda_n": 0.0, **settings})
    return [b.with_(lambda_n=1.0, norm=b.norm), b]


@pytest.fixture(scope="module")
def replay() -> Replay:
    return record(pair(), "pca")


def test_moments_are_all_epochs_if_few_and_evenly_spaced_otherwise() -> None:
    assert recorded_epochs(3, "pca") == [0, 1, 2, 3]
    assert recorded_epochs(50, "pca") == list(range(51))
    many = recorded_epochs(500, "pca")
    assert len(many) == 51 and many[0] == 0 and many[-1] == 500 and set(np.diff(many)) == {10}
    assert len(recorded_epochs(500, "tsne")) == 21


@pytest.mark.parametrize("baseline", METHODS)
def test_the_last_moment_equals_the_run_to_the_bit(baseline: str) -> None:
    config = make_config(dataset="digits_3", baseline=baseline, epochs=2)
    result = run(config)
    (reel,) = record([config], "pca").runs
    score_of = dict(zip(result.test_rows.tolist(), result.scores.tolist(), strict=True))
    tested = reel.role != Role.LABELED_ANOMALY
    assert reel.scores[-1][tested].tolist() == [score_of[row] for row in reel.rows[tested].tolist()]
    for name in HISTORY_METRICS:
        assert reel.metrics[name][-1] == getattr(result.metrics, name)
        assert reel.metrics[name][1:].tolist() == getattr(result.history, name).tolist()
    assert np.array_equal(reel.losses["loss_anomaly"], result.history.loss_anomaly)
    assert np.array_equal(reel.rows, result.sample.rows) and np.array_equal(reel.role, result.sample.role)


def test_runs_that_differ_only_in_lambda_start_equal_in_one_plane(replay: Replay) -> None:
    a, b = replay.runs
    assert replay.epochs.tolist() == list(range(7)) and replay.shared_plane
    assert np.array_equal(a.points[0], b.points[0]) and np.array_equal(a.scores[0], b.scores[0])
    assert not np.allclose(a.points[-1], b.points[-1])
    assert a.points.shape == (7, len(a.rows), 2)


def test_the_plane_is_that_of_the_hidden_features(replay: Replay) -> None:
    """One linear map takes the hidden features at the end of the run to the points of all moments."""
    _, b = replay.runs
    hidden = run(pair()[1]).sample.hidden.astype(np.float64)
    with_one = np.hstack([hidden, np.ones((len(hidden), 1))])
    solved, *_ = np.linalg.lstsq(with_one, b.points[-1], rcond=None)
    np.testing.assert_allclose(with_one @ solved, b.points[-1], atol=1e-3)


def test_runs_with_different_norms_have_different_planes() -> None:
    a, b = pair(epochs=1)
    assert not record([a, b.with_(norm="none")], "pca").shared_plane


@pytest.mark.parametrize("baseline", ["REPEN", "GANomaly"])
def test_a_comparator_and_anoonly_have_different_planes(baseline: str) -> None:
    _, b = pair(epochs=1)
    replay = record([b, make_config(dataset="digits_3", baseline=baseline, epochs=1)], "pca")
    assert not replay.shared_plane and len(replay.runs) == 2


def test_a_shorter_run_stays_at_its_end() -> None:
    a, b = pair()
    replay = record([a.with_(epochs=2), b], "pca")
    short = replay.runs[0]
    assert len(replay.epochs) == 7 and len(short.losses["loss_normal"]) == 2
    assert all(np.array_equal(short.scores[2], own) for own in short.scores[2:])
    assert not np.array_equal(short.scores[1], short.scores[2])


def test_neighbor_maps_start_from_the_previous_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With t-SNE; UMAP is tested with the projections."""
    monkeypatch.setattr(recording, "FOLLOWED_ROWS", 120)
    monkeypatch.setattr(recording, "FOLLOWED_MOMENTS", 5)
    told: list[tuple[int, int]] = []
    replay = record(pair(epochs=8), "tsne", lambda done, total: told.append((done, total)))
    assert told == [(done, 26) for done in range(1, 27)]  # twice 8 epochs and 5 maps
    assert replay.epochs.tolist() == [0, 2, 4, 6, 8] and not replay.shared_plane
    for reel in replay.runs:
        assert reel.points.shape == (5, 120, 2)
        role = reel.role[reel.plotted]
        assert (role == Role.LABELED_ANOMALY).sum() == (reel.role == Role.LABELED_ANOMALY).sum()
        before, after = reel.points[:-1], reel.points[1:]
        moved = np.linalg.norm(after - before, axis=2).mean()
        to_another_row = np.linalg.norm(np.roll(after, 1, axis=1) - before, axis=2).mean()
        assert moved < 0.6 * to_another_row


def test_a_recording_reports_progress_and_can_be_stopped() -> None:
    told = []

    def report(done: int, total: int) -> None:
        told.append((done, total))
        if done == 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        record(pair(baseline="FEAWAD", norm="batch"), "pca", report)
    assert told == [(done, 16) for done in range(1, 5)]  # each run's two epochs of pretraining and six of training


def test_a_system_without_epochs_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="XGBOD has no epochs to replay"):
        record([make_config(), make_config(baseline="XGBOD")], "pca")


def test_the_rows_are_the_sample_of_the_data_set(replay: Replay) -> None:
    y = load_cached("digits_3").y
    for reel in replay.runs:
        assert np.array_equal(y[reel.rows], (reel.role != Role.TEST_NORMAL).astype(y.dtype))
