"""Networks of torchvision as encoders: the features are what enters the last layer, as in the paper's ResNet-18."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor, nn

from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadModelFile, DownloadFailed, InvalidConfig, did_you_mean
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.preprocessing import image_preprocessing
from anoonly_core.features.encoders.weights import file_hash, library_missing, state_hash, torch_folder, torch_state
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["RANDOM", "TorchvisionEncoder", "load_torchvision", "model_names"]

RANDOM = "random"
SEED = "random_seed"  # key of the preprocessing of an encoder with random weights
# Operators of detection models. The compiled file of another build of PyTorch cannot be loaded, and without their
# names even classification models cannot be imported.
OPERATORS = ("nms", "qnms")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_importing = threading.Lock()
_building = threading.Lock()  # torchvision draws initial weights from the global random state
_schemas: list[Any] = []  # they exist as long as this list


class TorchvisionEncoder(Encoder):
    """A classification network without its last layer, in evaluation mode.

    Each picture is one call, since kernels for batches of other sizes round differently.

    Parameters
    ----------
    network
        Network that ends in the features, [1, 3, height, width] → [1, dimension].
    identity
        Identity with the normalization in its preprocessing.
    notes
        Sentences for the user.
    """

    def __init__(self, network: nn.Module, identity: EncoderIdentity, notes: tuple[str, ...] = ()) -> None:
        self.identity, self.notes = identity, notes
        self._network = network
        self._mean, self._std = (
            torch.tensor(identity.preprocessing[name], dtype=torch.float32).view(1, 3, 1, 1) for name in ("mean", "std")
        )

    def encode(self, rows: Sequence[np.ndarray | str]) -> np.ndarray:
        with default_torch_settings(), torch.no_grad(), _one_thread():
            features = [self._network(self.normalize(np.asarray(pixels))).flatten() for pixels in rows]
            return torch.stack(features).numpy() if features else np.zeros((0, self.identity.dimension), np.float32)

    def normalize(self, pixels: np.ndarray) -> Tensor:
        """Return pixels, uint8 [height, width, 3], as torchvision's transforms do, float32 [1, 3, height, width]."""
        picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()[None]
        return picture.to(torch.float32).div_(255).sub_(self._mean).div_(self._std)


def load_torchvision(
    name: str, weights: str | None = None, preprocessing: Mapping[str, object] | None = None
) -> TorchvisionEncoder:
    """Load a classification network of torchvision by name.

    Parameters
    ----------
    name
        Name that torchvision gives the network, such as "resnet18".
    weights
        File of a state dict; the name of published weights, such as "IMAGENET1K_V1"; "random"; None for the published
        weights that torchvision recommends, downloaded on first use.
    preprocessing
        Choices that replace those of the published weights; the key "random_seed" is the seed of random weights.

    Raises
    ------
    ExtraMissing
        If torchvision is not installed.
    InvalidConfig
        If torchvision has no such network, or a choice is invalid.
    BadModelFile
        If the file is no state dict of this network.
    DownloadFailed
        If published weights cannot be downloaded.
    """
    models = _models()
    if name not in (names := model_names()):
        raise InvalidConfig(f"There is no encoder called {name[:60]!r}{did_you_mean(name, names) or '.'}")
    published = models.get_model_weights(name)
    recipe = published.__members__.get(weights or "", published.DEFAULT)
    choices = dict(preprocessing or {})
    seed = choices.pop(SEED, None)
    settings = image_preprocessing(_published_preprocessing(recipe), choices)
    if weights == RANDOM or (weights is None and seed is not None):
        seed = _checked_seed(seed)
        network = _build(models, name, seed)
        digest, settings = state_hash(network.state_dict()), {**settings, SEED: seed}
        notes: tuple[str, ...] = (f"{name} has random weights of seed {seed}: its features mean little.",)
    else:
        is_name = weights is None or weights in published.__members__
        path = _download(name, recipe.url) if is_name else Path(str(weights)).expanduser()
        network = _build(models, name, 0)
        _fill(network, torch_state(path), name, path)
        digest, notes = file_hash(path), ()
    dimension = _remove_head(network)
    identity = EncoderIdentity(name=name, kind="image", weights=digest, preprocessing=settings, dimension=dimension)
    return TorchvisionEncoder(network.eval(), identity, notes)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Context in which PyTorch computes with one thread, since sums of several threads round differently."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def model_names() -> list[str]:
    """Return the names of all classification networks; raise ExtraMissing without torchvision."""
    models = _models()
    names: list[str] = models.list_models(module=models)
    return names


def _models() -> Any:
    """Import the models of torchvision."""
    with _importing:
        try:
            from torchvision import models
        except ModuleNotFoundError:
            raise library_missing("of torchvision") from None
        except RuntimeError as error:
            if "torchvision::" not in str(error) or _schemas:
                raise
            library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
            for operator in OPERATORS:
                library.define(f"{operator}{SCHEMA}")
            _schemas.append(library)
            from torchvision import models
    return models


def _published_preprocessing(recipe: Any) -> dict[str, Any]:
    """Return the preprocessing of published weights, a member of torchvision's enumerations."""
    transforms = recipe.transforms()
    return {
        "resize": int(transforms.resize_size[0]),
        "crop": int(transforms.crop_size[0]),
        "interpolation": transforms.interpolation.value,
        "mean": tuple(map(float, transforms.mean)),
        "std": tuple(map(float, transforms.std)),
    }


def _checked_seed(seed: object) -> int:
    if not isinstance(seed, int | None) or not 0 <= (seed or 0) < 2**31:
        raise InvalidConfig(f"The seed of random weights must be a whole number from 0, not {str(seed)[:60]}.")
    return seed or 0


def _build(models: Any, name: str, seed: int) -> nn.Module:
    """Build a network with the weights that torchvision draws after this seed; the global random state is restored."""
    with _building:
        state = torch.get_rng_state()
        try:
            torch.default_generator.manual_seed(seed)
            network: nn.Module = models.get_model(name, weights=None)
        finally:
            torch.set_rng_state(state)
    return network


def _fill(network: nn.Module, state: dict[str, Tensor], name: str, path: Path) -> None:
    """Load a state dict into a network; raise BadModelFile if names or shapes do not fit."""
    if hasattr(network, "transform_input"):  # two networks whose published weights expect another scaling
        setattr(network, "transform_input", True)  # noqa: B010 - mypy takes attributes of modules for tensors
    try:
        network.load_state_dict({key.removeprefix("module."): tensor for key, tensor in state.items()})
    except (RuntimeError, TypeError) as error:
        raise BadModelFile(f"{printable(path)} does not hold the weights of {name}: names or shapes differ.") from error


def _remove_head(network: nn.Module) -> int:
    """Replace the last layer of a classification network by the identity, and return the width of what enters it.

    That is its last linear layer, or its last convolution where it has none.
    """
    kinds: tuple[tuple[type[nn.Module], Callable[[Any], int]], ...] = (
        (nn.Linear, lambda layer: int(layer.in_features)),
        (nn.Conv2d, lambda layer: int(layer.in_channels)),
    )
    for kind, width in kinds:
        layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, kind)]
        if layers:
            name, layer = layers[-1]
            network.set_submodule(name, nn.Identity())
            return width(layer)
    raise AssertionError("a network without layers")


def _download(name: str, url: str) -> Path:
    """Return the path of published weights, downloading them with torchvision's progress bar if they are missing.

    Raises
    ------
    DownloadFailed
        If there is no network, or the file has another hash than its name says.
    """
    file = url.rpartition("/")[2]
    path = torch_folder() / file
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = path.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=True)
    except (OSError, URLError, RuntimeError) as error:
        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, OSError) else error
        reason = str(getattr(cause, "strerror", "") or cause)
        raise DownloadFailed(
            f"The weights of {name} could not be downloaded ({reason[:120]}): put the file {file} into "
            f"{printable(path.parent)}, or name its path with --weights."
        ) from error
    return path
