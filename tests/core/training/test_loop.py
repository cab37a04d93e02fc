"""The training loop: snapshots, stopping, random generators and shared batches."""

from __future__ import annotations

import inspect
import os
import random
import subprocess
import sys
import threading
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.split import make_split
from anoonly_core.models import METHODS
from anoonly_core.models.score_head import ScoreHead
from anoonly_core.training.loop import train
from anoonly_core.training.optimizer import _in_pieces
from anoonly_core.training.stack import Stack, shape_key
from tests.core.training.stacks import configs_of, made_split, made_table, stack_of, trained_scores


def test_train_yields_one_snapshot_per_epoch() -> None:
    stack = stack_of(made_table(), configs_of(3, epochs=5))
    assert inspect.isgeneratorfunction(train)
    snapshots = list(train(stack))
    assert [snapshot.epoch for snapshot in snapshots] == [1, 2, 3, 4, 5]
    for snapshot in snapshots:
        for values in (snapshot.loss_normal, snapshot.loss_anomaly, snapshot.labelled_share):
            assert values.shape == (3,)
            assert np.isfinite(values).all()


def test_training_stops_when_the_caller_stops_iterating() -> None:
    dataset, split = made_table(), made_split(made_table())
    broken = stack_of(dataset, configs_of(2, epochs=9), split)
    for snapshot in train(broken):
        if snapshot.epoch == 4:
            break
    test = [split.test] * 2
    short = trained_scores(dataset, configs_of(2, epochs=4), split)
    for stopped, whole in zip(broken.scores(test), short, strict=True):
        assert np.array_equal(stopped, whole)


def test_scoring_between_epochs_changes_nothing() -> None:
    dataset = made_table()
    watched = stack_of(dataset, configs_of(2, norm="batch"))
    test = [watched.splits[0].test] * 2
    for _ in train(watched):
        watched.scores(test)
        watched.hidden(test)
    unwatched = trained_scores(dataset, configs_of(2, norm="batch"))
    assert np.array_equal(watched.scores(test)[1], unwatched[1])


def test_snapshots_count_labeled_anomalies_in_batches() -> None:
    """60 rows give three batches of 16 per epoch, of which at most one holds the one labeled anomaly."""
    stack = stack_of(made_table(), configs_of(1, epochs=4), made_split(made_table(), labels=1))
    for snapshot in train(stack):
        empty, share = snapshot.batches_without_anomaly[0], snapshot.labelled_share[0]
        assert (empty, share) in [(pytest.approx(2 / 3), pytest.approx(1 / 48)), (1.0, 0.0)]


def test_stacks_in_parallel_threads_score_as_one_alone() -> None:
    dataset = made_table()
    first, second = configs_of(2, epochs=6)
    alone = [trained_scores(dataset, [config])[0] for config in (first, second)]
    found: dict[int, np.ndarray] = {}

    def work(place: int, config: object) -> None:
        stack = stack_of(dataset, [config])  # type: ignore[list-item]
        for _ in train(stack):
            torch.rand(100)
            np.random.rand(100)
        found[place] = stack.scores([stack.splits[0].test])[0]

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in (0, 1):
        assert np.array_equal(found[place], alone[place])


def test_global_random_states_do_not_change() -> None:
    def state() -> list[object]:
        _, keys, place, *gauss = np.random.get_state()  # type: ignore[misc]
        return [torch.get_rng_state().tolist(), keys.tolist(), place, gauss, random.getstate()]  # type: ignore[union-attr]

    before = state()
    trained_scores(made_table(), configs_of(2))
    assert state() == before


def test_runs_that_differ_in_lambda_alone_share_weights_and_batches() -> None:
    one, other = (stack_of(made_table(), [make_config(lambda_n=value, seed=4)]) for value in (1.0, 0.0))
    for mine, theirs in zip(one.head.parameters(), other.head.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    draws, others = one.draw_epochs(), other.draw_epochs()
    for _ in range(3):
        assert torch.equal(next(draws), next(others))


def test_runs_of_one_seed_share_batches_and_gathered_rows() -> None:
    """Each run still gets the rows that it gets alone."""
    dataset = made_table()
    split = made_split(dataset)  # one object, as run_many gives to runs of one seed
    configs = [make_config(lambda_n=value, seed=4) for value in (1.0, 0.1, 0.0)]
    together, alone = stack_of(dataset, configs, split), stack_of(dataset, configs[1:2], split)
    indices, own = next(together.draw_epochs())[0], next(alone.draw_epochs())[0]
    gathered = together.gather(indices)
    assert gathered.stride(0) == 0, "the rows are in memory once"
    assert torch.equal(gathered[1], alone.gather(own)[0])

    mixed = stack_of(dataset, [*configs, make_config(lambda_n=0.0, seed=5)], split)
    indices = next(mixed.draw_epochs())[0]
    gathered = mixed.gather(indices)
    assert torch.equal(gathered[1], alone.gather(own)[0])
    assert not torch.equal(gathered[3], gathered[1])

    pairs = stack_of(dataset, [*configs[:2], *(own.with_(seed=5) for own in configs[:2])], split)
    indices = next(pairs.draw_epochs())[0]
    gathered = pairs.gather(indices)
    assert len(gathered) == 2, "two runs of each seed: each seed's rows are in memory once"
    assert torch.equal(gathered[0], alone.gather(own)[0]) and not torch.equal(gathered[1], gathered[0])


@pytest.mark.usefixtures("short_pretraining")
@pytest.mark.parametrize("baseline", [name for name in METHODS if BASELINES[name].has("norm")])
def test_runs_that_share_rows_score_as_alone(baseline: str) -> None:
    dataset = made_table()
    split = made_split(dataset)
    settings = {"baseline": baseline, "epochs": 2, "batch_size": 16, "norm": "batch"}
    configs = [make_config(seed=seed, lambda_n=value, **settings) for seed in (1, 2) for value in (1, 0.1, 0)]
    together = trained_scores(dataset, configs, split)
    for config, found in zip(configs, together, strict=True):
        assert np.array_equal(found, trained_scores(dataset, [config], split)[0])


def test_runs_of_different_shapes_do_not_share_a_stack() -> None:
    dataset, split = made_table(), made_split(made_table())
    one, other = make_config(batch_size=16), make_config(batch_size=8)
    assert shape_key(one, split) != shape_key(other, split)
    with pytest.raises(ValueError, match="shapes"):
        Stack(dataset, [one, other], [split, split])


def test_a_stopped_training_equals_one_of_so_many_epochs() -> None:
    """Weights, running statistics and center are equal to the bit."""
    dataset = made_table()
    broken, short = (
        stack_of(dataset, configs_of(2, norm="batch", epochs=9)),
        stack_of(dataset, configs_of(2, norm="batch", epochs=4)),
    )
    for snapshot in train(broken):
        if snapshot.epoch == 4:
            break
    list(train(short))
    left, expected = broken.head.state_dict(), short.head.state_dict()
    assert list(left) == list(expected)
    assert all(torch.equal(left[name], expected[name]) for name in left)


def test_nothing_is_trained_before_the_first_iteration() -> None:
    stack = stack_of(made_table(), configs_of(1))
    before = [parameter.detach().clone() for parameter in stack.head.parameters()]
    train(stack)
    assert all(torch.equal(a, b) for a, b in zip(before, stack.head.parameters(), strict=True))


def test_a_snapshot_holds_the_mean_losses_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = stack_of(made_table(), configs_of(3, epochs=2))
    head, seen = stack.head, []
    assert isinstance(head, ScoreHead)
    original = head.costs

    def watched(scores: torch.Tensor, labeled: torch.Tensor) -> torch.Tensor:
        costs = original(scores, labeled)
        seen.append([(costs * mask).double().mean(dim=1).numpy() for mask in (~labeled, labeled)])
        return costs

    monkeypatch.setattr(head, "costs", watched)
    snapshots = list(train(stack))
    assert len(seen) == 6  # 60 rows make three batches of 16
    for number, snapshot in enumerate(snapshots):
        normal, anomaly = np.mean(seen[3 * number : 3 * number + 3], axis=0)
        np.testing.assert_allclose(snapshot.loss_normal, normal, rtol=1e-6)  # float32 means of three
        np.testing.assert_allclose(snapshot.loss_anomaly, anomaly, rtol=1e-6)


def test_each_run_draws_all_of_its_rows_and_no_others() -> None:
    dataset = made_table()
    splits = [made_split(dataset, train_rows=rows) for rows in (60, 61, 63)]
    stack = Stack(dataset, configs_of(3), splits)
    places = [torch.arange(begin, begin + rows) for begin, rows in ((0, 60), (60, 61), (121, 63))]
    drawn: list[set[int]] = [set(), set(), set()]
    for epoch, _ in zip(stack.draw_epochs(), range(8), strict=False):
        assert epoch.shape == (3, 3, 16)
        for run in range(3):
            rows = epoch[:, run].reshape(-1)
            assert len(rows.unique()) == 48
            drawn[run] |= set(rows.tolist())
    assert drawn == [set(own.tolist()) for own in places]
    for run, split in enumerate(splits):
        assert torch.equal(stack.rows.X[places[run]], stack.scale(run, split.train))
        assert torch.equal(stack.rows.labeled[places[run]], torch.from_numpy(split.labeled))


def test_training_rows_are_scaled_to_zero_to_one() -> None:
    dataset = made_table(rows=200)
    config = make_config(batch_size=16)
    split = make_split(dataset, config)
    stack = Stack(dataset, [config], [split])
    expected = MinMaxScaler().fit(dataset.X[split.train]).transform(dataset.X[split.test])
    np.testing.assert_allclose(stack.scale(0, split.test).numpy(), expected, rtol=0, atol=1e-6)  # float32
    assert stack.rows.X.amin() == 0 and stack.rows.X.amax() == 1


PROGRAM = """
import hashlib, torch
torch.set_num_threads({threads})
from tests.core.training.stacks import configs_of, made_table, trained_scores
digest = hashlib.sha256()
for preset in ("paper", "published_code"):
    for norm in ("batch", "layer"):
        configs = configs_of(4, norm=norm, preset=preset, batch_size=128, epochs=2)
        for scores in trained_scores(made_table(rows=600, columns=512), configs):
            digest.update(scores.tobytes())
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit() -> None:
    # Passive waiting: two threads that spin take turns badly where other work wants the same cores.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(threads=threads)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        for threads in (1, 2)
    }
    assert len(outputs) == 1


def test_parameters_get_separate_memory_after_any_end_of_training() -> None:
    """During training they share one tensor, which a stored detector must not keep alive."""
    stack = stack_of(made_table(), configs_of(2, epochs=4))
    for snapshot in train(stack):
        if snapshot.epoch == 2:
            break
    parameters = list(stack.head.parameters())
    assert len({parameter.untyped_storage().data_ptr() for parameter in parameters}) == len(parameters)
    assert all(parameter.grad is None for parameter in parameters)


def test_the_late_end_of_one_training_does_not_affect_the_next() -> None:
    stack = stack_of(made_table(), configs_of(2, epochs=4))
    first, second = train(stack), train(stack)
    next(first), next(second)
    first.close()
    before = [parameter.detach().clone() for parameter in stack.head.parameters()]
    next(second)
    for parameter, value in zip(stack.head.parameters(), before, strict=True):
        assert not torch.equal(parameter, value)


def test_a_penalty_from_before_training_is_ignored() -> None:
    dataset, configs = made_table(), configs_of(2, norm="bn_loss")
    touched = stack_of(dataset, configs)
    indices = next(touched.draw_epochs())[0]
    touched.head.train().losses(touched.gather(indices), touched.rows.labeled[indices])
    list(train(touched))
    test = [touched.splits[0].test] * 2
    for mine, plain in zip(touched.scores(test), trained_scores(dataset, configs), strict=True):
        assert np.array_equal(mine, plain)


@pytest.mark.parametrize("sizes", [(3, 500, 70), (70,), (64, 1)])
def test_a_fused_optimizer_takes_parameters_in_pieces_to_the_same_bits(sizes: tuple[int, ...]) -> None:
    """As on a GPU. A parameter without a gradient stays as it is."""
    found = []
    for in_pieces in (False, True):
        generator = torch.Generator().manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(size, 9, generator=generator)) for size in sizes]
        unused = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([*parameters, unused], lr=0.1, weight_decay=0.01, fused=True)
        (group,) = optimizer.param_groups
        with _in_pieces(optimizer, group) if in_pieces else nullcontext():
            assert (len(group["params"]) > len(sizes) + 1) == in_pieces
            for _ in range(3):
                for parameter in parameters:
                    parameter.grad = torch.randn(parameter.shape, generator=generator)
                optimizer.step()
        assert group["params"] == [*parameters, unused] and bool((unused == 1).all())
        found.append([parameter.detach() for parameter in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_many_parameters_and_large_ones_are_not_cut() -> None:
    for parameters in ([torch.nn.Parameter(torch.ones(2)) for _ in range(30)], [torch.nn.Parameter(torch.ones(2**22))]):
        optimizer = torch.optim.Adam(parameters, fused=True)
        (group,) = optimizer.param_groups
        with _in_pieces(optimizer, group):
            assert group["params"] == parameters
