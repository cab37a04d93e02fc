"""Raw rows before an encoder sees them: a folder or archive of images, or the texts of a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anoonly_core.data.feature_files import LeftOut

__all__ = ["RawRow", "RawSource"]


@dataclass(frozen=True, eq=False)
class RawRow:
    """One raw row as an encoder takes it, with its preview.

    Attributes
    ----------
    content
        Pixels, uint8 [height, width, 3] after resizing and cropping; or the text.
    preview
        Picture of `PICTURE_TYPE`, or the beginning of the text in UTF-8.
    note
        Sentence on a choice that was made while reading, the same for all rows that it concerns, such as "Only the
        first page or frame is read."; "" without one. Whoever collects rows counts equal notes.
    """

    content: np.ndarray | str
    preview: bytes
    note: str = ""


@dataclass(frozen=True, eq=False)
class RawSource(ABC):
    """Raw rows that can be read one by one; it pickles, so that worker processes read it.

    Attributes
    ----------
    kind
        What the rows are.
    title
        Name of the folder, archive or table in messages.
    names
        Name of each row, unique: its path in the folder or archive, or its number in the table.
    labels
        Label of each row as a word, "" without one; None if no row has one.
    left_out
        Rows that were refused when they were listed.
    notes
        Sentences on choices that were made without being asked for.
    """

    kind: Literal["image", "text"]
    title: str
    names: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that changes whenever a row, its name or its label changes; an interrupted run goes on only if equal."""

    @abstractmethod
    def read(self, rows: Sequence[int], preprocessing: Mapping[str, object]) -> list[RawRow | LeftOut]:
        """Read some rows, given by their indices in `names`.

        Parameters
        ----------
        rows
            Indices of the rows, in any order.
        preprocessing
            That of an `EncoderIdentity`.

        Returns
        -------
        list
            A `RawRow` for each row in order, or the reason why one cannot be read. Damaged and hostile rows raise
            nothing.
        """
