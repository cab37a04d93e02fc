"""File of a fitted detector: .safetensors, with everything but the tensors as JSON in the metadata; no pickle."""

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
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["model_bytes", "read_model", "write_model"]

FORMAT = "anoonly-detector/1"


@default_torch_settings()
def model_bytes(document: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Encode a JSON document and contiguous CPU tensors as the content of one file."""
    text = json.dumps(document, default=lambda value: value.item())  # NumPy scalars become Python numbers
    metadata = {"format": FORMAT, "detector": text, "sha256": _digest(text, tensors)}
    return bytes(safetensors.save(tensors, metadata))


def write_model(path: str | os.PathLike[str], document: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write the content of `model_bytes`, whole or not at all; raise OSError if that fails."""
    write_atomic(Path(path), model_bytes(document, tensors))


@default_torch_settings()
def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the document and the tensors that `write_model` wrote; nothing in the file is executed.

    Returns
    -------
    document : dict
        The JSON document.
    tensors : dict of Tensor
        Copies of the tensors, on the CPU.

    Raises
    ------
    BadModelFile
        If the file cannot be read, is damaged, or is no detector.
    """
    shown = printable(os.fspath(path))
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            metadata = file.metadata() or {}
            file_format = metadata.get("format", "")
            # Copies: the file may change later.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()} if file_format == FORMAT else {}  # noqa: SIM118
    except OSError as error:
        raise BadModelFile(f"{shown} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise BadModelFile(f"{shown} is no .safetensors file, or a damaged one.") from error
    if file_format != FORMAT:
        ours = file_format.startswith(FORMAT.split("/")[0])
        problem = f"has the format {printable(file_format)}, not {FORMAT}" if ours else "holds no AnoOnlyDetector"
        raise BadModelFile(f"{shown} {problem}.")
    text = metadata.get("detector", "")
    if metadata.get("sha256") != _digest(text, tensors):
        raise BadModelFile(f"{shown} is damaged: its checksum does not fit.")
    return json.loads(text), tensors


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of document and tensors; a .safetensors file has no checksum."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
