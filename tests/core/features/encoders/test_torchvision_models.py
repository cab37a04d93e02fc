"""Networks of torchvision: the features of its own network and transforms, and weights that are refused."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits, load_sample_images
from torch import nn

from anoonly_core.errors import BadModelFile, DownloadFailed, ExtraMissing, InvalidConfig
from anoonly_core.features.encoders import torchvision_models
from anoonly_core.features.encoders.registry import ENCODERS, load_encoder
from anoonly_core.features.encoders.torchvision_models import load_torchvision, model_names
from anoonly_core.features.images.source import find_images
from anoonly_core.features.source import RawRow

pytestmark = pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
SMALL = "mobilenet_v3_small"  # the fastest to load


@cache
def models() -> Any:
    model_names()
    from torchvision import models

    return models


@cache
def own_network(name: str, seed: int = 0) -> nn.Module:
    """The network as torchvision builds it after a seed."""
    models()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = models().get_model(name, weights=None).eval()
    return network


@pytest.fixture(scope="module")
def state_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "state.pth"
    torch.save(own_network(SMALL, 5).state_dict(), path)
    return path


def prepared(name: str, picture: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """The input that torchvision's transforms make of a picture, and the pixels that they resize and crop."""
    from PIL import Image
    from torchvision.transforms import functional

    transforms = models().get_model_weights(name).DEFAULT.transforms()
    image = Image.fromarray(picture)
    resized = functional.resize(image, transforms.resize_size, transforms.interpolation, antialias=True)
    return transforms(image)[None], np.asarray(functional.center_crop(resized, transforms.crop_size))


@pytest.mark.parametrize(("name", "layer"), [("resnet18", "avgpool"), (SMALL, "classifier.2"), ("squeezenet1_1", "")])
def test_features_are_those_of_torchvisions_own_network(name: str, layer: str) -> None:
    """Random weights: published ones would have to be downloaded."""
    encoder, network = load_torchvision(name, "random"), own_network(name)
    seen: list[torch.Tensor] = []
    network.get_submodule(layer or "features").register_forward_hook(lambda *call: seen.append(call[2]))
    for picture in load_sample_images().images:
        inputs, pixels = prepared(name, picture)
        assert torch.equal(encoder.normalize(pixels), inputs)
        with torch.no_grad():
            network(inputs)
        features, expected = encoder.encode([pixels])[0], seen.pop()
        if layer:
            assert (features == expected.flatten().numpy()).all()
        else:  # its last convolution is in front of the mean
            assert np.allclose(features, expected.relu().mean((2, 3)).flatten().numpy(), rtol=1e-5)


def test_files_have_the_features_of_torchvisions_own_pipeline(tmp_path: Path) -> None:
    from PIL import Image

    pictures = [*load_sample_images().images, *(load_digits().images[:3] * 15.9).astype(np.uint8)]
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    encoder, network = load_torchvision("resnet18", "random"), own_network("resnet18")
    transforms = models().get_model_weights("resnet18").DEFAULT.transforms()
    entered: list[torch.Tensor] = []
    network.get_submodule("fc").register_forward_pre_hook(lambda layer, inputs: entered.append(inputs[0]))
    source = find_images(tmp_path)
    rows = source.read(range(len(pictures)), encoder.identity.preprocessing)
    for name, row in zip(source.names, rows, strict=True):
        assert isinstance(row, RawRow)
        with Image.open(tmp_path / name) as image, torch.no_grad():
            network(transforms(image.convert("RGB"))[None])
        assert (encoder.encode([row.content])[0] == entered.pop().flatten().numpy()).all()


@pytest.mark.parametrize("name", [name for name, spec in ENCODERS.items() if spec.library == "torchvision"])
def test_the_registry_says_what_torchvision_says(name: str) -> None:
    published = models().get_model_weights(name).DEFAULT
    spec = ENCODERS[name]
    assert published.meta["_file_size"] == spec.weights_mb
    assert published.url.rpartition("/")[2] in spec.missing()


def test_every_classification_network_has_a_name() -> None:
    assert len(model_names()) > 70
    assert {name for name, spec in ENCODERS.items() if spec.library == "torchvision"} <= {*model_names()}
    assert load_encoder("shufflenet_v2_x0_5", "random").identity.dimension == 1024


def test_random_weights_say_so_and_leave_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    encoder, other = (load_torchvision(SMALL, "random", {"random_seed": seed}) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder.identity.preprocessing["random_seed"] == 1
    assert encoder.notes == (f"{SMALL} has random weights of seed 1: its features mean little.",)
    assert encoder.identity.weights != other.identity.weights


def test_features_do_not_depend_on_the_number_of_threads() -> None:
    encoder = load_torchvision(SMALL, "random")
    row = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    threads = torch.get_num_threads()
    try:
        features = []
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            features.append(encoder.encode([row]))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert (features[0] == features[1]).all() and (features[0] == features[2]).all()


@pytest.mark.parametrize("form", ["pth", "safetensors", "training script", "data parallel"])
def test_a_local_state_dict_is_read_and_hashed(tmp_path: Path, form: str) -> None:
    state = {name: tensor.contiguous() for name, tensor in own_network(SMALL, 5).state_dict().items()}
    path = tmp_path / ("state.safetensors" if form == "safetensors" else "state.pth")
    if form == "safetensors":
        save_file(state, path)
    elif form == "training script":
        torch.save({"state_dict": state}, path)
    else:
        torch.save({f"module.{name}": tensor for name, tensor in state.items()} if "data" in form else state, path)
    encoder = load_torchvision(SMALL, str(path))
    row = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert encoder.identity.weights == hashlib.sha256(path.read_bytes()).hexdigest()
    assert encoder.notes == ()
    assert (encoder.encode([row]) == load_torchvision(SMALL, "random", {"random_seed": 5}).encode([row])).all()


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code ran",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("code", "cannot be read as tensors, or holds more than tensors"),
        ("other network", "does not hold the weights of mobilenet_v3_small: names or shapes differ"),
        ("numbers", "holds no state dict"),
        ("truncated", "cannot be read as tensors"),
        ("suffix", r"is no file of weights: they end in \.safetensors or \.pth or \.pt"),
        ("absent", "There is no file"),
        ("large", "and at most 0 MB are read"),
    ],
)
def test_what_is_no_state_dict_of_the_network_is_refused(
    tmp_path: Path,
    state_file: Path,
    content: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / ("state.bin" if content == "suffix" else "state.pth")
    whole = state_file.read_bytes()
    if content == "code":
        torch.save({"weight": Code()}, path)
    elif content == "other network":
        torch.save(nn.Linear(2, 2).state_dict(), path)
    elif content == "numbers":
        torch.save({"a": 1}, path)
    elif content != "absent":
        path.write_bytes(whole[:-1000] if content == "truncated" else whole)
    if content == "large":
        monkeypatch.setattr("anoonly_core.features.encoders.weights.MAX_WEIGHTS", 1000)
    with pytest.raises(BadModelFile, match=sentence):
        load_torchvision(SMALL, str(path))
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "choices",
    [
        {"random_seed": -1},
        {"random_seed": "x"},
        {"crop": 0},
        {"crop": 5000},
        {"interpolation": "nearest"},
        {"mean": (0.5, 0.5)},
        {"std": (0.5, 0.0, 0.5)},
        {"resize": float("nan")},
    ],
)
def test_invalid_choices_are_refused(choices: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        load_torchvision(SMALL, "random", choices)


def test_choices_change_the_identity_and_the_features() -> None:
    row = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    usual = load_torchvision(SMALL, "random")
    other = load_torchvision(SMALL, "random", {"mean": (0.0, 0.0, 0.0)})
    assert other.identity != usual.identity
    assert (other.encode([row]) != usual.encode([row])).any()


# Downloads, from a server of this machine


@pytest.fixture
def server(state_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(state_file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the published weights lie under another address."""
    download = torchvision_models._download
    monkeypatch.setattr(torchvision_models, "_download", lambda name, _: download(name, url))


def test_published_weights_are_downloaded_once(
    server: str, state_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = hashlib.sha256(state_file.read_bytes()).hexdigest()
    name = f"state-{digest[:8]}.pth"
    (state_file.parent / name).write_bytes(state_file.read_bytes())
    publish(monkeypatch, f"{server}/{name}")
    assert load_encoder(SMALL).identity.weights == digest
    assert (tmp_path / "torch" / "hub" / "checkpoints" / name).is_file()
    publish(monkeypatch, f"{server}/absent/{name}")
    assert load_encoder(SMALL, "IMAGENET1K_V1").identity.weights == digest


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{server}/absent-12345678.pth", "Not Found|not found"),
        ("http://127.0.0.1:9/a-12345678.pth", "refused"),
        ("{server}/state-12345678.pth", "hash"),
    ],
)
def test_a_download_that_fails_says_where_to_put_the_file(
    server: str, state_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, reason: str
) -> None:
    (state_file.parent / "state-12345678.pth").write_bytes(io.BytesIO(b"other").getvalue())
    publish(monkeypatch, address.format(server=server))
    with pytest.raises(
        DownloadFailed, match=f"({reason}).*: put the file .*-12345678.pth into .*checkpoints, or name its"
    ):
        load_encoder(SMALL)
    assert not [*(tmp_path / "torch" / "hub" / "checkpoints").glob("*.pth")]


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    with pytest.raises(ExtraMissing, match="requirements-features"):
        load_torchvision(SMALL, "random")
