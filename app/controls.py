"""Widgets <-> RunConfig <-> the page's URL.

Each control is declared once in CONTROLS; the sidebar, the URL and the notices about a bad link
are all made from that declaration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES, NORM_LABELS, Baseline
from anoonly_core.config import RunConfig, check_field, make_config
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.data.own import is_own_name
from anoonly_core.errors import InvalidConfig
from app import classroom
from app.own_tables import of_mine

__all__ = [
    "BESIDE_CONTROLS",
    "CONTROLS",
    "NO_DEFAULTS",
    "OF_PAGES",
    "Choice",
    "Control",
    "at_present",
    "baseline_of",
    "default_choice",
    "draw",
    "from_pin",
    "help_text",
    "not_known",
    "pin_text",
    "read_link",
    "shown",
    "sidebar",
]

PUBLISHED = "published"
NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})


def shown(value: Any) -> str:
    """A value as its control and the URL write it."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


@dataclass(frozen=True)
class Control:
    """One setting on the page.

    name: the config's field and the URL's parameter. options: what it offers; PUBLISHED leaves the
    choice to the baseline and preset. slider: whether it is dragged or chosen from a list. more: kept
    under "more". noun: what a baseline without this setting does not have.
    """

    name: str
    label: str
    options: tuple[Any, ...]
    default: Any
    help: str
    slider: bool = False
    more: bool = False
    noun: str = ""

    def offered(self) -> tuple[Any, ...]:
        """What it offers to whoever looks at the page now."""
        return self.options

    def parse(self, text: str) -> Any:
        """The value that a link's text means; raises InvalidConfig with one sentence."""
        if PUBLISHED in self.options and text == PUBLISHED:
            return PUBLISHED
        return check_field(self.name, text)


class _DatasetControl(Control):
    def offered(self) -> tuple[Any, ...]:
        return (*(table.name for table in of_mine() if table.can_be_tested), *self.options)

    def parse(self, text: str) -> Any:
        if text in self.offered():
            return text
        if is_own_name(text):
            raise InvalidConfig(
                f"dataset is a table that is not here any more, is another browser's, or has no labels: {text}. "
                "Bring its file on the page Your table."
            )
        raise InvalidConfig(f"dataset must be a name from the catalogue, not {text[:60]!r}.")


class _SeedsControl(Control):
    def parse(self, text: str) -> Any:
        if text not in map(str, self.options):
            raise InvalidConfig(f"seeds must be a whole number from 1 to {self.options[-1]}, not {text[:60]!r}.")
        return int(text)


CONTROLS: tuple[Control, ...] = (
    _DatasetControl(
        "dataset",
        "Data set",
        tuple(DATASETS),
        "digits_3",
        "digits_k: digit k is the anomaly, the other digits are normal. All 195 ADBench files by name. own_…: a table "
        "of yours, from the page Your table.",
    ),
    Control("baseline", "Baseline", tuple(BASELINES), "DeepSAD", "The published system that B is, or builds on."),
    Control(
        "lambda_n",
        "λₙ, weight of the loss on the pool",
        (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 0.0),
        0.0,
        "1 is the published baseline. 0 is AnoOnly: only labelled anomalies carry a loss.",
        slider=True,
        noun="λₙ",
    ),
    Control(
        "norm",
        "Norm",
        (PUBLISHED, *NORM_LABELS),
        PUBLISHED,
        "What stands at the norm's place in the network, which the tab The method shows. "
        "Published: what the preset pairs with this baseline and λₙ.",
        noun="norm to choose",
    ),
    Control(
        "batch_size",
        "Batch size",
        (PUBLISHED, *(2**power for power in range(10))),
        PUBLISHED,
        "Rows in each training step (PReNet: pairs of rows; REPEN: triplets); "
        "batch norm takes its statistics from them.",
        noun="batches",
    ),
    Control(
        "labeled_ratio",
        "Labelled anomalies (share of all in training)",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
        0.1,
        "The anomalies whose label training sees, at least one.",
        slider=True,
    ),
    Control(
        "contamination",
        "Contamination (anomalies in the pool)",
        ("natural", 0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "natural",
        "The share of the pool that is anomalous without anybody knowing. natural: all unlabelled anomalies stay. "
        "Not a score threshold (PyOD) and not flipped labels (ADBench).",
    ),
    _SeedsControl(
        "seeds",
        "Seeds",
        tuple(range(1, 11)),
        5,
        "How many runs each figure stands on. Seed by seed A and B share the split, and where they differ in λₙ or "
        "norm alone also the first weights and the batches.",
    ),
    Control(
        "normal_ratio",
        "Normal rows kept (share of the pool's)",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0),
        1.0,
        "What if there were fewer normal rows?",
        slider=True,
        more=True,
    ),
    Control(
        "epochs",
        "Epochs",
        (PUBLISHED, 1, 5, 10, 20, 50, 100, 200, 500),
        PUBLISHED,
        "How long to train.",
        more=True,
        noun="epochs",
    ),
    Control(
        "learning_rate",
        "Learning rate",
        (PUBLISHED, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        PUBLISHED,
        "How far each training step moves the weights; the first step's, where the published code lets it fall.",
        more=True,
        noun="learning rate",
    ),
    Control(
        "preset",
        "Preset",
        ("paper", "published_code"),
        "paper",
        "Whose settings \u201cpublished\u201d means: the paper's text, or what its code really does.",
        more=True,
        noun="second preset",
    ),
    Control(
        "protocol",
        "Protocol",
        ("leak_free", "published"),
        "leak_free",
        "published: sets under 1000 rows are resampled before the split, as in the paper, "
        "so that test rows are copies of training rows.",
        more=True,
    ),
    Control("seed", "First seed", tuple(range(10)), 0, "The seed whose rows are drawn below.", more=True),
)

_BY_NAME = {control.name: control for control in CONTROLS}
# What else pages with these controls keep in their address: the pinned run, how figures are drawn, how the pool is
# cleaned, which table of one's own is marked, what is locked.
BESIDE_CONTROLS = (
    *("a", "threshold", "projection", "view", "tab", "place", "feature"),
    *("scorer", "parts", "remove"),
    "table",
    *("fix", "hide"),
)
_OTHER_PARAMETERS = (*BESIDE_CONTROLS, "lesson", "step", "embed", "embed_options")
# What the pages without these controls keep in theirs: Sweep, Zero-shot, Reproduce.
_OF_OTHERS = (
    *("question", "vary", "also", "both", "sweep_seeds", "metric"),
    *(f"values_{name}" for name in _BY_NAME if name not in ("dataset", "seeds", "seed", "protocol")),
    *("held_out", "meta", "objective", "test_rows", "steps", "tasks", "rows", "normal_share"),
    *("show", "ours", "where", "sign", "beside"),
)
# What the address of some page may hold: the browser's Back may bring it along to another.
OF_PAGES = frozenset((*_BY_NAME, *_OTHER_PARAMETERS, *_OF_OTHERS))

# What a pinned A holds on to; data set, protocol and seeds always follow B, so that the test rows are the same.
PINNED_FIELDS = tuple(name for name in RunConfig.model_fields if name not in ("dataset", "protocol", "seed"))


@dataclass(frozen=True)
class Choice:
    """What the controls say: run B for its first seed, and how many seeds."""

    b: RunConfig
    seeds: int

    def seeded(self, config: RunConfig) -> list[RunConfig]:
        """A config for each seed, the first one first."""
        return [config.with_(seed=self.b.seed + number) for number in range(self.seeds)]


def read_link(
    parameters: Mapping[str, str], own: Sequence[Control] = (), defaults: Mapping[str, Any] = NO_DEFAULTS
) -> tuple[dict[str, Any], list[str]]:
    """What a link's parameters set, by control, and a sentence about each that cannot be used.

    own: controls that this page has besides. defaults: where it begins otherwise than Compare.
    """
    known = _BY_NAME | {control.name: control for control in own}
    values: dict[str, Any] = {}
    notices = classroom.complaints(parameters, {control.name: control.label for control in CONTROLS})
    for name, text in parameters.items():
        if name not in known:
            if name not in OF_PAGES:
                notices.append(not_known(name))
            continue
        try:
            values[name] = known[name].parse(text)
        except InvalidConfig as error:
            default = shown(defaults.get(name, known[name].default))
            notices.append(f"The link's {error} The default, {default}, stands instead.")
    return values, notices


def not_known(name: str) -> str:
    """The sentence about a parameter that no page has."""
    return f"The link sets {name[:40]!r}, which this page does not know."


def sidebar(without: Collection[str] = (), defaults: Mapping[str, Any] = NO_DEFAULTS) -> Choice:
    """Draw the controls in the sidebar but for some, each bound to its URL parameter, and read them.

    What the link hides has the link's value, or its default; defaults: those that are the page's own.
    Raises InvalidConfig where the settings do not fit together.
    """
    baseline, preset = BASELINES[at_present("baseline")], at_present("preset")
    with st.sidebar:
        left_out = classroom.locked(classroom.HIDE).union(without)
        values = {control.name: at_present(control.name) for control in CONTROLS if control.name in left_out}
        drawn = [control for control in CONTROLS if control.name not in left_out]
        first = {control.name: defaults.get(control.name) for control in drawn}
        values |= {c.name: draw(c, baseline, preset, default=first[c.name]) for c in drawn if not c.more}
        if more := [control for control in drawn if control.more]:
            with st.expander("More"):
                values |= {c.name: draw(c, baseline, preset, default=first[c.name]) for c in more}
        classroom.draw_link_maker({control.name: control.label for control in drawn}, st.context.url)
    return _choice(values)


def at_present(name: str) -> Any:
    """What a control says, before it is drawn; a word that it does not offer, such as a file's path, is not heard."""
    control = _BY_NAME[name]
    linked = st.session_state.get("link_values", {}).get(name, control.default)
    value = st.session_state.get(name, linked)
    return value if not isinstance(value, str) or value in control.offered() else linked


def default_choice() -> Choice:
    """What the controls say before anybody has touched them."""
    return _choice({control.name: control.default for control in CONTROLS})


def _choice(values: dict[str, Any]) -> Choice:
    left = {control.name for control in CONTROLS if control.default == PUBLISHED}  # the protocol's own is not meant
    has = BASELINES[values["baseline"]].has
    settings = {
        name: None if not has(name) or (name in left and value == PUBLISHED) else value
        for name, value in values.items()
        if name != "seeds"
    }
    return Choice(make_config(**settings), values["seeds"])


def help_text(control: Control, baseline: Baseline, preset: str) -> str:
    """What a control says of itself beside this baseline: why it lies idle, or what "published" means there."""
    if not baseline.has(control.name):
        return f"{baseline.name} has no {control.noun}."
    if control.name == "baseline":
        return f"{control.help} {baseline.name}: {baseline.summary}"
    help = control.help
    if control.name == "epochs":
        help += f" An epoch of {baseline.name} is {baseline.epoch}."
    if baseline.pretraining_epochs and control.name in ("epochs", "learning_rate"):
        help += f" {baseline.name}'s {baseline.pretraining_epochs} epochs of pretraining come before, as published."
    published = getattr(baseline.settings[preset if baseline.has("preset") else "paper"], control.name, None)
    if published is None:
        return help
    return f"{help} Published for {baseline.name}: {shown(published)}."


def draw(control: Control, baseline: Baseline, preset: str, bind: bool = True, default: Any = None) -> Any:
    """One control where the script stands; returns its value.

    bind: to its URL parameter, and to what a link for a class fixes. A page with bound controls cannot be left by the
    server, only by a link.
    default: the page's own, if it has one.
    """
    default = control.default if default is None else default
    # A link may hold a value between the control's own stops: it becomes a stop of this session.
    extra = st.session_state.get("link_values", {}).get(control.name, default)
    options = list(control.offered())
    if isinstance(extra, str) and extra not in options:
        extra = default  # a table that went meanwhile
    if extra not in options:
        options = _with_stop(options, extra)
    if isinstance(st.session_state.get(control.name), str) and st.session_state[control.name] not in options:
        del st.session_state[control.name]
    keyed: dict[str, Any] = {
        "options": options,
        "format_func": shown,
        "key": control.name,
        "help": help_text(control, baseline, preset),
        "disabled": not baseline.has(control.name) or (bind and control.name in classroom.locked(classroom.FIX)),
        "bind": "query-params" if bind else None,
    }
    first = default if bind else extra
    if control.slider:
        return st.select_slider(control.label, value=first, **keyed)
    return st.selectbox(control.label, index=options.index(first), **keyed)


def _with_stop(options: list[Any], extra: Any) -> list[Any]:
    words = [option for option in options if isinstance(option, str)]
    numbers = [option for option in options if option not in words]
    descending = numbers[0] > numbers[-1]
    return words + sorted([*numbers, extra], reverse=descending)


def baseline_of(b: RunConfig) -> RunConfig:
    """A where nothing is pinned, as published and on the same data: B's baseline, or beside a comparator AnoOnly."""
    published: dict[str, Any] = dict.fromkeys(("norm", "batch_size", "epochs", "learning_rate"))
    if BASELINES[b.baseline].has("lambda_n"):
        return b.with_(lambda_n=1.0, **published)
    return b.with_(baseline="DeepSAD", lambda_n=0.0, **published)


def pin_text(config: RunConfig) -> str:
    """A pinned run as the URL's parameter `a`; what its baseline has no setting of is left out."""
    settings = {name: getattr(config, name) for name in PINNED_FIELDS}
    return ",".join(f"{name}={value}" for name, value in settings.items() if value is not None)


def from_pin(text: str, b: RunConfig) -> RunConfig:
    """The pinned run of a URL's parameter `a`, on B's data set; raises InvalidConfig."""
    pairs = dict(part.partition("=")[::2] for part in text.split(","))
    if unknown := set(pairs) - set(PINNED_FIELDS):
        raise InvalidConfig(f"the pinned run has no setting called {sorted(unknown)[0][:40]!r}.")
    return make_config(dataset=b.dataset, protocol=b.protocol, seed=b.seed, **pairs)
