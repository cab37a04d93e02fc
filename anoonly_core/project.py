"""Pictures of many dimensions: PCA, t-SNE and UMAP of hidden or input features.

Distances between clusters mean little in t-SNE and UMAP.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

__all__ = ["PROJECTORS", "project", "scaled_inputs"]

SEED = 0


def project(features: np.ndarray, projector: str) -> np.ndarray:
    """Points [rows, 2] of features [rows, columns] by one of PROJECTORS; the same ones every time."""
    exact = features.astype(np.float64)
    if (exact == exact[0]).all():  # t-SNE crashes the process on rows that are all alike
        return np.zeros((len(exact), 2), dtype=np.float32)
    centred: np.ndarray = exact - exact.mean(axis=0)
    if centred.shape[1] == 1:
        centred = np.hstack([centred, np.zeros_like(centred)])
    return np.asarray(PROJECTORS[projector](centred), dtype=np.float32)


def scaled_inputs(X: np.ndarray, minimum: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Input rows [rows, columns] as the network saw them."""
    return np.asarray((X - minimum) / scale)


def _pca(features: np.ndarray) -> np.ndarray:
    points = PCA(n_components=2, svd_solver="full").fit_transform(features)
    # The sign of an axis is arbitrary: point it to where the longer tail is, so that it does not flip about.
    return np.asarray(points * np.where((points**3).sum(axis=0) < 0, -1.0, 1.0))


def _tsne(features: np.ndarray) -> np.ndarray:
    perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
    return np.asarray(tsne.fit_transform(_without_unit(features)))


def _umap(features: np.ndarray) -> np.ndarray:
    from umap import UMAP  # slow to import: only a worker that draws UMAP pays for it

    if len(features) < 4:  # too few for UMAP's graph of neighbours
        return _pca(features)
    umap = UMAP(n_neighbors=min(15, len(features) - 1), random_state=SEED, n_jobs=1)
    return np.asarray(umap.fit_transform(_without_unit(features)))


def _without_unit(features: np.ndarray) -> np.ndarray:
    """Features of at most 1: t-SNE and UMAP square them in float32, where 1e-30 vanishes and 1e30 overflows."""
    return np.asarray(features / np.abs(features).max())


PROJECTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}
