"""The runs that the controls choose: B with its seeds, A beside it, and the URL parameters that choose them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_PLACE, GRADIENT_SHARES, MECHANISMS, NORM_SETTINGS
from anoonly_core.config import LABEL_SETTINGS, RunConfig, make_config
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.data.tables.upload_metadata import is_upload_name
from anoonly_core.errors import InvalidConfig

from .registry import CONTROLS, PUBLISHED

__all__ = [
    "PINNED_FIELDS",
    "Choice",
    "baseline_of",
    "choose",
    "compare_parameters",
    "default_choice",
    "from_pin",
    "moved_runs",
    "pin_text",
]

# Settings of a pinned A; data set, protocol and seed always follow B, so that the test rows are the same.
PINNED_FIELDS = tuple(name for name in RunConfig.model_fields if name not in ("dataset", "protocol", "seed"))


@dataclass(frozen=True)
class Choice:
    """The run that the controls choose.

    Parameters
    ----------
    b : RunConfig
        Run B for its first seed.
    seeds : int
        Number of consecutive seeds.
    """

    b: RunConfig
    seeds: int

    def seeded(self, config: RunConfig) -> list[RunConfig]:
        """Return copies of a configuration with each chosen seed, ascending from the seed of run B."""
        return [config.with_(seed=self.b.seed + number) for number in range(self.seeds)]


def choose(values: Mapping[str, Any]) -> Choice:
    """Make run B and the number of seeds from the values of the controls.

    Settings that the baseline lacks are dropped; "published" stands for the value that the baseline publishes.

    Parameters
    ----------
    values : mapping of str to object
        A value for each control of `CONTROLS`, by the control's name.

    Raises
    ------
    InvalidConfig
        If the settings do not fit together.
    """
    # "published" of the control protocol is a value like others.
    may_be_left = {control.name for control in CONTROLS if control.default == PUBLISHED}
    baseline = BASELINES[values["baseline"]]
    settings = {
        name: None if not baseline.has(name) or (name in may_be_left and value == PUBLISHED) else value
        for name, value in values.items()
        if name != "seeds"
    }
    if settings["preset"] not in baseline.settings:  # left over from another baseline
        settings["preset"] = None
    if settings["labeled_anomalies"] is not None:  # the number takes the place of the share
        settings["labeled_ratio"] = None
    # The controls of batch norm's gradient and of a norm's strength keep their values while another norm is chosen.
    of_norm = {name: settings.pop(name) for name in NORM_SETTINGS}
    config = make_config(**settings)
    return Choice(config.with_(**_fitting(of_norm, config.norm)), values["seeds"])


def _fitting(of_norm: Mapping[str, Any], norm: str | None) -> dict[str, Any]:
    """Return those settings of a norm that have an effect on the norm `norm`, by name.

    `of_norm` holds the values of all settings in NORM_SETTINGS. A strength outside the range of the norm is left out.
    """
    of_batch_norm = (*GRADIENT_SHARES, GRADIENT_PLACE)
    fitting = {name: of_norm[name] for name in of_batch_norm} if norm in BATCH_NORMS else {}
    dial, strength = norm and MECHANISMS[norm].dial, of_norm["norm_strength"]
    if dial and strength is not None and dial.low <= strength <= dial.high:
        fitting["norm_strength"] = strength
    return fitting


def default_choice() -> Choice:
    """Return the run B and the number of seeds that all controls have by default, with which Compare opens."""
    return choose({control.name: control.default for control in CONTROLS})


def baseline_of(b: RunConfig) -> RunConfig:
    """Return the run A that Compare shows beside run B while no run is pinned.

    It is B with λ_n = 1 and the published norm, batch size, epochs and learning rate. If the system of B has no λ_n, it
    is DeepSAD with λ_n = 0 (AnoOnly), as published by its first preset, instead. The data and the labels are those of
    B.
    """
    published = ("norm", "batch_size", "epochs", "learning_rate")
    if BASELINES[b.baseline].has("lambda_n"):
        return b.as_published(*published).with_(lambda_n=1.0, norm=None)
    return b.with_(baseline="DeepSAD", lambda_n=0.0, **dict.fromkeys((*published, "preset")))


# Settings of A that stay as published while B's move, where nothing is pinned.
_OF_B_ALONE = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", *NORM_SETTINGS)
_ALWAYS_SHARED = ("dataset", "protocol", "seed", "seeds")


def moved_runs(name: str, pinned: bool, baseline: str) -> str:
    """Return the runs that a control changes: "B" for run B alone, "AB" for both.

    Parameters
    ----------
    name : str
        Name of the control.
    pinned : bool
        True if run A is pinned, so that only the data set, the protocol and the seeds change it. Else it follows B
        except in λₙ, the norm and the settings of training.
    baseline : str
        Name of the system of B. If it has no λₙ, A is of another system, which does not take the preset of B.
    """
    if name in _ALWAYS_SHARED:
        return "AB"
    if name == "preset" and not BASELINES[baseline].has("lambda_n"):
        return "B"
    return "B" if pinned or name in _OF_B_ALONE else "AB"


def pin_text(config: RunConfig) -> str:
    """Return a run as the text of the URL parameter `a`: "name=value" pairs, joined by commas.

    Left out are the data set, protocol and seed, which follow run B, shares of batch norm's gradient and settings of
    labels that are at their default, and settings that are None. A setting is None if the baseline does not have it,
    such as epochs of a method without a network.
    """
    settings = {name: getattr(config, name) for name in PINNED_FIELDS}
    settings |= dict.fromkeys(config.defaults_among((*GRADIENT_SHARES, GRADIENT_PLACE, *LABEL_SETTINGS)))
    if config.labeled_anomalies is not None:
        settings["labeled_ratio"] = None
    return ",".join(f"{name}={value}" for name, value in settings.items() if value is not None)


def from_pin(text: str, b: RunConfig) -> RunConfig:
    """Parse the text of the URL parameter `a` into run A, with the data set, protocol and seed of run B.

    Raises
    ------
    InvalidConfig
        If the text names an unknown setting, or the settings are invalid.
    """
    pairs = dict(part.partition("=")[::2] for part in text.split(","))
    if unknown := set(pairs) - set(PINNED_FIELDS):
        raise InvalidConfig(f"the pinned run has no setting called {sorted(unknown)[0][:40]!r}.")
    return make_config(dataset=b.dataset, protocol=b.protocol, seed=b.seed, **pairs)


def compare_parameters(b: RunConfig, a: RunConfig | None, seeds: int) -> dict[str, str]:
    """Return the URL parameters with which Compare shows these runs.

    Parameters
    ----------
    b : RunConfig
        Run B for its first seed.
    a : RunConfig or None
        Run A, to be pinned; its seed is replaced by that of B. None for the run of `baseline_of`.
    seeds : int
        Number of consecutive seeds.

    Returns
    -------
    dict of str to str
        Text of each parameter that differs from its default.

    Raises
    ------
    InvalidConfig
        If A and B differ in data set or protocol, or if Compare does not offer the data set of B or accept a value.
    """
    if a is not None and a.dataset != b.dataset:
        raise InvalidConfig("Compare shows two runs on the same rows, and these are of different data sets.")
    if a is not None and a.protocol != b.protocol:
        raise InvalidConfig("Compare shows two runs on the same rows, and these are split by different protocols.")
    if b.dataset not in DATASETS and not is_upload_name(b.dataset):
        raise InvalidConfig(f"Compare offers only data sets of its list, not {b.dataset[:60]!r}.")
    parameters = {}
    for control in CONTROLS:
        value = seeds if control.name == "seeds" else getattr(b, control.name)
        # A setting that the baseline lacks, or that is as published, needs no parameter.
        has_published = control.default == PUBLISHED or control.name == "preset"
        as_published = has_published and getattr(b.as_published(control.name), control.name) == value
        if value is not None and value != control.default and not as_published:
            (text,) = control.texts(value)
            control.parse(text)
            parameters[control.name] = text
    if a is not None and a.with_(seed=b.seed) != baseline_of(b):
        parameters["a"] = pin_text(a)
    return parameters
