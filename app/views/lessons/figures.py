"""Settings, answer, tiles and figure of a step on the Lessons page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import streamlit as st

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.metrics.ranking import chance_levels
from anoonly_core.results.result import RunResult

from ...charts import runs as charts
from ...charts.pair import Pair, make_sides
from ...charts.pictures import row_pictures
from ...charts.style import DEFAULT_FLAGGED
from ...controls.choice import compare_parameters
from ...controls.isolation import draw_isolation
from ...navigation import open_page
from ...text.differences import cause_sentence, differences
from ...text.labels import PROJECTION_LABELS, format_axis_value
from ...text.verdict import (
    COMPARED_METRICS,
    PairedDifference,
    describe_run,
    format_difference,
    verdict,
)
from ...widgets.comparison_note import comparison_note
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.tile import TILE_HELP, tile
from .effects import MEASURED_SEEDS, effect_of, effect_sentence, further_claims
from .lessons import Comparison, Outcome, Step, classify_outcome, measure_difference
from .measures import MEASURES
from .stream_figure import stream_figure
from .streams import Scoring, StreamRun, words_of

__all__ = [
    "answer_sentence",
    "differing_settings",
    "draw_answer",
    "draw_settings",
    "further_sentence",
    "setting_text",
    "stream_words",
]

MAP_HEIGHT = 220
TILES = 3
CUT_SENTENCE = f"Flagged: the highest {DEFAULT_FLAGGED:g} % of the scores."
GRADIENT_PARTS = {"grad_direct": "direct part", "grad_variance": "variance's part", "grad_mean": "mean's part"}
# Text of each setting of a step, in this order.
SETTING_TEMPLATES = {
    "dataset": "{}",
    "lambda_n": "λₙ = {}",
    "norm": "{}",
    "contamination": "{} of the pool is anomalous",
    "labeled_ratio": "{} of the anomalies labeled",
    "batch_size": "batches of {}",
    "epochs": "{} epochs",
    "norm_strength": "strength {}",
    **{name: f"{part} × {{}}" for name, part in GRADIENT_PARTS.items()},
}
WHOLE = {(name, 1.0) for name in GRADIENT_PARTS}


def setting_text(name: str, value: Any) -> str:
    """Format the value of the setting `name` in words, such as "clean pool" or "batches of 64"."""
    if name == "norm":
        return NORM_LABELS[value]
    if name == "contamination" and value == "natural":
        return "dirty pool (natural)"
    if name == "contamination" and value == 0:
        return "clean pool"
    if name in GRADIENT_PARTS and value in (0, 1):
        return f"{GRADIENT_PARTS[name]} {'whole' if value else 'cut'}"
    return SETTING_TEMPLATES[name].format(format_axis_value(name, value))


def _text_of(name: str, config: RunConfig) -> str:
    """Return the setting `name` of a run in words; a norm with its strength, if that is not the standard one."""
    words = setting_text(name, getattr(config, name))
    return f"{words}, {config.norm_strength:g}" if name == "norm" and config.norm_strength is not None else words


def differing_settings(a: RunConfig, b: RunConfig) -> list[str]:
    """Return the fields of `RunConfig` in which two runs differ beside their system and what it brings along."""
    return [difference.setting for difference in differences(a, b) if difference.setting != "baseline"]


def draw_settings(step: Step) -> None:
    """Draw the settings of A and B of a step.

    Those that differ are badges, those that both share stand in one small line.
    """
    (a, *_), (b, *_) = runs = step.runs()
    apart = differing_settings(a, b)
    differing, common = stream_words(step)
    with st.container(border=True, key="lesson_settings"):
        left, right = st.columns(2)
        sides = ((left, "A", "gray", a), (right, "B", "green", b))
        for (column, letter, color, config), further in zip(sides, differing, strict=True):
            texts = [*(_text_of(name, config) for name in apart), *further]
            badges = " ".join(f":{color}-badge[{text}]" for text in texts)
            column.markdown(f"**{letter}** {_name(config)} {badges}")
        shared = [setting_text(name, getattr(a, name)) for name in SETTING_TEMPLATES if _is_shared(name, a, b)]
        st.markdown(f":small[Both: {' · '.join([*shared, *common])} · {len(runs[0])} seeds]")


def stream_words(claim: Comparison) -> tuple[tuple[list[str], list[str]], list[str]]:
    """Return the words on the streams that A and B score: those that differ, for A and for B, and those of both.

    All are empty for a comparison of runs on test rows.
    """
    if not claim.is_stream:
        return ([], []), []
    (a,), (b,) = claim.scorings([0])
    words = [words_of(side) for side in (a, b)]
    apart = [name for name in words[0] if words[0][name] != words[1][name]]
    differing = ([words[0][name] for name in apart], [words[1][name] for name in apart])
    return differing, [text for name, text in words[0].items() if name not in apart]


def _is_shared(name: str, a: RunConfig, b: RunConfig) -> bool:
    """Return True if both runs have the setting `name`, with one value; a whole part of the gradient is not named."""
    value = getattr(a, name)
    return value is not None and value == getattr(b, name) and (name, value) not in WHOLE


def further_sentence(claim: Comparison, step: Step) -> str:
    """Return a sentence with the runs of a further claim and their difference over the measured seeds.

    A system and settings that the runs of the step share are not named. It is "" if the claim was not measured.

    Parameters
    ----------
    claim : Comparison
        A further claim of the step, on other runs than its A and B.
    step : Step
        The step.
    """
    effect = effect_of(claim)
    if effect is None:
        return ""
    (a,), (b,) = claim.runs(range(1))
    (known, *_), (other, *_) = step.runs()
    names = dict.fromkeys([_name(a), _name(b)])
    systems = [] if {*names} == {_name(known), _name(other)} and len(names) == 1 else [" → ".join(names)]
    shared = [
        _text_of(name, a)
        for name in SETTING_TEMPLATES
        if name != "lambda_n"
        and _is_shared(name, a, b)
        and {getattr(run, name) for run in (known, other)} - {None} != {getattr(a, name)}
    ]
    changed = [f"{_text_of(name, a)} → {_text_of(name, b)}" for name in differing_settings(a, b) if name != "lambda_n"]
    changed += [f"{one} → {other}" for one, other in zip(*stream_words(claim)[0], strict=True)]
    words = ", ".join([*systems, *shared, *changed])
    verdict = "clear" if effect.is_clear else "not clear"
    return f"Also, {words}: {effect.a:.3f} → {effect.b:.3f} ({format_difference(effect, 3)}), {verdict}."


def _name(config: RunConfig) -> str:
    return f"{config.baseline} + AnoOnly" if config.lambda_n == 0 else config.baseline


def answer_sentence(step: Step, predicted: Outcome, difference: PairedDifference) -> str:
    """Return the answer to a question in Markdown: the prediction, the outcome, and the measured difference.

    Parameters
    ----------
    step : Step
        The question, with the runs A and B.
    predicted : Outcome
        The prediction of the reader.
    difference : PairedDifference
        The measure of the step, B against A, in the reader's runs; it decides the outcome.
    """
    outcome = classify_outcome(difference)
    (a, *_), (b, *_) = runs = step.runs()
    if step.metric == "aucpr_anomaly":
        # The outcome has already said that the difference is not clear.
        figures = verdict(a, b, difference, len(runs[0])).removeprefix("No clear difference. ")
    elif step.is_stream:
        one, other = (", ".join(words) for words in stream_words(step)[0])
        figures = (
            f"Over {len(runs[0])} seeds, {MEASURES[step.metric].label}: {difference.b:.3f} for **{other}** against "
            f"{difference.a:.3f} for **{one}** ({format_difference(difference, 3)})."
        )
    else:
        label = MEASURES[step.metric].label
        figures = (
            f"Over {len(runs[0])} seeds, {label}: {difference.b:.3f} for **{describe_run(b, a)}** "
            f"against {difference.a:.3f} for **{describe_run(a, b)}** ({format_difference(difference, 3)}). "
            f"{cause_sentence(a, b, difference.is_clear)}"
        )
    if outcome == predicted:
        return f"You predicted {_quoted(step, predicted)}, and that is what happened. {figures}"
    return f"You predicted {_quoted(step, predicted)}. What came out is {_quoted(step, outcome)}. {figures}"


def _quoted(step: Step, prediction: Outcome) -> str:
    return f"“{step.predictions[prediction]}”"


def draw_answer(
    step: Step,
    predicted: Outcome,
    a: Sequence[RunResult] | Sequence[StreamRun],
    b: Sequence[RunResult] | Sequence[StreamRun],
    points: Mapping[str, np.ndarray] | None,
) -> Outcome:
    """Draw the answer to a question: sentence, tiles, figure and explanation; return the outcome.

    A warning is added if the outcome is not the one that the explanation is about.

    Parameters
    ----------
    step : Step
        The question.
    predicted : Outcome
        The prediction of the reader.
    a, b : sequence of RunResult or of StreamRun
        The runs or streams, seed by seed.
    points : mapping of str to np.ndarray, or None
        The map of each run by run key, float [rows, 2]; None for a step whose figure and measure need no map.

    Returns
    -------
    Outcome
        The outcome of the runs: that of B against A, by the measure of the step.
    """
    difference = measure_difference(step.metric, a, b, points)
    outcome = classify_outcome(difference)
    st.markdown(f"##### {answer_sentence(step, predicted, difference)}")
    _draw_outcome(step, a, b, points)
    if outcome != step.claim:
        st.warning(
            f"Your seeds gave another outcome than {len(MEASURED_SEEDS)} other seeds: {_quoted(step, step.claim)}. "
            "The explanation below is about that outcome."
        )
    st.markdown(step.why)
    cut = "" if step.shows == "map" or step.is_stream else CUT_SENTENCE
    further = [further_sentence(claim, step) for claim in further_claims(step)]
    if measured := " ".join(filter(None, [cut, effect_sentence(step), *further])):
        st.caption(measured)
    return outcome


def _draw_outcome(
    step: Step,
    a: Sequence[RunResult] | Sequence[StreamRun],
    b: Sequence[RunResult] | Sequence[StreamRun],
    points: Mapping[str, np.ndarray] | None,
) -> None:
    """Draw tiles and figure of a step; for runs on test rows also what else differs. Parameters as in `draw_answer`."""
    if step.is_stream:
        streams_a, streams_b = ([run for run in side if isinstance(run, StreamRun)] for side in (a, b))
        _draw_tiles(step, streams_a, streams_b, None)
        draw_figure(
            stream_figure(streams_a, streams_b),
            "stream",
            "AUCROC, missed anomalies and false alarms of A and B over the batches of the stream, means over seeds.",
            _stream_note(streams_b[0].scoring, len(streams_b)),
        )
        return
    first, second = ([run for run in side if isinstance(run, RunResult)] for side in (a, b))
    config_a, config_b = first[0].config, second[0].config
    draw_isolation(config_a, config_b, lambda only: open_page("compare", compare_parameters(config_b, only, len(b))))
    _draw_tiles(step, first, second, points, chance_levels(second[0].y_test))
    if step.shows == "map" and points is not None:
        _draw_map(first[0], second[0], points)
    else:
        _draw_scores(first[0], second[0], is_absolute=step.shows == "sizes")


def _stream_note(scoring: Scoring, seeds: int) -> FigureNote:
    """Return file name and footer of an exported figure of streams, from those of B."""
    run = scoring.config.run
    words = "; ".join(words_of(scoring).values())
    return FigureNote(f"stream {run.dataset}", f"{run.dataset}, {describe_run(run)}; B: {words}; {seeds} seeds")


def _draw_tiles(
    step: Step,
    a: Sequence[RunResult] | Sequence[StreamRun],
    b: Sequence[RunResult] | Sequence[StreamRun],
    points: Mapping[str, np.ndarray] | None,
    chance: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Draw up to three tiles: the measure of the step, measures of its further claims on the same runs, then metrics.

    Metrics are left out if the measure of the step is of a map, of features or of a stream. `points` is as in
    `draw_answer`, and `chance` holds the metrics of random scores by name.
    """
    names = [step.metric, *(check.metric for check in step.also if (check.a, check.b) == (step.a, step.b))]
    if MEASURES[step.metric].is_metric:
        names += COMPARED_METRICS
    if step.is_stream:
        names += [name for name, measure in MEASURES.items() if measure.is_stream]
    for column, name in zip(st.columns(TILES), list(dict.fromkeys(names))[:TILES], strict=False):
        with column.container(border=True, key=f"tile_{name}"):
            measure, difference = MEASURES[name], measure_difference(name, a, b, points)
            words = tile(measure.label, difference, chance.get(name), measure.more_is_better)
            st.markdown(words, help=f"{TILE_HELP.format(seeds=len(a))} {measure.unit}".strip())


def _draw_scores(a: RunResult, b: RunResult, is_absolute: bool) -> None:
    pair = Pair(a, b, DEFAULT_FLAGGED)
    draw_figure(
        pair.scores(is_absolute),
        "scores",
        "Score distributions of normal rows and anomalies for A and B on one axis, of the first seed.",
        comparison_note(a, b),
    )


def _draw_map(a: RunResult, b: RunResult, points: Mapping[str, np.ndarray]) -> None:
    dataset = load_cached(b.config.dataset)
    panels = [
        charts.RowMap(
            f"{side.title}, hidden features by {PROJECTION_LABELS['tsne']}",
            points[run.key],
            run.sample.role,
            dataset.row_ids[run.sample.rows],
        )
        for side, run in zip(make_sides(a, b), (a, b), strict=True)
    ]
    figure = charts.points_figure(panels)
    figure.update_layout(height=MAP_HEIGHT)
    draw_figure(
        figure,
        "map",
        f"{PROJECTION_LABELS['tsne']} of the hidden features of the test rows, for A and B, of the first seed.",
        comparison_note(a, b),
        pictures=row_pictures(dataset, np.concatenate([a.sample.rows, b.sample.rows])),
    )
