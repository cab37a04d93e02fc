"""Microscope: the gradient of each row, batch by batch, split by its path through the norm."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import streamlit as st

from anoonly_core.baselines import BASELINES, NORM_LABELS, NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.tables.uploads import find
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.microscope.result import Observation
from anoonly_core.results.keys import observation_key
from anoonly_core.snippets import file_name

from ...charts.animation import Animation
from ...charts.pictures import preview_pictures
from ...controls.choice import compare_parameters
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import CONTROLS
from ...controls.sidebar import draw_sidebar
from ...navigation import open_page
from ...server.jobs import Jobs
from ...text.labels import option_label
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.player import draw_player
from ...widgets.session import begin_page
from ...widgets.window import is_narrow
from ...widgets.worker_result import await_worker_result
from .charts import observation_animation, two_norms_animation
from .text import gradient_sentence, observation_note, path_sentence

__all__ = ["page"]

CHART = "microscope"
ALL_FEATURES = "all (root mean square)"
ALL = "all"


def _number(parameter: Parameter, text: str) -> int | str:
    """Return the option or the number from 1 that a URL holds; raise InvalidConfig for any other text.

    The highest number is known only once the network is trained; the page checks it then.
    """
    if text in parameter.options:
        return text
    if re.fullmatch(r"[1-9][0-9]{0,5}", text):
        return int(text)
    if re.fullmatch(r"\d+ features", text):  # the only norm of a network, in links of earlier versions
        return 1
    raise InvalidConfig(f"{parameter.name} must be one that the page offers, such as 1, not {text[:60]!r}.")


# Their labels depend on the trained network.
PLACE = Parameter("place", parser=_number, form=r"norm (\d+) of \d+, \d+ features")
FEATURE = Parameter(
    "feature",
    (ALL,),
    parser=_number,
    form=rf"feature (\d+)|({ALL}) \(root mean square\)",
)
SECOND = Parameter("second_norm", tuple(NORM_LABELS), labels={name: option_label("norm", name) for name in NORM_LABELS})
STEP = Parameter("step", parser=_number)  # the player in the browser reads and writes it
# The controls are those of Compare, and both pages share what a session comes back to.
ADDRESS = register(
    PageAddress(
        "microscope",
        (*CONTROLS, PLACE, FEATURE, SECOND, STEP, *LOCKS),
        memory="compare",
    )
)


def page() -> None:
    """Draw the page Microscope; Streamlit calls this on every change of a control.

    The page animates the training of one run, step by step: the gradient of each row of the batch, split by its path
    through a norm layer, and the statistics of the batch.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        config = draw_sidebar(without=("seeds",)).b
        ADDRESS.draw_notices(config)
        if not BASELINES[config.baseline].has("norm"):
            raise InvalidConfig(f"{config.baseline} has no norm to look at: choose another baseline.")
        if ensure_downloaded(config.dataset, jobs, session):
            _draw(config, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw(config: RunConfig, jobs: Jobs, session: str) -> None:
    """Train the run in a worker, blocking, then draw headline, player and animation of the chosen norm layer.

    Below are the choices of layer, feature and second norm, notes, and a button that opens Why it works. A second norm
    is trained in the same way and stands beside the first.
    """
    observations = _observations(config, jobs, session, "result")
    if observations is None:
        return
    sentence, player_slot, chart_slot = st.container(), st.container(), st.container()
    index, feature, second = _draw_choices(config, observations)
    ADDRESS.draw_refused("step", range(1, len(observations[index].epoch) + 1))
    configs = [config] if second is None else [config, config.with_(**dict.fromkeys(NORM_SETTINGS), norm=second)]
    records = [observations[index]]
    if second is not None:
        others = _observations(configs[1], jobs, session, "second")
        if others is None:
            return
        records.append(others[index])
    with sentence:
        st.markdown(f"##### {gradient_sentence(config, records[0])}")
        for one, record in zip(configs[1:], records[1:], strict=True):
            st.markdown(f"##### {_norm_name(one)}: {path_sentence(one, record)}")
    if second is None:
        animation = observation_animation(records[0], feature)
    else:
        animation = two_norms_animation(records, [_norm_name(one) for one in configs], feature, is_narrow())
    with player_slot:
        draw_player(
            animation,
            key=f"{observation_key(config)} {index} {feature} {second}",
            chart=CHART,
            label="step",
            jump=records[0].steps_an_epoch,
            jump_label="+1 epoch",
            target_label="Next labeled anomaly",
            address=STEP.name,
        )
    with chart_slot:
        _draw_chart(configs, animation, records[0].row_ids)
    if note := observation_note(config, observations, index):
        st.caption(note)
    table = find(config.dataset)
    if table is not None and table.counts is not None and table.counts["unlabelled"]:
        st.caption("Rows without a label are drawn as normal rows of the pool, although they may be anomalies.")
    _draw_cut_button(config)
    _explain(records[0])


def _observations(config: RunConfig, jobs: Jobs, session: str, name: str) -> list[Observation] | None:
    """Train the run of `config` in a worker, blocking; return its record at each norm layer, or None if it failed.

    `name` is part of the widget keys, as in `await_worker_result`.
    """
    found: list[Observation] | None = await_worker_result(
        jobs, session, observation_key(config), "Training, epoch", tasks.observe_gradients, config, name=name
    )
    return found


def _norm_name(config: RunConfig) -> str:
    assert config.norm is not None
    return NORM_LABELS[config.norm]


def _draw_chart(configs: Sequence[RunConfig], animation: Animation, row_ids: np.ndarray) -> None:
    """Draw the animation of one or two runs, `configs`; `row_ids` are those of its rows, which may have previews."""
    previews = load_cached(configs[0].dataset).previews
    settings = f"{configs[0].dataset}, {describe_run(configs[0])}, seed {configs[0].seed}"
    if len(configs) == 1:
        alt = (
            "The gradient of each row of a batch in three parts; the composition of the batch; statistics, distances, "
            "L_BN and error against autograd over the steps."
        )
    else:
        settings += f", beside {_norm_name(configs[1])}"
        alt = (
            f"{_norm_name(configs[0])} and {_norm_name(configs[1])} side by side: the gradient of each row of a batch "
            "in three parts; statistics of the batch and distances over the steps."
        )
    note = FigureNote(file_name(configs[0], f"seed_{configs[0].seed}"), settings)
    shown = preview_pictures(previews, np.unique(row_ids).tolist())
    draw_figure(animation.figure, CHART, alt, note, pictures=shown)


def _draw_cut_button(config: RunConfig) -> None:
    if st.button(
        "Cut these parts",
        key="cut_parts",
        help="Opens Why it works: six networks side by side, with parts of this gradient cut.",
    ):
        left_out = ("norm", *NORM_SETTINGS, "a", "seeds")
        parameters = compare_parameters(config, None, 1)
        open_page("why", {name: text for name, text in parameters.items() if name not in left_out})


def _draw_choices(config: RunConfig, observations: list[Observation]) -> tuple[int, int | None, str | None]:
    """Draw the choices of a norm layer, a feature and a second norm.

    Parameters
    ----------
    config : RunConfig
        The run.
    observations : list of Observation
        One for each norm layer.

    Returns
    -------
    index : int
        Index of the chosen norm layer.
    feature : int or None
        Index of the chosen feature; None for all features.
    second : str or None
        Norm of the run to draw beside this one; None for none.
    """
    names = [observation.location for observation in observations]
    ADDRESS.offer("place", dict(enumerate(names, start=1)))
    left, middle, right = st.columns(3)
    place = left.selectbox(
        "Norm layer",
        names,
        index=len(names) - 1,
        key="place",
        bind="query-params",
        help="The hidden features are those of the last norm, which only the scoring layer follows.",
    )
    observation = observations[names.index(place)]
    numbers = range(1, observation.mean.shape[1] + 1)
    features: dict[int | str, str] = {ALL: ALL_FEATURES, **{number: f"feature {number}" for number in numbers}}
    ADDRESS.offer("feature", features)
    feature = middle.selectbox("Feature", list(features.values()), key="feature", bind="query-params")
    norms = {name: label for name, label in SECOND.labels.items() if name != config.norm}
    ADDRESS.offer("second_norm", norms)
    second = right.selectbox(
        "Second norm",
        list(norms.values()),
        index=None,
        placeholder="none",
        key="second_norm",
        bind="query-params",
        help="Trains the same run with another norm, and draws it beside this one: the same batches, step by step.",
    )
    chosen = None if feature == ALL_FEATURES else list(features.values()).index(feature) - 1
    return names.index(place), chosen, next((name for name, label in norms.items() if label == second), None)


def _explain(observation: Observation) -> None:
    with st.expander("Explanation and eq. 13"):
        st.markdown(
            "Each mark is a row of the batch. Its height is the length of the gradient at its features before the "
            "norm, split by the path of the gradient. With $h' = (h-\\mu)/\\sqrt{\\sigma^2+\\varepsilon}$ over a "
            "batch of $b$ rows and $g' = \\partial L/\\partial h'$:"
        )
        st.latex(
            r"\frac{\partial L}{\partial h_i} = \underbrace{\frac{g'_i}{\sqrt{\sigma^2+\varepsilon}}}_{\text{direct}}"
            r" + \underbrace{\frac{\partial L}{\partial\sigma^2}\,\frac{2(h_i-\mu)}{b}}_{\text{through the variance}}"
            r" + \underbrace{\frac{\partial L}{\partial\mu}\,\frac{1}{b}}_{\text{through the mean}}"
        )
        st.latex(
            r"\frac{\partial L}{\partial\mu} = -\frac{1}{\sqrt{\sigma^2+\varepsilon}}\sum_i g'_i"
            r" - \frac{2}{b}\frac{\partial L}{\partial\sigma^2}\sum_i (h_i-\mu)"
        )
        if np.isfinite(observation.error_printed).any():
            printed = float(np.nanmax(observation.error_printed))
            st.markdown(
                "The paper's eq. 13 has $-1/(\\sigma^2+\\varepsilon)$, without the root. Over these steps the "
                f"three parts above add up to autograd's gradient to within {observation.error.max():.0e} of the "
                f"largest of these numbers. With the printed eq. 13 it is off by up to {printed:.2g} times that number."
            )
        else:
            st.markdown(
                f"Over these steps the parts add up to autograd's gradient to within "
                f"{observation.error.max():.0e} of the largest number among them. Eq. 13 holds for batch norm only."
            )
        st.markdown(
            "**Running** statistics score rows at test time. "
            "**Distance**: of a row after the norm from the mean of the pool rows of the batch, root mean square over "
            "the features; medians. "
            "**L_BN** (eq. 5) = ‖batch mean‖ + ‖batch variance − 1‖, which the paper says batch norm keeps small."
        )
