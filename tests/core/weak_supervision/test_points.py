"""Runs of the comparison: every mechanism at every level of its dial, paired over the seeds."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import MECHANISMS
from anoonly_core.config import make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.weak_supervision.points import LAMBDAS, mechanism_configs, reference_norm


def test_every_mechanism_is_tried_at_every_level_with_the_same_seeds() -> None:
    by_name = mechanism_configs(make_config(norm="layer", seed=4), 3)
    assert list(by_name) == list(MECHANISMS)
    for name, configs in by_name.items():
        dial = MECHANISMS[name].dial
        levels = [None] if dial is None else list(dial.levels)
        assert [run.strength for run in configs] == [level for level in levels for _ in range(3 * len(LAMBDAS))]
        assert [run.seed for run in configs] == [4, 5, 6] * len(LAMBDAS) * len(levels)
        assert {run.lambda_n for run in configs} == set(LAMBDAS)
        assert {run.norm for run in configs} == {name} and len(set(configs)) == len(configs)


@pytest.mark.parametrize(("baseline", "norm"), [("DeepSAD", "batch_no_affine"), ("DevNet", "batch")])
def test_batch_norm_as_published_is_the_reference(baseline: str, norm: str) -> None:
    assert reference_norm(make_config(baseline=baseline)) == norm


def test_a_system_without_a_norm_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="REPEN has no norm to choose"):
        mechanism_configs(make_config(baseline="REPEN"))
