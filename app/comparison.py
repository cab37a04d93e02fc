"""What the Compare page draws of finished runs: the sentence, the metrics, the charts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.own import is_own_name
from anoonly_core.evaluate import chance_levels, confusion
from anoonly_core.keys import hidden_points_key, input_points_key
from anoonly_core.project import scaled_inputs
from anoonly_core.result import RunResult
from app import charts, links
from app.jobs import Jobs
from app.replaying import draw_replay
from app.tabs import MODEBAR, draw_tabs
from app.verdict import Difference, describe, difference, signed, verdict

__all__ = ["DEFAULT_THRESHOLD", "TILE_HELP", "draw_comparison", "draw_figures", "sides_of", "tile"]

METRICS = {"aucroc": "AUCROC", "aucpr_anomaly": "AUCPR anomaly", "aucpr_normal": "AUCPR normal"}
VIEWS = {"trained": "when trained", "learn": "watch it learn"}
PROJECTIONS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
FOLLOW_S = 0.4
PANEL_NAME = 30  # letters that fit over a third of a projector
TILE_HELP = (
    "Mean over {seeds} seed(s). ± is the 95 % interval of the mean paired difference; grey where it covers zero. "
    "Chance is what scores without any skill get."
)
# Thresholds in interquartile ranges above the median, evenly spaced on the charts' axis.
THRESHOLDS = [float(f"{u:.2g}") for u in np.sinh(np.linspace(np.arcsinh(-3), np.arcsinh(1000), 120))]
DEFAULT_THRESHOLD = min(THRESHOLDS, key=lambda u: abs(u - 3))


def draw_comparison(a: Sequence[RunResult], b: Sequence[RunResult], seeds_wanted: int) -> None:
    """The sentence and the three metrics, over the seeds that are finished."""
    found = {
        name: difference([getattr(r.metrics, name) for r in a], [getattr(r.metrics, name) for r in b])
        for name in METRICS
    }
    more = f" *({seeds_wanted - len(a)} more seeds are training.)*" if len(a) < seeds_wanted else ""
    st.markdown(f"##### {verdict(a[0].config, b[0].config, found['aucpr_anomaly'], len(a))}{more}")
    chance = chance_levels(b[0].y_test)
    for column, (name, label) in zip(st.columns(3), METRICS.items(), strict=True):
        with column.container(border=True):
            st.markdown(tile(label, found[name], chance[name]), help=TILE_HELP.format(seeds=len(a)))


def tile(label: str, found: Difference, chance: float | None, more_is_better: bool = True) -> str:
    """One figure: A, B, their difference with its doubt, and the chance level where there is one."""
    mark, colour = ("", "gray") if not found.is_clear else ("▲ ", "green") if found.delta > 0 else ("▼ ", "red")
    if found.is_clear and not more_is_better:
        colour = "blue"
    return (
        f":small[{label}, A → B{'' if chance is None else f' · chance {chance:.2f}'}]  \n"
        f"**{found.a:.3f} → {found.b:.3f}** :{colour}-badge[{mark}{signed(found, 3)}]"
    )


def sides_of(a: RunResult, b: RunResult) -> list[charts.Side]:
    """The two runs as the charts need them, each named by what sets it apart from the other."""
    return [
        charts.Side(letter, describe(r.config, other.config), r.y_test, r.scores, charts.ScoreScale.of(r.scores))
        for letter, r, other in (("A", a, b), ("B", b, a))
    ]


@st.fragment
def draw_figures(a: RunResult, b: RunResult, jobs: Jobs, session: str) -> None:
    """The charts of the first seed: one threshold and one selection run through all of them."""
    links.remember()  # threshold and projection move here, without the rest of the page
    dataset = load_cached(b.config.dataset)
    sides = sides_of(a, b)
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
        draw_replay(a, b, dataset, sides, projector, jobs, session, beside=threshold_place)
        return
    jobs.release(session, ["films"])
    threshold = threshold_place.select_slider(
        "Threshold: score, in interquartile ranges above the median of the test rows",
        THRESHOLDS,
        DEFAULT_THRESHOLD,
        key="threshold",
        bind="query-params",
    )
    cuts = [side.scale.score(threshold) for side in sides]
    confusions = [confusion(side.y, side.scores, cut) for side, cut in zip(sides, cuts, strict=True)]
    scores_place.plotly_chart(
        charts.scores_figure(sides, threshold, confusions),
        key="scores",
        config=MODEBAR,
        alt="Score distributions of normal rows and anomalies for A and B on one axis, with the threshold.",
    )
    selected, waiting = _draw_points(a, b, dataset, sides, projector, jobs, session)
    if waiting:
        _follow_points(jobs, waiting)
    draw_tabs(a, b, dataset, sides, cuts, confusions, selected)


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
        list(PROJECTIONS),
        default="pca",
        required=True,
        format_func=PROJECTIONS.__getitem__,
        key="projection",
        bind="query-params",
        help="PCA is drawn at once; t-SNE and UMAP are computed in a worker.",
    )
    return chosen


def _draw_points(
    a: RunResult,
    b: RunResult,
    dataset: Dataset,
    sides: list[charts.Side],
    projector: str,
    jobs: Jobs,
    session: str,
) -> tuple[list[int], list[str]]:
    """Input and hidden features, projected; returns the selected row ids and the projections under way."""
    inputs = scaled_inputs(dataset.X[b.sample.rows], b.sample.minimum, b.sample.scale)
    # Each with its own rows: where A and B differ in their labels, they train on other ones.
    maps = [
        ("input features", input_points_key(b.config, projector), inputs, b.sample),
        (_panel_title(a, sides[0]), hidden_points_key(a.key, projector), a.sample.hidden, a.sample),
        (_panel_title(b, sides[1]), hidden_points_key(b.key, projector), b.sample.hidden, b.sample),
    ]
    tables = {key: table for _, key, table, _ in maps}
    points: dict[str, np.ndarray | None]
    if projector == "pca":
        points = {key: jobs.points_now(key, table, projector) for key, table in tables.items()}
    else:
        jobs.want_points(session, projector, tables, stored=not is_own_name(b.config.dataset))
        points = {key: jobs.points(key) for key in tables}
    panels = [
        charts.Panel(title, points[key], sample.role, dataset.row_ids[sample.rows]) for title, key, _, sample in maps
    ]
    failures = [sentence for key in tables if (sentence := jobs.failure(key))]
    event = st.plotly_chart(
        charts.points_figure(
            panels,
            selected=st.session_state.get("selected_rows", ()),
            waiting=failures[0] if failures else f"{PROJECTIONS[projector]} is being computed …",
        ),
        key="points",
        config=MODEBAR,
        on_select="rerun",
        alt="The same test rows in three maps: input features, what A sees in them, what B sees.",
    )
    if projector != "pca":
        st.caption("Distances between clusters, and their sizes, mean little in t-SNE and UMAP.")
    selected = sorted({int(point["customdata"]) for point in event["selection"]["points"] if "customdata" in point})
    # Marking redraws the chart, upon which the browser drops its own selection: an empty one says nothing.
    selected = selected or st.session_state.get("selected_rows", [])
    if selected != st.session_state.get("selected_rows", []):
        st.session_state.selected_rows = selected
        st.rerun(scope="fragment")
    return selected, [key for key in tables if points[key] is None and jobs.failure(key) is None]


def _panel_title(result: RunResult, side: charts.Side) -> str:
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
