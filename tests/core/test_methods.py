"""One contract for every head of the registry, and DeepSAD against a plain torch.nn rendition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anoonly_core.config import make_config
from anoonly_core.layers import NORMS, StackedLinear
from anoonly_core.methods import METHODS, Head
from anoonly_core.methods.batches import shuffled_batches
from anoonly_core.methods.deepsad import DeepSAD
from anoonly_core.settings import BASELINES, PRESETS
from anoonly_core.train import Stack, train
from tests.core.stacks import configs_of, made_split, made_table, stack_of, trained_scores

every_head = pytest.mark.parametrize("baseline", METHODS)
every_norm = pytest.mark.parametrize("norm", NORMS)
every_preset = pytest.mark.parametrize("preset", PRESETS)


def test_registry_settings_and_heads_name_the_same_baselines() -> None:
    assert set(METHODS) == set(BASELINES)
    for baseline in BASELINES.values():
        assert set(baseline.settings) == set(PRESETS)
        assert set(baseline.norms) <= set(NORMS)


def batch_of(stack: Stack) -> tuple[Tensor, Tensor]:
    """The first epoch's first batch with labelled anomalies in every run, as the loop would build it."""
    epoch = next(epoch for epoch in stack.draw_epochs() if stack.rows.labelled[epoch].any(dim=2).all(dim=1).any())
    indices = epoch[stack.rows.labelled[epoch].any(dim=2).all(dim=1)][0]
    runs, size = indices.shape
    return stack.rows.X[indices.view(-1)].view(runs, size, -1), stack.rows.labelled[indices]


def in_double(stack: Stack) -> Stack:
    """The same stack in float64, where rounding no longer hides a wrong formula."""
    stack.head.double()
    stack.rows = replace(stack.rows, X=stack.rows.X.double())
    stack.lambda_n = stack.lambda_n.double()
    return stack


@every_head
@every_norm
@every_preset
def test_shapes_and_finite_losses(baseline: str, norm: str, preset: str) -> None:
    dataset = made_table()
    stack = stack_of(dataset, configs_of(3, baseline=baseline, norm=norm, preset=preset))
    x, labelled = batch_of(stack)
    stack.head.train()
    for loss in stack.head.losses(x, labelled):
        assert loss.shape == (3,)
        assert torch.isfinite(loss).all()
    stack.head.eval()
    assert stack.head.score(x).shape == x.shape[:2]
    assert stack.head.hidden(x).shape[:2] == x.shape[:2]


@every_head
@every_norm
@every_preset
def test_a_run_scores_the_same_bits_alone_and_in_a_stack_of_eight(baseline: str, norm: str, preset: str) -> None:
    dataset, configs = made_table(), configs_of(8, baseline=baseline, norm=norm, preset=preset, learning_rate=1e-2)
    together = trained_scores(dataset, configs)
    for place in (0, 3, 7):
        alone = trained_scores(dataset, [configs[place]])[0]
        assert np.array_equal(alone, together[place])
    assert not np.array_equal(together[0], together[1])


@every_head
@every_norm
def test_runs_with_other_rows_and_labels_score_the_same_bits_in_one_stack(baseline: str, norm: str) -> None:
    """Splits of 60, 61 and 63 rows make as many batches of 16; two of the four runs share theirs."""
    dataset, configs = made_table(), configs_of(4, baseline=baseline, norm=norm)
    shared = made_split(dataset)
    splits = [
        shared,
        made_split(dataset, labels=1, train_rows=61),
        shared,
        made_split(dataset, labels=5, train_rows=63),
    ]
    stack = Stack(dataset, configs, splits)
    list(train(stack))
    together = stack.scores([split.test for split in splits])
    for config, split, scores in zip(configs, splits, together, strict=True):
        assert np.array_equal(trained_scores(dataset, [config], split)[0], scores)


@every_head
@pytest.mark.parametrize("batch_size", [1, 5, 7, 33])
def test_odd_batch_sizes_too_score_the_same_bits_in_a_stack(baseline: str, batch_size: int) -> None:
    dataset = made_table()
    for preset in PRESETS:
        configs = configs_of(4, baseline=baseline, norm="batch", preset=preset, batch_size=batch_size)
        assert np.array_equal(trained_scores(dataset, configs)[3], trained_scores(dataset, configs[3:])[0])


@every_head
@every_norm
def test_the_same_seed_gives_the_same_scores_and_another_seed_others(baseline: str, norm: str) -> None:
    dataset, config = made_table(), configs_of(1, baseline=baseline, norm=norm)[0]
    first, again, other = (trained_scores(dataset, [c])[0] for c in (config, config, config.with_(seed=5)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


class OneStep(torch.optim.SGD):
    """Plain gradient descent that stops after its first step."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        super().step()
        self.param_groups[0]["lr"] = 0.0


@every_head
@every_norm
def test_a_step_follows_lambda_n_times_the_pools_gradient_plus_the_anomalies(
    baseline: str, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What train() really descends: P eq. 7, with each norm's penalty over the batch size."""
    configs = [make_config(baseline=baseline, norm=norm, lambda_n=v, batch_size=16, epochs=1) for v in (0, 0.25, 1)]
    dataset = made_table()
    stack = in_double(stack_of(dataset, configs, made_split(dataset, labels=9)))
    monkeypatch.setattr(type(stack.head), "optimiser", lambda head, rate: OneStep(head.parameters(), lr=1.0))
    parameters = list(stack.head.parameters())
    before = [parameter.detach().clone() for parameter in parameters]

    indices = next(stack.draw_epochs())[0]
    x, labelled = stack.rows.X[indices], stack.rows.labelled[indices]
    assert labelled.any() and not labelled.all()
    stack.head.train()
    normal, anomaly = stack.head.losses(x, labelled)
    penalty = sum((n.penalty / 16 for n in stack.head.norms() if n.penalty is not None), torch.zeros(3))
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
        for run, lambda_n in enumerate((0, 0.25, 1)):
            expected = -(lambda_n * pool[run] + anomalies[run] + norms[run])
            torch.testing.assert_close((parameter - start)[run], expected, rtol=1e-9, atol=1e-12)


@every_head
@every_norm
def test_loss_gradients_agree_with_finite_differences_in_double_precision(baseline: str, norm: str) -> None:
    stack = stack_of(made_table(columns=3), configs_of(2, baseline=baseline, norm=norm))
    head = stack.head.double().train()
    x, labelled = batch_of(stack)
    x = x.double()
    parameters = [parameter for parameter in head.parameters() if parameter.numel()]
    for which in (0, 1):
        loss = head.losses(x, labelled)[which].sum()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            place = int(gradient.abs().argmax())
            step = 1e-6
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter.view(-1)[place] += sign * step
                    values.append(float(head.losses(x, labelled)[which].sum()))
                    parameter.view(-1)[place] -= sign * step
            expected = (values[0] - values[1]) / (2 * step)
            # Central differences lose half of the sixteen digits.
            assert float(gradient.view(-1)[place]) == pytest.approx(expected, rel=1e-4, abs=1e-8)


@every_head
@every_norm
def test_eval_scores_do_not_depend_on_batch_mates(baseline: str, norm: str) -> None:
    dataset = made_table(rows=600)
    stack = stack_of(dataset, configs_of(2, baseline=baseline, norm=norm), made_split(dataset, train_rows=60))
    for _ in train(stack):
        pass
    rows = np.arange(60, 600)
    whole = stack.scores([rows, rows])
    fewer = stack.scores([rows[:10], rows[:300]])
    changed = rows.copy()
    changed[1:] = 61
    other = stack.scores([changed, rows])
    assert np.array_equal(whole[0][:10], fewer[0])
    assert np.array_equal(whole[1][:300], fewer[1])
    assert whole[0][0] == other[0][0]


@every_head
@every_norm
def test_batches_without_a_labelled_anomaly_train_on(baseline: str, norm: str) -> None:
    """One labelled anomaly and batches of 5: most batches hold none, and nothing becomes NaN."""
    dataset = made_table(rows=30)
    split = made_split(dataset, labels=1, train_rows=20)
    scores = trained_scores(dataset, configs_of(2, baseline=baseline, norm=norm, batch_size=5), split)
    assert all(np.isfinite(score).all() for score in scores)


@every_head
@pytest.mark.parametrize("columns", [1, 2, 64, 1555])
def test_any_number_of_columns(baseline: str, columns: int) -> None:
    dataset = made_table(rows=40, columns=columns)
    for scores in trained_scores(dataset, configs_of(2, baseline=baseline, epochs=1)):
        assert np.isfinite(scores).all()


@every_head
def test_a_batch_larger_than_the_set_is_the_set(baseline: str) -> None:
    dataset = made_table(rows=30)
    split = made_split(dataset, train_rows=20)
    large, exact = (configs_of(1, baseline=baseline, batch_size=size) for size in (512, 20))
    assert np.array_equal(trained_scores(dataset, large, split)[0], trained_scores(dataset, exact, split)[0])


@every_head
def test_first_weights_are_the_same_whatever_the_norm(baseline: str) -> None:
    def weights(norm: str) -> list[Tensor]:
        head: Head = METHODS[baseline](2, 5, norm, "paper")
        head.initialise([torch.Generator().manual_seed(n) for n in range(2)])
        return [module.weight for module in head.modules() if isinstance(module, StackedLinear)]

    for norm in NORMS:
        for ours, first in zip(weights(norm), weights("none"), strict=True):
            assert torch.equal(ours, first)


def test_shuffled_batches_use_each_row_at_most_once_an_epoch() -> None:
    batches = shuffled_batches(50, 16, torch.Generator().manual_seed(0))
    assert batches.shape == (3, 16)
    assert len(set(batches.view(-1).tolist())) == 48


# -- DeepSAD ------------------------------------------------------------------------------------


class Watched(DeepSAD):
    """DeepSAD that keeps the scores of its last batch, with their gradient."""

    def score(self, x: Tensor) -> Tensor:
        self.seen = super().score(x)
        self.seen.retain_grad()
        return self.seen


def gradients_at_lambda_zero(norm: str) -> tuple[Tensor, Tensor, Tensor]:
    """At λ_n = 0: the gradient at each row's input, at its score, and who is labelled."""
    stack = stack_of(made_table(), [make_config(lambda_n=0, norm=norm, batch_size=32)])
    x, labelled = batch_of(stack)
    x = x.clone().requires_grad_()
    head = Watched(1, 7, norm, "paper")
    head.load_state_dict(stack.head.state_dict())
    normal, anomaly = head.losses(x, labelled)
    (0.0 * normal + anomaly).sum().backward()
    assert x.grad is not None and head.seen.grad is not None
    return x.grad[0], head.seen.grad[0], labelled[0]


@every_norm
def test_at_lambda_zero_only_batch_norm_brings_a_pool_row_a_gradient(norm: str) -> None:
    """The paper's idea: the pool's scores are in no loss, its rows act through mean and variance alone."""
    at_input, at_score, labelled = gradients_at_lambda_zero(norm)
    assert (at_score[~labelled] == 0).all()
    assert (at_score[labelled] != 0).all()
    pool = at_input[~labelled].abs().sum(dim=1)
    assert (pool > 0).all() if norm.startswith("batch") else (pool == 0).all()
    assert (at_input[labelled].abs().sum(dim=1) > 0).all()


@every_preset
def test_deepsads_widths_are_the_presets(preset: str) -> None:
    head = DeepSAD(1, 9, "none", preset)
    widths = [module.weight.shape[1:] for module in head.modules() if isinstance(module, StackedLinear)]
    assert (
        widths == {"paper": [(9, 128), (128, 64), (64, 32)], "published_code": [(9, 100), (100, 20), (20, 10)]}[preset]
    )


def plain_norm(norm: str, features: int) -> nn.Module:
    return {
        "batch": lambda: nn.BatchNorm1d(features, eps=1e-4),
        "batch_no_affine": lambda: nn.BatchNorm1d(features, eps=1e-4, affine=False),
        "layer": lambda: nn.LayerNorm(features, eps=1e-4),
    }.get(norm, nn.Identity)()


class PlainDeepSAD(nn.Module):
    """One run of a stack of DeepSAD in torch.nn, in float64."""

    def __init__(self, stack: Stack, run: int) -> None:
        super().__init__()
        norm = stack.configs[run].norm
        self.linears, self.norms = nn.ModuleList(), nn.ModuleList()
        for module in stack.head.modules():
            if isinstance(module, StackedLinear):
                linear = nn.Linear(*module.weight.shape[1:], bias=False)
                linear.weight = nn.Parameter(module.weight[run].detach().T.clone())
                self.linears.append(linear)
                self.norms.append(plain_norm(norm, linear.out_features).double())

    def features(self, x: Tensor) -> list[Tensor]:
        """What stands at the two norms, and the code."""
        found = [self.linears[0](x)]
        for place in (0, 1):
            found.append(self.linears[place + 1](nn.functional.leaky_relu(self.norms[place](found[place]))))
        return found

    def distance(self, x: Tensor, centre: Tensor) -> Tensor:
        return ((self.features(x)[2] - centre) ** 2).sum(dim=1)


def plain_centre(plain: PlainDeepSAD, rows: Tensor) -> Tensor:
    plain.eval()
    with torch.no_grad():
        mean = plain.features(rows)[2].mean(dim=0).tolist()
    return torch.tensor([v if abs(v) >= 0.1 else (-0.1 if v < 0 else 0.1) for v in mean], dtype=torch.float64)


@every_norm
def test_a_whole_training_agrees_with_plain_torch(norm: str) -> None:
    """Three runs of 9 Adam steps, in float64, where a stack and torch.nn differ by rounding alone."""
    lambdas = (1.0, 0.0, 2**-6)  # exact in float32 too
    configs = [make_config(lambda_n=v, norm=norm, epochs=3, batch_size=16, seed=3) for v in lambdas]
    stack = in_double(stack_of(made_table(columns=20), configs))
    plains = [PlainDeepSAD(stack, run) for run in range(3)]
    centres = [plain_centre(plain, stack.rows.X) for plain in plains]
    for run, centre in enumerate(centres):
        # The head's own centre was taken in float32.
        torch.testing.assert_close(stack.head.centre[run, 0], centre, rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    stack.head.centre.copy_(torch.stack(centres)[:, None])  # type: ignore[union-attr]
    test = stack.splits[0].test
    for run, (plain, centre) in enumerate(zip(plains, centres, strict=True)):
        optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=1e-6)
        draws = stack.draw_epochs()
        plain.train()
        for _ in range(3):
            for indices in next(draws)[:, run]:
                distance = plain.distance(stack.rows.X[indices], centre)
                labelled = stack.rows.labelled[indices]
                loss = lambdas[run] * distance[~labelled].sum() + (1 / (distance[labelled] + 1e-6)).sum()
                if norm == "bn_loss":
                    for h in plain.features(stack.rows.X[indices])[:2]:
                        loss = loss + h.mean(dim=0).norm() + (h.var(dim=0, unbiased=False) - 1).norm()
                optimiser.zero_grad()
                (loss / 16).backward()
                optimiser.step()
        plain.eval()
    list(train(stack))
    for run, (plain, centre) in enumerate(zip(plains, centres, strict=True)):
        rows = stack.scale(run, test).double()
        with torch.no_grad():
            found = stack.head.row_by_row(stack.head.score, [rows] * 3)[run]
            torch.testing.assert_close(found, plain.distance(rows, centre), rtol=1e-10, atol=0)


def test_the_centre_keeps_off_zero_and_is_the_mean_elsewhere() -> None:
    """Enlarged last weights, so that components fall on both sides of the margin and of zero."""
    stack = stack_of(made_table(columns=20), configs_of(2))
    head = stack.head
    assert isinstance(head, DeepSAD)
    head.linear_3.weight.data *= 8
    head.prepare(stack.rows)
    in_double(stack)
    kept = []
    for run in range(2):
        plain = PlainDeepSAD(stack, run)
        torch.testing.assert_close(head.centre[run, 0], plain_centre(plain, stack.rows.X), rtol=1e-5, atol=1e-6)
        kept += [abs(v) > 0.1 + 1e-6 for v in head.centre[run, 0].tolist()]
    assert {True, False} == set(kept)
    assert (head.centre.abs() >= 0.1 - 1e-7).all()
    assert (head.centre < 0).any() and (head.centre > 0).any()


def test_a_batch_without_a_labelled_anomaly_has_no_anomaly_loss_and_no_gradient_of_it() -> None:
    stack = stack_of(made_table(), configs_of(2, norm="batch"))
    x, labelled = batch_of(stack)
    normal, anomaly = stack.head.losses(x, torch.zeros_like(labelled))
    assert torch.equal(anomaly, torch.zeros(2))
    for gradient in torch.autograd.grad(anomaly.sum(), list(stack.head.parameters()), retain_graph=True):
        assert (gradient == 0).all()
    for gradient in torch.autograd.grad(normal.sum(), list(stack.head.parameters())):
        assert torch.isfinite(gradient).all() and (gradient != 0).any()


def test_a_labelled_anomaly_on_the_centre_costs_a_million_and_stays_finite() -> None:
    stack = stack_of(made_table(), configs_of(1, norm="none"))
    head = stack.head
    assert isinstance(head, DeepSAD)
    x = stack.rows.X[None, :1]
    with torch.no_grad():
        head.centre.copy_(head.code(x))
    normal, anomaly = head.losses(x, torch.ones(1, 1, dtype=torch.bool))
    assert normal.item() == 0
    assert anomaly.item() == pytest.approx(1e6)
    gradients = torch.autograd.grad(anomaly.sum(), list(head.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
