"""The tabs below the figures: curves, confusion and rows, training, split, export and method."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.data.dataset import Dataset
from anoonly_core.results.result import RunResult

from ...charts import runs as charts
from ...charts.network_diagram import network_dot
from ...charts.pair import (
    FIGURE_DESCRIPTIONS,
    UNLABELED_NOTE,
    Pair,
    published_sign_sentence,
    split_sentence,
    training_sentences,
)
from ...server.jobs import Jobs
from ...text.verdict import describe_run
from ...widgets.comparison_note import comparison_note
from ...widgets.figure import draw_figure
from ...widgets.rows import ROW_COLUMNS, draw_card, with_row_columns
from ...widgets.selection import keep_selection
from .export import draw_export, scores_table
from .reasons import draw_reasons
from .report import ReportInput

__all__ = ["TABS", "draw_tabs"]

# Labels of the tabs by their names in the address, in the order of the functions that draw them.
TABS = {
    "curves": "Curves",
    "rows": "Confusion and rows",
    "training": "Training",
    "split": "The split",
    "export": "Take away",
    "method": "The method",
}
ROWS_KEY = "compare_rows"  # widget key of the table of rows
NORM_NOTE = " The pink box is the norm; it is dashed if the features pass unchanged."


def draw_tabs(pair: Pair, dataset: Dataset, selected: list[int], report: ReportInput, jobs: Jobs, session: str) -> None:
    """Draw the tabs below the figures for the first seed of A and B; only the open tab is computed.

    Parameters
    ----------
    pair : Pair
        A and B at the threshold.
    dataset : Dataset
        Their data set.
    selected : list of int
        Ids of the rows selected in the maps.
    report : ReportInput
        Content of the report, for the tab Take away.
    jobs : Jobs
        The job queue of the server, which fits the detector and explains rows.
    session : str
        Id of the session.
    """
    draw_functions: tuple[Callable[[], None], ...] = (
        lambda: _draw_curves(pair),
        lambda: _draw_confusion_and_rows(pair, dataset, selected, jobs, session),
        lambda: _draw_training(pair),
        lambda: _draw_splits(pair),
        lambda: draw_export(report, jobs, session),
        lambda: _draw_method(pair.a, pair.b, dataset.columns),
    )
    # All tabs together would take as long as the rest of the page.
    tabs = st.tabs(list(TABS.values()), key="tab", bind="query-params")
    for tab, draw in zip(tabs, draw_functions, strict=True):
        if tab.open:
            with tab:
                draw()


def _draw_curves(pair: Pair) -> None:
    draw_figure(pair.curves(), "curves", FIGURE_DESCRIPTIONS["curves"], comparison_note(pair.a, pair.b))
    st.caption(published_sign_sentence(pair.a, pair.b))


def _draw_confusion_and_rows(pair: Pair, dataset: Dataset, selected: list[int], jobs: Jobs, session: str) -> None:
    """Draw the confusion matrices of A and B, the table of their test rows, and the reasons for a selected one.

    `selected` holds row ids to which the table is limited; an empty list shows all rows.
    """
    draw_figure(pair.confusion(), "confusion", FIGURE_DESCRIPTIONS["confusion"], comparison_note(pair.a, pair.b))
    chosen = _draw_rows(pair, dataset, selected)
    if chosen is not None and dataset.previews is not None:
        draw_card(dataset, chosen)
    draw_reasons(pair, dataset, chosen, jobs, session)


def _draw_rows(pair: Pair, dataset: Dataset, selected: list[int]) -> int | None:
    """Draw a table of the test rows with their labels, scores and flags by A and B.

    The highest score of B comes first. `selected` holds the row ids selected in the maps, to which the table is
    limited; an empty list shows all rows. Return the id of the row that the user selected in the table, or of the only
    row selected in the maps; None if there is none.
    """
    table = scores_table(pair, dataset).sort_values("score B", ascending=False)
    if selected:
        st.markdown(f"The {len(selected)} rows selected in the maps:")
        st.button("Clear selection", on_click=st.session_state.pop, args=("selected_rows", None))
        table = table[table["row"].isin(selected)]
    table = with_row_columns(table, dataset)
    ids = table["row"].tolist()
    keep_selection(ROWS_KEY, [str(row) for row in ids])
    event = st.dataframe(
        table,
        hide_index=True,
        height=300,
        key=ROWS_KEY,
        on_select="rerun",
        selection_mode="single-row",
        column_config=ROW_COLUMNS,
    )
    missed = pair.confusions[1].anomalies_missed
    st.caption(
        f"Test rows of seed {pair.b.config.seed}, highest score of B first. {pair.threshold_sentence} "
        f"B misses {missed} anomalies."
    )
    chosen = [ids[index] for index in event["selection"]["rows"] if index < len(ids)]
    return int(chosen[0]) if chosen else int(ids[0]) if len(ids) == len(selected) == 1 else None


def _draw_training(pair: Pair) -> None:
    if pair.has_history:
        draw_figure(pair.history(), "history", FIGURE_DESCRIPTIONS["history"], comparison_note(pair.a, pair.b))
    st.caption("  \n".join(training_sentences(pair.a, pair.b)))


def _draw_splits(pair: Pair) -> None:
    """Draw the row counts of the split of A and B as a sentence and a chart.

    If A and B have different splits, both are drawn.
    """
    for letters, run in pair.splits.items():
        st.markdown(split_sentence(letters, run, run.config.dataset))
        draw_figure(
            charts.split_figure(run.counts, run.config.seed),
            f"split {letters}",
            FIGURE_DESCRIPTIONS["split"].format(letters=letters),
            comparison_note(pair.a, pair.b),
        )
    st.caption(UNLABELED_NOTE)


def _draw_method(a: RunResult, b: RunResult, columns: int) -> None:
    """Draw the name, summary and network of the system of B, and of A if its system or network is another.

    `columns` is the number of input features.
    """
    network_a, network_b = (network_dot(c.baseline, columns, c.preset, c.norm) for c in (a.config, b.config))
    same_system = a.config.baseline == b.config.baseline
    summary = BASELINES[b.config.baseline].summary
    if same_system and network_a == network_b:
        _draw_system("A and B", b.config.baseline, summary, network_b)
    else:
        _draw_system("B", describe_run(b.config, a.config), summary, network_b)
        _draw_system(
            "A",
            describe_run(a.config, b.config),
            "" if same_system else BASELINES[a.config.baseline].summary,
            network_a,
        )
    has_norm = a.config.norm is not None or b.config.norm is not None
    if network_a or network_b:
        st.caption(
            "Rows flow from left to right, and through each part from top to bottom. The number of a layer is its "
            f"output width.{NORM_NOTE if has_norm else ''}"
        )


def _draw_system(letters: str, name: str, summary: str, network: str | None) -> None:
    """Draw the name and summary of a system as text, and its network as a diagram.

    Parameters
    ----------
    letters : str
        The runs with this system: "A", "B" or "A and B".
    name : str
        Name of the system or run.
    summary : str
        Sentence about the system; "" for none.
    network : str or None
        Graphviz DOT source; None for a system without a network.
    """
    st.markdown(f"**{letters}**  {name}" + (f". {summary}" if summary else ""))
    if network is not None:
        st.graphviz_chart(network, alt=f"The network of {name}, layer by layer.")
