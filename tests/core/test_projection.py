"""Projections: two finite numbers per row, repeatable, for any table."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from anoonly_core.projection import (
    PROJECTORS,
    SEQUENCE_PROJECTORS,
    project,
    project_jointly,
    project_sequence,
    scaled_inputs,
)


@pytest.mark.parametrize("projector", PROJECTORS)
def test_every_projector_separates_two_far_clusters_the_same_way_every_time(projector: str) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 6)).astype(np.float32)
    features[40:] += 50
    points = project(features, projector)
    assert points.shape == (80, 2)
    assert points.dtype == np.float32
    assert np.array_equal(points, project(features, projector))
    within = np.linalg.norm(points[:40] - points[:40].mean(axis=0), axis=1).mean()
    between = np.linalg.norm(points[:40].mean(axis=0) - points[40:].mean(axis=0))
    assert between > 2 * within


@pytest.mark.parametrize("projector", PROJECTORS)
@pytest.mark.parametrize(("rows", "columns"), [(2, 4), (3, 4), (3, 1), (4, 4), (30, 1), (30, 2)])
def test_small_tables(projector: str, rows: int, columns: int) -> None:
    features = np.random.default_rng(1).normal(size=(rows, columns))
    points = project(features, projector)
    assert points.shape == (rows, 2)
    assert np.isfinite(points).all()


def test_pca_is_the_singular_value_decomposition_with_the_longer_tail_positive() -> None:
    features = np.random.default_rng(2).gamma(1, size=(50, 6)) * np.arange(1, 7)
    left, sizes, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    for mirrored in (features, -features):
        points = project(mirrored, "pca")
        np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * sizes[:2]), rtol=1e-4, atol=1e-5)  # float32
        assert ((points.astype(float) ** 3).sum(axis=0) > 0).all()


DEGENERATE = """
import numpy as np
from anoonly_core.projection import PROJECTORS, project
random = np.random.default_rng(0).normal(size=(60, 8))
tables = {
    "rows all alike": np.full((1500, 8), 0.1),
    "three distinct rows": np.repeat(random[:3], 20, axis=0),
    "one column that varies": np.hstack([random[:, :1], np.ones((60, 4))]),
    "very small": random * 1e-30,
    "very large": random * 1e30,
}
for name, table in tables.items():
    for projector in ("pca", "tsne"):
        points = project(table.astype(np.float32), projector)
        spread = np.ptp(points, axis=0).max()
        assert np.isfinite(points).all(), (name, projector)
        assert (spread > 0) == (name != "rows all alike"), (name, projector, spread)
print("all drawn")
"""


def test_degenerate_features_are_projected_without_a_crash() -> None:
    """Run in a separate process, because t-SNE of scikit-learn crashes the process on equal rows."""
    done = subprocess.run([sys.executable, "-c", DEGENERATE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "all drawn\n"), done.stderr[-600:]


def test_constant_features_give_one_point() -> None:
    for projector in PROJECTORS:
        assert (project(np.full((1500, 5), 0.1, np.float32), projector) == 0).all()


def test_scaled_inputs_are_scaled_as_for_training() -> None:
    X = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    assert scaled_inputs(X, X.min(axis=0), np.array([2.0, 1.0], np.float32)).tolist() == [[0, 0], [1, 0]]


def test_joint_projections_use_the_plane_of_all_moments_of_all_recordings() -> None:
    random = np.random.default_rng(3)
    recordings = [random.normal(size=(4, 30, 6)) * np.array([5, 3, 1, 1, 1, 1]) for _ in range(2)]
    points = project_jointly(recordings)
    pooled = np.concatenate([features.reshape(-1, 6) for features in recordings])
    _, _, axes = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    for features, projected in zip(recordings, points, strict=True):
        assert projected.shape == (4, 30, 2)
        expected = (features - pooled.mean(axis=0)) @ axes[:2].T
        np.testing.assert_allclose(np.abs(projected), np.abs(expected), atol=1e-4)
    assert project_jointly([recordings[0][..., :1]])[0].shape == (4, 30, 2)


@pytest.mark.parametrize("projector", SEQUENCE_PROJECTORS)
def test_points_of_rotated_features_hardly_move(projector: str) -> None:
    """Rotation keeps all neighbors, so the points should stay in place."""
    random = np.random.default_rng(4)
    features = random.normal(size=(60, 5))
    features[30:] += 40
    rotated = features @ np.linalg.qr(random.normal(size=(5, 5)))[0]
    first, *others = project_sequence(np.stack([features, rotated, features, np.zeros_like(features)]), projector)
    size = np.linalg.norm(first, axis=1).mean()
    for points in others:
        assert np.linalg.norm(points - first, axis=1).mean() < 0.4 * size
    assert np.array_equal(others[-1], others[-2])  # equal rows repeat the points before
