"""Finished runs on the Compare page: headline, metrics and charts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.tables.upload_metadata import is_upload_name
from anoonly_core.metrics.ranking import chance_levels
from anoonly_core.projection import scaled_inputs
from anoonly_core.results.keys import hidden_points_key, input_points_key
from anoonly_core.results.result import RunResult, Sample

from ...charts import runs as charts
from ...charts.pair import FIGURE_DESCRIPTIONS, PROJECTION_CAVEAT, Pair, make_sides
from ...charts.pictures import has_cells, row_pictures
from ...charts.style import DEFAULT_FLAGGED, Side
from ...controls import locked_links
from ...controls.choice import pin_text
from ...controls.isolation import draw_isolation
from ...controls.page_address import page_address
from ...server.jobs import Jobs
from ...text.conditions import split_warnings, split_words
from ...text.labels import METRIC_LABELS, PROJECTION_LABELS
from ...text.markdown import escape_markdown
from ...text.verdict import COMPARED_METRICS, conditions_line, paired_differences, verdict
from ...widgets.comparison_note import comparison_note
from ...widgets.figure import draw_figure
from ...widgets.tile import TILE_HELP, tile
from .replay import draw_replay
from .report import ReportInput
from .rules import SHARE, draw_rule, fetch_promise
from .tabs import draw_tabs
from .url import ADDRESS, VIEWS

__all__ = ["draw_comparison", "draw_figures"]

FOLLOW_S = 0.5
LASSO = "Draw a lasso around points: all maps mark the same rows, and the tab Confusion and rows lists them."
HOVER = "Point at a row to see its picture."
HOVER_WORDS = "Point at a row to read its words."
MAX_PANEL_NAME = 27  # characters above a third of the page on a projector


def draw_comparison(a: Sequence[RunResult], b: Sequence[RunResult], seeds_wanted: int) -> None:
    """Draw the headline, the buttons that isolate a setting, and three tiles with the metrics over the finished seeds.

    Parameters
    ----------
    a, b : sequence of RunResult
        Finished runs, seed by seed.
    seeds_wanted : int
        Number of seeds that the user asked for; the headline says how many are still training.
    """
    differences = paired_differences(a, b)
    config_a, config_b, chance = a[0].config, b[0].config, chance_levels(b[0].y_test)
    progress = f" *({seeds_wanted - len(a)} more seeds are training.)*" if len(a) < seeds_wanted else ""
    headline = verdict(config_a, config_b, differences["aucpr_anomaly"], len(a), chance["aucpr_anomaly"])
    conditions = conditions_line(config_a, config_b, b[0].counts, [run.config.seed for run in b])
    st.container(key="headline").markdown(f"##### {headline}{progress}\n:small[{escape_markdown(conditions)}]")
    if locked_links.PIN not in locked_links.locked(locked_links.HIDE):
        draw_isolation(config_a, config_b, _pin)
    for column, name in zip(st.columns(3), COMPARED_METRICS, strict=True):
        with column.container(border=True, key=f"tile_{name}"):
            st.markdown(tile(METRIC_LABELS[name], differences[name], chance[name]), help=TILE_HELP.format(seeds=len(a)))


def _pin(config: RunConfig) -> None:
    st.query_params["a"] = pin_text(config)
    st.rerun()


@st.fragment
def draw_figures(runs_a: Sequence[RunResult], runs_b: Sequence[RunResult], jobs: Jobs, session: str) -> None:
    """Draw controls, charts and tabs for the first seed of A and B, or the animation of their training.

    A fragment: its controls rerun it without the rest of the page. All charts share one threshold and one selection of
    rows.

    Parameters
    ----------
    runs_a, runs_b : sequence of RunResult
        Finished runs, seed by seed.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    ADDRESS.remember()  # a fragment: threshold and projection change here without a rerun of the page
    a, b = runs_a[0], runs_b[0]
    dataset = load_cached(b.config.dataset)
    for sentence in split_warnings(b.config.protocol, b.counts):
        (st.caption if split_words(b.config.protocol) else st.warning)(sentence)
    scores_slot = st.container()
    view_slot, projection_slot, threshold_slot = st.columns([1.25, 1.1, 2.4], vertical_alignment="bottom")
    without_epochs = [r.config.baseline for r in (a, b) if not BASELINES[r.config.baseline].has("epochs")]
    with view_slot:
        view = _draw_view_control(disabled=bool(without_epochs))
    if without_epochs:
        view = "trained"
    with projection_slot:
        projector = _draw_projection_control()
    if view == "learn":
        draw_replay(a, b, dataset, make_sides(a, b), projector, jobs, session, export_slot=threshold_slot)
        return
    rule, number = draw_rule(threshold_slot)
    promise = None if rule == SHARE else fetch_promise(a, b, rule, number, jobs, session)
    pair = Pair(a, b, number if rule == SHARE else DEFAULT_FLAGGED, promise)
    if promise is not None:
        st.caption(promise.sentences(pair.sides))
    with scores_slot:
        draw_figure(pair.scores(), "scores", FIGURE_DESCRIPTIONS["scores"], comparison_note(a, b))
    maps = _Maps(pair, dataset, jobs)
    selected, waiting = _draw_points(maps, projector, session)
    if waiting:
        _follow_points(jobs, waiting)
    report = ReportInput(runs_a, runs_b, dataset, pair, lambda: maps.finished(projector), page_address())
    draw_tabs(pair, dataset, selected, report, jobs, session)


def _draw_view_control(disabled: bool) -> str:
    chosen: str = st.segmented_control(
        "View of the runs",
        list(VIEWS),
        default="trained",
        required=True,
        format_func=VIEWS.__getitem__,
        key="view",
        bind="query-params",
        disabled=disabled,
        help="Watch it learn: trains both runs again and shows every epoch, from the same initial weights, split and "
        "batches. Systems without a network, such as XGBOD, have no epochs to watch.",
    )
    return chosen


def _draw_projection_control() -> str:
    chosen: str = st.segmented_control(
        "Projection of features",
        list(PROJECTION_LABELS),
        default="pca",
        required=True,
        format_func=PROJECTION_LABELS.__getitem__,
        key="projection",
        bind="query-params",
        help="PCA is immediate; t-SNE and UMAP are computed in a worker.",
    )
    return chosen


@dataclass(frozen=True, eq=False)
class _Maps:
    """Three maps of sampled rows of A and B: input features, hidden features of A, hidden features of B."""

    pair: Pair
    dataset: Dataset
    jobs: Jobs

    def wanted(self, projector: str) -> list[tuple[str, str, np.ndarray, Sample]]:
        """Return the title, cache key, features (float [rows, columns]) and sample of each of the three maps.

        `projector` is "pca", "tsne" or "umap"; it is part of the cache keys. Nothing is projected.
        """
        a, b = self.pair.a, self.pair.b
        inputs = scaled_inputs(self.dataset.X[b.sample.rows], b.sample.minimum, b.sample.scale, b.sample.fill)
        # A and B show different labeled rows if their labels differ.
        return [
            (f"input features, seed {b.config.seed}", input_points_key(b.config, projector), inputs, b.sample),
            *(
                (_panel_title(run, side), hidden_points_key(run.key, projector), run.sample.hidden, run.sample)
                for run, side in zip((a, b), self.pair.sides, strict=True)
            ),
        ]

    def panels(self, projector: str) -> dict[str, charts.RowMap]:
        """Return the three maps by the cache key of their projection.

        With "pca" the projections are computed here. With another `projector`, `points` is None until a worker has
        finished.
        """
        maps = {}
        for title, key, features, sample in self.wanted(projector):
            is_immediate = projector == "pca"
            points = (
                self.jobs.results.points_now(key, features, projector)
                if is_immediate
                else self.jobs.results.points(key)
            )
            maps[key] = charts.RowMap(title, points, sample.role, self.dataset.row_ids[sample.rows])
        return maps

    def finished(self, projector: str) -> tuple[str, list[charts.RowMap]]:
        """Return the name of the projection and three finished maps; does not wait.

        If a projection by `projector` is not finished, all three are by PCA.
        """
        panels = list(self.panels(projector).values())
        if any(panel.points is None for panel in panels):
            return self.finished("pca")
        return PROJECTION_LABELS[projector], panels


def _draw_points(maps: _Maps, projector: str, session: str) -> tuple[list[int], list[str]]:
    """Draw the three maps, and request the projections that are missing; does not wait for them.

    Parameters
    ----------
    maps : _Maps
        The maps.
    projector : str
        "pca", "tsne" or "umap".
    session : str
        Id of the session that requests the projections.

    Returns
    -------
    selected : list of int
        Row ids that the user selected in the maps, now or earlier in the session.
    waiting : list of str
        Cache keys of the projections that are being computed.
    """
    jobs = maps.jobs
    if projector != "pca":
        features_by_key = {key: features for _, key, features, _ in maps.wanted(projector)}
        jobs.request_points(session, projector, features_by_key, stored=not is_upload_name(maps.pair.b.config.dataset))
    panels = maps.panels(projector)
    errors = [error for key in panels if (error := jobs.results.failure(key))]
    dataset = maps.dataset
    event = draw_figure(
        charts.points_figure(
            list(panels.values()),
            selected=st.session_state.get("selected_rows", ()),
            waiting=errors[0] if errors else f"{PROJECTION_LABELS[projector]} is being computed …",
        ),
        "points",
        FIGURE_DESCRIPTIONS["points"],
        comparison_note(maps.pair.a, maps.pair.b),
        pictures=row_pictures(dataset, np.concatenate([run.sample.rows for run in (maps.pair.a, maps.pair.b)])),
        on_select="rerun",
    )
    caveat = "" if projector == "pca" else f" {PROJECTION_CAVEAT}"
    is_text = dataset.previews is not None and dataset.previews.kind == "text"
    st.caption(f"{LASSO} {(HOVER_WORDS if is_text else HOVER) if has_cells(dataset) else ''}{caveat}")
    selected = sorted({int(point["customdata"]) for point in event["selection"]["points"] if "customdata" in point})
    # A highlighted selection redraws the chart and the browser drops it, so an empty event keeps the last one.
    selected = selected or st.session_state.get("selected_rows", [])
    if selected != st.session_state.get("selected_rows", []):
        st.session_state.selected_rows = selected
        st.rerun(scope="fragment")
    return selected, [
        key for key, panel in panels.items() if panel.points is None and jobs.results.failure(key) is None
    ]


def _panel_title(result: RunResult, side: Side) -> str:
    """Return the title of the map of a run: what its features are, the letter, and the shortened name.

    A system of another package has its own kind of features, such as the unsupervised scores of XGBOD.

    Parameters
    ----------
    result : RunResult
        The run.
    side : Side
        The same run, with its letter and name.
    """
    baseline = BASELINES[result.config.baseline]
    content = f"{result.sample.hidden.shape[1]} {baseline.hidden}" if baseline.implementation else baseline.hidden
    return f"{content}, <b>{side.letter}</b>  {textwrap.shorten(side.name, MAX_PANEL_NAME, placeholder=' …')}"


@st.fragment(run_every=FOLLOW_S)
def _follow_points(jobs: Jobs, keys: list[str]) -> None:
    """Draw a note, and rerun the page when the projection of one of these cache keys is finished or has failed.

    A fragment that runs every 0.5 s.
    """
    if any(jobs.results.points(key) is not None or jobs.results.failure(key) for key in keys):
        st.rerun()
    st.caption("Computing the projection; you can use the page in the meantime.")
