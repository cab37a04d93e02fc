"""The lessons as data: each is whole, can be run offline, and claims what twenty seeds that no reader trains show."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.config import RunConfig
from anoonly_core.drift.run import run_drift
from anoonly_core.drift.summary import before_and_after
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run_many
from anoonly_core.weak_supervision.across import shipped_measures
from app.controls.choice import from_pin
from app.controls.registry import CONTROLS
from app.text.verdict import PairedDifference
from app.views.compare.url import ADDRESS as COMPARE
from app.views.drift.controls import ADDRESS as DRIFT
from app.views.lessons.effects import (
    COLUMNS,
    EFFECTS_FILE,
    MEASURED_SEEDS,
    claims,
    effect_of,
    effect_sentence,
    further_claims,
)
from app.views.lessons.figures import further_sentence
from app.views.lessons.lessons import (
    FOLDER,
    LESSONS,
    BadLesson,
    Position,
    Step,
    Suggestion,
    classify_outcome,
    parse_position,
    read_lesson,
    read_lessons,
)
from app.views.lessons.measures import MEASURES, relative_gap, relative_spread
from app.views.lessons.streams import StreamRun
from app.views.microscope.page import ADDRESS as MICROSCOPE_ADDRESS
from app.views.runs.page import ADDRESS as RUNS
from app.views.sweep.url import ADDRESS as SWEEP
from app.views.weak_supervision.page import ADDRESS as WEAK
from app.views.why.page import ADDRESS as WHY

BUNDLED = {*(f"digits_{digit}" for digit in range(10)), "digits_low", "breast_cancer", "novels", "novels_words"}
MICROSCOPE = (
    *("dataset", "baseline", "lambda_n", "norm", "batch_size", "labeled_ratio", "contamination"),
    *("second_norm", "step"),
)
TOPICS = (
    *("imbalance", "norms", "dirty_pool", "when_it_hurts"),
    *("small_batches", "a_fair_rival", "the_other_aucpr", "reading_tsne", "logistic_regression"),
    *("inside_batch_norm", "a_dial", "follow_or_stand_still", "what_a_backbone_sees"),
)
STEPS = {f"{name} {number}": step for name, own in LESSONS.items() for number, step in enumerate(own.steps, start=1)}
OFFERS = {f"{name} {number}": offer for name, own in LESSONS.items() for number, offer in enumerate(own.next, start=1)}
QUICKEST = FOLDER / "3_dirty_pool.toml"


# The lessons and their steps


def test_the_lessons_are_all_there_in_their_order() -> None:
    assert tuple(LESSONS) == TOPICS
    assert (
        len({lesson.title for lesson in LESSONS.values()}) == len({step.question for step in STEPS.values()}) / 3 == 13
    )


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_asks_and_leads_on(name: str) -> None:
    lesson = LESSONS[name]
    assert lesson.question.endswith("?") and len(lesson.question) <= 36, "one line of the list"
    assert lesson.next


@pytest.mark.parametrize("name", STEPS)
def test_a_step_asks_and_can_be_run_offline(name: str) -> None:
    step = STEPS[name]
    assert step.question.endswith("?")
    assert len(set(step.predictions.values())) == 3
    assert step.predictions["equal"].startswith("No clear difference")
    assert 200 < len(step.why) < 520, "a paragraph that fits below the figures"
    for check in (step, *step.also):
        for config in (configs := check.runs())[0] + configs[1]:
            assert config.dataset in BUNDLED
        assert all(a.seed == b.seed for a, b in zip(*configs, strict=True))
        sides = check.scorings() if check.is_stream else configs
        assert sides[0] != sides[1]


def test_no_lesson_foretells_a_figure() -> None:
    for name, step in STEPS.items():
        assert not re.search(r"\d\.\d|\d ?%", step.why.replace("2305.18798", "")), name


@pytest.mark.parametrize("name", OFFERS)
def test_what_to_try_next_opens_as_it_says(name: str) -> None:
    assert complaints(OFFERS[name]) == []


def complaints(offer: Suggestion) -> list[str]:
    """Return what is wrong with an offer's link, as the page that it leads to would say."""
    address = {own.page: own for own in (COMPARE, MICROSCOPE_ADDRESS, RUNS, SWEEP, WHY, WEAK, DRIFT)}[offer.page]
    values, notices = address.read(
        {name: [own] if isinstance(own, str) else own for name, own in offer.parameters.items()}
    )
    used = MICROSCOPE if offer.page == "microscope" else address.names
    if "a" in values:
        from_pin(values["a"], RunConfig(dataset=values.get("dataset", "digits_3")))
    return notices + [name for name in offer.parameters if name not in used]


def test_a_wrong_offer_would_be_found() -> None:
    for page, parameters in (
        ("compare", {"lambda_n": "2"}),
        ("sweep", {"question": "fig99"}),
        ("microscope", {"epochs": "3"}),
        ("runs", {"dataset": "digits_3"}),
    ):
        assert complaints(Suggestion(text="Try.", page=page, parameters=parameters)), page


def test_offers_stay_offline() -> None:
    default = next(control.default for control in CONTROLS if control.name == "dataset")
    assert {offer.parameters.get("dataset", default) for offer in OFFERS.values()} <= BUNDLED


def settings_of(step: Step) -> list[dict[str, Any]]:
    """Return all settings of A and of B, without the seed."""
    sides = [configs[0].model_dump(exclude={"seed"}) for configs in step.runs(range(1))]
    if step.is_stream:
        for side, (scoring,) in zip(sides, step.scorings([0]), strict=True):
            side |= {"way": scoring.way, **scoring.config.model_dump(exclude={"run"})}
    return sides


def changes(step: Step, earlier: Step) -> int:
    """Return the number of things that a step changes against an earlier one; 0 if they share a run.

    A setting that A and B change alike is one thing.
    """
    now, before = settings_of(step), settings_of(earlier)
    if any(side in before for side in now):
        return 0
    return len({name for side, old in zip(now, before, strict=True) for name in side if side[name] != old[name]})


@pytest.mark.parametrize("name", LESSONS)
def test_a_question_changes_one_thing(name: str) -> None:
    """Against one of the questions before it; two runs that share none of them would leave the cause open."""
    steps = LESSONS[name].steps
    for number in range(1, len(steps)):
        fewest = min(changes(steps[number], earlier) for earlier in steps[:number])
        assert fewest <= 1, f"question {number + 1} changes {fewest} things"


def test_several_changes_at_once_would_be_found() -> None:
    first, second, third = LESSONS["imbalance"].steps
    assert changes(second, first) == 0 and changes(third, second) == 1
    assert changes(LESSONS["when_it_hurts"].steps[0], first) == 3, "data set, labels, and the λ_n of B"


# A file that is none


def broken(folder: Path, old: str, new: str) -> Path:
    text = QUICKEST.read_text(encoding="utf-8")
    assert old in text
    path = folder / "1_broken.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minutes = 8", "minutes = 80", "minutes"),
        ("minutes = 8", "minutes = ", "cannot be read"),
        ('metric = "aucpr_anomaly"', 'metric = "beauty"', "beauty"),
        ("lambda_n = 1.0", "lambda_n = 7.0", "lambda_n must be a number from 0"),
        ('claim = "worse"', 'claim = "nicer"', "claim"),
        ("[settings]", "color = 1\n[settings]", "color"),
        ('equal = "No clear', '# equal = "No clear', "predict"),
    ],
)
def test_a_file_that_is_no_lesson_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BadLesson) as caught:
        read_lessons(broken(tmp_path, old, new).parent)
    words = str(caught.value)
    assert "1_broken.toml" in words and said in words
    assert len(words.splitlines()) == 1 and words.endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '{ way = "moving", schedule = "none" }',
            '{ way = "swimming", schedule = "none" }',
            "way must be one of running",
        ),
        ('{ way = "moving", schedule = "none" }', '{ schedule = "none" }', "must be given for A and for B"),
        ('schedule = "sudden" }', 'schedule = "yearly" }', "schedule must be one of none, sudden"),
        ('metric = "stream_aucroc"', 'metric = "aucroc"', "a stream has measures of its own"),
        ('shift = "contrast"', 'shift = "earthquake"', "shift must be one of mean"),
        ("lambda_n = 0.0", "lambda_n = 5.0", "lambda_n must be a number from 0"),
    ],
)
def test_a_lesson_about_a_stream_that_is_none_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (FOLDER / "12_follow_or_stand_still.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "1_stream.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadLesson, match=r"1_stream\.toml") as caught:
        read_lessons(tmp_path)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadLesson, match="cannot be read"):
        read_lesson(tmp_path / "1_gone.toml")


# Position of the reader


def test_a_place_survives_its_link() -> None:
    for name, lesson in LESSONS.items():
        for step in range(1, len(lesson.steps) + 2):
            assert parse_position({"lesson": [name], "step": [str(step)]}) == (Position(name, step), [])
    assert parse_position({}) == (Position("imbalance"), [])


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"lesson": "magic", "step": "2"}, Position("imbalance")),
        ({"lesson": "norms", "step": "5"}, Position("norms")),
        ({"lesson": "norms", "step": "two"}, Position("norms")),
        ({"lesson": "norms", "color": "red"}, Position("norms")),
    ],
)
def test_a_place_that_is_none_is_named(parameters: dict[str, str], place: Position) -> None:
    found, (notice,) = parse_position({name: [text] for name, text in parameters.items()})
    assert found == place
    assert any(text in notice for text in parameters.values()) or "color" in notice


# The measures


def test_the_outcome_is_what_the_interval_says() -> None:
    assert classify_outcome(PairedDifference(0.5, 0.7, 0.2, 0.1)) == "better"
    assert classify_outcome(PairedDifference(0.7, 0.5, -0.2, 0.1)) == "worse"
    assert classify_outcome(PairedDifference(0.5, 0.7, 0.2, 0.3)) == "equal"
    assert classify_outcome(PairedDifference(0.5, 0.7, 0.2, None)) == "equal"


def test_gap_and_spread_are_in_spreads_of_the_normal_rows() -> None:
    role = np.array([0, 0, 1, 1, 2])
    points = np.array([[-2, 0], [2, 0], [0, 5], [0, 7], [99, 99]], dtype=np.float32)
    assert relative_gap(points, role) == pytest.approx(3.0)
    assert relative_spread(points, role) == pytest.approx(0.5)
    assert relative_gap(points * 7 + 3, role) == pytest.approx(3.0)


# The claims of the lessons


CLAIMS = dict(claims())
SIZE_WORDS = re.compile("slightly|little|small|too little")
RETRAINED = ("dirty_pool 2", "when_it_hurts 1", "the_other_aucpr 2")


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_what_twenty_other_seeds_show(name: str) -> None:
    effect = effect_of(CLAIMS[name])
    assert effect is not None, "measure again: python -m tests.bench.lessons"
    assert classify_outcome(effect) == CLAIMS[name].claim, effect


def test_the_table_has_twenty_seeds_of_each_claim_and_no_others() -> None:
    rows = list(csv.DictReader(EFFECTS_FILE.open(encoding="utf-8")))
    assert tuple(rows[0]) == COLUMNS and min(MEASURED_SEEDS) >= 1000 and len(MEASURED_SEEDS) == 20
    assert [(row["claim"], int(row["seed"])) for row in rows] == [
        (name, seed) for name in CLAIMS for seed in MEASURED_SEEDS
    ]


@pytest.mark.parametrize("name", STEPS)
def test_a_small_effect_is_called_small(name: str) -> None:
    effect = effect_of(STEPS[name])
    assert effect is not None
    if effect.is_clear and abs(effect.delta) < 0.05 and not name.startswith("the_other_aucpr"):
        assert SIZE_WORDS.search(STEPS[name].why)


@pytest.mark.parametrize(
    "words",
    ["no harm", "all that is left", "only the pool's loss is left", "by construction", "nothing can be learned"],
)
def test_no_text_claims_what_was_refuted(words: str) -> None:
    assert not any(words in step.why for step in STEPS.values())


@pytest.mark.parametrize("name", STEPS)
def test_a_reader_is_told_of_the_other_seeds(name: str) -> None:
    sentence = effect_sentence(STEPS[name])
    assert "Over 20 other seeds" in sentence and "Five seeds can come out otherwise." in sentence
    assert ("no clear difference" in sentence) == (STEPS[name].claim == "equal")


def test_claims_of_size_are_shown_on_one_scale() -> None:
    """A histogram in units of each run hides that all rows are far out."""
    sized = [name for name, step in STEPS.items() if any(each.metric == "normal_score" for each in step.also)]
    assert sized == ["norms 1", "norms 2"] and all(STEPS[name].shows == "sizes" for name in sized)
    for name in sized:
        effect = effect_of(CLAIMS[f"{name} also 1"])
        assert effect is not None and effect.b > 10 * effect.a, "far out, not only farther"


@pytest.mark.parametrize("name", STEPS)
def test_claims_on_other_runs_are_shown_with_their_figures(name: str) -> None:
    for claim in further_claims(STEPS[name]):
        effect, sentence = effect_of(claim), further_sentence(claim, STEPS[name])
        assert effect is not None and sentence.startswith("Also, ")
        assert f"{effect.a:.3f} → {effect.b:.3f}" in sentence and sentence.count("→") >= 2, "the runs are told apart"
    assert "not on show" not in STEPS[name].why


def test_the_reach_and_lengths_that_two_lessons_state_are_measured() -> None:
    runs = shipped_measures().query("dataset == 'digits_3' and baseline == 'DeepSAD' and lambda_n == 0")
    batch = runs[runs["norm"] == "batch_no_affine"].mean(numeric_only=True)
    whitened = runs[(runs["norm"] == "whiten") & (runs["strength"] == 64)].mean(numeric_only=True)
    assert batch["through_variance"] > batch["through_mean"] and whitened["reach"] > batch["reach"]


def results(configs: list[RunConfig]) -> list[RunResult]:
    return run_many(configs, "cpu")


def test_a_stream_of_the_table_is_what_scoring_gives() -> None:
    """Two seeds of the question in which the contrast halves."""
    name, seeds = "follow_or_stand_still 2", MEASURED_SEEDS[:2]
    rows = [row for row in csv.DictReader(EFFECTS_FILE.open(encoding="utf-8")) if row["claim"] == name][:2]
    claim = CLAIMS[name]
    a, b = claim.scorings(seeds)
    assert [scoring.config for scoring in a] == [scoring.config for scoring in b]
    results = run_drift([scoring.config for scoring in a])
    for side, scorings in (("a", a), ("b", b)):
        runs = [StreamRun(scoring, result) for scoring, result in zip(scorings, results, strict=True)]
        measured = [MEASURES[claim.metric].of(run, np.zeros((0, 2))) for run in runs]
        figures = [before_and_after([run.result], 20)[run.scoring.way].after.mean for run in runs]
        assert measured == pytest.approx(figures), "the batches from the shift on"
        assert measured == pytest.approx([float(row[side]) for row in rows], abs=0.02)


@pytest.mark.parametrize("name", RETRAINED)
def test_the_table_is_what_training_gives(name: str) -> None:
    """Two seeds of three claims, trained again."""
    seeds = MEASURED_SEEDS[:2]
    rows = [row for row in csv.DictReader(EFFECTS_FILE.open(encoding="utf-8")) if row["claim"] == name][:2]
    for side, configs in zip("ab", CLAIMS[name].runs(seeds), strict=True):
        measured = [MEASURES[CLAIMS[name].metric].of(run, run.sample.hidden) for run in results(configs)]
        assert measured == pytest.approx([float(row[side]) for row in rows], abs=0.02)


def test_a_hidden_anomaly_harms_deepsad_far_more_than_anoonly() -> None:
    effects = [effect_of(CLAIMS[name]) for name in ("dirty_pool 1", "dirty_pool 2 also 1")]
    assert effects[0] is not None and effects[1] is not None
    assert effects[0].delta < 5 * effects[1].delta < 0


def test_a_single_anomaly_is_labeled_where_a_lesson_says_so() -> None:
    step: Step = LESSONS["when_it_hurts"].steps[0]
    assert {run.counts["labelled_anomalies_distinct"] for run in results(step.runs()[1])} == {1}


def test_a_batch_of_one_scores_all_rows_alike() -> None:
    (config,) = LESSONS["small_batches"].steps[1].runs(range(1))[1]
    (run,) = results([config.with_(epochs=3)])  # as after ten epochs, sooner
    assert float(np.ptp(run.scores)) == 0


def test_smaller_batches_are_more_steps_as_a_lesson_counts_them() -> None:
    step = LESSONS["small_batches"].steps[2]
    (a, _), (b, _) = step.runs(range(2))
    (longer, *_) = step.also[0].runs()[1]
    assert a.batch_size and b.batch_size and a.epochs and longer.epochs and a.epochs == b.epochs
    assert a.batch_size / b.batch_size == longer.epochs / a.epochs == 16
