"""Labels of a training part: the rows that are labeled anomalous, and the pool.

Source: paper § 4.1 and § 4.6; docs/methods.md § 3 and 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import SplitImpossible
from anoonly_core.rng import numpy_generator

__all__ = ["draw_labels", "types_in_order"]


def draw_labels(
    dataset: Dataset, train_part: np.ndarray, config: RunConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, int]]:
    """Draw the rows of a training part that are labeled anomalous, and its pool; other rows are dropped.

    Parameters
    ----------
    dataset
        Data set that is split.
    train_part
        Indices of the rows of its training part, int64 [n].
    config
        Settings of labels, of unlabeled rows and of the pool, with the seed.

    Returns
    -------
    labeled, pool
        Positions in `train_part`, each position in one of both at most.
    known_normals
        Positions in `train_part` of the rows of the pool that are known to be normal.
    counts
        Number of rows with a known normal label, with a flipped label of either kind, and of unseen types, by name;
        without those that are 0.

    Raises
    ------
    SplitImpossible
        If the training part has too few rows or types of anomaly for the settings, or no anomaly is left for the pool.
    """
    part = _training_part(dataset, train_part, config)
    anomalies, normals = part.anomalies, part.normals
    labels, known, flipped_anomalies, flipped_normals = _label_numbers(part, config)
    labeled, unlabeled = anomalies[:labels], anomalies[labels:]
    kept = max(1, round(config.normal_ratio * len(normals)))
    known_normals, others = normals[:known], normals[known : len(normals) - flipped_normals][: max(0, kept - known)]
    if config.unlabeled_ratio < 1:
        others = others[: max(0 if known else 1, round(config.unlabeled_ratio * len(others)))]
        unlabeled = unlabeled[: round(config.unlabeled_ratio * len(unlabeled))]
    if config.contamination != "natural":
        unlabeled, others = _contaminate(unlabeled, others, float(config.contamination))
    unknown = part.unknown[: round(config.unlabeled_ratio * len(part.unknown))]
    right, wrong = labeled[: labels - flipped_anomalies], labeled[labels - flipped_anomalies :]
    wrongly_anomalous = normals[len(normals) - flipped_normals :]
    counts = {
        "known_normal": known,
        "flipped_anomalies": flipped_anomalies,
        "flipped_normal": flipped_normals,
        "unseen_anomalies": len(part.unseen),
    }
    return (
        np.concatenate([right, wrongly_anomalous]),
        np.concatenate([unlabeled, known_normals, others, wrong, unknown]),
        known_normals,
        {name: count for name, count in counts.items() if count},
    )


@dataclass(frozen=True, eq=False)
class _TrainingPart:
    """Rows of the training part by kind, as positions in it, each kind in the random order of the seed.

    anomalies and normals have a known label, unknown rows have none. unseen: anomalies of types that training lacks,
    which are not among `anomalies`.
    """

    anomalies: np.ndarray
    normals: np.ndarray
    unknown: np.ndarray
    unseen: np.ndarray


def _training_part(dataset: Dataset, train_part: np.ndarray, config: RunConfig) -> _TrainingPart:
    y, known = dataset.y[train_part], dataset.known[train_part]
    anomalies = numpy_generator(config.seed, "labels").permutation(np.flatnonzero(y == 1))
    normals = numpy_generator(config.seed, "normals").permutation(np.flatnonzero((y == 0) & known))
    unknown = np.flatnonzero(~known)
    if config.unlabeled_ratio < 1:
        unknown = numpy_generator(config.seed, "unknown").permutation(unknown)
    is_unseen = _is_unseen(dataset, train_part[anomalies], config)
    if is_unseen.all():
        raise SplitImpossible(f"No training anomaly of {dataset.name} is of a type that is seen: lower unseen_types.")
    return _TrainingPart(anomalies[~is_unseen], normals, unknown, anomalies[is_unseen])


def _label_numbers(part: _TrainingPart, config: RunConfig) -> tuple[int, int, int, int]:
    """Return the numbers of labeled anomalies, of known normal rows and of flipped labels of both kinds."""
    anomalies, normals = len(part.anomalies), len(part.normals)
    labels = config.labeled_anomalies or max(1, _ceil(config.labeled_ratio * anomalies))
    if labels > anomalies:
        raise SplitImpossible(
            f"The training part has only {anomalies} anomalies for {labels} labels: lower labeled_anomalies."
        )
    known = config.labeled_normals + _ceil(config.labeled_normal_ratio * labels)
    flipped_anomalies, flipped_normals = (
        _ceil(config.flipped_anomalies * labels),
        _ceil(config.flipped_normals * normals),
    )
    if known + flipped_normals > normals - (0 if known else 1):
        raise SplitImpossible(
            f"The training part has only {normals} normal rows for {known} known ones and {flipped_normals} flipped "
            "labels: lower labeled_normals, labeled_normal_ratio or flipped_normals."
        )
    if flipped_anomalies == labels and not flipped_normals:
        raise SplitImpossible("Every labeled anomaly is labeled normal, so none is left: lower flipped_anomalies.")
    return labels, known, flipped_anomalies, flipped_normals


def _ceil(number: float) -> int:
    """Round up, except for the error of floating-point numbers."""
    return math.ceil(round(number, 9))


def _is_unseen(dataset: Dataset, anomalies: np.ndarray, config: RunConfig) -> np.ndarray:
    """Draw by seed the types of anomaly that training lacks; return a mask of the rows that are of one, bool [n].

    `anomalies` are row indices in the data set, [n]. For one seed, a larger `unseen_types` of the config adds types to
    those of a smaller one. Raise SplitImpossible if the data set has no types, or not more than `unseen_types`.
    """
    if config.unseen_types == 0:
        return np.zeros(len(anomalies), dtype=bool)
    if dataset.types is None:
        raise SplitImpossible(
            f"{dataset.name} has no types of anomaly: set unseen_types to 0, or take a table with several classes as "
            "anomalies."
        )
    types = types_in_order(dataset, config.seed)
    if config.unseen_types >= len(types):
        raise SplitImpossible(
            f"{dataset.name} has {len(types)} types of anomaly: set unseen_types to {len(types) - 1} at most."
        )
    return np.isin(dataset.types[anomalies], types[: config.unseen_types])


def types_in_order(dataset: Dataset, seed: int) -> np.ndarray:
    """Return the types of anomaly of a data set that has types, in the order in which training comes to lack them."""
    assert dataset.types is not None
    return numpy_generator(seed, "types").permutation(int(dataset.types.max()) + 1)


def _contaminate(unlabeled: np.ndarray, normals: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Choose the rows of the pool so that `share` of them are anomalies.

    Parameters
    ----------
    unlabeled, normals
        Indices of the training anomalies without a label and of the normal training rows, in random order.
    share
        Share of anomalies in the pool, from 0 to 0.8.

    Returns
    -------
    anomalies, normals
        The first entries of `unlabeled` and of `normals`; normal rows are dropped only if there are too few
        anomalies for the share.

    Raises
    ------
    SplitImpossible
        If `share` is above 0 and `unlabeled` is empty.
    """
    if share == 0:
        return unlabeled[:0], normals
    wanted = round(len(normals) * share / (1 - share))
    if wanted <= len(unlabeled):
        return unlabeled[:wanted], normals
    if len(unlabeled) == 0:
        raise SplitImpossible(
            "Every training anomaly is labeled, so none is left to contaminate the pool: "
            "lower the labeled ratio or set the contamination to 0 or natural."
        )
    return unlabeled, normals[: max(1, round(len(unlabeled) * (1 - share) / share))]
