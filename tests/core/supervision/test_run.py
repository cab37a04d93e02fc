"""Records of the six runs: equal to the runs themselves, with arrows that are the parts of the gradient."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from anoonly_core.baselines import BASELINES, GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.microscope.result import PART_NAMES, RowKind
from anoonly_core.microscope.run import probe_norms, watch_norms
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.results.keys import supervision_key
from anoonly_core.results.result import Role
from anoonly_core.runs.run import run_many
from anoonly_core.supervision.columns import COLUMNS, column_configs
from anoonly_core.supervision.result import SupervisionRecord, from_bytes, to_bytes
from anoonly_core.supervision.run import arrow_map, record_columns, recorded_moments
from anoonly_core.training.stack import Stack

DIRECT, VARIANCE, MEAN = range(len(PART_NAMES))
NAMES = [column.name for column in COLUMNS]


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 2)


def config(**settings: Any) -> RunConfig:
    return make_config(**{"dataset": "digits_3", "epochs": 2, "lambda_n": 0.0, **settings})


def stack_of(run: RunConfig) -> Stack:
    dataset = load_cached(run.dataset)
    return Stack(dataset, [run], [make_split(dataset, run)])


@pytest.fixture(scope="module")
def record() -> SupervisionRecord:
    return record_columns(config())


def test_the_columns_differ_in_norm_and_gradient_only() -> None:
    configs = column_configs(config(norm="layer"))
    changed = ("norm", *GRADIENT_SHARES)
    assert len({run.with_(norm=None, **dict.fromkeys(GRADIENT_SHARES)) for run in configs}) == 1
    assert [tuple(getattr(run, name) for name in changed) for run in configs] == [
        ("batch_no_affine", 1, 1, 1),
        ("batch_no_affine", 1, 0, 1),
        ("batch_no_affine", 1, 1, 0),
        ("batch_no_affine", 1, 0, 0),
        ("layer", 1, 1, 1),
        ("none", 1, 1, 1),
    ]


def test_the_batch_norm_is_the_published_one_of_anoonly_at_each_weight() -> None:
    for lambda_n in (0.0, 1.0):
        assert column_configs(config(baseline="DevNet", lambda_n=lambda_n))[0].norm == "batch"


@pytest.mark.parametrize("baseline", [name for name in BASELINES if not BASELINES[name].has("norm")])
def test_a_system_without_a_norm_is_refused(baseline: str) -> None:
    with pytest.raises(InvalidConfig, match="choose another baseline"):
        column_configs(make_config(baseline=baseline))


def test_moments_are_all_epochs_if_few_and_evenly_spaced_otherwise() -> None:
    assert recorded_moments(3) == [0, 1, 2, 3]
    assert recorded_moments(50) == list(range(0, 51, 2))
    assert len(recorded_moments(500)) == 26


@pytest.mark.parametrize("baseline", [name for name in METHODS if BASELINES[name].has("norm")])
def test_the_last_moment_equals_the_run_to_the_bit(baseline: str) -> None:
    chosen = config(baseline=baseline, epochs=1)
    record = record_columns(chosen)
    results = run_many(column_configs(chosen), "cpu")
    tested = record.role != Role.LABELED_ANOMALY
    for column, result in zip(record.columns, results, strict=True):
        ids = load_cached(chosen.dataset).row_ids[result.test_rows]
        score_of = dict(zip(ids.tolist(), result.scores.tolist(), strict=True))
        assert column.scores[-1][tested].tolist() == [score_of[row] for row in record.rows[tested].tolist()]
        assert column.aucpr[-1] == result.metrics.aucpr_anomaly


def test_all_columns_start_with_one_weight_in_one_plane(record: SupervisionRecord) -> None:
    whole = record.columns[0]
    for column in record.columns[1:4]:  # the forward pass is that of batch norm
        np.testing.assert_array_equal(column.scores[0], whole.scores[0])
        np.testing.assert_array_equal(column.points[0], whole.points[0])
    assert len({len(column.aucpr) for column in record.columns}) == 1
    assert record.epochs.tolist() == [0, 1, 2]


def test_a_cut_part_pushes_no_row(record: SupervisionRecord) -> None:
    lengths = {name: column.lengths.max(axis=(0, 1)) for name, column in zip(NAMES, record.columns, strict=True)}
    assert (lengths["whole"] > 0).all()
    assert lengths["without_variance"][VARIANCE] == 0 < lengths["without_variance"][MEAN]
    assert lengths["without_mean"][MEAN] == 0 < lengths["without_mean"][VARIANCE]
    for name in ("without_both", "none"):
        assert not lengths[name][[VARIANCE, MEAN]].any() and lengths[name][DIRECT] > 0


def test_without_a_loss_only_batch_statistics_push_the_pool(record: SupervisionRecord) -> None:
    pool = record.batch_kind[record.pushed] != RowKind.LABELED_ANOMALY
    for name, column in zip(NAMES, record.columns, strict=True):
        assert not column.lengths[:, pool, DIRECT].any()
        assert bool(column.lengths[:, pool].any()) is (name in ("whole", "without_variance", "without_mean"))


def test_the_mean_pushes_the_pool_against_the_labeled_anomalies(record: SupervisionRecord) -> None:
    """At λ_n = 0 the part through μ is minus the mean of all direct parts, so the map holds its whole length."""
    whole = record.columns[0]
    pool = record.batch_kind[record.pushed] != RowKind.LABELED_ANOMALY
    pushes, lengths = whole.pushes[:, pool, MEAN], whole.lengths[:, pool, MEAN]
    np.testing.assert_allclose(pushes[..., 0], -lengths, rtol=1e-4)
    np.testing.assert_allclose(pushes[..., 1] / lengths, 0, atol=1e-3)


def test_arrows_are_no_longer_than_their_parts(record: SupervisionRecord) -> None:
    for column in record.columns:
        assert (np.linalg.norm(column.pushes, axis=3) <= column.lengths * 1.0001 + 1e-12).all()


def test_the_map_is_in_units_of_the_spread_of_the_pool(record: SupervisionRecord) -> None:
    pool = record.batch_kind != RowKind.LABELED_ANOMALY
    for column in record.columns:
        distances = np.sqrt((column.batch[:, pool] ** 2).sum(axis=2).mean(axis=1))
        np.testing.assert_allclose(distances, 1, rtol=1e-3)
        np.testing.assert_allclose(column.batch[:, pool].mean(axis=1), 0, atol=1e-3)


def test_the_axes_of_a_map_are_orthonormal() -> None:
    stack = stack_of(config())
    (*_, last) = probe_norms(stack, next(stack.draw_epochs())[0])
    axes, center = arrow_map(last)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    again, _ = arrow_map(last, -axes[1])
    np.testing.assert_allclose(again, [axes[0], -axes[1]])
    np.testing.assert_allclose(center, last.before[~last.labeled].mean(axis=0))


@pytest.mark.parametrize(
    ("baseline", "norm"), [*itertools.product(["DeepSAD", "PReNet"], ["batch", "layer", "none"]), ("DevNet", "bn_loss")]
)
def test_a_probed_batch_has_the_gradient_of_its_training_step(baseline: str, norm: str) -> None:
    chosen = config(baseline=baseline, norm=norm, lambda_n=0.5)
    probed = stack_of(chosen)
    passes = probe_norms(probed, next(probed.draw_epochs())[0])
    watched = next(watch_norms(stack_of(chosen)))
    assert len(passes) == len(watched)
    for one, other in zip(passes, watched, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_allclose(one.before, other.before, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(one.parts.total, one.gradient, atol=1e-4 * np.abs(one.gradient).max() + 1e-12)


def test_a_record_survives_its_bytes(record: SupervisionRecord) -> None:
    again = from_bytes(to_bytes(record))
    assert (again.key, again.location) == (record.key, record.location)
    assert record.key == supervision_key(column_configs(config()))
    for name in ("epochs", "rows", "role", "plotted", "batch_rows", "batch_kind", "pushed"):
        np.testing.assert_array_equal(getattr(again, name), getattr(record, name))
    for one, other in zip(again.columns, record.columns, strict=True):
        for name in ("scores", "aucpr", "pushes", "lengths"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for name in ("points", "batch"):
            assert getattr(one, name).dtype == np.float32
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-3, atol=1e-3)
