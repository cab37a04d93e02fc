"""Sentence encoders: a transformer in the format of ONNX with its tokenizer, mean over the tokens, length 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.data.tables.files import MAX_COLUMNS, printable
from anoonly_core.errors import BadModelFile
from anoonly_core.extras import extra_missing
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.onnx_session import file_content, open_session

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["MAX_TOKENS", "OnnxTexts"]

MAX_TOKENS = 256  # as all-MiniLM-L6-v2 was published
MAX_TOKENIZER = 2**26  # bytes
_FIXED = MappingProxyType({"unicode": "NFC", "norm": "l2"})  # of the preprocessing
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
WIDTHS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
TRIALS = ("a", "word " * 2048)  # a short text, and one that is longer than most models read


class OnnxTexts(Encoder):
    """Sentence encoder: the mean of a transformer's outputs over the tokens of a text, of length 1.

    Texts are encoded one by one. A batch would be no faster on a CPU, and a model with dynamic quantization gives a
    text other numbers in another batch.

    Parameters
    ----------
    name
        Name in the registry, or of the folder.
    model
        Transformer in the format of ONNX, with the inputs `INPUTS` or some of them. Its first output of
        [texts, tokens, features] is averaged; without one, its first output of [texts, features] is taken.
    tokenizer
        Its tokenizer.json.
    max_tokens
        Tokens of a text that are read, with those that mark its begin and end; the others are cut off.

    Raises
    ------
    ExtraMissing
        If ONNX Runtime or tokenizers is not installed.
    BadModelFile
        If a file is missing, too large or damaged, or the model is no encoder of texts.
    """

    def __init__(self, name: str, model: Path, tokenizer: Path, max_tokens: int = MAX_TOKENS) -> None:
        self._tokenizer, tokenizer_hash = _open_tokenizer(tokenizer, max_tokens)
        self._session, weights = open_session(model)
        self._shown = printable(model)
        self._inputs = self._check_inputs()
        self._output, pooling = self._choose_output()
        self.identity = EncoderIdentity(
            name=name,
            kind="text",
            weights=weights,
            preprocessing={**_FIXED, "tokenizer": tokenizer_hash, "max_tokens": max_tokens, "pooling": pooling},
            dimension=self._try(),
        )

    def _try(self) -> int:
        """Encode a short and a long text; return the number of features, or raise BadModelFile."""
        trials = [self._features(text) for text in TRIALS]
        if not np.isfinite(trials).all():
            raise BadModelFile(f"{self._shown} gives numbers that are not finite: take another encoder.")
        return len(trials[0])

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        features = np.zeros((len(rows), self.identity.dimension), dtype=np.float32)
        for place, text in enumerate(rows):
            features[place] = self._features(str(text))
        return features

    def note_of(self, row: np.ndarray | str) -> str:
        is_cut = bool(self._tokenizer.encode(str(row)).overflowing)
        return f"Only the first {self.identity.preprocessing['max_tokens']} tokens are read." if is_cut else ""

    def _features(self, text: str) -> np.ndarray:
        outputs, _ = self._run(text, [self._output])
        pooled = outputs[0][0]
        pooled = pooled.mean(axis=0) if pooled.ndim == 2 else pooled
        if pooled.ndim != 1 or not 1 <= len(pooled) <= MAX_COLUMNS:
            raise BadModelFile(f"{self._shown} is no encoder of texts: it gives {pooled.size:,} numbers for a text.")
        length = np.sqrt((pooled * pooled).sum())
        return np.asarray(pooled / length if length > 0 else pooled, dtype=np.float32)

    def _run(self, text: str, names: list[str] | None) -> tuple[list[np.ndarray], int]:
        """Return outputs of the model for one text, and the number of its tokens."""
        encoding = self._tokenizer.encode(text)
        values = (encoding.ids, encoding.attention_mask, encoding.type_ids)
        feeds = {name: np.array([value]) for name, value in zip(INPUTS, values, strict=True)}
        try:
            outputs = self._session.run(
                names, {name: feeds[name].astype(width) for name, width in self._inputs.items()}
            )
        except Exception as error:  # ONNX Runtime has a class of its own for each kind
            raise BadModelFile(
                f"{self._shown} cannot encode a text of {len(encoding.ids)} tokens: it may read fewer, or its "
                "tokenizer belongs to another model."
            ) from error
        return list(outputs), len(encoding.ids)

    def _check_inputs(self) -> Mapping[str, Any]:
        """Return the integer type of each input of the model, by name."""
        given = {item.name: item.type for item in self._session.get_inputs()}
        if "input_ids" not in given or not {*given} <= {*INPUTS} or not {*given.values()} <= {*WIDTHS}:
            listed = printable(", ".join(f"{name} ({kind})" for name, kind in given.items())) or "none"
            raise BadModelFile(
                f"{self._shown} is no encoder of texts: its inputs are {listed}, and they must be integers called "
                f"{', '.join(INPUTS)}."
            )
        return {name: WIDTHS[kind] for name, kind in given.items()}

    def _choose_output(self) -> tuple[str, str]:
        """Return the name of the output that holds the features, and "mean" if it is to be averaged over tokens."""
        names = [item.name for item in self._session.get_outputs()]
        outputs, tokens = self._run(TRIALS[0], None)
        shapes = {name: np.shape(output) for name, output in zip(names, outputs, strict=True)}
        for name, shape in shapes.items():
            if len(shape) == 3 and shape[:2] == (1, tokens):
                return name, "mean"
        for name, shape in shapes.items():
            if len(shape) == 2 and shape[0] == 1:
                return name, "none"
        listed = printable(", ".join(f"{name} {list(shape)}" for name, shape in shapes.items()))
        raise BadModelFile(
            f"{self._shown} is no encoder of texts: it gives {listed}, and an output must be [texts, tokens, features] "
            "or [texts, features]."
        )


def _open_tokenizer(path: Path, max_tokens: int) -> tuple[Tokenizer, str]:
    """Open a tokenizer.json; return the tokenizer, which cuts off tokens and adds none, and the SHA-256 of the file."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise extra_missing("A sentence encoder", "features") from error
    content = file_content(path, MAX_TOKENIZER)
    try:
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        if not tokenizer.encode(TRIALS[0]).ids:
            raise ValueError("no tokens")
    except Exception as error:  # tokenizers raises Exception itself
        raise BadModelFile(f"{printable(path)} is no tokenizer.json, or it is damaged.") from error
    return tokenizer, hashlib.sha256(content).hexdigest()
