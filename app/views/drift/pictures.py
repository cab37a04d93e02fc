"""Pictures of the rows of each batch of a stream, for the player."""

from __future__ import annotations

import numpy as np

from anoonly_core.data.feature_files import Previews
from anoonly_core.data.row_names import snippet
from anoonly_core.drift.result import DriftResult

from ...charts.animation import Pictures, RowPreviews
from ...charts.pictures import small_pictures
from .view import StreamView, way_index

__all__ = ["batch_pictures", "batch_previews"]

ACROSS = 30
LEAST, MAX_PREVIEWS = 8, 900  # pictures of a batch, and of all batches
TEXTS, MAX_TEXT = 5, 140  # rows of a batch that are shown, characters of each
MAX_BYTES = 600_000  # of all pictures that a page sends


def batch_pictures(
    result: DriftResult, view: StreamView, features: np.ndarray, image_shape: tuple[int, int], span: tuple[float, float]
) -> Pictures:
    """Return pictures of the rows of each batch with the highest scores under the chosen way, in order of the score.

    Anomalies are framed, and rows at or below the threshold are pale.

    Parameters
    ----------
    result : DriftResult
        The stream of the first seed.
    view : StreamView
        The chosen way and threshold.
    features : float [B, n, columns]
        Shifted features of the rows.
    image_shape : (int, int)
        Height and width of a picture.
    span : (float, float)
        Features that are drawn black and white.
    """
    batches, rows = result.rows.shape
    count = max(1, min(rows, ACROSS, MAX_BYTES // (batches * features.shape[2])))
    way = way_index(view.way)
    scores = result.scores[way]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    threshold = result.thresholds(view.recalibrated)[way]
    low, high = span
    chosen = np.take_along_axis(features, order[:, :, None], axis=1)
    pixels = np.clip(255 * (chosen - low) / max(high - low, 1e-9), 0, 255).astype(np.uint8)
    framed = np.take_along_axis(result.anomalous, order, axis=1)
    return Pictures(
        pixels=pixels.reshape(batches, count, *image_shape),
        framed=framed,
        pale=np.take_along_axis(scores, order, axis=1) <= threshold[:, None],
        texts=tuple(_description("Pictures", count, of_batch) for of_batch in framed),
    )


def batch_previews(result: DriftResult, view: StreamView, row_ids: np.ndarray, previews: Previews) -> RowPreviews:
    """Return the pictures or words of the rows of each batch with the highest scores, in order of the score.

    They are those of the raw rows, which no shift moves. The parameters are those of `batch_pictures`; `row_ids`, int64
    [B, n], are the ids of the rows of the stream.
    """
    batches, rows = result.rows.shape
    is_image = previews.kind == "image"
    count = min(rows, max(LEAST, min(ACROSS, MAX_PREVIEWS // batches)) if is_image else TEXTS)
    way = way_index(view.way)
    scores = result.scores[way]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    shown = np.take_along_axis(row_ids, order, axis=1)
    held = [
        row for row in dict.fromkeys(shown.T.ravel().tolist()) if row in previews
    ]  # the highest of each batch first
    words = (snippet(text, MAX_TEXT) for text in ([] if is_image else previews.texts(held)))
    framed = np.take_along_axis(result.anomalous, order, axis=1)
    threshold = result.thresholds(view.recalibrated)[way]
    return RowPreviews(
        kind=previews.kind,
        rows=small_pictures(previews, held) if is_image else dict(zip(held, words, strict=True)),
        moments=shown,
        framed=framed,
        pale=np.take_along_axis(scores, order, axis=1) <= threshold[:, None],
        texts=tuple(_description("Pictures" if is_image else "Texts", count, of_batch) for of_batch in framed),
    )


def _description(shown: str, count: int, framed: np.ndarray) -> str:
    ranks = ", ".join(str(rank) for rank in np.flatnonzero(framed) + 1) or "none"
    return f"{shown} of the {count} rows with the highest scores, in order; ranks of anomalies: {ranks}."
