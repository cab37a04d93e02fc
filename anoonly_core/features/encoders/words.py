"""Words of a text, hashed to a fixed number of features: an encoder without weights, for any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.errors import InvalidConfig
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.texts.cleaning import UNSPACED

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer

__all__ = ["DIMENSION", "Words", "load_words"]

DIMENSION = 1024
# A token is a letter of a script without spaces, a run of other letters and digits, or a sign such as an emoji.
TOKEN = rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]"


class Words(Encoder):
    """Frequencies of the words of a text, hashed to 1024 features with signs, of length 1.

    Two words share a feature by chance; with signs they do not add up in the mean.

    Source: Weinberger et al., Feature hashing for large scale multitask learning, ICML 2009; scikit-learn's
    `HashingVectorizer`.
    """

    def __init__(self) -> None:
        self.identity = EncoderIdentity(
            name="words",
            kind="text",
            weights="",
            preprocessing={"unicode": "NFC", "lowercase": True, "token": TOKEN, "norm": "l2"},
            dimension=DIMENSION,
        )

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        if not len(rows):
            return np.zeros((0, DIMENSION), dtype=np.float32)
        return np.asarray(self._vectorizer.transform(rows).toarray(), dtype=np.float32)

    @cached_property
    def _vectorizer(self) -> HashingVectorizer:
        from sklearn.feature_extraction.text import HashingVectorizer  # only now, since it takes long to load

        return HashingVectorizer(token_pattern=TOKEN, n_features=DIMENSION, norm="l2", lowercase=True)


def load_words(weights: str | None, preprocessing: Mapping[str, object]) -> Words:
    """Return the encoder, which takes no choices; raise InvalidConfig if weights are given."""
    if weights is not None:
        raise InvalidConfig("The encoder words has no weights: leave --weights out.")
    return Words()
