"""Why it works: six networks side by side that differ in their norm, or in what passes back through it."""

from __future__ import annotations

import streamlit as st

from anoonly_core.baselines import NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.results.keys import supervision_key
from anoonly_core.snippets import file_name
from anoonly_core.supervision.columns import COLUMNS, column_configs
from anoonly_core.supervision.result import SupervisionRecord

from ...controls.choice import compare_parameters
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.registry import CONTROLS
from ...controls.sidebar import draw_sidebar
from ...controls.weight_switch import WEIGHT, draw_weight_switch
from ...navigation import open_page
from ...server.jobs import Jobs
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.player import draw_player
from ...widgets.session import begin_page
from ...widgets.window import is_narrow
from ...widgets.worker_result import await_worker_result
from .charts import supervision_animation
from .outcomes import Outcome, outcomes, shipped_values
from .story import draw_story
from .text import outcome_note, story

__all__ = ["page"]

CHART = "why"
SEEDS = 5  # of the runs in Compare
# The six columns choose the norm and the shares; the page has a switch for λ_n.
LEFT_OUT = ("lambda_n", "norm", *NORM_SETTINGS, "seeds")
WEIGHTS = (0.0, 1.0)  # AnoOnly, and the published baseline
WEIGHT_HELP = "λₙ, the weight of the loss on the pool: 0 is AnoOnly, 1 is the published baseline."
ADDRESS = register(
    PageAddress("why", (*(control for control in CONTROLS if control.name not in LEFT_OUT), WEIGHT, *LOCKS))
)


def page() -> None:
    """Draw the page Why it works; Streamlit calls this on every change of a control.

    The page trains six networks that differ in their norm or in the parts of its gradient. It tells in five sentences,
    with an animation, which part supervises the pool.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        chosen = draw_sidebar(without=LEFT_OUT).b
        lambda_n = draw_weight_switch(WEIGHTS, WEIGHT_HELP)
        config = column_configs(chosen)[0].with_(lambda_n=lambda_n)
        ADDRESS.draw_notices(config)
        if ensure_downloaded(config.dataset, jobs, session):
            _draw(config, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw(config: RunConfig, jobs: Jobs, session: str) -> None:
    """Train and record the six runs in a worker, blocking, unless their record ships; then draw story and animation.

    `config` has the settings of the page, with batch norm.
    """
    configs = column_configs(config)
    key = supervision_key(configs)
    record: SupervisionRecord | None = await_worker_result(
        jobs, session, key, "Training six networks, epoch", tasks.record_supervision, config
    )
    if record is None:
        return
    values = shipped_values(config) or {
        column.name: one.aucpr[-1:] for column, one in zip(COLUMNS, record.columns, strict=True)
    }
    result = outcomes(values)
    assert config.lambda_n is not None
    draw_story(story(result, config.lambda_n, config.baseline), key=key, chart=CHART)
    animation = supervision_animation(record, result, config.seed, is_stacked=is_narrow())
    draw_player(animation, key=key, chart=CHART, label="epoch")
    settings = f"{config.dataset}, {describe_run(config)}, seed {config.seed}"
    draw_figure(
        animation.figure,
        CHART,
        "Six networks side by side: hidden features, the push of each part of the gradient on rows of one batch, and "
        "score distributions, at the same epoch.",
        FigureNote(file_name(config, f"seed_{config.seed}"), settings),
    )
    _draw_links(configs)
    st.caption(_note(config, record, result))


def _draw_links(configs: list[RunConfig]) -> None:
    """Draw a button for each column, which opens Compare with its run as B and the first column, batch norm, as A.

    `configs` holds the configuration of each column.
    """
    with st.container(key="why_links", horizontal=True, vertical_alignment="center"):
        st.caption("Open in Compare:", width="content")
        for column, one in zip(COLUMNS, configs, strict=True):
            beside = None if one == configs[0] else configs[0]
            if st.button(column.label, key=f"why_compare_{column.name}", type="tertiary"):
                open_page("compare", compare_parameters(one, beside, SEEDS))


def _note(config: RunConfig, record: SupervisionRecord, result: dict[str, Outcome]) -> str:
    """Return the caption of the chart in Markdown: the meaning of its panels, and the source of its AUCPR.

    `result` holds the AUCPR by the name of the column.
    """
    rows = len(record.batch_rows)
    return (
        f"{config.dataset}, {config.baseline}; the charts show seed {config.seed}. {outcome_note(result)}  \n"
        "**Hidden features**: one plane and one scale for all columns and epochs (PCA over all of them).  \n"
        f"**Before the norm**: the same batch of {rows} rows in all columns, in front of the last norm "
        f"({record.location}). To the right: where the loss pushes the labeled anomalies; upward: where the rows "
        "spread most besides. An arrow is the push of one part of the gradient on a row: of the row's loss, or "
        "through the variance and the mean, which are those of the batch, and with layer norm those of the row. "
        "No arrow: no push. Lengths compare within a panel; the longest are cut, and those of labeled anomalies are "
        f"at 1/{rows}.  \n"
        "**Scores**: one scale for all columns and epochs. In each chart, rows beyond an edge lie on it."
    )
