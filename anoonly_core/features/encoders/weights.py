"""Weights of encoders: files on this machine, their hashes, and what is said where a file is missing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadModelFile, ExtraMissing
from anoonly_core.extras import extra_missing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAX_WEIGHTS", "check_weights", "file_hash", "library_missing", "state_hash", "torch_folder", "torch_state"]

MAX_WEIGHTS = 4 * 2**30  # bytes of a file
STATE_SUFFIXES = (".safetensors", ".pth", ".pt")


def check_weights(path: Path, suffixes: tuple[str, ...]) -> Path:
    """Return the path of a file of weights; raise BadModelFile if it is missing, too large or of another format."""
    if not os.path.isfile(path):
        raise BadModelFile(f"There is no file {printable(path)} with weights.")
    if path.suffix.lower() not in suffixes:
        raise BadModelFile(f"{printable(path)} is no file of weights: they end in {' or '.join(suffixes)}.")
    if (size := path.stat().st_size) > MAX_WEIGHTS:
        raise BadModelFile(f"{printable(path)} has {size >> 20} MB, and at most {MAX_WEIGHTS >> 20} MB are read.")
    return path


def file_hash(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file of weights; raise BadModelFile if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadModelFile(f"{printable(path)} cannot be read: {error.strerror}.") from error


def state_hash(state: dict[str, Tensor]) -> str:
    """Return the hexadecimal SHA-256 of tensors by name, whatever their order; for weights without a file."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def torch_folder() -> Path:
    """Return the folder in which PyTorch keeps downloaded weights, as `torch.hub` computes it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()
    return home / "hub" / "checkpoints"


def torch_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a state dict from a .safetensors or .pth file; no code in it is run.

    Raises
    ------
    BadModelFile
        If the file is missing, too large, damaged, or holds anything but tensors.
    """
    import torch
    from safetensors.torch import load_file

    check_weights(path, STATE_SUFFIXES)
    try:
        if path.suffix.lower() == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and forged files raise anything
        raise BadModelFile(f"{printable(path)} cannot be read as tensors, or holds more than tensors.") from error
    if isinstance(state, dict) and isinstance(inner := state.get("state_dict"), dict):
        state = inner  # as training scripts save it
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise BadModelFile(f"{printable(path)} holds no state dict: save the tensors of the model by name.")
    return state


def library_missing(encoder: str) -> ExtraMissing:
    """Return the error that an encoder, given by name, needs the extra `features`."""
    return extra_missing(f"The encoder {encoder}", "features")
