"""The settings of a run as the page offers them: each control is declared once, in CONTROLS.

The sidebar, the address and the notices about a bad link are all made from that declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from anoonly_core.baselines import BASELINES, MECHANISMS, NORM_LABELS, PRESETS, Baseline
from anoonly_core.config import check_field
from anoonly_core.data.catalogue import DATASETS, find
from anoonly_core.data.tables.upload_metadata import is_upload_name
from anoonly_core.errors import InvalidConfig

from ..server.table_owners import visible_uploads
from ..text.labels import OPTION_WORDS, option_label, option_of
from .parameters import Parameter, one_of

__all__ = ["CONTROLS", "CONTROL_OF", "EXPANDERS", "MORE", "PUBLISHED", "Control", "controls_with"]

PUBLISHED = "published"
MORE, NORM, LABELS = EXPANDERS = ("More", "The norm", "Labels and their errors")
STANDARD_PROTOCOLS = ("leak_free", "published")  # those of every data set


@dataclass(frozen=True)
class Control(Parameter):
    """A parameter with a widget that `sidebar.draw_control` draws.

    Parameters
    ----------
    label, help : str
        Label and help text of the widget.
    slider : bool
        True for a slider over the options, False for a list.
    expander : str
        Title of the expander in which the widget is drawn, one of EXPANDERS; "" draws it outside of all.
    noun : str
        Completes "NAME has no …" beside a baseline without this setting.
    """

    label: str = ""
    help: str = ""
    slider: bool = False
    expander: str = ""
    noun: str = ""

    def option_label(self, value: Any) -> str:
        """Return the label of an option, `value`: plain words with its name in the code, as in "layer norm (layer)"."""
        return option_label(self.name, value)

    @property
    def widget_labels(self) -> Mapping[Any, str]:
        """Labels of options in plain words, by value, where they are not the names in the URL."""
        return {option: self.option_label(option) for option in OPTION_WORDS.get(self.name, ())}

    def name_of(self, text: str) -> str:
        """Return the name of the option that ends a label, whatever its other words; any other text unchanged."""
        return option_of(self.name, text)

    def offered_for(self, baseline: Baseline, norm: str | None = None, dataset: str = "") -> tuple[Any, ...]:
        """Return the options of the control beside a system, a norm and a data set.

        They are the presets of the system for the control "preset", the strengths of the norm for "norm_strength", the
        protocols of the data set for "protocol", and all options for any other control. A system with one preset, or a
        norm without a dial, disables the control. It then offers all options, so that it can keep its value.
        """
        if self.name == "norm_strength" and norm is not None and (dial := MECHANISMS[norm].dial) is not None:
            return (PUBLISHED, *(level for level in dial.levels if level != dial.standard))
        if self.name == "protocol":
            entry = find(dataset)
            fitting = (*STANDARD_PROTOCOLS, *(entry.protocols if entry is not None else ()))
            return tuple(option for option in self.offered() if option in fitting)
        if self.name != "preset" or not baseline.has("preset"):
            return self.offered()
        return tuple(option for option in self.offered() if option in baseline.settings)


def _setting(control: Parameter, text: str) -> Any:
    """Convert a text in a URL to a value of the field of `RunConfig` named as the control; raise InvalidConfig.

    PUBLISHED is returned as it is if the control offers it: the baseline and preset then set the field.
    """
    if text == PUBLISHED and PUBLISHED in control.options:
        return PUBLISHED
    return check_field(control.name, text)


def _dataset(control: Parameter, text: str) -> Any:
    if is_upload_name(text) and text not in control.offered():
        raise InvalidConfig(
            f"dataset is an uploaded table that was deleted, belongs to another browser, or has no labels: {text}. "
            "Upload its file on the page Your table."
        )
    return one_of(control, text)


def _datasets() -> tuple[str, ...]:
    return (*(table.name for table in visible_uploads() if table.can_be_tested), *DATASETS)


def _strengths() -> tuple[float, ...]:
    """Return the different strengths that the dials of all norms offer, in ascending order."""
    dials = [mechanism.dial for mechanism in MECHANISMS.values() if mechanism.dial is not None]
    return tuple(sorted({float(level) for dial in dials for level in dial.levels}))


Setting = partial(Control, parser=_setting)

CONTROLS: tuple[Control, ...] = (
    Control(
        "dataset",
        tuple(DATASETS),
        "digits_3",
        parser=_dataset,
        rule="a name from the catalogue",
        offers=_datasets,
        label="Data set",
        help=(
            "digits_k: digit k is the anomaly, the other digits are normal. All 195 ADBench files by name. "
            "own_…: a table that you uploaded on the page Your table."
        ),
    ),
    Setting(
        "baseline",
        tuple(BASELINES),
        "DeepSAD",
        label="Baseline",
        help="The system that B is, or builds on.",
    ),
    Setting(
        "lambda_n",
        (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 0.0),
        0.0,
        label="λₙ, weight of the loss on the pool",
        help="1 is the published baseline. 0 is AnoOnly: only labeled anomalies carry a loss.",
        slider=True,
        noun="λₙ",
    ),
    Setting(
        "norm",
        (PUBLISHED, *NORM_LABELS),
        PUBLISHED,
        label="Norm",
        help=(
            "The network's norm layer; the tab The method shows where it is. "
            "Published: what the preset pairs with this baseline and λₙ."
        ),
        noun="norm to choose",
    ),
    Setting(
        "batch_size",
        (PUBLISHED, *(2**power for power in range(10))),
        PUBLISHED,
        label="Batch size",
        help=(
            "Rows in each training step (PReNet: pairs of rows; REPEN and RoSAS: triplets); "
            "batch norm takes its statistics from them."
        ),
        noun="batches",
    ),
    Setting(
        "labeled_ratio",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
        0.1,
        label="Labeled anomalies (share of all in training)",
        help="Anomalies that training sees with their label, at least one.",
        slider=True,
    ),
    Setting(
        "contamination",
        ("natural", 0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "natural",
        label="Contamination (anomalies in the pool)",
        help=(
            "The share of hidden anomalies in the pool. natural: all unlabeled anomalies stay. "
            "Not a score threshold (PyOD) and not flipped labels (ADBench)."
        ),
    ),
    Control(
        "seeds",
        tuple(range(1, 11)),
        5,
        rule="a whole number from 1 to 10",
        label="Seeds",
        help=(
            "Runs behind each value. For one seed A and B share the split, and where they differ in λₙ or "
            "norm alone also the first weights and the batches."
        ),
    ),
    Setting(
        "normal_ratio",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0),
        1.0,
        label="Normal rows kept (share of the pool's)",
        help="What if there were fewer normal rows?",
        slider=True,
        expander=MORE,
    ),
    Setting(
        "epochs",
        (PUBLISHED, 1, 5, 10, 20, 50, 100, 200, 500),
        PUBLISHED,
        label="Epochs",
        help="How long to train.",
        expander=MORE,
        noun="epochs",
    ),
    Setting(
        "learning_rate",
        (PUBLISHED, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        PUBLISHED,
        label="Learning rate",
        help="How far each training step moves the weights; the first step's, where the published code lets it fall.",
        expander=MORE,
        noun="learning rate",
    ),
    Setting(
        "preset",
        PRESETS,
        "paper",
        label="Preset",
        help=(
            "Whose settings \u201cpublished\u201d means: the paper's text, or what its code really does. FEAWAD has "
            "paper_printed, too: it trains and scores |F|, as the paper prints it, where paper takes F. Classifiers of "
            "other packages have default, and tuned: six candidates, three folds of the training labels."
        ),
        expander=MORE,
        noun="second preset",
    ),
    Setting(
        "protocol",
        (*STANDARD_PROTOCOLS, "by_time", "by_group", "test_file"),
        "leak_free",
        label="Protocol",
        help=(
            "leak_free: a random split of the distinct rows. published: sets under 1000 rows are resampled before the "
            "split, as in the paper, so that test rows are copies of training rows. The page Your table adds splits by "
            "a time column, a group column or a test file."
        ),
        expander=MORE,
    ),
    Setting(
        "norm_strength",
        (PUBLISHED, *_strengths()),
        PUBLISHED,
        label="Strength of the norm",
        help="For a norm with a dial; its meaning and its range depend on the norm.",
        expander=NORM,
        noun="norm to choose",
    ),
    *(
        Setting(
            name,
            (0.0, 0.1, 0.25, 0.5, 0.75, 1.0),
            1.0,
            label=f"Batch norm's gradient: {part}",
            help=f"Share of {words} that the backward pass lets through; 1 is the true gradient. The forward pass "
            "stays as it is. Needs batch norm.",
            slider=True,
            expander=NORM,
            noun="batch norm to choose",
        )
        for name, part, words in (
            ("grad_direct", "direct", "the gradient that each row gets from its loss alone"),
            ("grad_variance", "through the variance", "the gradient that rows exchange through the batch's variance"),
            ("grad_mean", "through the mean", "the gradient that rows exchange through the batch's mean"),
        )
    ),
    Setting(
        "grad_place",
        ("all", "first", "last"),
        "all",
        label="Shares hold for",
        help="Batch norms of the network, counted from the input, that have these shares. No effect while all are 1.",
        expander=NORM,
        noun="second batch norm",
    ),
    Setting(
        "labeled_anomalies",
        (PUBLISHED, 1, 2, 3, 5, 10, 20, 50, 100),
        PUBLISHED,
        label="Labeled anomalies (number)",
        help="A number in place of the share above, if the training part has as many.",
        expander=LABELS,
    ),
    Setting(
        "labeled_normals",
        (0, 1, 2, 5, 10, 20, 50, 100),
        0,
        label="Known normal rows (number)",
        help="Pool rows known to be normal: they stay whatever the shares of normal and of unlabeled rows are.",
        expander=LABELS,
    ),
    Setting(
        "labeled_normal_ratio",
        (0.0, 0.5, 1.0, 2.0, 5.0, 10.0),
        0.0,
        label="Known normal rows (per labeled anomaly)",
        help="Further rows known to be normal, relative to the number of labeled anomalies.",
        expander=LABELS,
    ),
    Setting(
        "unlabeled_ratio",
        (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0),
        1.0,
        label="Unlabeled rows used (share)",
        help="The share of the rows without a label that is used, of both kinds alike.",
        slider=True,
        expander=LABELS,
    ),
    Setting(
        "flipped_anomalies",
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
        0.0,
        label="Anomalies labeled normal (share)",
        help="Label errors: the share of the labeled anomalies whose label says normal. They join the pool.",
        expander=LABELS,
    ),
    Setting(
        "flipped_normals",
        (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
        0.0,
        label="Normal rows labeled anomalous (share)",
        help="Label errors: the share of the normal training rows whose label says anomaly. They join the labels.",
        expander=LABELS,
    ),
    Setting(
        "unseen_types",
        (0, 1, 2, 3, 4, 5, 6, 7, 8),
        0,
        label="Unseen types of anomaly",
        help=(
            "Types of anomaly that no training row has, while the test rows have all. Needs a data set with several "
            "classes as anomalies, such as digits_low and digits_only_3."
        ),
        expander=LABELS,
    ),
    Setting(
        "seed", tuple(range(10)), 0, label="First seed", help="The seed of the rows in the charts below.", expander=MORE
    ),
)

CONTROL_OF = {control.name: control for control in CONTROLS}


def controls_with(defaults: Mapping[str, Any]) -> tuple[Control, ...]:
    """Return all controls, with other defaults for some of them, which are given by the control's name."""
    return tuple(replace(control, default=defaults.get(control.name, control.default)) for control in CONTROLS)
