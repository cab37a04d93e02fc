"""Gradients of passes equal those of autograd to the bit, for every head, norm, preset and stack that has passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.models.score_head import ScoreHead
from anoonly_core.training import steps
from anoonly_core.training.loop import train, train_step_by_step
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from tests.core.models.plain import in_double
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of
from tests.core.training.test_known_normals import with_known

HEADS = [name for name, head in METHODS.items() if issubclass(head, ScoreHead) and BASELINES[name].has("norm")]
NORMS = ("batch", "batch_no_affine", "none")
CASES = [(name, preset, norm) for name in HEADS for preset in BASELINES[name].settings for norm in NORMS]


def state_after(stack: Stack, is_double: bool, by_autograd: bool) -> dict[str, torch.Tensor]:
    """Train a stack, in float64 if `is_double`; return its parameters and running statistics."""
    if is_double:
        in_double(stack)
    for _ in train_step_by_step(stack) if by_autograd else train(stack):
        pass
    return dict(stack.head.state_dict())


@pytest.mark.parametrize(("baseline", "preset", "norm"), CASES)
@pytest.mark.parametrize(
    ("runs", "columns", "known", "is_double"),
    [(1, 5, 0, False), (1, 170, 20, False), (6, 5, 20, False), (6, 170, 0, False), (2, 5, 20, True)],
)
def test_training_has_the_bits_of_autograd(
    baseline: str, preset: str, norm: str, runs: int, columns: int, known: int, is_double: bool
) -> None:
    table = made_table(columns=columns)
    split = made_split(table)
    split = with_known(split, known) if known else split
    configs = configs_of(runs, baseline=baseline, preset=preset, norm=norm)
    by_hand, expected = (
        state_after(stack_of(table, configs, split), is_double, by_autograd) for by_autograd in (False, True)
    )
    for name, value in by_hand.items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("is_double", [False, True])
@pytest.mark.parametrize(("runs", "columns"), [(1, 5), (1, 170), (4, 33)])
def test_pretraining_has_the_bits_of_autograd(
    runs: int, columns: int, is_double: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = made_table(columns=columns)
    configs = configs_of(runs, baseline="FEAWAD")
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)
    by_hand, by_autograd = (
        in_double(stack) if is_double else stack for stack in (stack_of(table, configs), stack_of(table, configs))
    )
    list(pretrain(by_hand, use_cache=False))
    monkeypatch.setattr(steps, "CAPTURES", {"cpu": None})  # a captured step takes autograd
    list(pretrain(by_autograd, use_cache=False))
    expected = by_autograd.head.state_dict()
    for name, value in by_hand.head.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize(("baseline", "preset", "norm"), CASES)
def test_the_heads_of_the_paper_have_passes(baseline: str, preset: str, norm: str) -> None:
    head = prepared_head(baseline, preset=preset, norm=norm)
    assert head.bind(torch.zeros(1, 8, 5)) is not None


@pytest.mark.parametrize("settings", [{"norm": "layer"}, {"norm": "group_ws"}, {"norm": "batch", "grad_mean": 0.0}])
def test_other_layers_and_a_part_of_the_gradient_take_autograd(settings: dict[str, object]) -> None:
    head = prepared_head("DeepSAD", **settings)
    assert head.bind(torch.zeros(1, 8, 5)) is None


def prepared_head(baseline: str, **settings: Any) -> ScoreHead:
    """Return a head whose parameters have gradients, for rows of five columns."""
    head = stack_of(made_table(columns=5), configs_of(1, baseline=baseline, **settings)).head
    assert isinstance(head, ScoreHead)
    for parameter in head.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return head
