"""Plan, ranking, crossover and advice of `which`, on figures that are made here."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping

import jsonschema
import numpy as np
import pytest
from scipy import stats

from anoonly_core.baselines import BASELINES
from anoonly_core.cli.schema import load_schema
from anoonly_core.errors import InvalidConfig, UnknownDataset
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.results.summary import RunSummary
from anoonly_core.which.advice import ONE_SEED, advice, crossover_sentence
from anoonly_core.which.plan import WhichPlan, plan_which, possible_labels
from anoonly_core.which.result import WhichResult, which_result
from anoonly_core.which.summary import summarize
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS, systems_of

Figure = Callable[[str, int, int], float]  # of a system, a number of labels and a seed
THREE = ("DeepSAD + AnoOnly", "LogisticRegression", "KNN")


def plan_of(systems: tuple[str, ...] = THREE, counts: tuple[int, ...] = (1, 5, 20), seeds: int = 5) -> WhichPlan:
    return plan_which("digits_3", systems, counts, seeds=seeds)


def runs_of(plan: WhichPlan, figure: Figure, seconds: Mapping[str, float] | None = None) -> dict[str, RunSummary]:
    return {
        key: RunSummary(
            key=key,
            config=plan.configs[key].model_dump(),
            device="cpu",
            metrics={"aucpr_anomaly": figure(system, count, seed)},
            seconds={"train": (seconds or {}).get(system, 1.0), "score": 0.0},
            counts={},
            created=0.0,
            pinned=False,
            bytes=0,
        )
        for (system, count, seed), key in plan.keys.items()
    }


def noisy(means: Mapping[str, float], spread: float = 0.01) -> Figure:
    """Return figures around a mean for each system, with one draw for each system, number and seed."""

    def figure(system: str, count: int, seed: int) -> float:
        return means[system] + spread * float(np.random.default_rng([count, seed, len(system)]).normal())

    return figure


def result_of(means: Mapping[str, float], spread: float = 0.01, **seconds: float) -> WhichResult:
    plan = plan_of(tuple(means))
    named = {name: seconds.get(name.split()[0].rstrip(","), 1.0) for name in means}
    return which_result(plan, runs_of(plan, noisy(means, spread), named))


# Systems and plans


def test_each_system_is_there_in_its_forms() -> None:
    baselines = {system.settings["baseline"] for system in SYSTEMS.values()}
    assert baselines == set(BASELINES)
    assert set(DEFAULT_SYSTEMS) <= set(SYSTEMS)
    assert not {SYSTEMS[name].settings["baseline"] for name in DEFAULT_SYSTEMS} & {
        "XGBOD",
        "XGBoost",
        "CatBoost",
        "ECOD",
    }
    assert {system.kind for system in SYSTEMS.values()} == {
        *("anoonly", "baseline", "classifier", "comparator", "unsupervised"),
    }


@pytest.mark.parametrize("name", ["deepsad+anoonly", "DeepSAD + AnoOnly", " DEEPSAD +anoonly"])
def test_case_and_spaces_of_a_name_do_not_matter(name: str) -> None:
    assert systems_of([name, name]) == (SYSTEMS["DeepSAD + AnoOnly"],)


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


# Ranking


def test_the_ranking_has_paired_differences_and_corrected_tests() -> None:
    result = result_of({"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.79, "KNN": 0.2})
    best, second, last = result.ranking
    assert [rank.point.system for rank in result.ranking] == ["DeepSAD + AnoOnly", "LogisticRegression", "KNN"]
    for rank in (second, last):
        differences = [best.point.values[seed] - rank.point.values[seed] for seed in range(5)]
        assert rank.behind == pytest.approx(np.mean(differences))
        assert rank.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
        assert rank.p_corrected == pytest.approx(min(1, 2 * rank.p))
        assert rank.margin == pytest.approx(margin_of_error(differences, 2))
        assert rank.is_tied == (rank.p_corrected >= 0.05)
        assert rank.is_tied == (abs(rank.behind) <= rank.margin), "test and interval agree"
    assert best.behind == 0 and best.is_tied and not last.is_tied
    assert last.kind == "unsupervised"


def test_the_best_system_is_seldom_ruled_out_by_chance() -> None:
    """Of eight systems of which one is truly best by a hair, that one is ruled out in at most 5 % of the cases."""
    names = tuple(itertools.islice(SYSTEMS, 8))
    plan = plan_which("digits_3", names, (5,), seeds=5)
    random = np.random.default_rng(0)
    ruled_out = 0
    for _ in range(400):
        values = random.normal(size=(8, 5)) * 0.05 + random.normal(size=5) * 0.1
        values[0] += 1e-6
        figures = {(name, seed): values[row, seed] for row, name in enumerate(names) for seed in range(5)}
        result = which_result(plan, runs_of(plan, lambda name, count, seed: figures[name, seed]))  # noqa: B023
        ruled_out += not next(rank for rank in result.ranking if rank.point.system == names[0]).is_tied
    assert ruled_out / 400 < 0.05


def test_unfinished_and_failed_runs_leave_the_rest_ranked() -> None:
    plan = plan_of()
    runs = runs_of(plan, noisy(dict.fromkeys(THREE, 0.5)))
    gone = [key for (system, count, seed), key in plan.keys.items() if system == "KNN" or (seed == 0 and count == 20)]
    failures = {plan.keys["KNN", 20, 0]: "No memory.", plan.keys["KNN", 20, 1]: "No memory."}
    result = which_result(plan, {key: run for key, run in runs.items() if key not in gone}, failures)
    assert [rank.point.system for rank in result.ranking] and len(result.ranking) == 2
    assert all(set(rank.point.values) == {1, 2, 3, 4} for rank in result.ranking)
    assert result.failures == ("KNN: No memory.",)
    assert result.finished == len(plan.configs) - len(gone)
    empty = which_result(plan, {})
    assert (empty.ranking, empty.curves, empty.crossover, advice(empty)) == ((), {}, None, "")


def test_the_summary_fits_its_schema() -> None:
    for result in (result_of(dict.fromkeys(THREE, 0.5)), which_result(plan_of(seeds=1), {})):
        report = json.loads(json.dumps(summarize(result)))
        jsonschema.Draft202012Validator(load_schema("which")).validate(report)


# Crossover


def test_the_lead_changes_where_the_sign_does() -> None:
    plan = plan_of()
    lead = {1: 0.2, 5: 0.05, 20: -0.1}

    def figure(system: str, count: int, seed: int) -> float:
        return 0.5 + 0.01 * seed + (lead[count] + 1e-3 * (seed % 2) if system == "DeepSAD + AnoOnly" else 0.0)

    result = which_result(plan, runs_of(plan, figure))
    crossover = result.crossover
    assert crossover is not None
    assert (crossover.anoonly, crossover.classifier) == ("DeepSAD + AnoOnly", "LogisticRegression")
    assert crossover.labels == (1, 5, 20) and crossover.between == (5, 20)
    assert crossover.differences == pytest.approx([value + 4e-4 for value in lead.values()])
    assert crossover.is_clear == (True, True, True)
    assert crossover_sentence(result) == (
        "DeepSAD + AnoOnly leads up to 5 labels, LogisticRegression from 20 on. "
        "Clear at 1 (+0.20), 5 (+0.05), 20 (-0.10) labels."
    )


def test_without_a_change_one_lies_above_everywhere() -> None:
    result = result_of({"DeepSAD + AnoOnly": 0.4, "DevNet + AnoOnly": 0.3, "LogisticRegression": 0.6})
    assert result.crossover is not None and result.crossover.anoonly == "DeepSAD + AnoOnly"
    assert result.crossover.between is None
    assert crossover_sentence(result).startswith("LogisticRegression lies above DeepSAD + AnoOnly at every number")
    assert crossover_sentence(result_of({"KNN": 0.5, "LogisticRegression": 0.5})) == ""


# Advice


def test_a_clear_winner_is_named_with_the_second() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.9, "LogisticRegression": 0.6, "KNN": 0.2}, LogisticRegression=40.0))
    assert text.startswith("With 20 labeled anomalies DeepSAD + AnoOnly (AUCPR 0.89 ± 0.01) ranks first")
    assert "clearly ahead of LogisticRegression, which lies 0.29 ± 0.03 behind and is" not in text
    assert text.endswith("(5 seeds; paired t tests, corrected for 2 comparisons with the best.)")


def test_what_cannot_be_told_apart_is_said_with_the_faster_one() -> None:
    text = advice(
        result_of(
            {"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.795, "KNN": 0.2}, DeepSAD=4.0, LogisticRegression=0.1
        )
    )
    assert "cannot be told apart; LogisticRegression is 40 times as fast as DeepSAD + AnoOnly." in text
    assert "KNN" not in text


def test_a_tie_with_a_detector_without_labels_says_that_labels_do_not_help() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.5, "KNN": 0.5}, spread=0.05))
    assert "KNN uses no label at all, so labels do not show an effect yet." in text
    assert text.endswith("(5 seeds; paired t tests.)")


def test_a_wide_gap_that_is_not_clear_asks_for_more_seeds() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.5}, spread=0.6))
    assert "cannot be told apart" in text and "More seeds may tell: " in text


def test_one_seed_and_one_system_claim_nothing() -> None:
    plan = plan_of(seeds=1)
    text = advice(which_result(plan, runs_of(plan, noisy(dict.fromkeys(THREE, 0.5)))))
    assert text.endswith(ONE_SEED) and "clearly" not in text
    alone = plan_of(("KNN",))
    assert "nothing to compare it with" in advice(which_result(alone, runs_of(alone, noisy({"KNN": 0.5}))))


@pytest.mark.parametrize("count", [4, 6, 12])
def test_of_many_tied_systems_three_are_named(count: int) -> None:
    names = tuple(itertools.islice(SYSTEMS, count))
    result = result_of(dict.fromkeys(names, 0.5))
    tied = [rank for rank in result.ranking if rank.is_tied]
    others = len(tied) - 3
    if others > 0:
        assert f" and {others} other{'s' if others > 1 else ''} cannot be told apart" in advice(result)


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
