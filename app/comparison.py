"""What the Compare page draws of finished runs: the sentence, the metrics, the charts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.evaluate import Confusion, Curves, chance_levels, confusion, curves
from anoonly_core.keys import points_key
from anoonly_core.project import scaled_inputs
from anoonly_core.result import RunResult
from app import charts
from app.jobs import Jobs
from app.verdict import Difference, describe, difference, signed, verdict

__all__ = ["draw_comparison", "draw_figures"]

METRICS = {"aucroc": "AUCROC", "aucpr_anomaly": "AUCPR anomaly", "aucpr_normal": "AUCPR normal"}
PROJECTIONS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
FOLLOW_S = 0.4
PICTURED_ROWS = 200
TILE_HELP = (
    "Mean over {seeds} seed(s). ± is the 95 % interval of the mean paired difference; grey where it covers zero. "
    "Chance is what scores without any skill get."
)
MODEBAR = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}
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
            st.markdown(_tile(label, found[name], chance[name]), help=TILE_HELP.format(seeds=len(a)))


def _tile(label: str, found: Difference, chance: float) -> str:
    """One metric: A, B, their difference with its doubt, and the chance level."""
    mark, colour = ("", "gray") if not found.is_clear else ("▲ ", "green") if found.delta > 0 else ("▼ ", "red")
    return (
        f":small[{label}, A → B · chance {chance:.2f}]  \n"
        f"**{found.a:.3f} → {found.b:.3f}** :{colour}-badge[{mark}{signed(found, 3)}]"
    )


@st.fragment
def draw_figures(a: RunResult, b: RunResult, jobs: Jobs, session: str) -> None:
    """The charts of the first seed: one threshold and one selection run through all of them."""
    dataset = load_cached(b.config.dataset)
    sides = [
        charts.Side(letter, describe(r.config, other.config), r.y_test, r.scores, charts.ScoreScale.of(r.scores))
        for letter, r, other in (("A", a, b), ("B", b, a))
    ]
    if b.counts["test_copies_of_training_part"]:
        share = b.counts["test_copies_of_training_part"] / b.counts["test"]
        st.warning(f"Leak: {share:.0%} of the test rows are copies of training rows under this protocol.")
    scores_place = st.container()
    projection_place, threshold_place = st.columns([1, 3], vertical_alignment="bottom")
    with projection_place:
        projector = _draw_projection_control()
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
    _draw_tabs(a, b, dataset, sides, cuts, confusions, selected)


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
    sample = b.sample
    tables = {
        points_key(b.key, "input", projector): scaled_inputs(dataset.X[sample.rows], sample.minimum, sample.scale),
        points_key(a.key, "hidden", projector): a.sample.hidden,
        points_key(b.key, "hidden", projector): sample.hidden,
    }
    points: dict[str, np.ndarray | None]
    if projector == "pca":
        points = {key: jobs.points_now(key, table, projector) for key, table in tables.items()}
    else:
        jobs.want_points(session, projector, tables)
        points = {key: jobs.points(key) for key in tables}
    titles = ["input features", *(f"hidden features, {side.title}" for side in sides)]
    keys = [
        next(iter(tables)),
        points_key(a.key, "hidden", projector),
        points_key(b.key, "hidden", projector),
    ]
    row_ids = dataset.row_ids[sample.rows]
    failures = [sentence for key in tables if (sentence := jobs.failure(key))]
    event = st.plotly_chart(
        charts.points_figure(
            dict(zip(titles, (points[key] for key in keys), strict=True)),
            sample.role,
            row_ids,
            selected=st.session_state.get("selected_rows", ()),
            waiting=failures[0] if failures else f"{PROJECTIONS[projector]} is being computed …",
        ),
        key="points",
        config=MODEBAR,
        on_select="rerun",
        alt="The same test rows in three maps: input features, hidden features of A, hidden features of B.",
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


@st.fragment(run_every=FOLLOW_S)
def _follow_points(jobs: Jobs, keys: list[str]) -> None:
    """Draw the page again as soon as one more projection is there."""
    if any(jobs.points(key) is not None or jobs.failure(key) for key in keys):
        st.rerun()
    st.caption("Projecting in a worker; the page can be used meanwhile.")


def _draw_tabs(
    a: RunResult,
    b: RunResult,
    dataset: Dataset,
    sides: list[charts.Side],
    cuts: list[float],
    confusions: list[Confusion],
    selected: list[int],
) -> None:
    tab_curves, tab_rows, tab_training, tab_split = st.tabs(["Curves", "Confusion and rows", "Training", "The split"])
    with tab_curves:
        drawn = [curves(side.y, side.scores) for side in sides]
        at = [_last_flagged(curve, cut) for curve, cut in zip(drawn, cuts, strict=True)]
        st.plotly_chart(
            charts.curves_figure(sides, drawn, at, chance_levels(b.y_test)),
            key="curves",
            config=MODEBAR,
            alt="ROC and precision-recall curves of A and B with the threshold's marks.",
        )
        st.caption(
            "The third curve treats the normal rows as the class to find, ranked by minus the score. The paper's "
            "Table 4 left the sign as it was: "
            f"that gives {a.metrics.aucpr_normal_published:.3f} → {b.metrics.aucpr_normal_published:.3f} here, "
            f"in place of {a.metrics.aucpr_normal:.3f} → {b.metrics.aucpr_normal:.3f}."
        )
    with tab_rows:
        st.plotly_chart(
            charts.confusion_figure(sides, confusions),
            key="confusion",
            config=MODEBAR,
            alt="Confusion matrices of A and B at the threshold.",
        )
        _draw_rows(a, b, dataset, cuts, selected)
    with tab_training:
        st.plotly_chart(
            charts.history_figure({"A": a.history, "B": b.history}),
            key="history",
            config=MODEBAR,
            alt="Losses and test metrics over the epochs for A and B.",
        )
        share = float(b.history.labelled_share.mean())
        empty = float(b.history.batches_without_anomaly.mean())
        st.caption(
            f"A batch of B holds {share:.1%} labelled anomalies on average; {empty:.0%} of the batches hold none. "
            "An epoch is one pass over the training rows, in many steps."
        )
    with tab_split:
        _draw_split(b)


def _last_flagged(curve: Curves, cut: float) -> int:
    """The curve's point at this threshold; -1 where nothing is flagged."""
    return int((curve.threshold >= cut).sum()) - 1


def _draw_rows(a: RunResult, b: RunResult, dataset: Dataset, cuts: list[float], selected: list[int]) -> None:
    table = pd.DataFrame(
        {
            "row": dataset.row_ids[b.test_rows],
            "label": np.where(b.y_test == 1, "anomaly", "normal"),
            "score A": a.scores,
            "score B": b.scores,
            "flagged by A": a.scores >= cuts[0],
            "flagged by B": b.scores >= cuts[1],
        }
    ).sort_values("score B", ascending=False)
    st.download_button(
        "Scores as CSV",
        table.to_csv(index=False).encode(),
        file_name=f"{b.config.dataset.replace('/', '_')}_scores.csv",
        mime="text/csv",
        on_click="ignore",
    )
    if selected:
        st.markdown(f"The {len(selected)} rows selected in the maps:")
        st.button("Clear the selection", on_click=st.session_state.pop, args=("selected_rows", None))
        table = table[table["row"].isin(selected)]
    if dataset.image_shape is not None:
        table.insert(
            1,
            "picture",
            [_picture(dataset, row) for row in table["row"].head(100)] + [None] * max(0, len(table) - 100),
        )
    st.dataframe(
        table,
        hide_index=True,
        height=300,
        column_config={"picture": st.column_config.ImageColumn("picture", width="small")},
    )
    missed = int(((b.y_test == 1) & (b.scores < cuts[1])).sum())
    st.caption(f"Test rows of the first seed, highest score of B first. B misses {missed} anomalies at this threshold.")


def _picture(dataset: Dataset, row_id: int) -> str:
    """A digit as a small PNG in a data URL."""
    import base64
    import io

    from PIL import Image

    position = int(np.flatnonzero(dataset.row_ids == row_id)[0])
    pixels = dataset.X[position].reshape(dataset.image_shape)
    grey = (255 * pixels / max(float(pixels.max()), 1.0)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).resize((32, 32), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _draw_split(b: RunResult) -> None:
    counts = b.counts
    pool = counts["pool_normal"] + counts["pool_anomalies"]
    dropped = f" {counts['dropped']} training rows were dropped." if counts["dropped"] else ""
    copies = ""
    if counts["train"] != counts["train_distinct"]:
        copies = (
            f" The training part was resampled: its {counts['train']} rows are copies of {counts['train_distinct']}."
        )
    st.markdown(
        f"**{b.config.dataset}**: {counts['rows']} rows. Training sees {counts['labelled_anomalies']} labelled "
        f"anomalies and a pool of {pool} unlabelled rows, of which {counts['pool_anomalies']} "
        f"({counts['pool_anomalies'] / max(pool, 1):.1%}) are anomalies that nobody knows of.{dropped}{copies} "
        f"Testing: {counts['test_normal']} normal rows and {counts['test_anomalies']} anomalies, "
        f"{counts['test_copies_of_training_part']} of them copies of training rows."
    )
    st.plotly_chart(
        charts.split_figure(counts),
        key="split",
        config=MODEBAR,
        alt="Training and test rows by kind, as two bars.",
    )
    st.caption("Unlabelled is not normal: the pool holds whatever nobody has looked at.")
