"""The questions of a newcomer on Start, answered with the results that ship; app.bundled_results writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from anoonly_core.reproduction.evidence import shipped_evidence
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.grid import join_words
from anoonly_core.reproduction.significance import count_gains, gains
from anoonly_core.results.result import RunResult
from anoonly_core.results.summary import RunSummary
from anoonly_core.sweeps.sweep import Sweep

from .controls.choice import compare_parameters
from .text.labels import SETTING_LABELS, format_axis_value
from .text.questions import Question
from .text.verdict import paired_differences
from .views.lessons.effects import effect_of
from .views.lessons.lessons import LESSONS
from .views.sweep.curves import make_curves, values_by_gain

__all__ = ["answer_questions"]

METRIC = "aucpr_anomaly"


def answer_questions(
    sweep: Sweep, points: Mapping[str, RunSummary], a: Sequence[RunResult], b: Sequence[RunResult]
) -> Iterator[Question]:
    """Yield each question with its answer.

    Parameters
    ----------
    sweep : Sweep
        The sweep with which the page Sweep opens.
    points : mapping of str to RunSummary
        Its runs by key.
    a, b : sequence of RunResult
        A baseline in a clean pool and AnoOnly, which differs in λ_n alone; the same seeds in the same order.
    """
    yield Question(name="why", question="Why does it work?", answer=_why(), page="why")
    yield Question(name="where", question="Where does it stop helping?", answer=_where(sweep, points), page="sweep")
    yield Question(
        name="rival",
        question=f"Is it better than {a[0].config.baseline}?",
        answer=_against(a, b),
        page="compare",
        parameters=compare_parameters(b[0].config, a[0].config, len(b)),
    )
    yield Question(name="paper", question="What of the paper holds?", answer=_paper(), page="reproduce")


def _why() -> str:
    effect = effect_of(LESSONS["inside_batch_norm"].steps[0])
    assert effect is not None
    return f"Batch norm’s gradient does it: without it, AUCPR falls from {effect.a:.2f} to {effect.b:.2f}."


def _where(sweep: Sweep, points: Mapping[str, RunSummary]) -> str:
    name = sweep.axes[0].name
    better, others = values_by_gain(sweep, make_curves(sweep, points, METRIC))
    listed = join_words([format_axis_value(name, value) for value in others])
    return (
        f"Over the {SETTING_LABELS[name]} on {sweep.settings['dataset']}: clearly better at {len(better)} of "
        f"{len(better) + len(others)} values, not at {listed}."
    )


def _against(a: Sequence[RunResult], b: Sequence[RunResult]) -> str:
    difference = paired_differences(a, b)[METRIC]
    verdict = "no clear difference" if not difference.is_clear else "better" if difference.delta > 0 else "worse"
    return f"In a clean pool, both with batch norm: {verdict}, AUCPR {difference.b:.2f} against {difference.a:.2f}."


def _paper() -> str:
    frame = shipped_evidence().frame("table1")
    counts = count_gains([gain for gain in gains(frame, "text", "aucroc") if gain.scope in PAPER_FAMILIES])
    return (
        f"Measured again, AUCROC clearly rises in {counts.better} of {counts.of} pairs of head and data set, and falls "
        f"in {counts.worse}."
    )
