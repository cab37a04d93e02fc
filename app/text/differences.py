"""Settings in which two runs differ, as data, and the sentence that says what a gap between them may come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anoonly_core.baselines import BASELINES, GRADIENT_PLACE, GRADIENT_SHARES
from anoonly_core.config import RunConfig
from anoonly_core.errors import InvalidConfig
from anoonly_core.reproduction.grid import join_words

from .labels import SETTING_LABELS, format_axis_value

__all__ = ["Difference", "cause_sentence", "differences", "is_only_lambda_n", "published_value"]

# Settings that may come with another system, in place of being chosen.
_BELONGING = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset")
_COUNTS = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}
_WITH_ARTICLE = frozenset(SETTING_LABELS) - {"lambda_n", "contamination"}


@dataclass(frozen=True)
class Difference:
    """One setting in which run B differs from run A; a change of the system includes the settings that come with it.

    Attributes
    ----------
    setting : str
        Field name of the setting in `RunConfig`.
    a, b : Any
        Its value in A and in B.
    only : RunConfig or None
        B with the value of A in this setting alone; None if that is not a valid configuration.
    """

    setting: str
    a: Any
    b: Any
    only: RunConfig | None

    @property
    def label(self) -> str:
        """The setting in words, such as "the norm"."""
        word = SETTING_LABELS[self.setting]
        return f"the {word}" if self.setting in _WITH_ARTICLE else word

    @property
    def text(self) -> str:
        """The setting with the values of A and B, such as "λₙ (1 → 0)"."""
        return f"{self.label} ({' → '.join(format_axis_value(self.setting, value) for value in (self.a, self.b))})"


def differences(a: RunConfig, b: RunConfig) -> tuple[Difference, ...]:
    """Return the settings in which two runs differ, in the order of the fields of `RunConfig`.

    Two systems are one difference: settings that only one of them has, or that both have as published, are not listed
    beside it. Within one system the norm is a difference by itself, also where it is published together with λₙ. Two
    norms are one difference with the strength of each, which has another meaning for another norm. Shares of
    batch norm's gradient are one difference with the batch norms that have them.
    """
    names = [name for name in RunConfig.model_fields if getattr(a, name) != getattr(b, name)]
    if "norm" in names and "norm_strength" in names:
        names.remove("norm_strength")
    shares = [name for name in names if name in GRADIENT_SHARES]
    if shares and GRADIENT_PLACE in names:
        names.remove(GRADIENT_PLACE)
    belonging = [name for name in names if _belongs_to_system(name, a, b)]
    # A setting that both systems publish is as published for the preset of B, which may not be that of A.
    of_system = {name: None if getattr(b, name) is not None else getattr(a, name) for name in belonging}
    found = []
    for name in names:
        if name not in belonging:
            values = {name: getattr(a, name), **(of_system if name == "baseline" else {})}
            if name == "norm":
                values["norm_strength"] = a.norm_strength
            if name in shares:
                values[GRADIENT_PLACE] = a.grad_place
            found.append(Difference(name, getattr(a, name), getattr(b, name), _changed(b, values)))
    return tuple(found)


def _belongs_to_system(name: str, a: RunConfig, b: RunConfig) -> bool:
    """Return True if the field `name`, which differs between A and B, differs only because their systems do."""
    if a.baseline == b.baseline or name not in _BELONGING:
        return False
    values = [getattr(config, name) for config in (a, b)]
    if None in values:  # one of the systems lacks it
        return True
    if name == "preset" and not all(BASELINES[config.baseline].has(name) for config in (a, b)):
        return True
    if name == "lambda_n" or (name == "norm" and a.lambda_n != b.lambda_n):
        return False
    return values == [published_value(config, name) for config in (a, b)]


def _changed(config: RunConfig, values: Mapping[str, Any]) -> RunConfig | None:
    try:
        return config.with_(**values)
    except InvalidConfig:
        return None


def published_value(config: RunConfig, name: str) -> Any:
    """Return the published value of a setting for the system and preset of a run.

    `name` is the field in `RunConfig`. For "preset", the value is the first preset of the system.
    """
    baseline = BASELINES[config.baseline]
    if name == "preset":
        return next(iter(baseline.settings))
    if name == "norm":
        return None if config.lambda_n is None else baseline.paired_norm(config.lambda_n, config.preset)
    return getattr(baseline.settings[config.preset], name)


def is_only_lambda_n(a: RunConfig, b: RunConfig) -> bool:
    """Return True if λₙ is the only setting in which two runs differ."""
    return [difference.setting for difference in differences(a, b)] == ["lambda_n"]


def cause_sentence(a: RunConfig, b: RunConfig, is_clear: bool = True) -> str:
    """Return a sentence that lists the settings in which two runs differ, as possible causes of a gap between them.

    Parameters
    ----------
    a, b : RunConfig
        The runs; the sentence is empty if they are equal.
    is_clear : bool
        True if their metrics clearly differ. With False and several settings the sentence adds that effects may
        cancel.
    """
    found = differences(a, b)
    if not found:
        return ""
    if len(found) == 1:
        return f"Only {found[0].text} differs."
    named = join_words([difference.text for difference in found])
    of_them = "either" if len(found) == 2 else "any of them"
    effect = (
        f"the gap may come from {of_them}" if is_clear else f"a gap may come from {of_them}, and effects may cancel"
    )
    return f"{_COUNTS.get(len(found), str(len(found)))} things differ, {named}: {effect}."
