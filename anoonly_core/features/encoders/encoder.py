"""Base class of the encoders: an identity, and a function from raw rows to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity

__all__ = ["Encoder"]


class Encoder(ABC):
    """A loaded encoder; equal identities give equal features.

    Attributes
    ----------
    identity
        Name, kind, hash of the weights, preprocessing and dimension.
    notes
        Sentences that the user should read, such as one on random weights.
    """

    identity: EncoderIdentity
    notes: tuple[str, ...] = ()

    @abstractmethod
    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        """Return the features of raw rows, float32 [rows, dimension].

        The features of a row do not depend on the rows beside it: scoring one new row and scoring a thousand must give
        the same. Several threads may call this function at once.

        Parameters
        ----------
        rows
            Contents of `RawRow`: pixels uint8 [height, width, 3] after the preprocessing of the identity, or texts.
        """

    def note_of(self, row: np.ndarray | str) -> str:
        """Return a sentence on how a raw row is encoded, the same for all rows that it concerns; "" for most."""
        return ""
