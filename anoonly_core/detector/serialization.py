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

from anoonly_core.bounded_json import bounded_json
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadModelFile, InvalidInput
from anoonly_core.files import write_atomic
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["model_bytes", "read_model", "write_model"]

FORMAT = "anoonly-detector/1"
MAX_BYTES = 2**30  # of a file
MAX_HEADER = 16 * 2**20  # bytes of the JSON header, which holds the document
MAX_TENSORS = 1000
MAX_DIMENSIONS = 8


@default_torch_settings()
def model_bytes(document: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Encode a JSON document and contiguous CPU tensors by name as the content of a .safetensors file.

    The metadata hold the document and a checksum of both.

    Raises
    ------
    InvalidInput
        If the file would be too large for `read_model`.
    """
    text = json.dumps(document, default=lambda value: value.item())  # NumPy scalars become Python numbers
    metadata = {"format": FORMAT, "detector": text, "sha256": _digest(text, tensors)}
    content = bytes(safetensors.save(tensors, metadata))
    if len(content) > MAX_BYTES or int.from_bytes(content[:8], "little") > MAX_HEADER:
        raise InvalidInput(
            f"The detector is too large for a file (at most {MAX_BYTES >> 20} MB, and {MAX_HEADER >> 20} MB of names): "
            "shorten the names of the features, or fit it to fewer rows."
        )
    return content


def write_model(path: str | os.PathLike[str], document: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a detector file with a JSON document and tensors by name, for `read_model`; replace an existing file.

    The file is written as a whole or not at all. Raise OSError if that fails, InvalidInput if it would be too large.
    """
    write_atomic(Path(path), model_bytes(document, tensors))


@default_torch_settings()
def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the document and the tensors from a detector file that `write_model` wrote; nothing in it is executed.

    Returns
    -------
    document : dict
        The JSON document.
    tensors : dict of Tensor
        Copies of the tensors by name, on the CPU.

    Raises
    ------
    BadModelFile
        If the file cannot be read, is damaged, is no detector, or exceeds a bound on its size, depth or numbers.
    """
    shown = printable(os.fspath(path))
    try:
        _check_header(path, shown)
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
    try:
        return bounded_json(text), tensors
    except ValueError as error:
        raise BadModelFile(f"{shown} does not hold what a saved AnoOnlyDetector holds.") from error


def _check_header(path: str | os.PathLike[str], shown: str) -> None:
    """Raise BadModelFile if a .safetensors file, or its header, exceeds a bound on size, depth or tensors.

    `shown` names the file in the message. Raise OSError if the file cannot be read.
    """
    too_large = f"{shown} is too large for a saved AnoOnlyDetector:"
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise BadModelFile(f"{too_large} it has {size >> 20} MB, and at most {MAX_BYTES >> 20} MB are read.")
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            if length > size:  # most likely no header at all
                raise BadModelFile(f"{shown} is no .safetensors file, or a damaged one.")
            raise BadModelFile(f"{too_large} its header has more than {MAX_HEADER >> 20} MB.")
        try:
            header = bounded_json(file.read(length).decode())
            tensors = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
            dimensions = max((len(shape) for shape in tensors.values()), default=0)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise BadModelFile(f"{shown} is no .safetensors file, or a damaged one.") from error
    if len(tensors) > MAX_TENSORS or dimensions > MAX_DIMENSIONS:
        raise BadModelFile(
            f"{too_large} it has {len(tensors)} tensors of up to {dimensions} dimensions, and at most {MAX_TENSORS} of "
            f"{MAX_DIMENSIONS} are read."
        )


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """Return the hexadecimal SHA-256 of a document (JSON text) and tensors by name, independent of their order."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
