"""Why this row? on Compare: a selected row and the highest rows, explained in worker processes."""

from __future__ import annotations

from app.views.compare.reasons import SELECT, TOP
from app.views.compare.tabs import ROWS_KEY, TABS
from tests.app.views.compare.compare_read import at_tab, errors, open_settled


def test_a_selected_row_and_the_highest_rows_are_explained(server: None) -> None:
    page = open_settled(dataset="breast_cancer", epochs="2", seeds="1", a="baseline=LogisticRegression")
    at_tab(page, TABS["rows"])
    assert SELECT in [text.value for text in page.caption]
    page.session_state[ROWS_KEY] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at_tab(page, TABS["rows"])
    charts = {chart.key for chart in page.get("plotly_chart")}
    assert {"contributions", "deletion"} <= charts
    verdicts = [text.value for text in page.markdown if "median row" in text.value]
    assert [verdict[:5] for verdict in verdicts] == ["**A**", "**B**"]
    assert "no gradient" in verdicts[0] and "no gradient" not in verdicts[1]
    page.session_state["explained_rows"] = TOP
    at_tab(page, TABS["rows"])
    assert "mean_contributions" in {chart.key for chart in page.get("plotly_chart")}
    assert errors(page) == []
