"""The one sentence that a page leads with: what its figures say, made from them, with its doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.config import RunConfig
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.results.result import RunResult

__all__ = [
    "COMPARED_METRICS",
    "PairedDifference",
    "describe_run",
    "format_difference",
    "paired_difference",
    "paired_differences",
    "verdict",
]

COMPARED_METRICS = ("aucroc", "aucpr_anomaly", "aucpr_normal")


@dataclass(frozen=True)
class PairedDifference:
    """B against A over paired seeds.

    a, b: means over the seeds. delta: mean of the paired differences; margin: half of its 95 %
    interval (Student's t), None with one seed.
    """

    a: float
    b: float
    delta: float
    margin: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.margin is not None and abs(self.delta) > self.margin


def paired_difference(a: Sequence[float], b: Sequence[float]) -> PairedDifference:
    """The paired comparison of one metric over seeds, a[s] and b[s] from the same split."""
    deltas = np.asarray(b, dtype=float) - np.asarray(a, dtype=float)
    return PairedDifference(
        float(np.mean(a)), float(np.mean(b)), float(deltas.mean()), margin_of_error(deltas.tolist())
    )


def paired_differences(a: Sequence[RunResult], b: Sequence[RunResult]) -> dict[str, PairedDifference]:
    """The paired comparison of each of COMPARED_METRICS, over seeds."""
    return {
        name: paired_difference([getattr(r.metrics, name) for r in a], [getattr(r.metrics, name) for r in b])
        for name in COMPARED_METRICS
    }


def format_difference(found: PairedDifference, digits: int = 2) -> str:
    """ "+0.28 ± 0.10", or "+0.28" with one seed."""
    margin = "" if found.margin is None else f" ± {found.margin:.{digits}f}"
    return f"{found.delta:+.{digits}f}{margin}".replace("-", "\u2212")


def describe_run(config: RunConfig, other: RunConfig | None = None) -> str:
    """A run's name: baseline and λ_n, and whatever else sets it apart from the published or the other run."""
    if config.lambda_n is None or config.lambda_n == 1:
        name = config.baseline
    elif config.lambda_n == 0:
        name = f"{config.baseline} + AnoOnly"
    else:
        name = f"{config.baseline}, λₙ = {config.lambda_n:g}"
    extras = []
    if config.norm is not None and (
        config.norm != _published(config, "norm") or (other is not None and _sets_apart("norm", config, other))
    ):
        extras.append(NORM_LABELS[config.norm])
    for field, words in _APART.items():
        if other is not None and _sets_apart(field, config, other):
            value = getattr(config, field)
            extras.append("1 epoch" if (field, value) == ("epochs", 1) else words.format(value))
    return ", ".join([name, *extras])


def _sets_apart(field: str, config: RunConfig, other: RunConfig) -> bool:
    """Of two baselines each has its own published settings, which go without saying."""
    mine = getattr(config, field)
    if field in _OF_THE_BASELINE and config.baseline != other.baseline:
        return bool(mine != _published(config, field))
    return bool(mine != getattr(other, field))


def _published(config: RunConfig, field: str) -> Any:
    """What is published for a run's baseline and preset; of the presets, the first."""
    baseline = BASELINES[config.baseline]
    if field == "preset":
        return next(iter(baseline.settings))
    if field == "norm":
        return None if config.lambda_n is None else baseline.paired_norm(config.lambda_n, config.preset)
    return getattr(baseline.settings[config.preset], field)


_OF_THE_BASELINE = ("norm", "batch_size", "epochs", "learning_rate", "preset")
_APART = {
    "batch_size": "batch {}",
    "epochs": "{} epochs",
    "learning_rate": "learning rate {:g}",
    "labeled_ratio": "{:.0%} labeled",
    "normal_ratio": "{:.0%} of the normal rows",
    "contamination": "contamination {}",
    "preset": "preset {}",
}


def verdict(a: RunConfig, b: RunConfig, found: PairedDifference, seeds: int) -> str:
    """The sentence over the Compare page, about AUCPR of the anomalies."""
    if a == b:
        return "A and B are the same run: move a control to see what it changes."
    name_a, name_b = describe_run(a, b), describe_run(b, a)
    figures = f"AUCPR {found.b:.2f} against {found.a:.2f} ({format_difference(found)})"
    if seeds == 1:
        direction = "more" if found.delta > 0 else "no more" if found.delta == 0 else "less"
        return (
            f"On one seed **{name_b}** finds {direction} of the anomalies than **{name_a}**: {figures}. "
            "One seed shows no spread: take more before believing it."
        )
    over = f"Over {seeds} seeds"
    if not found.is_clear:
        return f"No clear difference. {over} **{name_b}** beside **{name_a}**: {figures}."
    if found.delta > 0:
        return f"{over} **{name_b}** finds the anomalies better than **{name_a}**: {figures}."
    same = a.baseline == b.baseline
    hurts = "AnoOnly hurts here. " if same and b.lambda_n == 0 and a.lambda_n == 1 else ""
    return f"{hurts}{over} **{name_b}** finds the anomalies worse than **{name_a}**: {figures}."
