"""Every mechanism with a strength: one contract over the registry, and each against an independent rendition."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anoonly_core import AnoOnlyDetector
from anoonly_core.baselines import MECHANISMS
from anoonly_core.microscope.mechanisms import split_gradient
from anoonly_core.microscope.run import watch_norms
from anoonly_core.models.feature_losses import FeatureLoss
from anoonly_core.models.layers import Chain, StackedLinear, standardized
from anoonly_core.models.norms import NORMS
from anoonly_core.models.statistics_norms import StatisticsNorm, group_sizes
from anoonly_core.models.whitening import inverse_root
from tests.core.training.stacks import configs_of, made_table, stack_of, trained, trained_scores

EPS, MOMENTUM = 1e-3, 0.1
WITH_DIAL = [name for name, mechanism in MECHANISMS.items() if mechanism.dial is not None]
every_mechanism = pytest.mark.parametrize("name", WITH_DIAL)


def levels(name: str) -> tuple[float, ...]:
    dial = MECHANISMS[name].dial
    assert dial is not None
    return dial.levels


def points_of(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("name", "strength"), [(name, level) for name in names for level in levels(name)])


every_point = points_of(WITH_DIAL)


def built(name: str, strengths: tuple[float, ...], features: int) -> Any:
    norm = NORMS[name](len(strengths), features, EPS, MOMENTUM).double()
    norm.set_strengths(strengths)
    return norm.train()


def batch(runs: int = 1, rows: int = 12, features: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(runs, rows, features, generator=generator, dtype=torch.float64)
    return 2 * values @ (torch.eye(features) + 0.3).double() + 1


def labeled_mask(runs: int = 1, rows: int = 12) -> Tensor:
    return (torch.arange(rows) % 4 == 1).repeat(runs, 1)


# -- the contract


@every_point
def test_shape_and_finite_values(name: str, strength: float) -> None:
    for rows, features in ((1, 5), (2, 1), (7, 33), (24, 20)):
        norm = built(name, (strength, levels(name)[0]), features)
        h = batch(2, rows, features).requires_grad_()
        output = norm(h, labeled_mask(2, rows))
        penalty = norm.take_penalty()
        assert output.shape == h.shape and (penalty is None) == isinstance(norm, StatisticsNorm)
        (output.sum() + (0 if penalty is None else penalty.sum())).backward()
        assert torch.isfinite(output).all() and h.grad is not None and torch.isfinite(h.grad).all(), (rows, features)
        norm.eval()
        assert norm(h).shape == h.shape and norm.take_penalty() is None


@every_point
def test_gradients_pass_gradcheck_in_double_precision(name: str, strength: float) -> None:
    # Batch renorm holds its corrections constant, unlike finite differences: its bounds are closed here.
    fresh = built(name, (0.0 if name == "renorm" else strength,), 5)
    labeled = labeled_mask(1, 9)

    def of_features(h: Tensor) -> Tensor:
        norm = copy.deepcopy(fresh)
        if isinstance(norm, FeatureLoss):
            return norm.loss(h, labeled)
        return norm.transform(h, norm.moments(h, labeled))

    h = batch(1, 9, 5).requires_grad_()
    if name == "cluster":  # the center holds still in the gradient, and moves with the features in finite differences
        loss = copy.deepcopy(fresh).loss(h, labeled)
        (gradient,) = torch.autograd.grad(loss.sum(), h)
        expected = torch.where(labeled[:, :, None], 0.0, 2 * (h - h.mean(1, keepdim=True)) / 5)
        torch.testing.assert_close(gradient, expected)
    else:
        assert torch.autograd.gradcheck(of_features, (h,), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("baseline", ["DeepSAD", "PReNet"])
@every_mechanism
def test_a_run_has_the_same_bits_beside_runs_of_other_strengths(name: str, baseline: str) -> None:
    dataset = made_table()
    (usual,) = configs_of(1, baseline=baseline, norm=name, lambda_n=0.0, epochs=2)
    strengths = [*levels(name), levels(name)[0]]
    configs = [usual.with_(norm_strength=level, seed=seed) for seed, level in enumerate(strengths)]
    together = trained_scores(dataset, configs)
    for config, scores in zip(configs, together, strict=True):
        assert np.array_equal(trained_scores(dataset, [config])[0], scores)
    ends = [usual.with_(norm_strength=level, seed=0) for level in (levels(name)[0], levels(name)[-1])]
    assert not np.array_equal(*trained_scores(dataset, ends))


@every_mechanism
def test_a_row_scores_the_same_whatever_rows_are_beside_it(name: str) -> None:
    stack = trained(stack_of(made_table(rows=400), configs_of(2, norm=name)))
    rows = np.arange(60, 400)
    whole, few = stack.scores([rows, rows]), stack.scores([rows[:3], rows[:300]])
    assert np.array_equal(whole[0][:3], few[0]) and np.array_equal(whole[1][:300], few[1])


@every_mechanism
def test_a_saved_detector_scores_the_same_bits(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(80, 12)), np.arange(80) % 8 == 0
    detector = AnoOnlyDetector(norm=name, norm_strength=levels(name)[0], epochs=2, batch_size=20, random_state=1)
    detector.fit(X, y.astype(int)).save(tmp_path / "d.safetensors")
    loaded = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    assert loaded.get_params()["norm_strength"] == levels(name)[0]
    assert np.array_equal(loaded.decision_function(X), detector.decision_function(X))
    loaded.network_.on_cpu()
    assert {norm.mechanism.name for norm in loaded.network_.head.norms()} == {name}


@pytest.mark.parametrize("baseline", ["DeepSAD", "PReNet"])
@every_mechanism
def test_the_microscopes_parts_add_up_to_the_gradient(name: str, baseline: str) -> None:
    stack = stack_of(made_table(), configs_of(1, baseline=baseline, norm=name, lambda_n=0.1))
    # 16 rows do not span 16 features: the inverse root of their covariance magnifies the rounding of float32.
    tolerance, seen = (1e-2 if name == "whiten" else 1e-4), 0
    for passes in watch_norms(stack):
        for norm_pass in passes:
            parts = norm_pass.parts
            split = (parts.direct, parts.through_variance, parts.through_mean, norm_pass.gradient)
            largest = max(float(np.abs(part).max()) for part in split)
            assert np.abs(parts.total - norm_pass.gradient).max() <= tolerance * largest
            seen += bool(norm_pass.gradient.any())
    assert seen > 5


# Mechanisms through which no gradient passes from a labeled anomaly to a pool row.
ROW_BY_ROW = {("group", None), ("group_ws", None), ("rms", None), ("running", 0), ("cluster", None)}


@every_point
def test_gradient_crosses_rows_where_statistics_are_shared(name: str, strength: float) -> None:
    labeled = labeled_mask()
    upstream = torch.where(labeled[:, :, None], batch(seed=1), torch.zeros(()).double())
    norm = built(name, (strength,), 6)
    direct, variance, mean = split_gradient(norm, batch() / 4, upstream, labeled, 1.0)
    pool = ~labeled
    crosses = bool((variance + mean)[pool].abs().max() > 1e-12)
    assert crosses == (not {(name, None), (name, strength)} & ROW_BY_ROW)
    if isinstance(norm, StatisticsNorm) and name != "whiten":
        assert not direct[pool].any()


# -- independent renditions, run by run in float64: (h, labeled, strength) -> normalized features

Rendition = Callable[[Tensor, Tensor, float], Tensor]


def by_torch(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    return layer.double().train()


def in_groups(h: Tensor, strength: float, function: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([function(part) for part in h.split(group_sizes(h.shape[1], strength), dim=1)], dim=1)


def group(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    sizes = group_sizes(h.shape[1], strength)
    if len(set(sizes)) == 1:
        return by_torch(nn.GroupNorm(len(sizes), h.shape[1], EPS, affine=False))(h)
    return in_groups(h, strength, lambda part: nn.functional.layer_norm(part, part.shape[1:], eps=EPS))


def rms(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    if strength == 1:
        return by_torch(nn.RMSNorm(h.shape[1], eps=EPS, elementwise_affine=False))(h)
    taken = [h[:, number] for number in range(math.ceil(strength * h.shape[1]))]
    square = sum(column**2 for column in taken) / len(taken)
    return h / (square[:, None] + EPS).sqrt()  # type: ignore[index]


def ghost(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    batches = max(1, round(len(h) / strength + 1e-9))
    output = torch.empty_like(h)
    for number in range(batches):
        rows = h[number::batches]
        if len(rows) == 1:
            output[number::batches] = 0
        else:
            output[number::batches] = by_torch(nn.BatchNorm1d(h.shape[1], EPS, affine=False))(rows)
    return output


def standard(h: Tensor) -> tuple[Tensor, Tensor]:
    return h.mean(0), h.var(0, correction=0)


def renorm(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    """Against running statistics 0 and 1, as a new norm has them."""
    mean, variance = standard(h)
    deviation, running = (variance + EPS).sqrt(), math.sqrt(1 + EPS)
    most = 1 + 2 * strength
    r = (deviation / running).clamp(1 / most, most).detach()
    d = (mean / running).clamp(-5 * strength, 5 * strength).detach()
    return (h - mean) / deviation * r + d


def running(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    mean, variance = standard(h)
    return (h - strength * mean) / (1 - strength + strength * variance + EPS).sqrt()


def pool_only(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    (mean, variance), (pool_mean, pool_variance) = standard(h), standard(h[~labeled])
    mean = (1 - strength) * mean + strength * pool_mean
    return (h - mean) / ((1 - strength) * variance + strength * pool_variance + EPS).sqrt()


def weighted(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    """A whole weight w counts a row w times; tenths are ten times as many of the others."""
    times = round(strength * 10)
    rows = torch.cat([*[h[~labeled]] * 10, *[h[labeled]] * times])
    mean, variance = standard(rows)
    return (h - mean) / (variance + EPS).sqrt()


def whiten(h: Tensor, labeled: Tensor, strength: float) -> Tensor:
    def zca(part: Tensor) -> Tensor:
        centered = part - part.mean(0)
        covariance = centered.T @ centered / len(part) + EPS * torch.eye(part.shape[1]).double()
        root = torch.linalg.eigh(covariance)
        return centered @ (root.eigenvectors @ torch.diag(root.eigenvalues**-0.5) @ root.eigenvectors.T)

    return in_groups(h, strength, zca)


RENDITIONS: dict[str, Rendition] = {
    "group": group,
    "group_ws": group,
    "rms": rms,
    "ghost": ghost,
    "renorm": renorm,
    "running": running,
    "pool_only": pool_only,
    "weighted": weighted,
    "whiten": whiten,
}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bn_loss": lambda h, labeled: h.mean(0).norm() + (h.var(0, correction=0) - 1).norm(),
    "variance_floor": lambda h, labeled: torch.relu(1 - (h.var(0) + EPS).sqrt()).mean(),
    "variance_loss": lambda h, labeled: (1 - (h.var(0) + EPS).sqrt()).abs().mean(),
    "covariance_loss": lambda h, labeled: (torch.cov(h.T) * (1 - torch.eye(h.shape[1]))).square().sum() / h.shape[1],
    "cluster": lambda h, labeled: (h - h.mean(0).detach())[~labeled].square().sum() / h.shape[1],
}


@pytest.mark.parametrize("features", [6, 33])
@pytest.mark.parametrize("rows", [12, 30])
@points_of(RENDITIONS)
def test_a_norm_agrees_with_an_independent_rendition(name: str, strength: float, rows: int, features: int) -> None:
    standard_strength = MECHANISMS[name].dial.standard  # type: ignore[union-attr]
    labeled, h = labeled_mask(2, rows), batch(2, rows, features).requires_grad_()
    output = built(name, (strength, standard_strength), features)(h, labeled)
    upstream = batch(2, rows, features, seed=1)
    output.backward(upstream)
    for run, given in enumerate((strength, standard_strength)):
        features_of_run = h.detach()[run].clone().requires_grad_()
        expected = RENDITIONS[name](features_of_run, labeled[run], given)
        expected.backward(upstream[run])
        torch.testing.assert_close(output[run], expected, rtol=1e-8, atol=1e-10)
        assert h.grad is not None
        torch.testing.assert_close(h.grad[run], features_of_run.grad, rtol=1e-6, atol=1e-8)


@points_of(LOSSES)
def test_a_loss_agrees_with_an_independent_rendition(name: str, strength: float) -> None:
    labeled, h = labeled_mask(2, 10), (batch(2, 10, 6) / 3).requires_grad_()
    norm = built(name, (strength, 1.0), 6)
    assert norm(h, labeled) is h
    penalty = norm.take_penalty()
    penalty.sum().backward()
    for run, weight in enumerate((strength, 1.0)):
        features_of_run = h.detach()[run].clone().requires_grad_()
        expected = weight * LOSSES[name](features_of_run, labeled[run])
        expected.backward()
        torch.testing.assert_close(penalty[run], expected, rtol=1e-7, atol=1e-9)
        assert h.grad is not None
        torch.testing.assert_close(h.grad[run], features_of_run.grad, rtol=1e-7, atol=1e-9)


def test_every_mechanism_has_a_rendition() -> None:
    assert {*RENDITIONS, *LOSSES} == set(WITH_DIAL)


# -- ends of the dials, running statistics, weights


@pytest.mark.parametrize(
    ("name", "end"), [("ghost", 64), ("renorm", 0), ("running", 1), ("pool_only", 0), ("weighted", 1), ("whiten", 1)]
)
def test_one_end_of_the_dial_is_batch_norm(name: str, end: float) -> None:
    ours, plain = built(name, (end,), 6), by_torch(nn.BatchNorm1d(6, EPS, MOMENTUM, affine=False))
    for step in range(5):
        h, other = (batch(seed=step).requires_grad_() for _ in range(2))
        output, expected = ours(h, labeled_mask()), plain(other[0])
        torch.testing.assert_close(output[0], expected, rtol=1e-9, atol=1e-9)
        output.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(h.grad, other.grad, rtol=1e-6, atol=1e-9)
    if name != "whiten":
        ours.eval(), plain.eval()
        torch.testing.assert_close(ours(batch(seed=9))[0], plain(batch(seed=9)[0]), rtol=1e-9, atol=1e-9)


def test_ghosts_running_statistics_are_the_mean_of_those_of_its_small_batches() -> None:
    norm, plain = built("ghost", (4,), 6), [by_torch(nn.BatchNorm1d(6, EPS, MOMENTUM, affine=False)) for _ in range(3)]
    for step in range(4):
        h = batch(seed=step)
        norm(h)
        for number, layer in enumerate(plain):
            layer(h[0, number::3])
    for name, name_in_torch in (("running_mean", "running_mean"), ("running_variance", "running_var")):
        expected = torch.stack([getattr(layer, name_in_torch) for layer in plain]).mean(0)
        torch.testing.assert_close(getattr(norm, name)[0, 0], expected)


def test_batch_renorm_without_bounds_normalizes_by_the_running_statistics() -> None:
    norm = built("renorm", (1e6,), 6)
    for step in range(3):
        norm(batch(seed=step))
    h = batch(seed=9)
    expected = (h - norm.running_mean) * (norm.running_variance + EPS).rsqrt()
    torch.testing.assert_close(norm(h), expected, rtol=1e-9, atol=1e-9)


def test_whitened_features_are_uncorrelated_and_eval_uses_running_averages() -> None:
    norm = NORMS["whiten"](1, 6, 1e-9, 0.5).double().train()
    norm.set_strengths([6])
    h = batch(rows=50)
    torch.testing.assert_close(torch.cov(norm(h)[0].T, correction=0), torch.eye(6).double(), atol=1e-6, rtol=0)
    matrix = inverse_root(torch.cov(h[0].T, correction=0)[None] + 1e-9 * torch.eye(6).double())
    expected = (h - 0.5 * h.mean(1, keepdim=True)) @ (0.5 * torch.eye(6).double() + 0.5 * matrix)
    torch.testing.assert_close(norm.eval()(h), expected)


def test_the_inverse_root_has_a_gradient_at_equal_eigenvalues() -> None:
    matrix = (2 * torch.eye(4).double())[None].requires_grad_()
    assert torch.autograd.gradcheck(lambda m: inverse_root((m + m.mT) / 2), (matrix,))


def test_statistics_of_a_batch_without_pool_rows_count_all_rows() -> None:
    everything = torch.ones(1, 12, dtype=torch.bool)
    for name, strength in (("pool_only", 1), ("weighted", 0)):
        expected = nn.functional.batch_norm(batch()[0], None, None, training=True, eps=EPS)
        torch.testing.assert_close(built(name, (strength,), 6)(batch(), everything)[0], expected)


def test_the_moving_center_is_a_moving_average_without_its_start() -> None:
    norm = built("cluster", (1.0,), 6)
    means = []
    for step in range(3):
        h = batch(seed=step)
        norm(h, labeled_mask())
        means.append(h[0].mean(0))
    weights = torch.tensor([0.81, 0.9, 1.0]).double()
    expected = sum(w * mean for w, mean in zip(weights, means, strict=True)) / weights.sum()
    torch.testing.assert_close((norm.center_sum / (1 - norm.start_weight))[0, 0], expected, rtol=1e-6, atol=1e-6)


def test_only_the_layer_in_front_of_a_norm_standardizes_its_weights() -> None:
    head = stack_of(made_table(columns=9), configs_of(2, norm="group_ws")).head
    first, second, code = [module for module in head.modules() if isinstance(module, StackedLinear)]
    assert (first.standardizes, second.standardizes, code.standardizes) == (True, True, False)
    weight = standardized(first.weight.double())
    torch.testing.assert_close(weight.mean(1), torch.zeros_like(weight[:, 0]), atol=1e-7, rtol=0)
    spread = first.weight.double().var(1, correction=0)
    torch.testing.assert_close(weight.var(1, correction=0), spread / (spread + 1e-5), rtol=1e-6, atol=0)
    x = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first(x), x @ standardized(first.weight))
    assert not any(
        module.standardizes
        for module in stack_of(made_table(), configs_of(1, norm="group")).head.modules()
        if isinstance(module, StackedLinear)
    )
    assert isinstance(head.parts["features"], Chain)
