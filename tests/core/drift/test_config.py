"""DriftConfig: values, filled-in settings, courses of the intensity and keys."""

from __future__ import annotations

import json

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.drift.config import RULES, DriftConfig, absorption_key, drift_key, make_drift_config
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.ways import NORMS_THAT_FOLLOW, WAYS
from anoonly_core.errors import InvalidConfig
from anoonly_core.models.norms import NORMS

RUN = make_config(epochs=1)


def test_every_setting_has_a_rule() -> None:
    assert set(RULES) == set(DriftConfig.model_fields) - {"run"}


def test_unset_settings_follow_from_others() -> None:
    config = make_drift_config(RUN, batches=90, shift="missing")
    assert (config.start, config.period, config.amount) == (30, 15, SHIFTS["missing"].default)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"shift": "wind"}, "shift must be one of mean"),
        ({"schedule": "slow"}, "schedule must be one of none"),
        ({"amount": 11}, "amount must be a number from 0 to 10"),
        ({"shift": "missing", "amount": 1.5}, "amount must be 1 at most for the shift missing"),
        ({"batches": 10, "start": 10}, "start must be below batches, 10, not 10"),
        ({"batches": 1001}, "batches must be a whole number from 2 to 1000"),
        ({"batches": "many"}, "batches must be a whole number"),
        ({"rows": 257}, "rows must be a whole number from 8 to 256"),
        ({"alpha": float("nan")}, "alpha must be a number from 0 to 1"),
        ({"guard": "dog"}, "guard must be one of none, threshold, trimmed"),
        ({"batches": 100, "retrain_every": 2}, "retrain_every must be 0 or at least 5 for 100 batches"),
        ({"level": 0.6}, "level must be a number from 0.01"),
        ({"shift": "order"}, "needs the protocol by_time"),
        ({"shift": "order", "schedule": "sudden"}, "adds nothing to the rows"),
        ({"colour": 1}, "There is no setting called 'colour'"),
        ({"shcedule": 1}, "did you mean schedule"),
    ],
)
def test_an_invalid_setting_is_one_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidConfig, match=sentence):
        make_drift_config(RUN, **settings)


def test_a_system_without_a_network_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="XGBOD has no network"):
        make_drift_config(make_config(baseline="XGBOD"))


@pytest.mark.parametrize(
    ("schedule", "profile"),
    [
        ("none", [0, 0, 0, 0, 0, 0, 0, 0]),
        ("sudden", [0, 0, 2, 2, 2, 2, 2, 2]),
        ("gradual", [0, 0, 1, 2, 2, 2, 2, 2]),
        ("recurring", [0, 0, 2, 2, 0, 0, 2, 2]),
    ],
)
def test_the_intensity_follows_the_schedule(schedule: str, profile: list[int]) -> None:
    config = make_drift_config(RUN, schedule=schedule, amount=2, batches=8, start=2, period=2)
    intensity = config.intensity()
    assert intensity.dtype == np.float32 and intensity.tolist() == profile


def test_the_canonical_line_rebuilds_the_config() -> None:
    config = make_drift_config(RUN, shift="noise", amount=-0.0, guard="threshold")
    values = json.loads(config.canonical())
    assert make_drift_config(make_config(**values.pop("run")), **values) == config
    assert config.canonical() == make_drift_config(RUN, shift="noise", amount=0, guard="threshold").canonical()


def test_each_setting_changes_the_key() -> None:
    config = make_drift_config(RUN)
    changes = {
        "run": RUN.with_(seed=1),
        "shift": "noise",
        "schedule": "gradual",
        "amount": 2,
        "start": 5,
        "period": 3,
        "batches": 61,
        "rows": 32,
        "anomaly_share": 0.1,
        "alpha": 0.1,
        "rate": 0.2,
        "guard": "none",
        "retrain_every": 10,
        "standardize": True,
        "level": 0.1,
    }
    assert set(changes) == set(DriftConfig.model_fields)
    keys = {drift_key(config.with_(**{name: value})) for name, value in changes.items()}
    assert len(keys) == len(changes) and drift_key(config) not in keys


def test_a_shift_does_not_change_the_key_of_absorption() -> None:
    config = make_drift_config(RUN)
    assert absorption_key(config) == absorption_key(config.with_(shift="noise", amount=3, anomaly_share=0.2))
    assert absorption_key(config) != absorption_key(config.with_(rate=0.3))
    assert absorption_key(config) != absorption_key(config, (0.1, 0.2))


def test_the_norms_that_follow_are_those_with_running_statistics() -> None:
    following = {name for name, build in NORMS.items() if hasattr(build(1, 4, 1e-5, 0.1), "running_mean")}
    assert following == NORMS_THAT_FOLLOW


def test_ways_that_coincide_are_left_out() -> None:
    assert make_drift_config(RUN).distinct_ways == ("running", "batch", "mixed", "moving", "guarded")
    assert make_drift_config(RUN, guard="none").distinct_ways == ("running", "batch", "mixed", "moving")
    layer = make_drift_config(RUN.with_(norm="layer"), retrain_every=10)
    assert layer.distinct_ways == ("running", "retrained")
    assert make_drift_config(RUN, retrain_every=10).distinct_ways == tuple(WAYS)
