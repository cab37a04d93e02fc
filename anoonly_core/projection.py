"""Projections of features to two dimensions by PCA, t-SNE or UMAP.

Distances between clusters mean little in t-SNE and UMAP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from anoonly_core.errors import CacheUnavailable
from anoonly_core.extras import extra_missing
from anoonly_core.paths import cache_folder, set_numba_cache

__all__ = ["PROJECTORS", "SEQUENCE_PROJECTORS", "project", "project_jointly", "project_sequence", "scaled_inputs"]

SEED = 0


def project(features: np.ndarray, projector: str) -> np.ndarray:
    """Project rows of features to points in the plane; equal input gives equal points.

    Parameters
    ----------
    features
        float [rows, columns].
    projector
        A name in PROJECTORS: "pca", "tsne" or "umap".

    Returns
    -------
    ndarray
        Points, float32 [rows, 2]; all 0 if all rows are equal.

    Raises
    ------
    CacheUnavailable
        If UMAP finds no folder for the code that it compiles.
    ExtraMissing
        If UMAP is not installed.
    """
    exact = features.astype(np.float64)
    if (exact == exact[0]).all():  # t-SNE crashes the process if all rows are equal
        return np.zeros((len(exact), 2), dtype=np.float32)
    centered: np.ndarray = exact - exact.mean(axis=0)
    if centered.shape[1] == 1:
        centered = np.hstack([centered, np.zeros_like(centered)])
    return np.asarray(PROJECTORS[projector](centered), dtype=np.float32)


def scaled_inputs(X: np.ndarray, minimum: np.ndarray, scale: np.ndarray, fill: np.ndarray | None = None) -> np.ndarray:
    """Scale input rows X [rows, columns] as for training, (X - minimum) / scale; return float32 [rows, columns].

    `minimum`, `scale` and `fill` are arrays [columns], as in `Split`. `fill` replaces NaN before scaling; None keeps
    NaN.
    """
    X = X if fill is None else np.where(np.isnan(X), fill, X)
    return np.asarray((X - minimum) / scale, dtype=np.float32)


def project_jointly(recordings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Project the features of several recordings to one shared plane, by one PCA over all of them.

    Parameters
    ----------
    recordings
        Features at several moments of a training, each [moments, rows, columns].

    Returns
    -------
    list of ndarray
        Points of each recording, float32 [moments, rows, 2].
    """
    from sklearn.decomposition import PCA  # only now, since scikit-learn takes long to load

    stacked = np.concatenate([features.reshape(-1, features.shape[2]) for features in recordings]).astype(np.float64)
    mean = stacked.mean(axis=0)
    axes = PCA(n_components=min(2, stacked.shape[1]), svd_solver="covariance_eigh").fit(stacked).components_
    projected = [np.asarray((features - mean) @ axes.T, dtype=np.float32) for features in recordings]
    return [np.pad(points, [(0, 0), (0, 0), (0, 2 - len(axes))]) for points in projected]


def project_sequence(recording: np.ndarray, projector: str) -> Iterator[np.ndarray]:
    """Project the features of each moment of a training so that points move only where features change.

    Each projection starts from the points of the moment before, and is centered and rotated to match
    them. A moment at which all rows are equal repeats the points before.

    Parameters
    ----------
    recording
        Features at several moments of a training, [moments, rows, columns].
    projector
        A name in SEQUENCE_PROJECTORS: "tsne" or "umap".

    Yields
    ------
    ndarray
        Points of one moment, float32 [rows, 2].
    """
    from scipy.linalg import orthogonal_procrustes  # see project_jointly

    points = project(recording[0], projector).astype(np.float64)
    points -= points.mean(axis=0)
    yield points.astype(np.float32)
    for features in recording[1:]:
        exact = features.astype(np.float64)
        if not (exact == exact[0]).all():
            moved = SEQUENCE_PROJECTORS[projector](_normalized(exact - exact.mean(axis=0)), points)
            moved -= moved.mean(axis=0)
            points = moved @ orthogonal_procrustes(moved, points)[0]
        yield points.astype(np.float32)


def _pca(features: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA  # see project_jointly

    points = PCA(n_components=2, svd_solver="full").fit_transform(features)
    # The sign of an axis is arbitrary. The longer tail is made positive, so that equal data gives equal signs.
    return np.asarray(points * np.where((points**3).sum(axis=0) < 0, -1.0, 1.0))


def _tsne(features: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE  # see project_jointly

    perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
    return np.asarray(tsne.fit_transform(_normalized(features)))


def _tsne_from(features: np.ndarray, points: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE  # see project_jointly

    # Without early exaggeration, which would separate the clusters again.
    perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init=points.astype(np.float32), early_exaggeration=1.0, max_iter=250)
    return np.asarray(tsne.fit_transform(features), dtype=np.float64)


def _umap(features: np.ndarray) -> np.ndarray:
    if len(features) < 4:  # too few for the neighbor graph of UMAP
        return _pca(features)
    umap = _umap_class()(n_neighbors=min(15, len(features) - 1), random_state=SEED, n_jobs=1)
    return np.asarray(umap.fit_transform(_normalized(features)))


def _umap_from(features: np.ndarray, points: np.ndarray) -> np.ndarray:
    if len(features) < 4:
        return _pca(features)
    neighbors = min(15, len(features) - 1)
    start = points.astype(np.float32)
    umap = _umap_class()(
        n_neighbors=neighbors, init=start, n_epochs=50, learning_rate=0.3, random_state=SEED, n_jobs=1
    )  # a small rate, otherwise random draws move the points
    return np.asarray(umap.fit_transform(features), dtype=np.float64)


def _umap_class() -> Any:
    """Import and return the class UMAP, after setting a folder for the code that it compiles; takes seconds.

    Raises
    ------
    CacheUnavailable, ExtraMissing
        If no folder has room for the code, or UMAP is not installed.
    """
    if not set_numba_cache():
        raise CacheUnavailable(
            f"UMAP needs 8 MiB on disk for compiled code: make room or give access in {cache_folder()}, "
            "or set TMPDIR to a folder with room."
        )
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise extra_missing("UMAP", "app") from error

    return UMAP


def _normalized(features: np.ndarray) -> np.ndarray:
    """Divide features by their largest magnitude, since float32 squares of 1e-30 underflow and of 1e30 overflow."""
    return np.asarray(features / np.abs(features).max())


PROJECTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}

SEQUENCE_PROJECTORS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "tsne": _tsne_from,
    "umap": _umap_from,
}
