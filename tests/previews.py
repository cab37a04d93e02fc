"""Feature files of pictures and texts with previews."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from anoonly_core.data.feature_files import EncoderIdentity, FeatureAbout, Previews, read_previews, write_features

__all__ = ["HOSTILE", "picture", "previews_of", "write_digits", "write_texts"]

# A text that each way of rendering could take for something else.
HOSTILE = "<b>x</b><img src=q onerror=alert(1)> **bold** $x^2$ :material/home: :smile: [a](http://b.c) \u202eevil\u202c"


def picture(pixels: np.ndarray, side: int = 48) -> bytes:
    """Return gray pixels, uint8 [height, width], as a small WebP picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).convert("RGB").save(buffer, "WEBP")
    return buffer.getvalue()


def write_digits(path: Path, rows: int = 1797, pictures: Sequence[bytes] | None = None) -> Path:
    """Write scikit-learn's digits as a feature file of images, each labeled by its digit."""
    from sklearn.datasets import load_digits

    X, y = (values[:rows] for values in load_digits(return_X_y=True))
    encoder = EncoderIdentity(name="pixels", kind="image", weights="", preprocessing={"side": 8}, dimension=64)
    about = FeatureAbout(encoder=encoder, source="digits.zip", saved_by="1")
    shown = pictures or [picture((row.reshape(8, 8) * 15).astype(np.uint8)) for row in X]
    names = [f"{digit}/{number}.png" for number, digit in enumerate(y)]
    write_features(path, X / 16, y.astype(str), names, shown, about)
    return path


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    """Write texts as a feature file; every fifth is labeled spam, the others ham."""
    encoder = EncoderIdentity(name="words", kind="text", weights="", preprocessing={}, dimension=4)
    about = FeatureAbout(encoder=encoder, source="mails.csv", saved_by="1", notes=("A note.",))
    spam = np.arange(len(texts)) % 5 == 0
    X = np.random.default_rng(0).normal(size=(len(texts), 4)) + spam[:, None]
    names = [f"row {row}" for row in range(len(texts))]
    write_features(path, X, np.where(spam, "spam", "ham"), names, [text.encode() for text in texts], about)
    return path


def previews_of(path: Path, kind: Literal["image", "text"]) -> Previews:
    """Return the previews of a feature file of a kind."""
    previews = read_previews(path)
    assert previews is not None and previews.kind == kind
    return previews
