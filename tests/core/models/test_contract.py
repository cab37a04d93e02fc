"""Contract of every registered head, for all its norms and presets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from anoonly_core.baselines import BASELINES, PAPER_NORMS, PRESETS
from anoonly_core.baselines.network import Linear, Operation
from anoonly_core.config import make_config
from anoonly_core.models import METHODS, OTHERS
from anoonly_core.models.layers import StackedLinear
from anoonly_core.models.norm import Norm
from anoonly_core.models.norms import NORMS
from anoonly_core.models.samplers import shuffled_batches
from anoonly_core.training.loop import train
from anoonly_core.training.stack import Stack
from tests.core.models.plain import in_double
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of, trained, trained_scores

pytestmark = pytest.mark.usefixtures("short_pretraining")
CASES = [
    pytest.param(baseline, norm, preset, id=f"{baseline}-{norm or 'own'}-{preset}")
    for baseline in METHODS
    for norm in (PAPER_NORMS if BASELINES[baseline].has("norm") else [None])
    for preset in BASELINES[baseline].settings
]
# For trainings: of the norms of a head, each with one preset. The presets take turns, beginning with another for the
# next head, so that each head meets all its norms and presets, and each norm the presets `paper` and `published_code`.
PAIRS = [
    pytest.param(baseline, norm, presets[(number + turn) % len(presets)], id=f"{baseline}-{norm or 'own'}")
    for number, baseline in enumerate(METHODS)
    for presets in [list(BASELINES[baseline].settings)]
    for turn, norm in enumerate(PAPER_NORMS if BASELINES[baseline].has("norm") else [None])
]
every_case = pytest.mark.parametrize(("baseline", "norm", "preset"), CASES)
every_pair = pytest.mark.parametrize(("baseline", "norm", "preset"), PAIRS)
every_head = pytest.mark.parametrize("baseline", METHODS)
every_norm = pytest.mark.parametrize("norm", PAPER_NORMS)
WITH_LAMBDA = [name for name in METHODS if BASELINES[name].has("lambda_n")]


def test_registry_and_baselines_have_the_same_names() -> None:
    assert {*METHODS, *OTHERS} == set(BASELINES)
    for name, baseline in BASELINES.items():
        assert baseline.name == name
        assert next(iter(baseline.settings)) in ("paper", "default") and set(baseline.settings) <= set(PRESETS)
        if baseline.norms is not None:
            assert set(baseline.norms) == set(baseline.settings)
            assert {norm for pair in baseline.norms.values() for norm in pair} <= set(NORMS)
        assert len(re.findall(r"[.!?](?: |$)", baseline.summary)) == 2, "the page shows two sentences"


def test_the_cases_of_trainings_hold_every_pair() -> None:
    cases, pairs = ({case.values for case in cases} for cases in (CASES, PAIRS))
    for first, second in itertools.combinations(range(3), 2):
        expected = {(case[first], case[second]) for case in cases if "paper_printed" not in case or first == 0}
        assert expected <= {(case[first], case[second]) for case in pairs}


@every_case
def test_a_head_has_the_layers_that_its_baseline_describes(baseline: str, norm: str | None, preset: str) -> None:
    describe = BASELINES[baseline].network
    assert describe is not None
    head = METHODS[baseline](2, 9, norm, preset)
    built = []
    for module in head.modules():
        if isinstance(module, StackedLinear):
            built.append((*module.weight.shape[1:], module.bias is not None))
        elif isinstance(module, Norm):
            built.append(type(module))
    described: list[object] = []
    for part in describe(9, preset).values():
        for step, width in zip(part.layers, part.widths(), strict=False):
            if isinstance(step, Linear):
                described.append((width, step.outputs, step.bias))
            elif step is Operation.NORM:
                described.append(type(NORMS[norm or "none"](1, 1, 1e-5, 0.1)))
    assert built == described
    # The features that the page shows are those of the part before the last, or of the only one.
    x = torch.rand(2, 5, 9)
    assert head.eval().hidden(x).shape[2] in {part.widths()[-1] for part in describe(9, preset).values()}


def batch_of(stack: Stack) -> tuple[Tensor, Tensor]:
    """Return the first batch with labeled anomalies in every run, or the first batch if there is none."""
    for epoch in itertools.islice(stack.draw_epochs(), 30):
        held = stack.rows.labeled[epoch].any(dim=2).all(dim=1)
        if held.any():
            indices = epoch[held][0]
            break
    else:
        indices = epoch[0]
    return stack.gather(indices), stack.rows.labeled[indices]


@every_case
def test_shapes_and_finite_losses(baseline: str, norm: str | None, preset: str) -> None:
    dataset = made_table()
    stack = stack_of(dataset, configs_of(3, baseline=baseline, norm=norm, preset=preset))
    x, labeled = batch_of(stack)
    stack.head.train()
    for loss in stack.head.losses(x, labeled):
        assert loss.shape == (3,)
        assert torch.isfinite(loss).all()
    stack.head.eval()
    assert stack.head.score(x).shape == x.shape[:2]
    assert stack.head.hidden(x).shape[:2] == x.shape[:2]


@every_pair
def test_a_run_scores_the_same_bits_alone_and_in_a_stack_of_eight(baseline: str, norm: str | None, preset: str) -> None:
    """Splits of 60, 61 and 63 rows give equally many batches of 16; most runs of the stack share a split."""
    dataset, configs = made_table(), configs_of(8, baseline=baseline, norm=norm, preset=preset, epochs=2)
    splits = [made_split(dataset)] * 8
    splits[1] = made_split(dataset, labels=1, train_rows=61)
    splits[3] = made_split(dataset, labels=5, train_rows=63)
    together = trained(Stack(dataset, configs, splits)).scores([split.test for split in splits])
    for number in (0, 1, 3, 7):
        alone = trained_scores(dataset, [configs[number]], splits[number])[0]
        assert np.array_equal(alone, together[number])
    assert configs[4] == configs[0].with_(seed=4) and not np.array_equal(together[0], together[4])


# Of the batch sizes of a head, each with one preset; the presets take turns.
@pytest.mark.parametrize(
    ("baseline", "batch_size", "preset"),
    [
        (baseline, size, presets[turn % len(presets)])
        for baseline in METHODS
        for presets in [list(BASELINES[baseline].settings)]
        for turn, size in enumerate((1, 5, 7, 33))
    ],
)
def test_odd_batch_sizes_score_the_same_bits_in_a_stack(baseline: str, batch_size: int, preset: str) -> None:
    dataset, size = made_table(), max(batch_size, BASELINES[baseline].smallest_batch)
    configs = configs_of(4, baseline=baseline, preset=preset, batch_size=size, epochs=1)
    assert np.array_equal(trained_scores(dataset, configs)[3], trained_scores(dataset, configs[3:])[0])


class OneStep(torch.optim.SGD):
    """Plain gradient descent that stops after its first step."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        super().step()
        self.param_groups[0]["lr"] = 0.0


@pytest.mark.parametrize(
    ("baseline", "preset"), [(name, preset) for name in WITH_LAMBDA for preset in BASELINES[name].settings]
)
@every_norm
def test_a_step_follows_lambda_n_times_the_pools_gradient_plus_the_anomalies(
    baseline: str, norm: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paper eq. 7, with the penalty of each norm divided by the batch size."""
    lambdas = (0, 0.25, 1)
    same = {"baseline": baseline, "norm": norm, "preset": preset, "batch_size": 16, "epochs": 1, "learning_rate": 1.0}
    configs = [make_config(lambda_n=value, **same) for value in lambdas]
    dataset = made_table()
    stack = in_double(stack_of(dataset, configs, made_split(dataset, labels=9)))
    monkeypatch.setattr(type(stack.head), "optimizer", lambda head, rate: OneStep(head.parameters(), lr=rate))
    parameters = list(stack.head.parameters())
    before = [parameter.detach().clone() for parameter in parameters]

    indices = next(stack.draw_epochs())[0]
    x, labeled = stack.gather(indices), stack.rows.labeled[indices]
    assert labeled.any() and not labeled.all()
    stack.head.train()
    normal, anomaly = stack.head.losses(x, labeled)
    penalty = sum((p / 16 for n in stack.head.norms() if (p := n.take_penalty()) is not None), torch.zeros(3))
    # A term that does not use a parameter has None for its gradient; 0 · L_N stands in where no norm has a penalty.
    gradients = [
        [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
        for found in (
            torch.autograd.grad(term.sum(), parameters, retain_graph=True, allow_unused=True)
            for term in (normal, anomaly, penalty + 0 * normal)
        )
    ]
    assert any((gradient != 0).any() for gradient in gradients[0])
    list(train(stack))
    for parameter, start, pool, anomalies, norms in zip(parameters, before, *gradients, strict=True):
        for run, lambda_n in enumerate(lambdas):
            expected = -(lambda_n * pool[run] + anomalies[run] + norms[run])
            torch.testing.assert_close((parameter - start)[run], expected, rtol=1e-9, atol=1e-12)


def assert_gradient_is_that_of(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    """Compare the largest gradient of each parameter with central differences, which have 8 digits."""
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    assert any(gradient is not None for gradient in gradients)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            continue
        place = int(gradient.abs().argmax())
        values = []
        for change in (1e-6, -2e-6):
            with torch.no_grad():
                parameter.view(-1)[place] += change
                values.append(float(loss()))
        with torch.no_grad():
            parameter.view(-1)[place] += 1e-6
        expected = (values[0] - values[1]) / 2e-6
        assert float(gradient.reshape(-1)[place]) == pytest.approx(expected, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("which", [0, 1], ids=["normal", "anomaly"])
@pytest.mark.parametrize(("baseline", "norm", "preset"), [case for case in CASES if case.values[0] in WITH_LAMBDA])
def test_loss_gradients_agree_with_finite_differences_in_double_precision(
    baseline: str, norm: str, preset: str, which: int
) -> None:
    stack = in_double(stack_of(made_table(columns=3), configs_of(2, baseline=baseline, norm=norm, preset=preset)))
    head = stack.head.train()
    with torch.no_grad():  # first biases of 0 put a dead row's features on ReLU's kink, where there is no gradient
        for parameter in head.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    x, labeled = batch_of(stack)
    assert_gradient_is_that_of(lambda: head.losses(x, labeled)[which].sum(), list(head.parameters()))


@every_pair
def test_eval_scores_do_not_depend_on_other_rows(baseline: str, norm: str | None, preset: str) -> None:
    dataset = made_table(rows=600)
    configs = configs_of(2, baseline=baseline, norm=norm, preset=preset)
    stack = trained(stack_of(dataset, configs, made_split(dataset, train_rows=60)))
    rows = np.arange(60, 600)
    whole = stack.scores([rows, rows])
    fewer = stack.scores([rows[:10], rows[:300]])
    changed = rows.copy()
    changed[1:] = 61
    other = stack.scores([changed, rows])
    assert np.array_equal(whole[0][:10], fewer[0])
    assert np.array_equal(whole[1][:300], fewer[1])
    assert whole[0][0] == other[0][0]


@every_pair
def test_twenty_rows_with_one_label_train_without_nan(baseline: str, norm: str | None, preset: str) -> None:
    """Most batches of 5 hold no labeled anomaly, or always the same one."""
    dataset = made_table(rows=30)
    split = made_split(dataset, labels=1, train_rows=20)
    configs = configs_of(2, baseline=baseline, norm=norm, preset=preset, batch_size=5)
    assert all(np.isfinite(score).all() for score in trained_scores(dataset, configs, split))


@pytest.mark.parametrize(("baseline", "norm", "preset"), [case for case in CASES if case.values[0] in WITH_LAMBDA])
def test_a_batch_without_a_labeled_anomaly_has_zero_anomaly_loss_and_gradient(
    baseline: str, norm: str, preset: str
) -> None:
    stack = stack_of(made_table(), configs_of(2, baseline=baseline, norm=norm, preset=preset))
    x, labeled = batch_of(stack)
    normal, anomaly = stack.head.losses(x, torch.zeros_like(labeled))
    parameters = list(stack.head.parameters())
    assert torch.equal(anomaly, torch.zeros(2))
    for gradient in torch.autograd.grad(anomaly.sum(), parameters, retain_graph=True, allow_unused=True):
        assert gradient is None or (gradient == 0).all()
    gradients = torch.autograd.grad(normal.sum(), parameters)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any((gradient != 0).any() for gradient in gradients)


@every_head
@pytest.mark.parametrize("columns", [1, 2, 64, 1555])
def test_any_number_of_columns(baseline: str, columns: int) -> None:
    dataset = made_table(rows=40, columns=columns)
    for scores in trained_scores(dataset, configs_of(2, baseline=baseline, epochs=1)):
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("baseline", ["DeepSAD", "GANomaly"])
def test_a_batch_size_above_the_set_size_takes_the_whole_set(baseline: str) -> None:
    """Only for heads that shuffle; the others draw with replacement."""
    dataset = made_table(rows=30)
    split = made_split(dataset, train_rows=20)
    large, exact = (configs_of(1, baseline=baseline, batch_size=size) for size in (512, 20))
    assert np.array_equal(trained_scores(dataset, large, split)[0], trained_scores(dataset, exact, split)[0])


@pytest.mark.parametrize("baseline", WITH_LAMBDA)
def test_first_weights_do_not_depend_on_the_norm(baseline: str) -> None:
    def weights(norm: str) -> list[Tensor]:
        head = METHODS[baseline](2, 5, norm, "paper")
        head.initialize([torch.Generator().manual_seed(n) for n in range(2)])
        return [module.weight for module in head.modules() if isinstance(module, StackedLinear)]

    for norm in NORMS:
        for ours, first in zip(weights(norm), weights("none"), strict=True):
            assert torch.equal(ours, first)


def test_shuffled_batches_use_each_row_at_most_once_an_epoch() -> None:
    batches = shuffled_batches(50, 16, torch.Generator().manual_seed(0))
    assert batches.shape == (3, 16)
    assert len(set(batches.view(-1).tolist())) == 48
