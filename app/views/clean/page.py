"""Clean: score the pool with models of its parts, remove the most suspicious rows and train on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.purify.config import KEEP_20, MAX_PARTS, POOL_SCORERS, PurifyConfig, make_purify_config
from anoonly_core.purify.keys import pool_scores_key, purify_key
from anoonly_core.purify.result import DEFAULT_REMOVED_SHARE, PoolScores, PurifyResult, pool_table
from anoonly_core.snippets import file_name

from ...controls.headline import draw_headline, headline_place
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import Control, controls_with
from ...controls.sidebar import draw_control, draw_sidebar
from ...server.jobs import Jobs
from ...text.conditions import seeds_text
from ...text.labels import option_words
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.rows import ROW_COLUMNS, with_row_columns
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from .charts import outcome_figure, suspicion_figure
from .text import WHERE_IT_HELPS, clean_sentence, suspicion_sentence

__all__ = ["page"]

KNOWN = "known"
AWAITED = "The outcome stands here once all models are trained."
# The page starts with a dirty pool, few labels and the published baseline.
DEFAULTS: Mapping[str, Any] = {
    "dataset": "digits_only_3",
    "lambda_n": 1.0,
    "labeled_ratio": 0.01,
    "contamination": 0.2,
}


def _purify_setting(control: Parameter, text: str) -> Any:
    """Convert a text in a URL to a value of the field of `PurifyConfig` named as the control; raise InvalidConfig.

    An option that is a text, such as "known", is returned as it is.
    """
    if text in control.options:
        return text
    return getattr(make_purify_config(make_config(), **{control.name: text}), control.name)


SCORER = Control(
    "scorer",
    tuple(POOL_SCORERS),
    "same",
    parser=_purify_setting,
    label="Pool scorer",
    help=" ".join(f"**{name}**: {scorer.summary}" for name, scorer in POOL_SCORERS.items()),
)
PARTS = Control(
    "parts",
    tuple(range(1, MAX_PARTS + 1)),
    3,
    parser=_purify_setting,
    label="K, pool parts",
    help="Trains one model on each part; each scores all rows. With K = 1 the model scores only the rows that it was "
    "trained on.",
    slider=True,
)
REMOVE = Control(
    "remove",
    (KNOWN, 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, KEEP_20, 0.9, 0.95),
    KNOWN,
    parser=_purify_setting,
    label="q, share removed",
    help=f"known: the contamination of the pool, or {DEFAULT_REMOVED_SHARE:.0%} if no contaminant is known. "
    f"{KEEP_20:g}: keeps the least suspicious 20 %, the preset of the paper.",
    slider=True,
)
OWN = (SCORER, PARTS, REMOVE)
RUN_CONTROLS = controls_with(DEFAULTS)
ADDRESS = register(PageAddress("clean", (*RUN_CONTROLS, *OWN, *LOCKS)))


def page() -> None:
    """Draw the page Clean; Streamlit calls this on every change of a control.

    The page scores the suspicion of each row of the pool, removes the most suspicious rows and trains on the rest. Its
    charts show the suspicion, and the AUCROC before and after the removal.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        choice = draw_sidebar(RUN_CONTROLS)
        ADDRESS.draw_notices(choice)
        sentence, row = (
            st.container(key="clean_headline"),
            st.columns([1.2, 1, 1.5, 0.05])[:3],
        )  # room for the menu in the corner
        baseline = BASELINES[choice.b.baseline]
        settings = {}
        for column, control in zip(row, OWN, strict=True):
            with column:
                settings[control.name] = draw_control(control, baseline, choice.b.preset)
        settings["remove"] = None if settings["remove"] == KNOWN else settings["remove"]
        configs = [make_purify_config(run, **settings) for run in choice.seeded(choice.b)]
        if ensure_downloaded(choice.b.dataset, jobs, session):
            _draw(configs, headline_place(sentence, AWAITED), jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw(configs: Sequence[PurifyConfig], sentence: Any, jobs: Jobs, session: str) -> None:
    """Score the pool and draw its suspicion, then train without the suspicious rows and draw the outcome.

    Both stages run in a worker process, and the call blocks meanwhile.

    Parameters
    ----------
    configs : sequence of PurifyConfig
        One configuration a seed.
    sentence : DeltaGenerator
        Where the headline is drawn.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    remove = configs[0].remove
    key = " ".join(pool_scores_key(config) for config in configs)
    suspicions: list[PoolScores] | None = jobs.results.worker_result(key) or await_worker_result(
        jobs, session, key, "Scoring the pool, epoch", tasks.score_pools, configs, name="suspicion"
    )
    if suspicions is None:
        return
    left, right = st.columns([2, 1.15])
    note = _note(configs)
    with left:
        draw_figure(
            suspicion_figure(suspicions, remove),
            "suspicion",
            "Suspicion of the pool rows with the cut; recall and precision of the removal over q.",
            note,
        )
    st.markdown(suspicion_sentence(suspicions, remove))
    _draw_rows(suspicions[0], remove)
    with st.expander("Where cleaning helps"):
        st.markdown(WHERE_IT_HELPS)
    with right:  # last, because this may take long
        key = " ".join(purify_key(config) for config in configs)
        results: list[PurifyResult] | None = await_worker_result(
            jobs, session, key, "Training on the rest, epoch", tasks.purify_pools, configs
        )
        if results is None:
            return
        draw_headline(sentence, clean_sentence(results))
        draw_figure(
            outcome_figure(results),
            "outcome",
            "AUCROC before and after, for the same number of random rows, and for the contaminants removed.",
            note,
        )


def _note(configs: Sequence[PurifyConfig]) -> FigureNote:
    """Return file name and footer of the exported figures; `configs` holds one configuration a seed."""
    config, seeds = configs[0], [each.run.seed for each in configs]
    scorer = option_words("scorer", config.scorer)
    count = config.run.labeled_anomalies
    labels = f"{config.run.labeled_ratio:.0%} labeled" if count is None else f"{count} labeled anomalies"
    settings = (
        f"{config.run.dataset}, {describe_run(config.run)}, contamination {config.run.contamination}, "
        f"{labels}; {config.parts} parts, scorer: {scorer}; {seeds_text(seeds)}"
    )
    return FigureNote(file_name(config.run, "cleaned"), settings)


def _draw_rows(first: PoolScores, remove: float | None) -> None:
    """Draw the removed rows of the first seed as a table, and a download of the whole pool with its suspicion.

    Parameters
    ----------
    first : PoolScores
        The scored pool of the first seed.
    remove : float or None
        Share of the pool that is removed; None for the known share of contaminants.
    """
    config = first.config.run
    dataset = load_cached(config.dataset)
    table = pool_table(first, remove, dataset)
    left, right = st.columns([1, 3], vertical_alignment="center")
    left.download_button(
        "Download suspicious rows",
        lambda: table.to_csv(index=False).encode(),
        file_name=file_name(config, "suspicious.csv"),
        mime="text/csv",
        on_click="ignore",
    )
    right.caption(
        f"Removed rows of seed {config.seed}, most suspicious first; the file holds the whole pool. "
        "Check a row before you drop it: suspicious does not mean anomalous."
    )
    removed = table[table["removed"]]
    listing = pd.DataFrame({"row": removed["row"], "suspicion S": removed["suspicion"]})
    if first.aucroc is not None:
        is_contaminant = removed["labelled_in_file"] == "anomaly"
        listing["really"] = np.where(is_contaminant, "✕ contaminant", "normal")
    st.dataframe(with_row_columns(listing, dataset), hide_index=True, height=260, column_config=ROW_COLUMNS)
