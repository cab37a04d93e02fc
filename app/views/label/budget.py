"""The budget curves of the page Label, from results that ship: anomalies found and AUCPR over the labels spent."""

from __future__ import annotations

import streamlit as st

from anoonly_core.labeling.budget_table import ANOONLY, BASELINE, BudgetPlan, shipped_curves
from anoonly_core.labeling.history import Label

from ...widgets.figure import FigureNote, draw_figure
from .charts import budget_figure
from .source import LabelSource

__all__ = ["draw_budget"]

SYSTEM_WORDS = {ANOONLY: "AnoOnly (λₙ = 0)", BASELINE: "baseline (λₙ = 1)"}


def draw_budget(source: LabelSource) -> None:
    """Draw the budget curves of a data set to practise on, beside the user's count; nothing for other tables."""
    if source.truth is None or not (curves := shipped_curves(source.name)):
        return
    seeds = len({curve.seed for curve in curves})
    st.markdown("##### What do labels earn?")
    system = st.segmented_control(
        "System",
        list(SYSTEM_WORDS),
        default=ANOONLY,
        required=True,
        format_func=SYSTEM_WORDS.__getitem__,
        key="label_budget_system",
        persist_state="session",
    )
    about = (
        f"{source.name}: DeepSAD from one known anomaly, {BudgetPlan.batch} labels a round answered from the truth, "
        f"means of {seeds} seeds with 95 % intervals."
    )
    draw_figure(
        budget_figure([curve for curve in curves if curve.system == system], BudgetPlan.batch, _user_counts(source)),
        "label_budget",
        "Anomalies found and AUCPR of the test rows over the labels spent, by query rule.",
        FigureNote(f"label budget {source.name}", about),
    )
    st.caption(f"{about} AUCPR is that of test rows, which no query asks about; the gray line is your labels.")


def _user_counts(source: LabelSource) -> list[int]:
    """Return the number of true anomalies among the first 0, 1, 2, … rows that the user labeled."""
    rows = dict.fromkeys(answer.row for answer in source.history.answers)
    counts = [0]
    for row in rows:
        counts.append(counts[-1] + (source.truth_of(row) == Label.ANOMALY))
    return counts
