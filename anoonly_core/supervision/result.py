"""Record of the six runs, and its encoding as bytes; free of torch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from anoonly_core.results.archive import pack, read_head, unpack

__all__ = ["ColumnRecord", "SupervisionRecord", "from_bytes", "to_bytes"]

HALF_RANGE = 6e4  # float16 holds magnitudes up to 65504


@dataclass(frozen=True, eq=False)
class ColumnRecord:
    """One run at K epochs: m rows with scores, p of them on a map, and one batch of b rows in front of the last norm.

    The batch is the same at all epochs and in all columns. Its map has an axis along the push of the loss on the
    labeled anomalies; the other axis is the direction in which the rows spread most besides. Distances are in units
    of the root mean square distance of its pool rows from their mean, on this map.

    Attributes
    ----------
    scores : float32 [K, m]
        Anomaly scores.
    points : float32 [K, p, 2]
        Hidden features in the plane that all columns share.
    aucpr : float64 [K]
        AUCPR of the anomalies among all test rows.
    batch : float32 [K, b, 2]
        Rows of the batch in front of the last norm, on their map.
    pushes : float32 [K, q, 3, 2]
        Steepest descent by each part of the gradient, in the order of `microscope.result.PART_NAMES`, for q rows of
        the batch, along the axes of the map; not in its unit.
    lengths : float32 [K, q, 3]
        Length of each part over all features, so that its share on the map is known.
    """

    scores: np.ndarray
    points: np.ndarray
    aucpr: np.ndarray
    batch: np.ndarray
    pushes: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True, eq=False)
class SupervisionRecord:
    """The six runs at the same epochs.

    Attributes
    ----------
    key : str
        See `results.keys.supervision_key`.
    epochs : int64 [K]
        Recorded epochs; 0 is before the first step.
    rows, role : int64 [m], int8 [m]
        Row ids of the rows with scores, and the `results.result.Role` of each.
    plotted : int64 [p]
        Indices in `rows` of the rows on the maps of hidden features.
    batch_rows, batch_kind : int64 [b], int8 [b]
        Row ids of the batch, and the `microscope.result.RowKind` of each.
    pushed : int64 [q]
        Indices in `batch_rows` of the rows with arrows.
    location : str
        The norm in front of which the batch is drawn, in words.
    columns : tuple of ColumnRecord
        One per column, in the order of COLUMNS.
    """

    key: str
    epochs: np.ndarray
    rows: np.ndarray
    role: np.ndarray
    plotted: np.ndarray
    batch_rows: np.ndarray
    batch_kind: np.ndarray
    pushed: np.ndarray
    location: str
    columns: tuple[ColumnRecord, ...]


SHARED = tuple(field.name for field in fields(SupervisionRecord) if field.name not in ("key", "location", "columns"))
COLUMN_FIELDS = tuple(field.name for field in fields(ColumnRecord))
HALVED = ("points", "batch")  # positions on a chart need no more than three digits


def to_bytes(record: SupervisionRecord) -> bytes:
    """Encode a record as a compressed .npz archive of plain arrays; maps are rounded to float16 where they fit."""
    head = {"key": record.key, "location": record.location, "columns": len(record.columns)}
    arrays = {name: getattr(record, name) for name in SHARED}
    for number, column in enumerate(record.columns):
        arrays |= {f"{number}.{name}": _narrowed(name, getattr(column, name)) for name in COLUMN_FIELDS}
    return pack(arrays, head)


def from_bytes(body: bytes) -> SupervisionRecord:
    """Decode the bytes that `to_bytes` returned; raise ValueError, KeyError or the like if they are damaged."""
    arrays = unpack(body)
    head = read_head(arrays)
    return SupervisionRecord(
        key=head["key"],
        location=head["location"],
        **{name: arrays[name] for name in SHARED},
        columns=tuple(
            ColumnRecord(**{name: _widened(arrays[f"{number}.{name}"]) for name in COLUMN_FIELDS})
            for number in range(head["columns"])
        ),
    )


def _narrowed(name: str, values: np.ndarray) -> np.ndarray:
    fits = name in HALVED and np.abs(values).max(initial=0) < HALF_RANGE
    return values.astype(np.float16) if fits else values


def _widened(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float16 else values
