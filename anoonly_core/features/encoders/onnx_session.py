"""Sessions of ONNX Runtime: one thread, the bytes that were hashed, and no other file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadModelFile
from anoonly_core.extras import extra_missing

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["MAX_MODEL", "file_content", "open_session"]

MAX_MODEL = 2**31 - 1  # bytes of one file in the format of ONNX
EXTERNAL = "session.model_external_initializers_file_folder_path"


def open_session(path: Path) -> tuple[InferenceSession, str]:
    """Open a model in the format of ONNX.

    The model is opened from the bytes that are hashed. Weights in further files are refused, wherever these are: they
    are looked for in an empty folder.

    Returns
    -------
    InferenceSession
        Session that runs on one thread and gives the same numbers each time.
    str
        Hexadecimal SHA-256 of the file.

    Raises
    ------
    ExtraMissing
        If ONNX Runtime is not installed.
    BadModelFile
        If the file is missing, too large or damaged, or keeps weights in other files.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise extra_missing("An encoder in the format of ONNX", "features") from error
    content = file_content(path, MAX_MODEL)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # errors are raised
    try:
        with tempfile.TemporaryDirectory() as empty:
            options.add_session_config_entry(EXTERNAL, empty)
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for each kind of damage
        if "external data" in str(error).lower():
            reason = "keeps weights in other files, which are not opened: save the model as one file"
        else:
            reason = "cannot be opened by ONNX Runtime: it is damaged, or made for another version"
        raise BadModelFile(f"{printable(path)} {reason}.") from error
    return session, hashlib.sha256(content).hexdigest()


def file_content(path: Path, most: int) -> bytes:
    """Return the content of a file; raise BadModelFile if there is none or it has more than `most` bytes."""
    if not os.path.isfile(path):
        raise BadModelFile(f"There is no file {printable(path)}.")
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise BadModelFile(f"{printable(path)} cannot be read: check its permissions.") from error
    if len(content) > most:
        raise BadModelFile(f"{printable(path)} is too large: at most {most / 2**20:,.0f} MB are read.")
    return content
