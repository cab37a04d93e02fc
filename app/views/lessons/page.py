"""Lessons: question, prediction, runs, outcome and explanation; then suggestions."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.drift.config import drift_key
from anoonly_core.drift.result import DriftResult
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.results.keys import digest, hidden_points_key
from anoonly_core.results.result import RunResult

from ...controls.page_address import take_refusal
from ...navigation import PAGES, page_url
from ...server.jobs import Jobs, server_jobs
from ...widgets import notices
from ...widgets.progress import Bar, ComparisonRuns, draw_failures, draw_run_progress, progress_row, wait_for_poll
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from .answers import draw_cookie, session_answers
from .figures import draw_answer, draw_settings
from .lessons import ADDRESS, LESSONS, Lesson, Position, Step, parse_position
from .measures import MEASURES
from .streams import StreamRun

__all__ = ["page"]

MAP = "tsne"
Runs = list[RunResult] | list[StreamRun]
Results = tuple[Runs, Runs, dict[str, np.ndarray] | None]  # of A, of B, and maps by run key


def page() -> None:
    """Draw the page Lessons; Streamlit calls this on every step of the reader.

    The page lists the lessons and shows one step of one lesson: a question, a choice of predictions, then the outcome
    of its runs with an explanation. After the last step, it suggests what to do next.
    """
    jobs, session = begin_page()
    with st.container(key="lesson_cookie"):
        cookie = st.empty()
        draw_cookie(cookie)  # before a training begins too
    position = _read_position()
    _draw_list(position)
    lesson = LESSONS[position.lesson]
    number = list(LESSONS).index(position.lesson) + 1
    st.markdown(f"##### {number}. {lesson.title} :small[:gray[{lesson.question}]]")
    try:
        if position.step > len(lesson.steps):
            jobs.release(session)
            _draw_next(position, lesson)
        else:
            _draw_step(position, lesson, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))
    draw_cookie(cookie)


# -- where the reader is


def _read_position() -> Position:
    """Return the reader's position from the address or, if that has none, the last one of the session.

    Draws notices about unusable parameters. Without any, the position is written to the address.
    """
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    position, complaints = parse_position(given)
    if not ADDRESS.names & given.keys() and not complaints:
        position = st.session_state.get("lesson_place", position)
    st.session_state.lesson_place = position
    st.session_state.setdefault("lesson_steps", {})[position.lesson] = position.step
    for complaint in [*take_refusal(), *complaints]:
        notices.warning(complaint)
    if not complaints:  # else the address stays as it is, and the notice with it, until the reader moves on
        _go(position)
    return position


def _go(position: Position) -> None:
    st.session_state.lesson_place = position  # at once: a visitor who leaves interrupts the run that would read it
    ADDRESS.write(asdict(position))


def _go_to_lesson() -> None:
    name = st.session_state.lesson_choice
    _go(Position(name, st.session_state.lesson_steps.get(name, 1)))


def _steps(name: str) -> list[Position]:
    return [Position(name, step + 1) for step in range(len(LESSONS[name].steps))]


def _draw_list(position: Position) -> None:
    """Draw the list of lessons in the sidebar, with the question of the current one.

    Lessons that are fully answered have a tick.
    """

    def label(name: str) -> str:
        return f"{list(LESSONS).index(name) + 1}. {LESSONS[name].title} :gray[· {LESSONS[name].minutes} min]"

    def caption(name: str) -> str:
        done = all(step in session_answers().seen for step in _steps(name))
        question = LESSONS[name].question if name == position.lesson else ""
        return f"{'✓ ' if done else ''}{question}"

    st.session_state.lesson_choice = position.lesson
    with st.sidebar:
        st.radio(
            "Lessons",
            list(LESSONS),
            format_func=label,
            captions=[caption(name) for name in LESSONS],
            key="lesson_choice",
            on_change=_go_to_lesson,
            label_visibility="collapsed",
        )


# -- a question


def _draw_step(position: Position, lesson: Lesson, jobs: Jobs, session: str) -> None:
    step = lesson.steps[position.step - 1]
    st.markdown(f":gray[Question {position.step} of {len(lesson.steps)}.] **{step.question}**")
    draw_settings(step)
    predicted = session_answers().predicted.get(position)
    status = st.empty()  # the question disappears when training begins
    if predicted is None:
        jobs.release(session)
        with status.container():
            _ask(position, step)
        return
    if step.is_stream:
        results: Results | None = _scored_streams(step, jobs, session)
    else:
        results = _results(position, step, jobs, session, status)
    if results is None:
        return
    session_answers().seen[position] = draw_answer(step, predicted, *results)
    _draw_buttons(position, lesson)


def _ask(position: Position, step: Step) -> None:
    chosen = st.radio(
        "What do you predict?",
        list(step.predictions),
        format_func=step.predictions.__getitem__,
        index=None,
        key=_prediction_key(position),
        persist_state="session",
    )
    with st.container(horizontal=True):
        st.button(
            "Commit and run",
            type="primary",
            disabled=chosen is None,
            on_click=_commit,
            args=(position,),
            key="commit",
        )
        if position.step > 1:
            st.button("Back", on_click=_go, args=(Position(position.lesson, position.step - 1),), key="back")


def _prediction_key(position: Position) -> str:
    return f"predict {position.lesson} {position.step}"


def _commit(position: Position) -> None:
    # Read the current choice: the button may be pressed before the last arrow key has reached the server.
    session_answers().predicted[position] = st.session_state[_prediction_key(position)]


def _scored_streams(step: Step, jobs: Jobs, session: str) -> Results | None:
    """Score the streams of a question in a worker; block, with progress, until all are there.

    Returns
    -------
    tuple or None
        The streams of A and of B by seed, and None in place of maps. None if the job failed or was canceled.
    """
    sides = step.scorings()
    configs = list(dict.fromkeys(scoring.config for side in sides for scoring in side))
    key = digest({"streams": [drift_key(config) for config in configs]})
    found: list[DriftResult] | None = await_worker_result(
        jobs, session, key, "Scoring the stream, step", tasks.score_streams, configs, name="stream"
    )
    if found is None:
        return None
    results = dict(zip(configs, found, strict=True))
    a, b = ([StreamRun(scoring, results[scoring.config]) for scoring in side] for side in sides)
    return a, b, None


def _results(position: Position, step: Step, jobs: Jobs, session: str, status: DeltaGenerator) -> Results | None:
    """Train the runs of a question and compute its maps; block, with progress, until all are finished.

    Parameters
    ----------
    position : Position
        Position of the question, which Cancel opens again.
    step : Step
        The question.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    status : DeltaGenerator
        Where progress and errors are drawn.

    Returns
    -------
    tuple or None
        The results of A and of B by seed, and the maps by run key, or None in place of the maps if the question needs
        none. None if a job failed.
    """
    plan = ComparisonRuns(*step.runs())
    jobs.request_runs(session, plan.groups())
    results = plan.finished(jobs)
    if results is None or len(results[0]) < len(plan.a):
        bar, cancel = progress_row(status)
        cancel.button("Cancel", key="cancel", on_click=_cancel, args=(position, session))
    while results is None or len(results[0]) < len(plan.a):
        if draw_failures(plan.keys, jobs, status):
            return None
        draw_run_progress(bar, f"Training {len(plan.a)} seeds of A and of B", plan, plan.keys, jobs)
        if jobs.view(plan.keys) is None:
            jobs.request_runs(session, plan.groups())
        wait_for_poll(jobs)
        results = plan.finished(jobs)
    points = None
    if step.shows == "map" or MEASURES[step.metric].projector:
        points = _maps([*results[0], *results[1]], jobs, session, status)
        if points is None:
            return None
    status.empty()
    return *results, points


def _maps(runs: list[RunResult], jobs: Jobs, session: str, status: DeltaGenerator) -> dict[str, np.ndarray] | None:
    """Compute the t-SNE map of the hidden features of each run; block, with progress, until all are finished.

    Parameters
    ----------
    runs : list of RunResult
        The runs.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    status : DeltaGenerator
        Where progress and errors are drawn.

    Returns
    -------
    dict of str to np.ndarray, or None
        The maps by run key, float [rows, 2]; None if one failed.
    """
    keys = {run.key: hidden_points_key(run.key, MAP) for run in runs}
    tables = {keys[run.key]: run.sample.hidden for run in runs}
    jobs.request_points(session, MAP, tables)
    maps = {run: points for run, key in keys.items() if (points := jobs.results.points(key)) is not None}
    bar = Bar(status)
    while len(maps) < len(keys):
        if draw_failures(list(tables), jobs, status):
            return None
        bar.show(len(maps) / len(keys), f"Computing t-SNE maps: {len(maps)} of {len(keys)}")
        if jobs.view(tables) is None:
            jobs.request_points(session, MAP, tables)
        wait_for_poll(jobs)
        maps = {run: points for run, key in keys.items() if (points := jobs.results.points(key)) is not None}
    return maps


def _cancel(position: Position, session: str) -> None:
    """Stop the training for this session, and forget the prediction at `position`: the question is open again."""
    session_answers().reopen(position)
    server_jobs().release(session)


def _draw_buttons(position: Position, lesson: Lesson) -> None:
    is_last = position.step == len(lesson.steps)
    with st.container(horizontal=True):
        label = "What to try next" if is_last else "Next question"
        st.button(label, type="primary", on_click=_go, args=(Position(position.lesson, position.step + 1),), key="next")
        if position.step > 1:
            st.button("Back", on_click=_go, args=(Position(position.lesson, position.step - 1),), key="back")
        _draw_reset(position)


def _draw_reset(position: Position) -> None:
    st.button(
        "Reset lesson",
        on_click=_reset,
        args=(position.lesson,),
        key="reset",
        help="Delete your predictions.",
    )


def _reset(name: str) -> None:
    for step in _steps(name):
        session_answers().reopen(step)
        st.session_state.pop(_prediction_key(step), None)
    _go(Position(name))


# -- the end


def _draw_next(position: Position, lesson: Lesson) -> None:
    """Draw the closing page of a lesson: predictions beside outcomes, suggestions, and buttons to go on or back."""
    answered = [step for step in _steps(position.lesson) if step in session_answers().seen]
    right_count = sum(session_answers().seen[step] == session_answers().predicted.get(step) for step in answered)
    if answered:
        st.markdown(f"**{right_count} of your {len(answered)} predictions were right.**")
    for step in _steps(position.lesson):
        content = lesson.steps[step.step - 1]
        if step in session_answers().seen:
            outcome, predicted = session_answers().seen[step], session_answers().predicted[step]
            mark = "as predicted" if outcome == predicted else f"you predicted: {content.predictions[predicted]}"
            st.markdown(f"{step.step}. {content.question}  \n**{content.predictions[outcome]}** :gray[({mark})]")
        else:
            st.markdown(f"{step.step}. {content.question}  \n:gray[Not answered yet.]")
    st.markdown("**What to try next** :gray[(opens in a new tab)]")
    for number, suggestion in enumerate(lesson.next):
        with st.container(horizontal=True, vertical_alignment="center"):
            url = page_url(suggestion.page, suggestion.parameters, st.context.url, "lessons")
            st.link_button(f"Open {PAGES[suggestion.page].title}", url, key=f"offer {number}")
            st.markdown(suggestion.text)
    with st.container(horizontal=True):
        names = list(LESSONS)
        following = names[(names.index(position.lesson) + 1) % len(names)]
        st.button("Next lesson", type="primary", on_click=_go, args=(Position(following),), key="next")
        st.button("Back", on_click=_go, args=(Position(position.lesson, position.step - 1),), key="back")
        _draw_reset(position)
