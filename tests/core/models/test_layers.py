"""Stacked layers against torch.nn, run by run."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from anoonly_core.baselines import PAPER_NORMS
from anoonly_core.baselines.network import Linear, Operation, Subnetwork
from anoonly_core.models import layers
from anoonly_core.models.layers import Chain, StackedLinear, map_runs
from anoonly_core.models.norms import NORMS, BatchNorm, normalize

ROWS, FEATURES, EPS = 24, 6, 1e-4
# float32 with sums of a few dozen terms: a handful of units in the last place.
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 3 + 1


def reference(name: str) -> nn.Module:
    return {
        "batch": lambda: nn.BatchNorm1d(FEATURES, eps=EPS),
        "batch_no_affine": lambda: nn.BatchNorm1d(FEATURES, eps=EPS, affine=False),
        "layer": lambda: nn.LayerNorm(FEATURES, eps=EPS),
        "none": nn.Identity,
        "bn_loss": nn.Identity,
    }[name]()


@pytest.mark.parametrize("name", PAPER_NORMS)
@pytest.mark.parametrize("runs", [1, 4])
def test_a_norm_agrees_with_torch_in_output_and_gradients(name: str, runs: int) -> None:
    ours = NORMS[name](runs, FEATURES, EPS).train()
    h = random(runs, ROWS, FEATURES).requires_grad_()
    upstream = random(runs, ROWS, FEATURES, seed=1)
    weights = dict(ours.named_parameters())
    for number, parameter in enumerate(weights.values()):
        parameter.data.copy_(random(runs, 1, FEATURES, seed=2 + number))
    output = ours(h)
    output.backward(upstream)
    for run in range(runs):
        theirs = reference(name).train()
        if weights:
            theirs.weight.data.copy_(weights["affine.gamma"][run, 0])
            theirs.bias.data.copy_(weights["affine.beta"][run, 0])
        own = h.detach()[run].clone().requires_grad_()
        expected = theirs(own)
        expected.backward(upstream[run])
        torch.testing.assert_close(output[run], expected, **CLOSE)
        assert h.grad is not None
        torch.testing.assert_close(h.grad[run], own.grad, **CLOSE)
        if weights:
            for mine, other in (("affine.gamma", theirs.weight), ("affine.beta", theirs.bias)):
                gradient = weights[mine].grad
                assert gradient is not None
                torch.testing.assert_close(gradient[run, 0], other.grad, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["batch", "batch_no_affine"])
def test_running_statistics_and_eval_mode_agree_with_torch(name: str) -> None:
    ours, theirs = NORMS[name](2, FEATURES, EPS), [reference(name), reference(name)]
    for step in range(7):
        h = random(2, ROWS, FEATURES, seed=step)
        ours(h)
        for run in range(2):
            theirs[run](h[run])
    ours.eval()
    h = random(2, 5, FEATURES, seed=99)
    for run in range(2):
        torch.testing.assert_close(ours(h)[run], theirs[run].eval()(h[run]), **CLOSE)


def test_batch_norm_of_one_row_is_zero_and_stays_finite() -> None:
    norm = NORMS["batch_no_affine"](2, FEATURES, EPS)
    h = random(2, 1, FEATURES).requires_grad_()
    output = norm(h)
    output.sum().backward()
    assert (output == 0).all()
    assert torch.isfinite(norm.running_variance).all()
    assert h.grad is not None
    assert (h.grad == 0).all()


def test_normalize_passes_gradcheck_in_double_precision() -> None:
    h = random(2, 5, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: normalize(h, EPS)[0], (h,))


def test_the_three_parts_of_the_paper_add_up_to_the_gradient() -> None:
    """docs/methods.md § 5: direct, through the variance, through the mean."""
    h = random(1, ROWS, FEATURES, dtype=torch.float64).requires_grad_()
    upstream = random(1, ROWS, FEATURES, seed=1, dtype=torch.float64)
    normalize(h, EPS)[0].backward(upstream)
    x, g, b = h.detach()[0], upstream[0], ROWS
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    to_variance = -0.5 * (g * (x - mean)).sum(0) * (variance + EPS) ** -1.5
    to_mean = -g.sum(0) / (variance + EPS).sqrt() + to_variance * (-2 / b) * (x - mean).sum(0)
    parts = g / (variance + EPS).sqrt() + to_variance * 2 * (x - mean) / b + to_mean / b
    assert h.grad is not None
    torch.testing.assert_close(h.grad[0], parts, rtol=1e-9, atol=1e-12)


def test_the_batch_norm_loss_is_equation_5_of_the_paper() -> None:
    norm = NORMS["bn_loss"](3, FEATURES, EPS).train()
    h = random(3, ROWS, FEATURES)
    assert norm(h) is h
    assert norm.penalty is not None
    for run in range(3):
        mean, variance = h[run].mean(0), h[run].var(0, unbiased=False)
        expected = mean.square().sum().sqrt() + (variance - 1).square().sum().sqrt()
        torch.testing.assert_close(norm.penalty[run], expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_stacked_linear_is_a_linear_layer_for_each_run(bias: bool) -> None:
    layer = StackedLinear(3, 5, 4, bias=bias)
    layer.initialize(generators(1, 2, 3))
    x = random(3, 7, 5)
    for run in range(3):
        own_bias = None if layer.bias is None else layer.bias[run, 0]
        expected = nn.functional.linear(x[run], layer.weight[run].T, own_bias)
        torch.testing.assert_close(layer(x)[run], expected, **CLOSE)


def test_first_weights_depend_on_the_generator_of_the_run_only() -> None:
    alone, stacked = StackedLinear(1, 40, 30), StackedLinear(3, 40, 30)
    alone.initialize(generators(7))
    stacked.initialize(generators(1, 7, 2))
    assert torch.equal(alone.weight[0], stacked.weight[1])
    assert not torch.equal(stacked.weight[0], stacked.weight[1])
    bound = 40**-0.5
    assert alone.weight.abs().max() <= bound
    assert alone.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)  # uniform: bound/√3


# -- exactness ----------------------------------------------------------------------------------

# float64 in another order of summation: a few units of 1e-16, lifted by the cancellation in a batch's gradient.
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def double(*shape: int, seed: int = 0) -> Tensor:
    return random(*shape, seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("name", ["batch", "batch_no_affine"])
@pytest.mark.parametrize("runs", [1, 4])
def test_batch_norm_agrees_with_torch_in_training_and_eval_mode(name: str, runs: int) -> None:
    ours = NORMS[name](runs, FEATURES, EPS).double()
    assert isinstance(ours, BatchNorm)
    theirs = [reference(name).double() for _ in range(runs)]
    if ours.affine is not None:
        for run, one in enumerate(theirs):
            one.weight.data.copy_(ours.affine.gamma.data[run, 0].copy_(double(FEATURES, seed=run)))
            one.bias.data.copy_(ours.affine.beta.data[run, 0].copy_(double(FEATURES, seed=10 + run)))
    for step in range(6):
        training = step < 5
        ours.train(training)
        h = double(runs, ROWS, FEATURES, seed=20 + step).requires_grad_()
        upstream = double(runs, ROWS, FEATURES, seed=30 + step)
        ours.zero_grad()
        output = ours(h)
        output.backward(upstream)
        assert h.grad is not None
        for run, one in enumerate(theirs):
            own = h.detach()[run].clone().requires_grad_()
            one.train(training).zero_grad()
            expected = one(own)
            expected.backward(upstream[run])
            torch.testing.assert_close(output[run], expected, **EXACT)
            torch.testing.assert_close(h.grad[run], own.grad, **EXACT)
            torch.testing.assert_close(ours.running_mean[run, 0], one.running_mean, **EXACT)
            torch.testing.assert_close(ours.running_variance[run, 0], one.running_var, **EXACT)
            if ours.affine is not None:
                assert ours.affine.gamma.grad is not None and ours.affine.beta.grad is not None
                torch.testing.assert_close(ours.affine.gamma.grad[run, 0], one.weight.grad, **EXACT)
                torch.testing.assert_close(ours.affine.beta.grad[run, 0], one.bias.grad, **EXACT)


@pytest.mark.parametrize("name", ["batch", "batch_no_affine"])
@pytest.mark.parametrize("runs", [1, 4])
def test_batch_norm_for_gpus_agrees_with_that_for_cpus(name: str, runs: int) -> None:
    ours, gpus = (NORMS[name](runs, FEATURES, EPS, 0.3).double() for _ in range(2))
    assert isinstance(ours, BatchNorm) and isinstance(gpus, BatchNorm)
    for norm in (ours, gpus):
        for number, parameter in enumerate(norm.parameters()):
            parameter.data.copy_(double(runs, 1, FEATURES, seed=number))
    for step in range(3):
        upstream = double(runs, ROWS, FEATURES, seed=30 + step)
        h, same = (double(runs, ROWS, FEATURES, seed=20 + step).requires_grad_() for _ in range(2))
        output, found = ours(h), gpus._in_few_kernels(same)
        output.backward(upstream)
        found.backward(upstream)
        torch.testing.assert_close(found, output, **EXACT)
        torch.testing.assert_close(same.grad, h.grad, **EXACT)
    for one, other in zip(gpus.state_dict().values(), ours.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, **EXACT)
    for own, another in zip(gpus.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(own.grad, another.grad, **EXACT)


def test_batch_norm_keeps_its_precision_far_from_zero() -> None:
    """For features of 1000 ± 3, E[h²] − E[h]² would have lost the second digit of the variance."""
    h = random(1, ROWS, FEATURES) + 1000
    expected = reference("batch_no_affine").double()(h[0].double())
    # float32 resolves 1000 to 6e-5, a third of which is left after dividing by 3.
    torch.testing.assert_close(NORMS["batch_no_affine"](1, FEATURES, EPS)(h)[0].double(), expected, rtol=0, atol=6e-5)


def test_a_batch_of_one_row_gives_the_shift_and_lowers_the_running_variance() -> None:
    norm = NORMS["batch"](2, FEATURES, EPS)
    assert isinstance(norm, BatchNorm) and norm.affine is not None
    norm.affine.beta.data.copy_(random(2, 1, FEATURES, seed=1))
    assert torch.equal(norm(random(2, 1, FEATURES)), norm.affine.beta)
    torch.testing.assert_close(norm.running_variance, torch.full((2, 1, FEATURES), 0.9))


@pytest.mark.parametrize("runs", [1, 4])
def test_the_batch_norm_loss_has_the_gradients_of_its_formula(runs: int) -> None:
    norm = NORMS["bn_loss"](runs, FEATURES, EPS)
    h = double(runs, ROWS, FEATURES).requires_grad_()
    norm(h)
    assert norm.penalty is not None
    weights = double(runs, seed=1)
    (norm.penalty * weights).sum().backward()
    assert h.grad is not None
    for run in range(runs):
        own = h.detach()[run].clone().requires_grad_()
        plain = own.mean(dim=0).norm() + (own.var(dim=0, unbiased=False) - 1).norm()
        (plain * weights[run]).backward()
        torch.testing.assert_close(norm.penalty[run], plain, **EXACT)
        torch.testing.assert_close(h.grad[run], own.grad, **EXACT)


@pytest.mark.parametrize("name", NORMS)
def test_runs_do_not_affect_each_other(name: str) -> None:
    """Other features in run 2 change no bit of the other runs, forward or backward."""

    def everything(h: Tensor) -> list[Tensor]:
        norm = NORMS[name](4, FEATURES, EPS)
        h = h.clone().requires_grad_()
        output = norm(h)
        (output * random(4, ROWS, FEATURES, seed=1)).sum().backward()
        assert h.grad is not None
        penalty = [] if norm.penalty is None else [norm.penalty]
        return [output, h.grad, *norm.buffers(), *(p.grad for p in norm.parameters() if p.grad is not None), *penalty]

    h = random(4, ROWS, FEATURES)
    changed = h.clone()
    changed[2] = 7 * changed[2] - 5
    for before, after in zip(everything(h), everything(changed), strict=True):
        for run in (0, 1, 3):
            assert torch.equal(before[run], after[run])


def test_second_derivatives_raise() -> None:
    h = double(1, ROWS, FEATURES).requires_grad_()
    (gradient,) = torch.autograd.grad(normalize(h, EPS)[0].square().sum(), h, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        gradient.sum().backward()


@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_stacked_linear_has_the_gradients_of_a_linear_layer(runs: int, bias: bool) -> None:
    layer = StackedLinear(runs, 5, 4, bias=bias).double()
    layer.initialize(generators(*range(runs)))
    x = double(runs, 7, 5).requires_grad_()
    upstream = double(runs, 7, 4, seed=1)
    layer(x).backward(upstream)
    assert x.grad is not None and layer.weight.grad is not None
    for run in range(runs):
        theirs = nn.Linear(5, 4, bias=bias).double()
        theirs.weight.data.copy_(layer.weight[run].T)
        own = x.detach()[run].clone().requires_grad_()
        if layer.bias is not None:
            theirs.bias.data.copy_(layer.bias[run, 0])
        theirs(own).backward(upstream[run])
        torch.testing.assert_close(x.grad[run], own.grad, **EXACT)
        torch.testing.assert_close(layer.weight.grad[run], theirs.weight.grad.T, **EXACT)
        if layer.bias is not None:
            assert layer.bias.grad is not None
            torch.testing.assert_close(layer.bias.grad[run, 0], theirs.bias.grad, **EXACT)


@pytest.mark.parametrize("trainable", [True, False])
def test_the_bias_for_gpus_has_the_gradient_of_a_sum(trainable: bool) -> None:
    upstream = double(3, 7, 4, seed=1)
    gradients = []
    for add in (torch.add, layers._PlusOnGpu.apply):
        product, bias = double(3, 7, 4).requires_grad_(), double(3, 1, 4, seed=2).requires_grad_(trainable)
        add(product, bias).backward(upstream)
        gradients.append((product.grad, bias.grad))
    (by_product, by_bias), (expected, expected_of_bias) = gradients
    torch.testing.assert_close(by_product, expected, **EXACT)
    if trainable:
        torch.testing.assert_close(by_bias, expected_of_bias, **EXACT)
    else:
        assert by_bias is None and expected_of_bias is None


# The products of the published heads, and sizes that fill no vector register.
SHAPES = [(64, 128), (128, 64), (64, 32), (7, 100), (100, 20), (20, 10), (128, 7), (30, 30), (20, 1), (33, 1), (40, 1)]


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_the_bits_of_a_run_do_not_depend_on_its_stack(inputs: int, outputs: int) -> None:
    """The rounding of MKL's batched product depends on the number of matrices and on their addresses."""
    for rows in (1, 2, 3, 5, 7, 8, 20, 31, 64, 128):
        layer = StackedLinear(8, inputs, outputs)
        layer.initialize(generators(*range(8)))
        x, upstream = random(8, rows, inputs).requires_grad_(), random(8, rows, outputs, seed=1)
        output = layer(x)
        output.backward(upstream)
        for run in (1, 7):
            alone = StackedLinear(1, inputs, outputs)
            alone.initialize(generators(run))
            own = x.detach()[run : run + 1].clone().requires_grad_()
            expected = alone(own)
            expected.backward(upstream[run : run + 1].clone())
            assert torch.equal(output[run], expected[0])
            pairs = [(x, own), (layer.weight, alone.weight), (layer.bias, alone.bias)]
            for stacked, single in pairs:
                assert stacked is not None and stacked.grad is not None
                assert single is not None and single.grad is not None
                assert torch.equal(stacked.grad[run], single.grad[0])


def test_first_weights_and_biases_are_uniform_within_their_bound() -> None:
    layer = StackedLinear(1, 100, 400)
    layer.initialize(generators(0))
    assert layer.bias is not None
    for values in (layer.weight, layer.bias):
        spread = values.detach().flatten().numpy() * 10  # the bound is 1/√100
        assert stats.kstest(spread, stats.uniform(-1, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal"])
def test_glorot_weights_have_the_variance_of_keras_and_no_bias(name: str) -> None:
    layer = StackedLinear(2, 300, 500)
    layer.initialize(generators(0, 1), name)
    assert layer.bias is not None and not layer.bias.any()
    deviation = (2 / 800) ** 0.5
    for run in range(2):
        values = layer.weight[run].detach().flatten().double().numpy() / deviation
        if name == "glorot_uniform":
            law = stats.uniform(-(3**0.5), 2 * 3**0.5)
        else:  # a normal law cut off at two of its own deviations, widened back to the variance that is asked for
            cut = stats.truncnorm(-2, 2)
            law = stats.truncnorm(-2, 2, scale=1 / cut.std())
        assert stats.kstest(values[::20], law.cdf).pvalue > 0.01
    assert not torch.equal(layer.weight[0], layer.weight[1])


@pytest.mark.parametrize("runs", [1, 3])
def test_a_frozen_layer_passes_gradients_to_its_input_only(runs: int) -> None:
    layer = StackedLinear(runs, 5, 4)
    layer.initialize(generators(*range(runs)))
    x = random(runs, 7, 5).requires_grad_()
    frozen, free = layer(x, frozen=True), layer(x)
    assert torch.equal(frozen, free)
    (through_frozen,) = torch.autograd.grad(frozen.square().sum(), x)
    (through_free,) = torch.autograd.grad(free.square().sum(), x)
    assert torch.equal(through_frozen, through_free)
    frozen = layer(x.detach(), frozen=True)
    assert not frozen.requires_grad


def test_penalties_of_several_forward_passes_add_up_until_taken() -> None:
    """Both sides of a PReNet pair pass through one norm."""
    norm = NORMS["bn_loss"](2, FEATURES, EPS, 0.1)
    sides = [random(2, ROWS, FEATURES, seed=seed) for seed in range(2)]
    single = []
    for side in sides:
        norm(side)
        single.append(norm.take_penalty())
    for side in sides:
        norm(side)
    both = norm.take_penalty()
    assert both is not None and single[0] is not None and single[1] is not None
    assert torch.equal(both, single[0] + single[1])
    assert norm.take_penalty() is None


def test_running_statistics_use_the_given_momentum() -> None:
    h = random(1, ROWS, FEATURES)
    for momentum in (0.01, 0.1):
        norm = NORMS["batch"](1, FEATURES, EPS, momentum)
        norm(h)
        theirs = nn.BatchNorm1d(FEATURES, eps=EPS, momentum=momentum)
        theirs(h[0])
        torch.testing.assert_close(norm.running_mean[0, 0], theirs.running_mean, **CLOSE)
        torch.testing.assert_close(norm.running_variance[0, 0], theirs.running_var, **CLOSE)


def test_a_chain_applies_its_layers_in_order_and_concatenates_at_join() -> None:
    part = Subnetwork(
        "rows",
        5,
        (Linear(4), Operation.TANH, Operation.JOIN, Linear(3, bias=False), Operation.NORM, Operation.RELU),
        "features",
        2,
    )
    assert part.widths() == (5, 4, 4, 6, 3, 3, 3)
    chain = Chain(2, part, "batch_no_affine", EPS, 0.1)
    layers = [step for step in chain.steps if isinstance(step, StackedLinear)]
    for layer in layers:
        layer.initialize(generators(1, 2))
    x, extra = random(2, ROWS, 5), random(2, ROWS, 2, seed=1)
    found = chain(x, extra)
    for run in range(2):
        first = torch.tanh(x[run] @ layers[0].weight[run] + layers[0].bias[run])  # type: ignore[index]
        second = torch.cat([first, extra[run]], dim=1) @ layers[1].weight[run]
        expected = torch.relu(nn.functional.batch_norm(second, None, None, training=True, eps=EPS))
        torch.testing.assert_close(found[run], expected, rtol=1e-5, atol=1e-5)


def test_map_runs_gives_a_run_the_same_bits_in_any_stack() -> None:
    """At odd sizes, tanh of the whole stack rounds the last values in another way (measured)."""
    x = random(7, 5, 13)
    together = map_runs(torch.tanh, x)
    for run in range(7):
        assert torch.equal(together[run], map_runs(torch.tanh, x[run : run + 1])[0])
