"""The stream of a DriftConfig: batches of unseen rows under a shift, and rows for thresholds; free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anoonly_core.data.dataset import NO_KEY, Dataset
from anoonly_core.data.labels import types_in_order
from anoonly_core.data.split import Split
from anoonly_core.decision.conformal import rank_of_level
from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.shifts import SHIFTS, Population, ShiftContext
from anoonly_core.errors import InvalidConfig
from anoonly_core.rng import numpy_generator

__all__ = ["CALIBRATION_SHARE", "MAX_VALUES", "Stream", "batch_features", "make_stream", "shift_context"]

MAX_VALUES = 2**23  # features of a stream: 1000 batches of 131 rows with 64 columns
CALIBRATION_SHARE = 1 / 3  # of the normal test rows, or of the first test rows in real order


@dataclass(frozen=True, eq=False)
class Stream:
    """Batches of test rows under a shift, and the rows that the promised threshold comes from.

    Attributes
    ----------
    rows : int64 [B, n]
        Row indices in the data set. They return, each after all others of its kind, where the test rows are too few.
    anomalous : bool [B, n]
        Rows that count as anomalies.
    X : float [B, n, columns]
        Shifted features before scaling, missing values filled, in the dtype of the data set.
    intensity : float32 [B]
        Intensity of the shift.
    calibration : int64 [m]
        Normal test rows, in random order, that are not in the stream.
    """

    rows: np.ndarray
    anomalous: np.ndarray
    X: np.ndarray
    intensity: np.ndarray
    calibration: np.ndarray


def make_stream(dataset: Dataset, split: Split, config: DriftConfig) -> Stream:
    """Draw the stream of a config from the test rows of its split; equal arguments give equal streams.

    Raises
    ------
    InvalidConfig
        If the shift does not fit the data set, the test rows are too few, or the stream has more than MAX_VALUES
        features.
    """
    SHIFTS[config.shift].check(dataset)
    if (most := MAX_VALUES // (config.rows * dataset.columns)) < config.batches:
        raise InvalidConfig(
            f"With {dataset.columns} columns a stream has at most {most} batches of {config.rows} rows, not "
            f"{config.batches}: take fewer batches or rows."
        )
    draw = _in_order if config.shift == "order" else _drawn
    rows, anomalous, calibration = draw(dataset, split, config)
    if not rank_of_level(len(calibration), config.level):
        raise InvalidConfig(
            f"A false-alarm rate of {config.level:.3g} needs {int(np.ceil(1 / config.level)) - 1} normal test rows "
            f"beside the stream, and {dataset.name} has {len(calibration)}: raise level."
        )
    context, intensity = shift_context(dataset, split, config), config.intensity(len(rows))
    batches = [batch_features(dataset, split, config, of_batch, batch, context) for batch, of_batch in enumerate(rows)]
    return Stream(rows, anomalous, np.stack(batches), intensity, calibration)


def shift_context(dataset: Dataset, split: Split, config: DriftConfig) -> ShiftContext:
    """Return what the shift of a config knows of the training rows of its split."""
    return ShiftContext(split.filled(dataset, np.unique(split.train)), config.run.seed, dataset.image_shape)


def batch_features(
    dataset: Dataset,
    split: Split,
    config: DriftConfig,
    rows: np.ndarray,
    batch: int,
    context: ShiftContext | None = None,
) -> np.ndarray:
    """Return the shifted features of a batch before scaling, [n, columns] in the dtype of the data set.

    Parameters
    ----------
    dataset, split, config
        Data set and split of the run of the config.
    rows : int64 [n]
        Rows of the batch, such as `DriftResult.rows[batch]`.
    batch : int
        Number of the batch in the stream, from 0.
    context : ShiftContext or None
        That of `shift_context`, if it is at hand.
    """
    intensity = float(config.intensity(batch + 1)[batch])
    noise = numpy_generator(config.run.seed, f"drift batch {batch}")
    context = shift_context(dataset, split, config) if context is None else context
    return SHIFTS[config.shift].apply(split.filled(dataset, rows), intensity, context, noise)


def _unseen(split: Split) -> np.ndarray:
    """Return the test rows that training lacks, each once, ascending; the published protocol repeats rows."""
    return np.setdiff1d(split.test, split.train)


def _in_order(dataset: Dataset, split: Split, config: DriftConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and mask of the anomalies, [B, n] each, in order of time, and the calibration rows before them."""
    times = dataset.split_keys.times
    assert times is not None
    unseen = _unseen(split)
    timed = unseen[times[unseen] != NO_KEY]
    ordered = timed[np.argsort(times[timed], kind="stable")]
    first = round(CALIBRATION_SHARE * len(ordered))
    batches = min(config.batches, (len(ordered) - first) // config.rows)
    if batches < 2:
        raise InvalidConfig(
            f"The {len(ordered) - first} latest rows of {dataset.name} fill {batches} batches of {config.rows} rows, "
            "and a stream needs 2: take fewer rows a batch."
        )
    rows = ordered[first : first + batches * config.rows].reshape(batches, config.rows)
    earlier = ordered[:first]
    calibration = numpy_generator(config.run.seed, "drift calibration").permutation(earlier[dataset.y[earlier] == 0])
    return rows, dataset.y[rows] == 1, calibration


def _drawn(dataset: Dataset, split: Split, config: DriftConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and mask of the anomalies, [B, n] each, drawn batch by batch, and the calibration rows."""
    seed = config.run.seed
    unseen = _unseen(split)
    normals = numpy_generator(seed, "drift calibration").permutation(unseen[dataset.y[unseen] == 0])
    first = round(CALIBRATION_SHARE * len(normals))
    source = _Source(dataset, split, config, normals[first:])
    composed = [SHIFTS[config.shift].population(config.anomaly_share, level) for level in config.intensity().tolist()]
    wanted = np.floor(np.cumsum([part.anomaly_share for part in composed]) * config.rows + 0.5).astype(np.int64)
    batches = [
        source.draw(part, int(count), config.rows - int(count), batch)
        for batch, (part, count) in enumerate(zip(composed, np.diff(wanted, prepend=0), strict=True))
    ]
    rows, anomalous = (np.stack(parts) for parts in zip(*batches, strict=True))
    return rows, anomalous, normals[:first]


class _Source:
    """Decks of the rows of a stream by kind, from which batches are drawn."""

    def __init__(self, dataset: Dataset, split: Split, config: DriftConfig, normals: np.ndarray) -> None:
        self._seed = config.run.seed
        anomalies = _unseen(split)
        anomalies = anomalies[dataset.y[anomalies] == 1]
        arriving = np.zeros(0, dtype=np.int64)
        self._leaving = np.zeros(0, dtype=np.int64)
        if config.shift in ("mixture", "new_type") and dataset.types is not None:
            is_arriving = dataset.types[anomalies] == types_in_order(dataset, self._seed)[0]
            arriving, anomalies = anomalies[is_arriving], anomalies[~is_arriving]
        if config.shift == "mixture":
            assert dataset.classes is not None
            classes = numpy_generator(self._seed, "drift classes").permutation(np.unique(dataset.classes[normals]))
            self._leaving = normals[dataset.classes[normals] == classes[0]]
            if dataset.types is None:
                arriving = normals[dataset.classes[normals] == classes[-1]]
        kinds = {"normal": normals, "anomalous": anomalies, "arriving": arriving}
        generators = (numpy_generator(self._seed, f"drift {name}") for name in kinds)
        self._decks = {name: _Deck(rows, rng) for (name, rows), rng in zip(kinds.items(), generators, strict=True)}
        needs_arriving = config.shift in ("mixture", "new_type")
        for name, is_needed in (("normal", True), ("anomalous", True), ("arriving", needs_arriving)):
            if is_needed and not len(kinds[name]):
                raise InvalidConfig(f"The test part of {dataset.name} has no {name} rows left for a stream.")

    def draw(self, part: Population, anomalies: int, normals: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a batch in random order, int64 [n], and the mask of its anomalies, bool [n]."""
        generator = numpy_generator(self._seed, f"drift order {batch}")
        normal, anomalous = self._decks["normal"].draw(normals), self._decks["anomalous"].draw(anomalies)
        order = generator.permutation(normals + anomalies)
        replaced = np.isin(normal, self._leaving) & (generator.random(normals) < part.arriving_normals)
        normal[replaced] = self._decks["arriving"].draw(int(replaced.sum()))
        replaced = generator.random(anomalies) < part.arriving_anomalies
        anomalous[replaced] = self._decks["arriving"].draw(int(replaced.sum()))
        rows = np.concatenate([normal, anomalous])
        return rows[order], (np.arange(len(rows)) >= normals)[order]


class _Deck:
    """Rows in random order; when all are drawn they are shuffled again."""

    def __init__(self, rows: np.ndarray, generator: np.random.Generator) -> None:
        self._rows, self._generator = rows, generator
        self._left = rows[:0]

    def draw(self, count: int) -> np.ndarray:
        """Return the next rows, int64 [count]; no row twice unless there are fewer than `count`."""
        drawn = self._left[:count]
        self._left = self._left[count:]
        while len(drawn) < count:
            shuffled = self._generator.permutation(self._rows)
            fresh = np.concatenate([shuffled[~np.isin(shuffled, drawn)], shuffled[np.isin(shuffled, drawn)]])
            missing = count - len(drawn)
            drawn, self._left = np.concatenate([drawn, fresh[:missing]]), fresh[missing:]
        return drawn.copy()
