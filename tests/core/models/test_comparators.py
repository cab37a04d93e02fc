"""REPEN, GANomaly and XGBOD against reference implementations and PyOD."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from pyod.models.xgbod import XGBOD as PyODXGBOD
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import ComparatorMissing
from anoonly_core.models.repen import REPEN
from anoonly_core.rng import derived_seed
from anoonly_core.runs.run import run as run_config
from tests.core.models.plain import assert_agrees, plain_chain, small_stack, steps
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of


def test_repen_agrees_with_plain_torch_and_scikit_learn() -> None:
    stack = small_stack("REPEN", None)
    head = stack.head
    assert isinstance(head, REPEN)
    networks = [plain_chain(stack, "features", run) for run in range(2)]
    for run, network in enumerate(networks):
        optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0, rho=0.95, eps=1e-7)
        for x, labeled in steps(stack, run, 3):
            assert labeled.tolist() == [False] * 32 + [True] * 16
            example, similar, anomaly = network(x).split(16)
            near, far = ((example - other).square().sum(dim=1) for other in (similar, anomaly))
            optimizer.zero_grad()
            (1000 - (far - near)).clamp(min=0).mean().backward()
            optimizer.step()

    def lesinn(run: int, x: Tensor) -> Tensor:
        subsamples = networks[run](head.reference[run]).split(8)
        rows = networks[run](x).numpy()
        found = [NearestNeighbors(n_neighbors=1).fit(own.numpy()).kneighbors(rows)[0][:, 0] for own in subsamples]
        assert len(found) == 50
        return torch.from_numpy(np.mean(found, axis=0))

    assert_agrees(stack, lesinn)


def test_repen_subsamples_have_eight_distinct_training_rows() -> None:
    dataset = made_table()
    stack = stack_of(dataset, configs_of(2, baseline="REPEN"))
    assert isinstance(stack.head, REPEN)
    known = {row.tobytes() for row in dataset.X[stack.splits[0].train]}
    for subsample in stack.head.reference[0].split(8):
        rows = {row.tobytes() for row in subsample.numpy()}
        assert len(rows) == 8 and rows <= known
    assert not torch.equal(stack.head.reference[0], stack.head.reference[1])


def test_ganomaly_agrees_with_two_optimizers_that_step_together() -> None:
    """Judge and generator each minimize their loss, with the weights of the other fixed."""
    stack = small_stack("GANomaly", None)
    names = ("encoder", "decoder", "second encoder", "judge's features", "judge")
    networks = [[plain_chain(stack, name, run) for name in names] for run in range(2)]
    for run, (encoder, decoder, second, features, judge) in enumerate(networks):
        generator = nn.ModuleList([encoder, decoder, second])
        judging = nn.ModuleList([features, judge])
        optimizers = [torch.optim.SGD(m.parameters(), lr=1e-2, momentum=0.7) for m in (generator, judging)]
        for x, labeled in steps(stack, run, 3):
            assert not labeled.any()
            code = encoder(x)
            made = decoder(code)
            parameters = [list(m.parameters()) for m in (generator, judging)]
            seen = (features(made) - features(x)).square().mean()
            loss_generator = (seen + (x - made).abs().mean() + (code - second(made)).abs().mean()) / 3
            entropy = nn.BCEWithLogitsLoss()
            real, fake = judge(features(x))[:, 0], judge(features(made.detach()))[:, 0]
            loss_judge = (entropy(real, torch.zeros_like(real)) + entropy(fake, torch.ones_like(fake))) / 2
            gradients = [
                torch.autograd.grad(loss, own, retain_graph=True)
                for loss, own in zip((loss_generator, loss_judge), parameters, strict=True)
            ]
            for optimizer, own, found in zip(optimizers, parameters, gradients, strict=True):
                for parameter, gradient in zip(own, found, strict=True):
                    parameter.grad = gradient
                optimizer.step()

    def score(run: int, x: Tensor) -> Tensor:
        encoder, decoder, second, *_ = networks[run]
        code = encoder(x)
        distance: Tensor = (code - second(decoder(code))).abs().sum(dim=1)
        return distance

    assert_agrees(stack, score)


def test_ganomaly_draws_pool_rows_only() -> None:
    dataset = made_table()
    split = made_split(dataset, labels=6)
    stack = stack_of(dataset, configs_of(1, baseline="GANomaly", batch_size=9), split)
    drawn = next(stack.draw_epochs())[:, 0].flatten().tolist()
    assert sorted(drawn) == np.flatnonzero(~split.labeled).tolist()


# -- XGBOD --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_xgbod_scores_equal_pyods_on_the_same_rows() -> None:
    config = make_config(dataset="breast_cancer", baseline="XGBOD")
    result = run_config(config, "cpu")
    dataset = load_cached("breast_cancer")
    split = make_split(dataset, config)
    theirs = PyODXGBOD(random_state=derived_seed(0, "weights") % 2**31, n_jobs=1)
    theirs.fit((dataset.X[split.train] - split.minimum) / split.scale, split.labeled.astype(int))
    expected = theirs.decision_function((dataset.X[split.test] - split.minimum) / split.scale)
    np.testing.assert_array_equal(result.scores, expected.astype(np.float32))
    assert result.metrics.aucroc > 0.8
    assert result.sample.hidden.shape == (len(result.sample.rows), 41)
    assert np.isfinite(result.sample.hidden).all()
    assert len(result.history.measured) == 0
    assert "epochs" in result.summary()["config"] and result.config.lambda_n is None


@pytest.mark.parametrize(("module", "package"), [("pyod.models.xgbod", "pyod"), ("xgboost.sklearn", "xgboost")])
def test_without_a_package_the_error_says_what_to_install(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pyod.models.xgbod", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ComparatorMissing, match=rf"needs the package {package}, .*requirements-comparators\.txt"):
        run_config(make_config(dataset="breast_cancer", baseline="XGBOD"), "cpu")
