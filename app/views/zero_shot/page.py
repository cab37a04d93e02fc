"""Zero-shot: meta-train on some classes, then detect anomalies among others by the statistics of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import streamlit as st

from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.zero_shot.config import SMALL_BATCH, check_classes, smaller_class_sets, zero_shot_key
from anoonly_core.zero_shot.result import SCORER_LABELS, ZeroShotResult
from anoonly_core.zero_shot.summary import describe_test_batches

from ...charts.pictures import gallery, preview_cell
from ...server.jobs import Jobs
from ...text.labels import option_words
from ...widgets import notices
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from . import charts
from .controls import ADDRESS, ZeroShotChoice, draw_sidebar, write_address

__all__ = ["page"]

IMAGES_ACROSS = 30
TEXTS = 8
HIGHEST = "The first seed's {} rows with the highest scores, in order; anomalies have an orange frame."


def page() -> None:
    """Draw the page Zero-shot; Streamlit calls this on every change of a control.

    The page meta-trains a network on some classes of a table. Its charts show the AUCROC of anomaly detection in test
    batches of the held-out classes, by share of anomalies and size of the batch.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    try:
        choice = draw_sidebar()
        write_address(choice)
        ADDRESS.draw_notices(choice.configs)
        for config in choice.configs:
            check_classes(config, choice.table)
        _draw(choice, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _key(choice: ZeroShotChoice, kind: str) -> str:
    return hashlib.sha256("".join([kind, *map(zero_shot_key, choice.configs)]).encode()).hexdigest()


def _draw(choice: ZeroShotChoice, jobs: Jobs, session: str) -> None:
    """Meta-train in a worker, blocking, then draw headline, charts, one batch, table and explanation.

    One network is trained for each seed.
    """
    key, configs = _key(choice, "runs"), list(choice.configs)
    # A finished result is not requested again: that would cancel the trainings with fewer classes.
    results: list[ZeroShotResult] | None = jobs.results.worker_result(key) or await_worker_result(
        jobs, session, key, "Meta-training, step", tasks.meta_train, configs
    )
    if results is None:
        return
    batches = describe_test_batches(choice.configs[0], choice.table)
    st.markdown(f"##### {charts.zero_shot_sentence(results, batches)}")
    if choice.configs[0].test_rows < SMALL_BATCH:
        notices.warning(f"A batch of under {SMALL_BATCH} rows says little of its own statistics.")
    draw_figure(
        charts.scorers_figure(results),
        "scorers",
        "AUCROC of six scorers over the share of anomalies in a test batch and over its size.",
        _note(choice, f"seeds 0 to {len(results) - 1}" if len(results) > 1 else "seed 0"),
    )
    _draw_batch(choice, results[0])
    _draw_class_counts(choice, jobs, session)
    _draw_table(results)
    _explain(choice, results)


def _note(choice: ZeroShotChoice, scope: str) -> FigureNote:
    """Return file name and footer of an exported figure; `scope` is the text on what it covers, such as its seeds."""
    first = choice.configs[0]
    classes = f"trained on {', '.join(first.meta)}; held out {', '.join(first.held_out)}"
    return FigureNote(
        f"zero_shot {choice.table.name}",
        f"Zero-shot, {choice.table.name}, {option_words('objective', first.objective)}; {classes}; {scope}",
    )


def _draw_batch(choice: ZeroShotChoice, result: ZeroShotResult) -> None:
    """Draw one test batch of the first seed, with a choice of its normal class and a slider that adds anomalies."""
    table, held_out = choice.table, list(choice.configs[0].held_out)
    normals, moments = int(result.shift_normals[0]), range(len(result.shift_counts))
    left, right = st.columns([1, 3])
    name = left.selectbox("Normal in this batch", held_out, key="zero_shot_normal")
    class_index = held_out.index(name)
    shares = [f"{count / (count + normals):.0%}" for count in result.shift_counts]
    if st.session_state.get("zero_shot_moment", 0) not in moments:
        del st.session_state["zero_shot_moment"]
    step = right.select_slider(
        "Add anomalies to the batch",
        moments,
        value=min(3, moments[-1]),
        format_func=lambda number: (
            f"{result.shift_counts[number]} of {normals + result.shift_counts[number]} rows, {shares[number]}"
        ),
        key="zero_shot_moment",
    )
    count, away = int(result.shift_counts[step]), float(result.shift_away[step, class_index])
    area = charts.aucroc_at_step(result, step, class_index)
    value = "" if np.isnan(area) else f" AUCROC {area:.2f}."
    if count >= normals:
        value += " The statistics are the anomalies' now."
    moving = "1 anomaly moves" if count == 1 else f"{count} anomalies move"
    st.markdown(
        f"{moving} the mean of {normals} normal rows by {away:.2f} of their deviations.{value} This batch is of seed 0."
    )
    draw_figure(
        charts.batch_figure(result, step, class_index),
        "batch",
        "Scores of one batch's rows; how far its mean moves, and its AUCROC, as anomalies are added.",
        _note(choice, f"seed 0, {name} is normal"),
    )
    if table.image_shape is not None:
        order = _highest_rows(result, step, class_index, 2 * IMAGES_ACROSS)
        ranks = ", ".join(str(number) for number, row in enumerate(order, start=1) if row >= normals) or "none"
        st.image(
            charts.image_mosaic(table, result.shift_rows[class_index][order], order >= normals, IMAGES_ACROSS),
            output_format="PNG",
            alt=f"Images of rows, the highest score first; ranks of anomalies: {ranks}.",
        )
        st.caption(HIGHEST.format(len(order)))
    elif table.previews is not None and table.row_ids is not None:
        order = _highest_rows(result, step, class_index, IMAGES_ACROSS if table.previews.kind == "image" else TEXTS)
        row_ids = table.row_ids[result.shift_rows[class_index][order]]
        cells = [preview_cell(table.previews, int(row)) for row in row_ids]
        st.html(gallery(cells, (order >= normals).tolist()))
        st.caption(HIGHEST.format(len(order)))


def _highest_rows(result: ZeroShotResult, step: int, class_index: int, most: int) -> np.ndarray:
    """Return the rows of a batch with the highest scores, at most `most`, by their index in the batch."""
    scores = result.shift_scores[step, class_index]
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return order[: int(result.shift_normals[0] + result.shift_counts[step])][:most]


def _draw_class_counts(choice: ZeroShotChoice, jobs: Jobs, session: str) -> None:
    """Draw an expander with AUCROC over the number of classes trained on.

    The runs with fewer classes, the first 2, 3, … of each seed, are trained once the user asks for them; the call then
    blocks.
    """
    groups = [smaller_class_sets(config) for config in choice.configs]
    with st.expander("How many classes to meta-train on", expanded=st.session_state.get("zero_shot_counts", False)):
        if len(groups[0]) < 2:
            st.caption("Choose three classes or more to train on, to see the effect of fewer.")
            return
        if not st.toggle(
            f"Train on the first 2, 3, … {len(choice.configs[0].meta)} classes too "
            f"({len(choice.configs) * (len(groups[0]) - 1)} more trainings)",
            key="zero_shot_counts",
        ):
            return
        configs = [config for group in groups for config in group]
        results: list[ZeroShotResult] | None = await_worker_result(
            *(jobs, session, _key(choice, "counts"), "Meta-training, step"),
            *(tasks.meta_train, configs),
            name="counts",
        )
        if results is None:
            return
        by_count: dict[int, list[ZeroShotResult]] = {}
        for config, result in zip(configs, results, strict=True):
            by_count.setdefault(len(config.meta), []).append(result)
        draw_figure(
            charts.class_counts_figure(by_count),
            "class_counts",
            "AUCROC over the number of classes meta-trained on.",
            _note(choice, f"seeds 0 to {len(choice.configs) - 1}"),
        )
        st.caption("The classes held out stay the same; a pale mark is a seed and a class held out.")


def _draw_table(results: Sequence[ZeroShotResult]) -> None:
    with st.expander("All figures"):
        table = charts.scorers_table(results)
        st.dataframe(table, hide_index=True, height=260)
        st.download_button("CSV", lambda: table.to_csv(index=False).encode(), "zero_shot.csv", on_click="ignore")


def _explain(choice: ZeroShotChoice, results: Sequence[ZeroShotResult]) -> None:
    draws = results[0].by_ratio.shape[3]
    has_class_anomalies = choice.table.has_class_anomalies
    anomalies = (
        "a product's own defects"
        if has_class_anomalies
        else "rows of the other classes held out"
        if len(choice.configs[0].held_out) > 1
        else "rows of the other classes; training saw these classes, but not these rows"
    )
    with st.expander("How to read the charts"):
        st.markdown(
            f"ACR (arXiv 2302.07849) meta-trains one small network over many tasks, each normalized by its own rows; "
            f"at test time nothing is trained: a batch's own statistics adapt the network. Here each class held out is "
            f"normal in {draws} batches a point and seed; the anomalies are {anomalies}, at least one a batch. "
            "Lines are means over seeds, classes and draws; the band is the deviation of "
            f"{SCORER_LABELS['batch']} over seeds and classes. ± in "
            "the sentence is a 95 % interval of paired differences over the classes held out, each a mean over seeds "
            "and draws; with one class held out it is over the seeds and says nothing of other classes.\n\n"
            f"- **{SCORER_LABELS['running'].capitalize()}**: the same network, scored as usual at test time. "
            f"**{SCORER_LABELS['none'].capitalize()}**: one trained without it.\n"
            f"- **{SCORER_LABELS['untrained'].capitalize()}**: no training at all, only batch norm; "
            "the distance to 0.\n"
            f"- **{SCORER_LABELS['neighbors'].capitalize()}** (5) and **{SCORER_LABELS['mean']}** look at the same "
            "batch's features and learn nothing.\n"
            "- A score depends on the batch that it was taken in: never compare it, nor a threshold, across batches."
        )
