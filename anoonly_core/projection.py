"""Pictures of many dimensions: PCA, t-SNE and UMAP of hidden or input features.

Distances between clusters mean little in t-SNE and UMAP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

__all__ = ["PROJECTORS", "SEQUENCE_PROJECTORS", "project", "project_jointly", "project_sequence", "scaled_inputs"]

SEED = 0


def project(features: np.ndarray, projector: str) -> np.ndarray:
    """Points [rows, 2] of features [rows, columns] by one of PROJECTORS; the same ones every time."""
    exact = features.astype(np.float64)
    if (exact == exact[0]).all():  # t-SNE crashes the process on rows that are all alike
        return np.zeros((len(exact), 2), dtype=np.float32)
    centered: np.ndarray = exact - exact.mean(axis=0)
    if centered.shape[1] == 1:
        centered = np.hstack([centered, np.zeros_like(centered)])
    return np.asarray(PROJECTORS[projector](centered), dtype=np.float32)


def scaled_inputs(X: np.ndarray, minimum: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Input rows [rows, columns] as the network saw them."""
    return np.asarray((X - minimum) / scale)


def project_jointly(films: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Points [moments, rows, 2] of each film's features [moments, rows, columns] in one plane for all: PCA fitted once.

    It is the plane in which all moments of all films together spread the most.
    """
    stacked = np.concatenate([film.reshape(-1, film.shape[2]) for film in films]).astype(np.float64)
    mean = stacked.mean(axis=0)
    axes = PCA(n_components=min(2, stacked.shape[1]), svd_solver="covariance_eigh").fit(stacked).components_
    found = [np.asarray((film - mean) @ axes.T, dtype=np.float32) for film in films]
    return [np.pad(points, [(0, 0), (0, 0), (0, 2 - len(axes))]) for points in found]


def project_sequence(film: np.ndarray, projector: str) -> Iterator[np.ndarray]:
    """Points [rows, 2] of each moment of a film's features [moments, rows, columns], by one of FOLLOWERS.

    Each begins from the points of the moment before and is turned and moved to lie upon them, so that
    what moves in the picture has moved in the features.
    """
    points = project(film[0], projector).astype(np.float64)
    points -= points.mean(axis=0)
    yield points.astype(np.float32)
    for features in film[1:]:
        exact = features.astype(np.float64)
        if not (exact == exact[0]).all():
            moved = SEQUENCE_PROJECTORS[projector](_without_unit(exact - exact.mean(axis=0)), points)
            moved -= moved.mean(axis=0)
            points = moved @ orthogonal_procrustes(moved, points)[0]
        yield points.astype(np.float32)


def _pca(features: np.ndarray) -> np.ndarray:
    points = PCA(n_components=2, svd_solver="full").fit_transform(features)
    # The sign of an axis is arbitrary: point it to where the longer tail is, so that it does not flip about.
    return np.asarray(points * np.where((points**3).sum(axis=0) < 0, -1.0, 1.0))


def _tsne(features: np.ndarray) -> np.ndarray:
    perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
    return np.asarray(tsne.fit_transform(_without_unit(features)))


def _tsne_from(features: np.ndarray, points: np.ndarray) -> np.ndarray:
    # Without exaggeration, which would tear the clusters apart anew.
    perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init=points.astype(np.float32), early_exaggeration=1.0, max_iter=250)
    return np.asarray(tsne.fit_transform(features), dtype=np.float64)


def _umap(features: np.ndarray) -> np.ndarray:
    from umap import UMAP  # slow to import: only a worker that draws UMAP pays for it

    if len(features) < 4:  # too few for UMAP's graph of neighbors
        return _pca(features)
    umap = UMAP(n_neighbors=min(15, len(features) - 1), random_state=SEED, n_jobs=1)
    return np.asarray(umap.fit_transform(_without_unit(features)))


def _umap_from(features: np.ndarray, points: np.ndarray) -> np.ndarray:
    from umap import UMAP

    if len(features) < 4:
        return _pca(features)
    neighbors = min(15, len(features) - 1)
    begun = points.astype(np.float32)
    umap = UMAP(
        n_neighbors=neighbors, init=begun, n_epochs=50, learning_rate=0.3, random_state=SEED, n_jobs=1
    )  # slowly, else its draws shake the picture
    return np.asarray(umap.fit_transform(features), dtype=np.float64)


def _without_unit(features: np.ndarray) -> np.ndarray:
    """Features of at most 1: t-SNE and UMAP square them in float32, where 1e-30 vanishes and 1e30 overflows."""
    return np.asarray(features / np.abs(features).max())


PROJECTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}

SEQUENCE_PROJECTORS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "tsne": _tsne_from,
    "umap": _umap_from,
}
