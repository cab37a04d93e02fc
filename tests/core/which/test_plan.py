"""Runs of a ranking."""

from __future__ import annotations

import pytest

from anoonly_core.errors import InvalidConfig, UnknownDataset
from anoonly_core.which.plan import plan_which, possible_labels
from anoonly_core.which.systems import SYSTEMS
from tests.core.which.made import THREE, plan_of


def test_runs_are_paired_and_those_of_the_ranking_come_first() -> None:
    plan = plan_which("digits_3", THREE, (1, 5, 20), labels=5, seeds=2, seed=3, settings={"contamination": 0.0})
    assert plan.counts == (1, 5, 20) and plan.seeds == (3, 4)
    assert len(plan.configs) == 3 * 3 * 2
    assert list(plan.configs)[:6] == list(plan.configs_at(5))
    for (system, count, seed), key in plan.keys.items():
        config = plan.configs[key]
        assert (config.labeled_anomalies, config.seed, config.contamination) == (count, seed, 0.0)
        assert config.baseline == SYSTEMS[system].settings["baseline"]


def test_numbers_that_the_set_lacks_are_left_out() -> None:
    plan = plan_of(counts=(1, 2, 50, 10_000))
    most = min(possible_labels(config) for config in plan.configs.values())
    assert plan.counts == tuple(count for count in (1, 2, 50) if count <= most)
    assert plan.labels == plan.counts[-1]
    assert plan_of(counts=(5_000,)).counts == (most,)
    assert plan_which("digits_3", THREE, (1,), labels=7, seeds=1).counts == (1, 7)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"systems": ("DeepSAD2",)}, "There is no system called 'DeepSAD2'"),
        ({"systems": ()}, "Give at least one system"),
        ({"seeds": 0}, "seeds must be a whole number from 1 to 100, not 0"),
        ({"counts": (0,)}, "labeled_anomalies must be a whole number"),
        ({"labels": 10_000}, r"digits_3 has \d+ anomalies to label in training: give labels of at most \d+\."),
        ({"settings": {"epochs": 3}}, "epochs cannot be shared by all systems"),
        ({"settings": {"contamination": 3}}, "contamination must be"),
        ({"seed": -1}, "seed must be"),
    ],
    ids=str,
)
def test_a_bad_plan_is_one_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        plan_which(**{"dataset": "digits_3", "seeds": 1, **given})  # type: ignore[arg-type]


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(UnknownDataset):
        plan_which("digits_33")


def test_the_parts_of_a_plan_hold_each_run_once_and_begin_with_the_fast_ones() -> None:
    plan = plan_of(("DeepSAD", "LogisticRegression", "LogisticRegression, tuned", "KNN"), (1, 5), 2)
    quick, slow, rest = plan.stages
    assert [*quick, *slow, *rest] and {**quick, **slow, **rest} == plan.configs
    assert len(quick) + len(slow) + len(rest) == len(plan.configs)
    assert {*quick, *slow} == plan.configs_at(5).keys()
    assert {config.baseline for config in quick.values()} == {"LogisticRegression", "KNN"}
    assert {config.preset for config in slow.values()} == {"paper", "tuned"}


def test_equal_plans_have_equal_texts_and_others_another() -> None:
    texts = [
        plan.canonical()
        for plan in (
            plan_of(),
            plan_of(seeds=4),
            plan_of(counts=(1, 5)),
            plan_of(THREE[:2]),
            plan_which("digits_4", THREE, (1, 5, 20)),
            plan_which("digits_3", THREE, (1, 5, 20), settings={"contamination": 0.0}),
            plan_which("digits_3", THREE, (1, 5, 20), labels=5),
        )
    ]
    assert plan_of().canonical() == texts[0] and len(set(texts)) == len(texts)
