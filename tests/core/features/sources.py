"""Raw rows made for tests; apart from the tests, so that a decoding process need not import pytest."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity, LeftOut
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.source import RawRow, RawSource

__all__ = ["LengthEncoder", "MadeImages", "MadeTexts", "made_images", "made_texts", "start_empty"]

SIDE = 8
PALE = {"good/7.png": "It is pale."}


@dataclass(frozen=True, eq=False)
class MadeImages(RawSource):
    """Pictures drawn from the name of each row; some names misbehave."""

    @property
    def identity(self) -> str:
        return repr((self.names, self.labels))

    def read(self, rows: Sequence[int], preprocessing: Mapping[str, object]) -> list[RawRow | LeftOut]:
        return [self._read(self.names[row]) for row in rows]

    def _read(self, name: str) -> RawRow | LeftOut:
        if name.startswith("damaged"):
            return LeftOut(name=name, reason="it is truncated")
        if name.startswith("raises"):
            raise ZeroDivisionError
        if name.startswith("hangs"):
            time.sleep(600)
        if name.startswith("kills"):
            os._exit(1)
        if name.startswith("fills"):
            return RawRow(np.ones(2**40, np.uint8), b"")
        rng = np.random.default_rng(list(name.encode()))
        return RawRow(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), name.encode() * 3, PALE.get(name, ""))


@dataclass(frozen=True, eq=False)
class MadeTexts(RawSource):
    """Texts that are the names of the rows; a row called "empty" cannot be read."""

    @property
    def identity(self) -> str:
        return repr((self.names, self.labels))

    def read(self, rows: Sequence[int], preprocessing: Mapping[str, object]) -> list[RawRow | LeftOut]:
        names = [self.names[row] for row in rows]
        return [
            LeftOut(name=name, reason="it is empty") if name == "empty" else RawRow(name, name.encode())
            for name in names
        ]


class LengthEncoder(Encoder):
    """Encodes a text as its length; that of "infinite" is infinite."""

    identity = EncoderIdentity(name="length", kind="text", weights="", preprocessing={}, dimension=1)
    notes = ("Lengths mean little.",)

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        return np.array([[np.inf if row == "infinite" else len(row)] for row in rows], np.float32)


def start_empty() -> None:
    """Start a process that needs no libraries."""


def made_images(names: Sequence[str], labels: Sequence[str] | None = None) -> MadeImages:
    return MadeImages("image", "parts", tuple(names), None if labels is None else tuple(labels))


def made_texts(names: Sequence[str], labels: Sequence[str] | None = None) -> MadeTexts:
    return MadeTexts("text", "messages.csv", tuple(names), None if labels is None else tuple(labels))
