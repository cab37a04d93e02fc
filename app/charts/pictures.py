"""Small pictures and texts of rows, for tables, cards and charts."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.feature_files import PICTURE_TYPE, Previews
from anoonly_core.data.row_names import printable_text, snippet
from anoonly_core.files import file_state
from anoonly_core.lru import LRU

__all__ = [
    "MAX_ROW_IMAGES",
    "RowCell",
    "gallery",
    "has_cells",
    "preview_cell",
    "preview_columns",
    "preview_pictures",
    "row_cell",
    "row_columns",
    "row_image",
    "row_pictures",
    "small_pictures",
]

MAX_ROW_IMAGES = 100  # in one table
MAX_ROW_WORDS = 1000  # rows with words in one table
MAX_PICTURE = 2**16  # bytes of one picture that a page sends
MAX_TEXT = 10_000  # characters of a text on a card
MAX_NAME = 80  # characters
HOVER_WORDS = 140  # characters
HOVER_BYTES = 600_000  # of the pictures of all marks of a chart
HOVER_SIDE = 44  # pixels of a picture beside a mark, if the previews take more
MAX_SIDE = 1024  # pixels of a picture that is made smaller


@dataclass(frozen=True)
class RowCell:
    """Content of a row to show: its picture or its text, with its name.

    Attributes
    ----------
    row_id : int
        Its id in the data set.
    name : str
        Name of the raw row, in one printable line; "" for a row of a data set without previews.
    picture : str
        Data URL of its picture; "" for a text.
    text : str
        Its words as the user wrote them, without marks that cannot be printed; "" for a picture.
    """

    row_id: int
    name: str = ""
    picture: str = ""
    text: str = ""

    def card(self, width: int) -> str:
        """Return the row as HTML: its picture, `width` pixels wide, or its words, in which nothing is markup."""
        name = html.escape(self.name)
        if self.picture:
            caption = f"<figcaption>{name}</figcaption>" if name else ""
            image = f'<img src="{self.picture}" style="width:{width}px" alt="Row {self.row_id} as an image.">'
            return f'<figure class="row-card">{image}{caption}</figure>'
        words = html.escape(self.text) or "(no words)"
        return f'<div class="row-words"><p dir="auto" tabindex="0">{words}</p><small>{name}</small></div>'


def has_cells(dataset: Dataset) -> bool:
    """Return True if the rows of a data set show pictures or words."""
    return dataset.previews is not None or dataset.image_shape is not None


def row_cell(dataset: Dataset, row_id: int, size: int = 32) -> RowCell | None:
    """Return what a row shows; None if it has neither a preview nor pixels.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    row_id : int
        Id of the row in `Dataset.row_ids`.
    size : int
        Width in pixels of the picture of a row of pixels; a preview keeps its own size.
    """
    if (cell := preview_cell(dataset.previews, row_id)) is not None:
        return cell
    return None if dataset.image_shape is None else RowCell(row_id, picture=row_image(dataset, row_id, size))


def preview_cell(previews: Previews | None, row_id: int) -> RowCell | None:
    """Return what a row with a preview shows; None if there are no previews, or none of this row."""
    if previews is None or row_id not in previews:
        return None
    name = snippet(previews.name(row_id), MAX_NAME)
    if previews.kind == "image":
        return RowCell(row_id, name, picture=_data_url(previews.picture(row_id)))
    return RowCell(row_id, name, text=printable_text(previews.text(row_id)[:MAX_TEXT]))


def gallery(cells: Sequence[RowCell | None], framed: Sequence[bool]) -> str:
    """Return rows in order as HTML: small pictures, or lines of words in which nothing is markup.

    Parameters
    ----------
    cells : sequence of RowCell or None
        What each row shows; None is left out.
    framed : sequence of bool
        True for a row with an orange frame: an anomaly.
    """
    lines = []
    for cell, is_framed in zip(cells, framed, strict=True):
        if cell is None:
            continue
        mark, title = ' class="framed"' if is_framed else "", html.escape(f"row {cell.row_id} {cell.name}".strip())
        if cell.picture:
            lines.append(f'<img{mark} src="{cell.picture}" title="{title}" alt="{title}">')
        else:
            words = html.escape(snippet(cell.text, HOVER_WORDS))
            lines.append(f'<p{mark} dir="auto" title="{title}">{words}</p>')
    return f'<div class="row-gallery">{"".join(lines)}</div>'


def row_columns(dataset: Dataset, row_ids: Sequence[int]) -> dict[str, list[str | None]]:
    """Return columns for a table of rows: "picture" (data URLs), or "text", and "name"; {} if rows show nothing.

    The first `MAX_ROW_IMAGES` rows have pictures, and the first 1000 words, so that a page stays light.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    row_ids : sequence of int
        Ids of the rows of the table, in its order.
    """
    if dataset.previews is not None:
        return preview_columns(dataset.previews, row_ids)
    if dataset.image_shape is None:
        return {}
    pictures = [row_image(dataset, int(row)) for row in row_ids[:MAX_ROW_IMAGES]]
    return {"picture": [*pictures, *[None] * (len(row_ids) - len(pictures))]}


def preview_columns(previews: Previews, row_ids: Sequence[int]) -> dict[str, list[str | None]]:
    """Return the columns of `row_columns` for rows with previews; a row of a separate test file has empty cells."""
    rows = [int(row) for row in row_ids]
    held = [row for row in rows[:MAX_ROW_WORDS] if row in previews]
    names = dict(zip(held, (snippet(name, MAX_NAME) for name in previews.names(held)), strict=True))
    if previews.kind == "image":
        pictured = [row for row in rows[:MAX_ROW_IMAGES] if row in previews]
        shown, content = "picture", {row: _data_url(previews.picture(row)) or None for row in pictured}
    else:
        shown, content = "text", dict(zip(held, map(snippet, previews.texts(held)), strict=True))
    return {shown: [content.get(row) for row in rows], "name": [names.get(row) for row in rows]}


def row_pictures(dataset: Dataset, positions: np.ndarray) -> dict[str, Any] | None:
    """Return what the marks of a chart show, in a compact form for the browser; None if rows show nothing.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    positions : np.ndarray
        Row indices in the data set, int [n]; may repeat.

    Returns
    -------
    dict or None
        "rows" by row id, as text. Rows of pixels: one hexadecimal digit a pixel (0 black, f the brightest pixel of
        these rows), with "shape", height and width. Previews: data URLs with the "kind" image, or texts with the
        "kind" text.
    """
    distinct = np.unique(positions)
    ids = [int(row) for row in dataset.row_ids[distinct]]
    if dataset.previews is not None:
        return preview_pictures(dataset.previews, ids)
    if dataset.image_shape is None:
        return None
    pixels = dataset.X[distinct]
    levels = np.clip(np.rint(15 * pixels / max(float(pixels.max(initial=0)), 1e-9)), 0, 15).astype(int)
    texts = ["".join(f"{level:x}" for level in row) for row in levels]
    return {"shape": list(dataset.image_shape), "rows": dict(zip(map(str, ids), texts, strict=True))}


def preview_pictures(previews: Previews | None, row_ids: Sequence[int]) -> dict[str, Any] | None:
    """Return what the marks of rows with previews show, as `row_pictures` does; None without previews."""
    if previews is None:
        return None
    held = [int(row) for row in row_ids if int(row) in previews]
    if previews.kind == "image":
        return {"kind": "image", "rows": {str(row): url for row, url in small_pictures(previews, held).items()}}
    words = (snippet(text, HOVER_WORDS) for text in previews.texts(held))
    return {"kind": "text", "rows": dict(zip(map(str, held), words, strict=True))}


def small_pictures(previews: Previews, row_ids: Sequence[int], limit: int = HOVER_BYTES) -> dict[int, str]:
    """Return data URLs of the pictures of many rows, of at most `limit` bytes together.

    All pictures are made smaller if they take more; rows beyond the limit have none. What was asked for last is
    remembered.
    """
    wanted = tuple(dict.fromkeys(row_ids))
    try:
        key = f"{file_state(previews.path)} {limit} {hash(wanted)}"
    except OSError:  # removed meanwhile, and its data set with it
        return {}
    if (known := _small.get(key)) is not None:
        return known
    pictures = {row: previews.picture(row) for row in wanted}
    if sum(map(len, pictures.values())) > 3 * limit // 4:  # as base64
        pictures = {row: _shrink(picture) for row, picture in pictures.items()}
    urls, size = dict[int, str](), 0
    for row, picture in pictures.items():
        url = _data_url(picture)
        size += len(url)
        if url and size <= limit:
            urls[row] = url
    _small.put(key, urls)
    return urls


_small: LRU[dict[int, str]] = LRU(8)


def _shrink(picture: bytes) -> bytes:
    """Return a picture as a WebP file of at most 44 × 44 pixels; b"" if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=["WEBP"]) as image:
            if max(image.size) > MAX_SIDE:
                return b""
            small = image.convert("RGB")
    except (OSError, ValueError):
        return b""
    small.thumbnail((HOVER_SIDE, HOVER_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=50, method=0)
    return buffer.getvalue()


def _data_url(picture: bytes) -> str:
    """Return a preview as a data URL; "" if it is empty, or larger than any preview that this product makes."""
    if not 0 < len(picture) <= MAX_PICTURE:
        return ""
    return f"data:{PICTURE_TYPE};base64,{base64.b64encode(picture).decode()}"


def row_image(dataset: Dataset, row_id: int, size: int = 32) -> str:
    """Return one row of an image data set as a square grayscale PNG, `size` pixels wide, in a data URL.

    `row_id` is the id in `Dataset.row_ids`, not the row's index. The data set must have an image shape.
    """
    from PIL import Image

    position = int(np.flatnonzero(dataset.row_ids == row_id)[0])
    pixels = dataset.X[position].reshape(dataset.image_shape)
    gray = (255 * pixels / max(float(pixels.max()), 1.0)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(gray).resize((size, size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
