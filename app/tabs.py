"""The tabs below the figures: curves, confusion and rows, training, the split, the method."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.data.dataset import Dataset
from anoonly_core.evaluate import Confusion, Curves, chance_levels, curves
from anoonly_core.result import RunResult
from app import charts
from app.diagram import network_dot
from app.verdict import describe

__all__ = ["MODEBAR", "PICTURED_ROWS", "draw_tabs", "picture"]

MODEBAR = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}
PICTURED_ROWS = 100
NORM_PLACE = " The norm stands in a pink box; a dashed box is its place where the features pass unchanged."


def draw_tabs(
    a: RunResult,
    b: RunResult,
    dataset: Dataset,
    sides: list[charts.Side],
    cuts: list[float],
    confusions: list[Confusion],
    selected: list[int],
) -> None:
    """All tabs, for the first seed."""
    tab_curves, tab_rows, tab_training, tab_split, tab_method = st.tabs(
        ["Curves", "Confusion and rows", "Training", "The split", "The method"]
    )
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
        _draw_training(a, b)
    with tab_split:
        _draw_splits(a, b)
    with tab_method:
        _draw_method(a, b, dataset.columns)


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
    whole = table
    st.download_button(
        "Scores as CSV",
        lambda: whole.to_csv(index=False).encode(),
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
            [picture(dataset, row) for row in table["row"].head(PICTURED_ROWS)]
            + [None] * max(0, len(table) - PICTURED_ROWS),
        )
    st.dataframe(
        table,
        hide_index=True,
        height=300,
        column_config={"picture": st.column_config.ImageColumn("picture", width="small")},
    )
    missed = int(((b.y_test == 1) & (b.scores < cuts[1])).sum())
    st.caption(f"Test rows of the first seed, highest score of B first. B misses {missed} anomalies at this threshold.")


def picture(dataset: Dataset, row_id: int) -> str:
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


def _draw_training(a: RunResult, b: RunResult) -> None:
    runs = {"A": a, "B": b}
    if any(len(result.history.loss_normal) for result in runs.values()):
        st.plotly_chart(
            charts.history_figure(
                {letter: result.history for letter, result in runs.items()},
                one_loss=[letter for letter, r in runs.items() if not BASELINES[r.config.baseline].has("lambda_n")],
            ),
            key="history",
            config=MODEBAR,
            alt="Losses and test metrics over the epochs for A and B.",
        )
    notes = [_about_training("B", b)]
    if a.config.baseline != b.config.baseline:
        notes.insert(0, _about_training("A", a))
    st.caption("  \n".join(notes))


def _about_training(letter: str, result: RunResult) -> str:
    """What a run's epochs and batches are, and how many labelled anomalies its batches held."""
    name, history = result.config.baseline, result.history
    if not len(history.loss_normal):
        return f"**{letter}**: {name} has no epochs."
    share, empty = float(history.labelled_share.mean()), float(history.batches_without_anomaly.mean())
    held = f"of the rows in a batch {share:.1%} are labelled anomalies on average; {empty:.0%} of the batches hold none"
    before = ""
    if before_it := BASELINES[name].pretraining_epochs:
        before = f" {before_it} epochs come before, which train its autoencoder alone on the pool."
    return (
        f"**{letter}**: {held if share else 'no batch holds a labelled anomaly'}. "
        f"An epoch of {name} is {BASELINES[name].epoch}.{before}"
    )


def _draw_splits(a: RunResult, b: RunResult) -> None:
    """What B trains and is tested on, and A where its rows are others."""
    if a.counts == b.counts:
        _draw_split("A and B", b)
    else:
        _draw_split("B", b)
        _draw_split("A", a)
    st.caption("Unlabelled is not normal: the pool holds whatever nobody has looked at.")


def _draw_split(letters: str, run: RunResult) -> None:
    counts = run.counts
    pool = counts["pool_normal"] + counts["pool_anomalies"] + counts["pool_unlabelled"]
    unknown = f", and {counts['pool_unlabelled']} have no label" if counts["pool_unlabelled"] else ""
    dropped = f" {counts['dropped']} training rows were dropped." if counts["dropped"] else ""
    copies = ""
    if counts["train"] != counts["train_distinct"]:
        copies = (
            f" The training part was resampled: its {counts['train']} rows are copies of {counts['train_distinct']}."
        )
    st.markdown(
        f"**{letters}**  {run.config.dataset}: {counts['rows']} rows. "
        f"Training sees {counts['labelled_anomalies']} labelled anomalies and a pool of {pool} unlabelled rows, "
        f"of which {counts['pool_anomalies']} "
        f"({counts['pool_anomalies'] / max(pool, 1):.1%}) are anomalies that training does not know of{unknown}."
        f"{dropped}{copies} "
        f"Testing: {counts['test_normal']} normal rows and {counts['test_anomalies']} anomalies, "
        f"{counts['test_copies_of_training_part']} of them copies of training rows."
    )
    st.plotly_chart(
        charts.split_figure(counts),
        key=f"split {letters}",
        config=MODEBAR,
        alt=f"Training and test rows of {letters} by kind, as two bars.",
    )


def _draw_method(a: RunResult, b: RunResult, columns: int) -> None:
    """What B is, and A where it is another system or has another network: sentences and pictures."""
    network_a, network_b = (network_dot(c.baseline, columns, c.preset, c.norm) for c in (a.config, b.config))
    same_system = a.config.baseline == b.config.baseline
    summary = BASELINES[b.config.baseline].summary
    if same_system and network_a == network_b:
        _draw_system("A and B", b.config.baseline, summary, network_b)
    else:
        _draw_system("B", describe(b.config, a.config), summary, network_b)
        _draw_system(
            "A",
            describe(a.config, b.config),
            "" if same_system else BASELINES[a.config.baseline].summary,
            network_a,
        )
    has_norm = a.config.norm is not None or b.config.norm is not None
    if network_a or network_b:
        st.caption(
            "Rows go from left to right, through each part from top to bottom; a layer's number is how many features "
            f"leave it.{NORM_PLACE if has_norm else ''}"
        )


def _draw_system(letters: str, name: str, summary: str, network: str | None) -> None:
    st.markdown(f"**{letters}**  {name}" + (f". {summary}" if summary else ""))
    if network is not None:
        st.graphviz_chart(network, alt=f"The network of {name}, layer by layer.")
