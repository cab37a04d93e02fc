"""ACR's network compared with torch layers, task by task."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anoonly_core.zero_shot.network import TaskNetwork

RUNS, TASKS, ROWS, COLUMNS = 3, 4, 10, 7


def networks(objective: str = "svdd", with_norm: bool = True) -> TaskNetwork:
    network = TaskNetwork(RUNS, COLUMNS, objective, with_norm)
    network.initialize([torch.Generator().manual_seed(run) for run in range(RUNS)])
    for number, parameter in enumerate(network.parameters()):  # γ and β too
        generator = torch.Generator().manual_seed(100 + number)
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.double()


def rows() -> Tensor:
    return torch.randn(RUNS, TASKS, ROWS, COLUMNS, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def torch_network(network: TaskNetwork, run: int) -> tuple[nn.Sequential, list[nn.BatchNorm1d]]:
    """Return the network of one run built from torch layers, with its batch norms."""
    layers: list[nn.Module] = []
    norms = []
    linears: Any = list(network.linear)
    for place, linear in enumerate(linears):
        own = nn.Linear(*linear.weight.shape[1:], dtype=torch.float64)
        own.weight.data, own.bias.data = linear.weight[run].T.detach(), linear.bias[run, 0].detach()
        layers.append(own)
        if network.norms:
            norm, affine = nn.BatchNorm1d(own.out_features, dtype=torch.float64), network.norms[place].affine
            norm.weight.data, norm.bias.data = affine.gamma[run, 0].detach(), affine.beta[run, 0].detach()  # type: ignore
            layers.append(norm)
            norms.append(norm)
        if place < len(linears) - 1:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers), norms


@pytest.mark.parametrize("with_norm", [True, False])
def test_stacked_tasks_equal_a_loop_over_torch_networks(with_norm: bool) -> None:
    network, x = networks(with_norm=with_norm), rows()
    found = network.train()(x)
    for run in range(RUNS):
        own, _ = torch_network(network, run)
        for task in range(TASKS):
            torch.testing.assert_close(found[run, task], own.train()(x[run, task]))


def test_running_statistics_follow_the_mean_of_the_tasks() -> None:
    network, x = networks(), rows()
    network.train()(x)
    for run in range(RUNS):
        own, norms = torch_network(network, run)
        after = []
        for task in range(TASKS):  # each from the same initial state
            for norm in norms:
                norm.reset_running_stats()
            own.train()(x[run, task])
            after.append([(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms])  # type: ignore
        for place, norm in enumerate(network.norms):
            for number, name in enumerate(("running_mean", "running_variance")):
                wanted = torch.stack([one[place][number] for one in after]).mean(dim=0)
                torch.testing.assert_close(getattr(norm, name)[run, 0], wanted)


@pytest.mark.parametrize("objective", ["svdd", "bce"])
@pytest.mark.parametrize("running", [False, True])
def test_scoring_changes_no_parameter_and_no_buffer(objective: str, running: bool) -> None:
    network, x = networks(objective).eval(), rows()
    before = {name: own.clone() for name, own in network.state_dict().items()}
    network.score(x, running)
    for name, own in network.state_dict().items():
        assert torch.equal(own, before[name]), name


def test_a_score_depends_only_on_the_rows_of_its_batch() -> None:
    network, x = networks().eval(), rows()
    whole = network.score(x)
    other = x.clone()
    other[1, 2, 0] += 5
    changed = network.score(other) != whole
    assert changed[1, 2].all() and changed.sum() == ROWS
    assert torch.equal(network.score(other, running=True) != network.score(x, running=True), (other != x).any(dim=3))


def test_losses_equal_their_formulas() -> None:
    x, anomalous = rows(), torch.arange(ROWS) >= 8
    svdd, bce = networks("svdd"), networks("bce")
    d = (svdd(x) - svdd.center[:, None]).square().sum(dim=3)
    wanted = torch.cat([d[:, :, :8], 1 / (d[:, :, 8:] + 1e-6)], dim=2).mean(dim=(1, 2))
    torch.testing.assert_close(svdd.loss(x, anomalous), wanted)
    for run, loss in enumerate(bce.loss(x, anomalous)):
        logits = bce.score(x)[run]
        target = anomalous.double().expand_as(logits)
        torch.testing.assert_close(loss, functional.binary_cross_entropy_with_logits(logits, target))
