"""Published settings and layers of each system, taken from docs/methods.md § 2 and § 8, not from the code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.rivals import RIVALS
from anoonly_core.config import make_config
from anoonly_core.models import METHODS
from anoonly_core.models.layers import StackedLinear
from anoonly_core.models.norms import BatchNorm
from anoonly_core.models.prenet import PReNet

# epochs, batch size, learning rate
SETTINGS = {
    ("DeepSAD", "paper"): (50, 128, 1e-3),
    ("DeepSAD", "published_code"): (50, 128, 1e-4),
    ("DevNet", "paper"): (50, 64, 2e-4),
    ("DevNet", "published_code"): (50, 64, 2e-4),
    ("FEAWAD", "paper"): (30, 512, 1e-4),
    ("FEAWAD", "published_code"): (30, 512, 1e-4),
    ("FEAWAD", "paper_printed"): (30, 512, 1e-4),
    ("PReNet", "paper"): (30, 512, 1e-3),
    ("PReNet", "published_code"): (50, 512, 1e-3),
    ("Classifier", "paper"): (50, 64, 2e-4),
    ("REPEN", "paper"): (30, 256, 1.0),
    ("GANomaly", "paper"): (50, 64, 1e-2),
    ("RoSAS", "paper"): (100, 128, 5e-3),
    ("nnPU", "paper"): (50, 64, 1e-3),
    ("XGBOD", "paper"): (None, None, None),
    **{(rival.name, preset): (None, None, None) for rival in RIVALS for preset in rival.settings},
}

# Of 100 columns: inputs and outputs of each linear layer.
LAYERS = {
    ("DeepSAD", "paper"): [(100, 128), (128, 64), (64, 32)],
    ("DeepSAD", "published_code"): [(100, 100), (100, 20), (20, 10)],
    ("DevNet", "paper"): [(100, 20), (20, 1)],
    ("FEAWAD", "paper"): [
        *[(100, 100), (100, 128), (128, 64), (64, 128), (128, 100)],
        *[(64 + 100 + 1, 256), (257, 32), (33, 1)],
    ],
    ("PReNet", "paper"): [(100, 20), (40, 1)],
    ("Classifier", "paper"): [(100, 20), (20, 1)],
    ("REPEN", "paper"): [(100, 20)],
    ("RoSAS", "paper"): [(100, 114), (114, 128), (128, 64), (64, 1)],
    ("nnPU", "paper"): [(100, 20), (20, 1)],
    ("GANomaly", "paper"): [(100, 25), (25, 100), (100, 25), (100, 100), (100, 20), (20, 1)],
}


# The paper's pairing of norms, at λ_n = 1 and below.
NORMS = {
    ("DeepSAD", "paper"): ("batch_no_affine", "batch_no_affine"),
    ("DeepSAD", "published_code"): ("batch_no_affine", "batch_no_affine"),
    ("DevNet", "paper"): ("none", "batch"),
    ("DevNet", "published_code"): ("none", "batch"),
    ("FEAWAD", "paper"): ("none", "batch"),
    ("FEAWAD", "published_code"): ("batch", "batch"),  # the code leaves it in the baseline too
    ("FEAWAD", "paper_printed"): ("none", "batch"),
    ("PReNet", "paper"): ("none", "batch"),
    ("PReNet", "published_code"): ("none", "batch"),
    ("Classifier", "paper"): ("none", "batch"),
}


@pytest.mark.parametrize(("name", "preset"), NORMS)
def test_norms_are_the_published_pairs(name: str, preset: str) -> None:
    norms = tuple(make_config(baseline=name, preset=preset, lambda_n=value).norm for value in (1, 0))
    assert norms == NORMS[name, preset]


def test_the_tables_here_cover_every_system() -> None:
    assert set(SETTINGS) == {(name, preset) for name, baseline in BASELINES.items() for preset in baseline.settings}
    assert {name for name, _ in LAYERS} == set(METHODS)


@pytest.mark.parametrize(("name", "preset"), SETTINGS)
def test_settings_are_as_published(name: str, preset: str) -> None:
    config = make_config(baseline=name, preset=preset)
    assert (config.epochs, config.batch_size, config.learning_rate) == SETTINGS[name, preset]


@pytest.mark.parametrize(("name", "preset"), LAYERS)
def test_layers_are_as_published(name: str, preset: str) -> None:
    head = METHODS[name](1, 100, None, preset)
    linears = [module for module in head.modules() if isinstance(module, StackedLinear)]
    assert [tuple(linear.weight.shape[1:]) for linear in linears] == LAYERS[name, preset]
    biases = {"DeepSAD": [False] * 3, "RoSAS": [False, False, False, True]}
    assert [linear.bias is not None for linear in linears] == biases.get(name, [True] * len(linears))


@pytest.mark.parametrize(("columns", "code"), [(1, 1), (2, 1), (7, 3), (8, 2), (1555, 388)])
def test_ganomaly_codes_have_a_quarter_of_the_columns_or_half_below_eight(columns: int, code: int) -> None:
    head = METHODS["GANomaly"](1, columns, None, "paper")
    assert head.hidden(torch.zeros(1, 3, columns)).shape == (1, 3, code)


def test_steps_pretraining_partners_and_subsamples() -> None:
    steps = {
        name: METHODS[name].batch_shape(1000, 20, BASELINES[name].settings["paper"].batch_size or 0) for name in METHODS
    }
    assert steps == {
        "DeepSAD": (7, 128),
        "DevNet": (20, 64),
        "FEAWAD": (20, 512),
        "PReNet": (20, 1024),
        "Classifier": (20, 64),
        "REPEN": (50, 768),
        "GANomaly": (15, 64),
        "RoSAS": (16, 768),
        "nnPU": (20, 64),
    }
    pretrained = {name: baseline.pretraining_epochs for name, baseline in BASELINES.items()}
    assert pretrained == {**dict.fromkeys(BASELINES, 0), "FEAWAD": 100}
    assert PReNet(1, 5, "none", "paper").partners_pool.shape == (1, 30, 5)
    assert METHODS["REPEN"](1, 5, None, "paper").get_buffer("reference").shape == (1, 50 * 8, 5)


@pytest.mark.parametrize(
    ("name", "eps", "momentum"),
    [
        ("DeepSAD", 1e-4, 0.1),
        ("DevNet", 1e-3, 0.01),
        ("FEAWAD", 1e-3, 0.01),
        ("PReNet", 1e-5, 0.1),
        ("Classifier", 1e-3, 0.01),
    ],
)
def test_batch_norms_have_the_constants_of_torch_or_keras(name: str, eps: float, momentum: float) -> None:
    norms = [module for module in METHODS[name](1, 9, "batch", "paper").modules() if isinstance(module, BatchNorm)]
    assert len(norms) == (2 if name == "DeepSAD" else 1)
    assert {(norm.eps, norm.momentum) for norm in norms} == {(eps, momentum)}


def first_layer(name: str) -> Iterator[Tensor]:
    """Yield the weights, and the biases if any, of the first layer for 400 columns."""
    head = METHODS[name](1, 400, "none", "paper")
    head.initialize([torch.Generator().manual_seed(0)])
    linear = next(module for module in head.modules() if isinstance(module, StackedLinear))
    yield linear.weight.detach()
    if linear.bias is not None:
        yield linear.bias.detach()


@pytest.mark.parametrize("name", METHODS)
def test_first_weights_have_the_distribution_of_torch_or_keras(name: str) -> None:
    weight, *biases = first_layer(name)
    inputs, outputs = weight.shape[1:]
    keras = {"DevNet": "uniform", "Classifier": "uniform", "nnPU": "uniform", "REPEN": "uniform", "FEAWAD": "normal"}
    if name in keras:
        deviation = (2 / (inputs + outputs)) ** 0.5
        largest = 3**0.5 if keras[name] == "uniform" else 2 / 0.8796
        assert not any(bias.any() for bias in biases)
    else:
        deviation, largest = (3 * inputs) ** -0.5, 3**0.5
        assert all(bias.any() for bias in biases)
    assert weight.std().item() == pytest.approx(deviation, rel=0.03)
    assert weight.abs().max().item() == pytest.approx(largest * deviation, rel=0.03)
