"""What the Compare page draws of finished runs: the sentence, the metrics, the charts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.tables.uploads import is_upload_name
from anoonly_core.metrics.ranking import chance_levels
from anoonly_core.projection import scaled_inputs
from anoonly_core.results.keys import hidden_points_key, input_points_key
from anoonly_core.results.result import RunResult, Sample
from app.charts import runs as charts
from app.charts.pair import FIGURE_DESCRIPTIONS, PROJECTION_CAVEAT, Pair, make_sides
from app.charts.style import DEFAULT_THRESHOLD, MODEBAR, THRESHOLDS, Side
from app.server.jobs import Jobs
from app.text.labels import METRIC_LABELS, PROJECTION_LABELS
from app.text.verdict import COMPARED_METRICS, paired_differences, verdict
from app.views.compare.address import ADDRESS, VIEWS
from app.views.compare.replay import draw_replay
from app.views.compare.report import ReportInput
from app.views.compare.tabs import draw_tabs
from app.widgets.tile import TILE_HELP, tile

__all__ = ["draw_comparison", "draw_figures"]

FOLLOW_S = 0.5
PANEL_NAME = 30  # letters that fit over a third of a projector


def draw_comparison(a: Sequence[RunResult], b: Sequence[RunResult], seeds_wanted: int) -> None:
    """The sentence and the three metrics, over the seeds that are finished."""
    found = paired_differences(a, b)
    more = f" *({seeds_wanted - len(a)} more seeds are training.)*" if len(a) < seeds_wanted else ""
    st.markdown(f"##### {verdict(a[0].config, b[0].config, found['aucpr_anomaly'], len(a))}{more}")
    chance = chance_levels(b[0].y_test)
    for column, name in zip(st.columns(3), COMPARED_METRICS, strict=True):
        with column.container(border=True):
            st.markdown(tile(METRIC_LABELS[name], found[name], chance[name]), help=TILE_HELP.format(seeds=len(a)))


@st.fragment
def draw_figures(runs_a: Sequence[RunResult], runs_b: Sequence[RunResult], jobs: Jobs, session: str) -> None:
    """The charts of the first seed: one threshold and one selection run through all of them."""
    ADDRESS.remember()  # threshold and projection move here, without the rest of the page
    a, b = runs_a[0], runs_b[0]
    dataset = load_cached(b.config.dataset)
    if b.counts["test_copies_of_training_part"]:
        share = b.counts["test_copies_of_training_part"] / b.counts["test"]
        st.warning(f"Leak: {share:.0%} of the test rows are copies of training rows under this protocol.")
    scores_place = st.container()
    view_place, projection_place, threshold_place = st.columns([1.25, 1.1, 2.2], vertical_alignment="bottom")
    without = [r.config.baseline for r in (a, b) if not BASELINES[r.config.baseline].has("epochs")]
    with view_place:
        view = _draw_view_control(disabled=bool(without))
    if without:
        view = "trained"
    with projection_place:
        projector = _draw_projection_control()
    if view == "learn":
        draw_replay(a, b, dataset, make_sides(a, b), projector, jobs, session, beside=threshold_place)
        return
    threshold = threshold_place.select_slider(
        "Threshold: score, in interquartile ranges above the median of the test rows",
        THRESHOLDS,
        DEFAULT_THRESHOLD,
        key="threshold",
        bind="query-params",
    )
    pair = Pair(a, b, threshold)
    scores_place.plotly_chart(pair.scores(), key="scores", config=MODEBAR, alt=FIGURE_DESCRIPTIONS["scores"])
    maps = _Maps(pair, dataset, jobs)
    selected, waiting = _draw_points(maps, projector, session)
    if waiting:
        _follow_points(jobs, waiting)
    findings = ReportInput(runs_a, runs_b, dataset, pair, lambda: maps.finished(projector))
    draw_tabs(pair, dataset, selected, findings, jobs, session)


def _draw_view_control(disabled: bool) -> str:
    chosen: str = st.segmented_control(
        "Show the runs",
        list(VIEWS),
        default="trained",
        required=True,
        format_func=VIEWS.__getitem__,
        key="view",
        bind="query-params",
        disabled=disabled,
        help="Watch it learn: both runs again, epoch by epoch, from the same first weights, split and batches. "
        "XGBOD has no epochs to watch.",
    )
    return chosen


def _draw_projection_control() -> str:
    chosen: str = st.segmented_control(
        "Projection of the features",
        list(PROJECTION_LABELS),
        default="pca",
        required=True,
        format_func=PROJECTION_LABELS.__getitem__,
        key="projection",
        bind="query-params",
        help="PCA is drawn at once; t-SNE and UMAP are computed in a worker.",
    )
    return chosen


@dataclass(frozen=True, eq=False)
class _Maps:
    """The three maps: of the input features, and of what each run sees."""

    pair: Pair
    dataset: Dataset
    jobs: Jobs

    def wanted(self, projector: str) -> list[tuple[str, str, np.ndarray, Sample]]:
        """Each map's title, its key, its features and the rows that it shows."""
        a, b = self.pair.a, self.pair.b
        inputs = scaled_inputs(self.dataset.X[b.sample.rows], b.sample.minimum, b.sample.scale)
        # Each with its own rows: where A and B differ in their labels, they train on other ones.
        return [
            ("input features", input_points_key(b.config, projector), inputs, b.sample),
            *(
                (_panel_title(run, side), hidden_points_key(run.key, projector), run.sample.hidden, run.sample)
                for run, side in zip((a, b), self.pair.sides, strict=True)
            ),
        ]

    def panels(self, projector: str) -> dict[str, charts.RowMap]:
        """The maps by their keys, without points where they are not there yet."""
        found = {}
        for title, key, table, sample in self.wanted(projector):
            quick = projector == "pca"
            points = self.jobs.points_now(key, table, projector) if quick else self.jobs.points(key)
            found[key] = charts.RowMap(title, points, sample.role, self.dataset.row_ids[sample.rows])
        return found

    def finished(self, projector: str) -> tuple[str, list[charts.RowMap]]:
        """What the maps are called, and the maps: by PCA where the projection on show is not there yet."""
        panels = list(self.panels(projector).values())
        if any(panel.points is None for panel in panels):
            return self.finished("pca")
        return PROJECTION_LABELS[projector], panels


def _draw_points(maps: _Maps, projector: str, session: str) -> tuple[list[int], list[str]]:
    """Input and hidden features, projected; returns the selected row ids and the projections under way."""
    jobs = maps.jobs
    if projector != "pca":
        tables = {key: table for _, key, table, _ in maps.wanted(projector)}
        jobs.request_points(session, projector, tables, stored=not is_upload_name(maps.pair.b.config.dataset))
    panels = maps.panels(projector)
    failures = [sentence for key in panels if (sentence := jobs.failure(key))]
    event = st.plotly_chart(
        charts.points_figure(
            list(panels.values()),
            selected=st.session_state.get("selected_rows", ()),
            waiting=failures[0] if failures else f"{PROJECTION_LABELS[projector]} is being computed …",
        ),
        key="points",
        config=MODEBAR,
        on_select="rerun",
        alt=FIGURE_DESCRIPTIONS["points"],
    )
    if projector != "pca":
        st.caption(PROJECTION_CAVEAT)
    selected = sorted({int(point["customdata"]) for point in event["selection"]["points"] if "customdata" in point})
    # Marking redraws the chart, upon which the browser drops its own selection: an empty one says nothing.
    selected = selected or st.session_state.get("selected_rows", [])
    if selected != st.session_state.get("selected_rows", []):
        st.session_state.selected_rows = selected
        st.rerun(scope="fragment")
    return selected, [key for key, panel in panels.items() if panel.points is None and jobs.failure(key) is None]


def _panel_title(result: RunResult, side: Side) -> str:
    """What a run sees in a row, which in XGBOD is no hidden layer; its name is cut to the panel's width."""
    seen = "hidden features"
    if result.config.baseline == "XGBOD":
        seen = f"{result.sample.hidden.shape[1]} unsupervised scores"
    return f"{seen}, <b>{side.letter}</b>  {textwrap.shorten(side.name, PANEL_NAME, placeholder=' …')}"


@st.fragment(run_every=FOLLOW_S)
def _follow_points(jobs: Jobs, keys: list[str]) -> None:
    """Draw the page again as soon as one more projection is there."""
    if any(jobs.points(key) is not None or jobs.failure(key) for key in keys):
        st.rerun()
    st.caption("Projecting in a worker; the page can be used meanwhile.")
