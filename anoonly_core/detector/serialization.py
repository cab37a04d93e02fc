"""A fitted detector on disk: one .safetensors file, its tensors and, as JSON in the metadata, all else; no pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor

from anoonly_core.data.tables.readers import printable
from anoonly_core.errors import BadModelFile
from anoonly_core.files import write_atomic

__all__ = ["model_bytes", "read_model", "write_model"]

FORMAT = "anoonly-detector/1"


def model_bytes(document: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """A document that JSON can hold and contiguous tensors on the CPU, as one file's content."""
    text = json.dumps(document, default=lambda value: value.item())  # NumPy's numbers as Python's
    metadata = {"format": FORMAT, "detector": text, "sha256": _digest(text, tensors)}
    return bytes(safetensors.save(tensors, metadata))


def write_model(path: str | os.PathLike[str], document: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write what `model_bytes` makes, whole or not at all; raises OSError where the file cannot be written."""
    write_atomic(Path(path), model_bytes(document, tensors))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The document and the tensors that `write_model` wrote; nothing in the file is executed.

    Raises BadModelFile with one sentence for a file that cannot be read, is damaged or not ours.
    """
    shown = printable(os.fspath(path))
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            metadata = file.metadata() or {}
            kind = metadata.get("format", "")
            # Copies, which a file that changes later does not change.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()} if kind == FORMAT else {}  # noqa: SIM118
    except OSError as error:
        raise BadModelFile(f"{shown} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise BadModelFile(f"{shown} is no .safetensors file, or a damaged one.") from error
    if kind != FORMAT:
        ours = kind.startswith(FORMAT.split("/")[0])
        what = f"has the format {printable(kind)}, not {FORMAT}" if ours else "holds no AnoOnlyDetector"
        raise BadModelFile(f"{shown} {what}.")
    text = metadata.get("detector", "")
    if metadata.get("sha256") != _digest(text, tensors):
        raise BadModelFile(f"{shown} is damaged: its checksum does not fit.")
    return json.loads(text), tensors


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of all that is read back, which a .safetensors file does not check by itself."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
