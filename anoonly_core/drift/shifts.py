"""The shifts of a stream by name: how rows, or the choice of rows, change with the intensity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import InvalidConfig
from anoonly_core.rng import numpy_generator

__all__ = ["SHIFTS", "Population", "Shift", "ShiftContext", "fitting_shifts"]

PRINCIPAL_ROWS = 2000
HALF = 0.5
QUARTER_TURN = np.pi / 2
PICTURE_TURN = 30.0  # degrees of a picture at intensity 1


@dataclass(frozen=True, eq=False)
class ShiftContext:
    """Training rows of a network, from which a shift takes its units and directions.

    Attributes
    ----------
    rows : float [n, columns]
        Distinct training rows before scaling, missing values filled.
    seed : int
        Seed of the random directions; they are the same for all batches.
    image_shape : (int, int) or None
        Height and width if each row is a gray image.
    """

    rows: np.ndarray
    seed: int
    image_shape: tuple[int, int] | None = None

    @property
    def columns(self) -> int:
        """Number of features."""
        return int(self.rows.shape[1])

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of each feature, float64 [columns]."""
        return np.asarray(self.rows.mean(axis=0, dtype=np.float64))

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each feature, float64 [columns]; 0 for a constant one."""
        return np.asarray(self.rows.std(axis=0, dtype=np.float64))

    @cached_property
    def median(self) -> np.ndarray:
        """Median of each feature, float64 [columns]."""
        return np.asarray(np.median(self.rows.astype(np.float64), axis=0))

    @cached_property
    def principal(self) -> np.ndarray:
        """First principal direction of the standardized features times its deviation, float64 [columns].

        The sign is such that the largest entry is positive.
        """
        few = self.generator("principal").permutation(len(self.rows))[:PRINCIPAL_ROWS]
        standardized = self.standardize(self.rows[few])
        _, lengths, directions = np.linalg.svd(standardized - standardized.mean(axis=0), full_matrices=False)
        first = directions[0] * np.sign(directions[0][np.abs(directions[0]).argmax()])
        return np.asarray(first * lengths[0] / np.sqrt(len(few)))

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a new generator for a purpose; equal purposes give equal numbers."""
        return numpy_generator(self.seed, f"shift {purpose}")

    def standardize(self, X: np.ndarray) -> np.ndarray:
        """Return rows in deviations from the mean of the training rows, float64; 0 for a constant feature."""
        return np.asarray((X - self.mean) / np.where(self.deviation > 0, self.deviation, np.inf))


@dataclass(frozen=True)
class Population:
    """Composition of a batch.

    Attributes
    ----------
    anomaly_share : float
        Share of anomalies.
    arriving_normals : float
        Share of the class of normal rows that leaves which the arriving class has replaced.
    arriving_anomalies : float
        Share of the anomalies that are of the arriving type.
    """

    anomaly_share: float
    arriving_normals: float = 0.0
    arriving_anomalies: float = 0.0


Transform = Callable[[np.ndarray, float, ShiftContext, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Shift:
    """A kind of change of a stream.

    Attributes
    ----------
    label : str
        Name on pages, of at most four words.
    summary : str
        One sentence: what changes at intensity 1.
    unit : str
        Unit of the intensity; "" for a shift without one.
    default, most : float
        Amount where none is given, and the largest amount.
    needs : str
        Property that a data set must have: "", "images", "classes", "types" or "times".
    transform : callable or None
        Maps rows, float64 [n, columns] before scaling, intensity, context and the generator of the batch to shifted
        rows. None if the rows stay.
    population : callable
        Maps the share of anomalies of the stream and the intensity to the composition of a batch.
    """

    label: str
    summary: str
    unit: str
    default: float = 1.0
    most: float = 10.0
    needs: str = ""
    transform: Transform | None = None
    population: Callable[[float, float], Population] = lambda share, intensity: Population(share)

    def apply(
        self, X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator
    ) -> np.ndarray:
        """Return shifted rows of the shape and dtype of X [n, columns]; X itself at intensity 0."""
        if self.transform is None or intensity == 0:
            return X
        return np.asarray(self.transform(X.astype(np.float64), float(intensity), context, generator), dtype=X.dtype)

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidConfig if a data set lacks what this shift needs."""
        if not _has(dataset, self.needs):
            raise InvalidConfig(f"The shift {self.label!r} does not fit {dataset.name}: it needs {_NEEDS[self.needs]}.")


_NEEDS = {
    "images": "rows that are pictures, such as digits",
    "classes": "several classes of normal rows or of anomalies",
    "types": "several types of anomaly, such as digits_low",
    "times": "a table with a time column, named by time=COLUMN",
}


def _has(dataset: Dataset, needs: str) -> bool:
    if needs == "images":
        return dataset.image_shape is not None and dataset.columns == np.prod(dataset.image_shape)
    if needs == "classes":
        return dataset.classes is not None and (
            dataset.types is not None or len(np.unique(dataset.classes[(dataset.y == 0) & dataset.known])) > 1
        )
    if needs == "types":
        return dataset.types is not None
    return not needs or dataset.split_keys.times is not None


def fitting_shifts(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the shifts that fit a data set, in the order of SHIFTS."""
    return tuple(name for name, shift in SHIFTS.items() if _has(dataset, shift.needs))


def _mean(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    direction = context.generator("mean").normal(size=context.columns)
    direction *= np.sqrt(context.columns) / np.linalg.norm(direction)
    return np.asarray(X + intensity * direction * context.deviation)


def _principal(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(X + intensity * context.principal * context.deviation)


def _scale(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    signs = np.resize([1.0, -1.0], context.columns)
    factor = 2.0 ** (intensity * context.generator("scale").permutation(signs))
    return np.asarray(context.mean + (X - context.mean) * factor)


def _rotation(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    """Rotate standardized features in random planes of two; an odd feature and constant features stay."""
    varying = np.flatnonzero(context.deviation > 0)
    order = context.generator("rotation").permutation(varying)
    left, right = order[: len(order) // 2], order[len(order) // 2 : 2 * (len(order) // 2)]
    z, angle = context.standardize(X), intensity * QUARTER_TURN
    a, b = z[:, left], z[:, right]
    turned = X.copy()
    turned[:, left] = context.mean[left] + context.deviation[left] * (a * np.cos(angle) - b * np.sin(angle))
    turned[:, right] = context.mean[right] + context.deviation[right] * (a * np.sin(angle) + b * np.cos(angle))
    return turned


def _noise(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(X + intensity * context.deviation * generator.normal(size=X.shape))


def _missing(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    failed = context.generator("missing").permutation(context.columns)[: round(intensity * context.columns)]
    X = X.copy()
    X[:, failed] = context.median[failed]
    return X


def _pictures(X: np.ndarray, context: ShiftContext) -> np.ndarray:
    assert context.image_shape is not None
    return np.asarray(X.reshape(len(X), *context.image_shape))


def _picture_shift(
    X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator
) -> np.ndarray:
    from scipy.ndimage import shift  # only now: the server lists the shifts without SciPy

    return np.asarray(shift(_pictures(X, context), (0, 0, intensity), order=1, mode="grid-constant").reshape(X.shape))


def _picture_rotation(
    X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator
) -> np.ndarray:
    from scipy.ndimage import rotate  # see _picture_shift

    angle = intensity * PICTURE_TURN
    return np.asarray(
        rotate(_pictures(X, context), angle, axes=(1, 2), reshape=False, order=1, mode="grid-constant").reshape(X.shape)
    )


def _contrast(X: np.ndarray, intensity: float, context: ShiftContext, generator: np.random.Generator) -> np.ndarray:
    middle = (context.rows.min() + context.rows.max()) / 2
    return np.asarray(middle + (X - middle) * HALF**intensity)


def _more_anomalies(share: float, intensity: float) -> Population:
    return Population(share + intensity * max(HALF - share, 0.0))


SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "mean": Shift(
            "Mean, random direction",
            "Every feature moves along one random direction, by one of its deviations in root mean square.",
            "deviations",
            transform=_mean,
        ),
        "principal": Shift(
            "Mean, principal direction",
            "Every row moves by one deviation along the first principal direction of the training rows.",
            "deviations",
            transform=_principal,
        ),
        "scale": Shift(
            "Scale",
            "The deviation of half of the features doubles, and that of the others halves.",
            "doublings",
            most=5,
            transform=_scale,
        ),
        "rotation": Shift(
            "Rotation", "Random pairs of features turn by a quarter.", "quarter turns", 0.5, 4, transform=_rotation
        ),
        "noise": Shift("Noise", "Every feature gets noise of one of its deviations.", "deviations", transform=_noise),
        "missing": Shift(
            "Missing sensors",
            "All features fail, in a random order, and read their median in training.",
            "share of features",
            0.3,
            1,
            transform=_missing,
        ),
        "mixture": Shift(
            "Normal classes",
            "One normal class leaves; a type of anomaly, or another normal class if there is one type, takes its place "
            "and counts as normal.",
            "share replaced",
            1,
            1,
            "classes",
            population=lambda share, intensity: Population(share, arriving_normals=intensity),
        ),
        "share": Shift(
            "Share of anomalies",
            "Half of the rows are anomalies.",
            "share of the way to half",
            0.5,
            1,
            population=_more_anomalies,
        ),
        "new_type": Shift(
            "New type of anomaly",
            "All anomalies are of a type that the stream lacked before, one that the training lacks if there is one.",
            "share of anomalies",
            1,
            1,
            "types",
            population=lambda share, intensity: Population(share, arriving_anomalies=intensity),
        ),
        "picture_shift": Shift(
            "Picture shift", "Every picture moves right by a pixel.", "pixels", 1, 8, "images", _picture_shift
        ),
        "picture_rotation": Shift(
            "Picture rotation", "Every picture turns by 30°.", "turns of 30°", 1, 6, "images", _picture_rotation
        ),
        "contrast": Shift("Contrast", "The contrast halves.", "halvings", 1, 6, "images", _contrast),
        "order": Shift(
            "Real order", "Rows come in the order of their time column; nothing is added.", "", 0, 0, "times"
        ),
    }
)
