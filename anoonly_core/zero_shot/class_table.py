"""Tables of several classes for zero-shot detection: digits, the MVTec-AD products, any file with a class column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.dataset import MAX_ABS, Provenance, as_features
from anoonly_core.data.feature_files import Previews, read_previews
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.columns import list_names, to_labels
from anoonly_core.data.tables.features import build_features
from anoonly_core.data.tables.files import check_file, printable
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import find_label_column
from anoonly_core.data.tables.uri import file_identity, file_provenance, is_file_uri, parse_uri
from anoonly_core.errors import AnoOnlyError, BadDataFile, DatasetUnavailable, UnknownDataset
from anoonly_core.lru import LRU

__all__ = ["CLASS_TABLES", "ClassTable", "class_table_identity", "load_class_table"]

MEDIANS = ":train-medians"  # in the identity of a table whose missing values earlier versions replaced beforehand
PRODUCTS, FOLDER = "MVTec-AD", "CV_by_ResNet18"
MAX_CLASSES = 1000


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Table of rows of several classes, any of which can be the normal one.

    Attributes
    ----------
    name : str
        Name on pages and in sentences.
    X : float32 or float64 [rows, columns]
        Features, finite, or NaN for a missing value; float64 if `needs_float64`.
    classes : int64 [rows]
        Class of each row, an index in `names`.
    anomalous : bool [rows]
        Rows that are anomalies of their class, such as defects of a product; never trained on.
    names : tuple of str
        Names of the classes.
    provenance : Provenance
        Source and license.
    image_shape : (int, int) or None
        Height and width if each row is a gray image.
    row_ids : int64 [rows] or None
        Index of each row in its source; None if that is the index here.
    previews : Previews or None
        Name and picture or text of each row by its id, for features of images or texts.
    """

    name: str
    X: np.ndarray
    classes: np.ndarray
    anomalous: np.ndarray
    names: tuple[str, ...]
    provenance: Provenance
    image_shape: tuple[int, int] | None = None
    row_ids: np.ndarray | None = None
    previews: Previews | None = None

    def rows_of(self, name: str, anomalous: bool = False) -> np.ndarray:
        """Return the row indices of a class, given by name, int64 [n] ascending.

        These are its normal rows, or its anomalies if `anomalous` is true.
        """
        return np.flatnonzero((self.classes == self.names.index(name)) & (self.anomalous == anomalous))

    @property
    def has_class_anomalies(self) -> bool:
        """True if every class has anomalies of its own, such as defects of a product."""
        return bool(np.isin(np.arange(len(self.names)), self.classes[self.anomalous]).all())


@dataclass(frozen=True)
class _Entry:
    load: Callable[[], ClassTable]
    identity: Callable[[], str]


def _digits() -> ClassTable:
    from sklearn.datasets import load_digits  # only now: scikit-learn takes long to load

    X, digits = load_digits(return_X_y=True)
    source = Provenance(
        "scikit-learn's digits: 1797 scanned digits of 8 × 8 pixels, from the UCI repository", "CC BY 4.0"
    )
    return _make("digits", X, digits, np.zeros(len(X), dtype=bool), tuple("0123456789"), source, (8, 8))


def _products_at_hand() -> list[adbench.ManifestEntry]:
    entries = [
        entry
        for entry in adbench.manifest().values()
        if entry.name.startswith(f"{PRODUCTS}_") and entry.folder == FOLDER
    ]
    found = [entry for entry in entries if adbench.is_local(entry)]
    if len(found) < 3:
        raise DatasetUnavailable(
            f"{len(found)} of {PRODUCTS}'s {len(entries)} products are on this machine, and zero-shot detection needs "
            f"three or more: fetch them first, such as with `fetch {' '.join(entry.name for entry in entries[:3])}`."
        )
    return found


def _products() -> ClassTable:
    """Build the table of the MVTec-AD products on this machine: a class per product, its defects as anomalies.

    Raise DatasetUnavailable if fewer than three are on this machine.
    """
    entries = _products_at_hand()
    tables = [adbench.load_arrays(entry) for entry in entries]
    return _make(
        PRODUCTS,
        np.concatenate([X for X, _ in tables]),
        np.repeat(np.arange(len(tables)), [len(X) for X, _ in tables]),
        np.concatenate([y.ravel() == 1 for _, y in tables]),
        tuple(entry.name.removeprefix(f"{PRODUCTS}_") for entry in entries),
        Provenance(
            "github.com/Minqi824/ADBench", "BSD 2-clause", f"{len(entries)} products at hand, ResNet-18 features"
        ),
    )


CLASS_TABLES = MappingProxyType(
    {
        "digits": _Entry(_digits, lambda: "bundled:digits:1"),
        PRODUCTS: _Entry(_products, lambda: ",".join(entry.git_blob_sha1 for entry in _products_at_hand())),
    }
)


def class_table_identity(name: str, column: str | None = None) -> str:
    """Return a text for store keys that changes whenever the rows of a class table would.

    `name` is a key of CLASS_TABLES, an upload or a file URI; `column` names the column of the class in a file, None
    the usual one. Raise an AnoOnlyError if there is no such table.
    """
    if name in CLASS_TABLES:
        return CLASS_TABLES[name].identity()
    if (table := uploads.find(name)) is not None:
        return table.identity
    _check_path(name)
    identity = f"{file_identity(*parse_uri(name))}:{column}"
    if (has_missing := _has_missing.get(identity)) is None:
        try:
            has_missing = bool(np.isnan(load_class_table(name, column).X).any())
        except AnoOnlyError:  # perhaps for a moment only, so it is not remembered
            return identity
        _has_missing.put(identity, has_missing)
    return f"{identity}{MEDIANS}" if has_missing else identity


_has_missing: LRU[bool] = LRU(64)


def load_class_table(name: str, column: str | None = None) -> ClassTable:
    """Load a table whose rows have a class each, from a bundled table, an upload or a file.

    Parameters
    ----------
    name : str
        A key of CLASS_TABLES, the name of an upload, or a file URI: a path, optionally followed by ``?key=value&…``.
    column : str or None
        Column of the file with the class. None: the `label` of the file URI, else a column with a usual label name. An
        upload ignores this parameter and takes its label column.

    Returns
    -------
    ClassTable
        The table; rows of a file without a class are left out.

    Raises
    ------
    UnknownDataset, DatasetUnavailable
        If nothing has this name, or fewer than three products of MVTec-AD are on this machine.
    InvalidConfig, BadDataFile
        If the file URI, the table or the number of its classes does not fit.
    """
    if name in CLASS_TABLES:
        return CLASS_TABLES[name].load()
    if (table := uploads.find(name)) is not None:
        read = uploads.load(table)
        class_table = _of_words(table.name, read.X, read.labels, uploads.provenance(table))
        return _with_previews(class_table, read.file_rows, read.labels, uploads.previews(table))
    _check_path(name)
    path, reading = parse_uri(name)
    frame = read_table(path, None, reading.read_options)
    label = column or find_label_column(frame, reading)
    if not label:
        raise BadDataFile(
            f"{printable(path)} has no column for the class yet: "
            f"name one of {list_names(list(map(str, frame.columns)))}."
        )
    features = build_features(frame, reading, label, printable(path))  # a missing number stays NaN
    X, labels = features.X, to_labels(frame[label])[features.kept]
    class_table = _of_words(printable(path.name), X, labels, file_provenance(path))
    return _with_previews(class_table, np.flatnonzero(features.kept), labels, read_previews(path))


def _with_previews(
    table: ClassTable, file_rows: np.ndarray, labels: np.ndarray, previews: Previews | None
) -> ClassTable:
    """Add the ids and previews of the rows that have a class; `file_rows` and `labels` are those of all rows."""
    return replace(table, row_ids=file_rows[labels != ""].astype(np.int64), previews=previews)


def _of_words(shown: str, X: np.ndarray, labels: np.ndarray, source: Provenance) -> ClassTable:
    """Build a class table from features X [rows, columns] and the name of the class of each row, "" if it has none.

    Rows without a class are left out. Raise BadDataFile unless there are 3 to MAX_CLASSES classes.

    Parameters
    ----------
    shown : str
        Name of the table.
    X : [rows, columns]
        Features.
    labels : object [rows]
        Names of the classes.
    source : Provenance
        Source and license.
    """
    there = labels != ""
    names, classes = np.unique(labels[there].astype(str), return_inverse=True)
    if not 3 <= len(names) <= MAX_CLASSES:
        raise BadDataFile(
            f"{shown} has {len(names)} classes; zero-shot detection trains on two or more and tests on another, and "
            f"takes {MAX_CLASSES} at most."
        )
    return _make(shown, X[there], classes, np.zeros(there.sum(), dtype=bool), tuple(map(str, names)), source)


def _check_path(name: str) -> None:
    if not is_file_uri(name):
        raise UnknownDataset(
            f"There is no table of several classes called {name[:60]!r}: give {', '.join(CLASS_TABLES)} or a file."
        )
    check_file(parse_uri(name)[0])


def _make(
    name: str,
    X: np.ndarray,
    classes: np.ndarray,
    anomalous: np.ndarray,
    names: tuple[str, ...],
    provenance: Provenance,
    image_shape: tuple[int, int] | None = None,
) -> ClassTable:
    if X.ndim != 2 or X.shape[1] < 1 or X.dtype.kind not in "biuf":
        raise BadDataFile(f"{name}: the features must be a table of numbers, rows × columns.")
    if len(X) != len(classes):
        raise BadDataFile(f"{name}: it has {len(X)} rows of features but {len(classes)} classes.")
    features = as_features(X)
    lowest, highest = (bound.reduce(features, axis=None, initial=np.nan) for bound in (np.fmin, np.fmax))
    if not (lowest >= -MAX_ABS and highest <= MAX_ABS):  # False for NaN too
        raise BadDataFile(f"{name}: the features hold values that are infinite or over {MAX_ABS:g}, or none at all.")
    return ClassTable(name, features, classes.astype(np.int64), anomalous, names, provenance, image_shape)
