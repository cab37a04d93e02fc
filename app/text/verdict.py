"""Paired differences between two runs, and the sentences that report them with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.baselines import GRADIENT_PLACE, NORM_LABELS
from anoonly_core.config import RunConfig
from anoonly_core.data.split import labeled_anomalies
from anoonly_core.metrics.confidence import margin_of_error, p_of_mean
from anoonly_core.results.result import RunResult

from .conditions import dataset_text, sample_words, seeds_text, split_text, split_words
from .differences import cause_sentence, is_only_lambda_n, published_value
from .labels import option_words

__all__ = [
    "COMPARED_METRICS",
    "PairedDifference",
    "conditions_line",
    "correction_note",
    "describe_run",
    "format_difference",
    "paired_difference",
    "paired_differences",
    "verdict",
]

# The metrics of a comparison, in the order of the tiles.
COMPARED_METRICS = ("aucroc", "aucpr_anomaly", "aucpr_normal")


@dataclass(frozen=True)
class PairedDifference:
    """Difference of a metric between B and A over paired seeds.

    Attributes
    ----------
    a, b : float
        Means over the seeds.
    delta : float
        Mean of the paired differences, B - A.
    margin : float or None
        Half the width of the 95 % interval of `delta` (Student's t); None with one seed.
    p : float or None
        Two-sided p of the paired t test; None with one seed.
    margin_b : float or None
        Half the width of the 95 % interval of `b` alone; None with one seed.
    """

    a: float
    b: float
    delta: float
    margin: float | None
    p: float | None = None
    margin_b: float | None = None

    @property
    def is_clear(self) -> bool:
        """True if the 95 % interval of the paired difference excludes zero; always False with one seed."""
        return self.margin is not None and abs(self.delta) > self.margin

    def holds(self, chance: float | None) -> bool:
        """Return True if the 95 % interval of B's mean reaches down to `chance`, the metric of random scores, or below.

        False if `chance` is None or with one seed, which has no interval.
        """
        return chance is not None and self.margin_b is not None and self.b - self.margin_b <= chance


def paired_difference(a: Sequence[float], b: Sequence[float]) -> PairedDifference:
    """Return the means of a metric for A and B, and their paired difference with its interval and test.

    `a` and `b` hold one value a seed in the same order; a[s] and b[s] come from the same split.
    """
    deltas = np.asarray(b, dtype=float) - np.asarray(a, dtype=float)
    return PairedDifference(
        float(np.mean(a)),
        float(np.mean(b)),
        float(deltas.mean()),
        margin_of_error(deltas.tolist()),
        p_of_mean(deltas.tolist()),
        margin_of_error([float(value) for value in b]),
    )


def correction_note(p_values: Sequence[float | None]) -> str:
    """Return a sentence, with a space before, that the verdicts of a text are corrected for several comparisons (Holm).

    Parameters
    ----------
    p_values : sequence of float or None
        The p of each comparison; None for one without a test. With fewer than two tests the text is empty.
    """
    tested = sum(p is not None for p in p_values)
    return f" Here clear means: after Holm's correction for {tested} comparisons." if tested > 1 else ""


def paired_differences(a: Sequence[RunResult], b: Sequence[RunResult]) -> dict[str, PairedDifference]:
    """Return the paired difference of B and A in each metric of `COMPARED_METRICS`, by the metric's name.

    `a` and `b` hold the results of the same seeds in the same order.
    """
    return {
        name: paired_difference([getattr(r.metrics, name) for r in a], [getattr(r.metrics, name) for r in b])
        for name in COMPARED_METRICS
    }


def format_difference(difference: PairedDifference, digits: int = 2) -> str:
    """Format the mean paired difference with the half-width of its interval: "+0.28 ± 0.10", or "+0.28" with one seed.

    `digits` is the number of decimals.
    """
    margin = "" if difference.margin is None else f" ± {difference.margin:.{digits}f}"
    return f"{difference.delta:+.{digits}f}{margin}".replace("-", "\u2212")


def describe_run(config: RunConfig, other: RunConfig | None = None) -> str:
    """Return a name for a run: its system and λ_n, and the settings that distinguish it from another run.

    Parameters
    ----------
    config : RunConfig
        The run to name.
    other : RunConfig, optional
        The run beside it. Without one, only a norm that differs from the published norm is named.

    Returns
    -------
    str
        For example "DeepSAD + AnoOnly, layer norm, batch 64".
    """
    if config.lambda_n is None or config.lambda_n == 1:
        name = config.baseline
    elif config.lambda_n == 0:
        name = f"{config.baseline} + AnoOnly"
    else:
        name = f"{config.baseline}, λₙ = {config.lambda_n:g}"
    extras = []
    if config.norm is not None and (
        config.norm != published_value(config, "norm") or (other is not None and _is_distinctive("norm", config, other))
    ):
        extras.append(NORM_LABELS[config.norm])
    for field, template in _SETTING_TEMPLATES.items():
        if other is not None and _is_distinctive(field, config, other):
            value = config.strength if field == "norm_strength" else getattr(config, field)
            if value is None or (field == GRADIENT_PLACE and config.gradient_shares == (1, 1, 1)):
                continue  # another norm, which is named, or a gradient that is whole everywhere
            value = option_words(field, value) if isinstance(value, str) else value
            extras.append("1 epoch" if (field, value) == ("epochs", 1) else template.format(value))
    return ", ".join([name, *extras])


def _is_distinctive(field: str, config: RunConfig, other: RunConfig) -> bool:
    """Return True if the name of a run should state the setting `field`, to distinguish it from the run `other`.

    It should if the values differ. For two systems, a setting that each publishes counts as differing only if the value
    of `config` is not the published one.
    """
    value = getattr(config, field)
    if field in _BASELINE_SETTINGS and config.baseline != other.baseline:
        return bool(value != published_value(config, field))
    return bool(value != getattr(other, field))


_BASELINE_SETTINGS = ("norm", "batch_size", "epochs", "learning_rate", "preset")
_SETTING_TEMPLATES = {
    "batch_size": "batch {}",
    "epochs": "{} epochs",
    "learning_rate": "learning rate {:g}",
    "labeled_ratio": "{:.0%} labeled",
    "normal_ratio": "{:.0%} of the normal rows",
    "contamination": "contamination {}",
    "preset": "preset of {}",
    "grad_direct": "direct part at {:.0%}",
    "grad_variance": "variance's part at {:.0%}",
    "grad_mean": "mean's part at {:.0%}",
    "grad_place": "shares in {}",
    "norm_strength": "strength {:g}",
    "labeled_anomalies": "{} labels",
    "labeled_normals": "{} known normal rows",
    "labeled_normal_ratio": "{:g} known normal rows per label",
    "unlabeled_ratio": "{:.0%} of the unlabeled rows",
    "flipped_anomalies": "{:.0%} of the anomalies labeled normal",
    "flipped_normals": "{:.1%} of the normal rows labeled anomalous",
    "unseen_types": "{} unseen types",
}


def verdict(a: RunConfig, b: RunConfig, difference: PairedDifference, seeds: int, chance: float | None = None) -> str:
    """Return the headline that says, in Markdown, if B detects the anomalies better or worse than A.

    The headline lists the settings that differ as possible causes. It says "AnoOnly hurts here" only if B is clearly
    worse and differs from A in λₙ alone, 1 in A and 0 in B.

    Parameters
    ----------
    a, b : RunConfig
        The two runs of the first seed.
    difference : PairedDifference
        AUCPR of the anomalies, B against A.
    seeds : int
        Number of seeds in `difference`.
    chance : float, optional
        The AUCPR of random scores. The headline warns if the interval of a better B holds it.
    """
    if a == b:
        return "A and B are the same run: change a setting to compare."
    name_a, name_b = describe_run(a, b), describe_run(b, a)
    figures = f"AUCPR {difference.b:.2f} against {difference.a:.2f} ({format_difference(difference)})"
    cause = cause_sentence(a, b, difference.is_clear)
    tested = f"{sample_words(b.dataset)}{split_words(b.protocol)}"
    if seeds == 1:
        direction = "more" if difference.delta > 0 else "no more" if difference.delta == 0 else "less"
        return (
            f"On one seed{tested} **{name_b}** finds {direction} of the anomalies than **{name_a}**: "
            f"{figures}. {cause} One seed shows no spread: use more seeds before you trust it."
        )
    over = f"Over {seeds} seeds{tested}"
    if not difference.is_clear:
        return f"No clear difference. {over} **{name_b}** beside **{name_a}**: {figures}. {cause}"
    if difference.delta > 0:
        beaten = f" But the interval of B holds chance, {chance:.2f}." if difference.holds(chance) else ""
        return f"{over} **{name_b}** finds the anomalies better than **{name_a}**: {figures}.{beaten} {cause}"
    hurts = "AnoOnly hurts here. " if is_only_lambda_n(a, b) and b.lambda_n == 0 and a.lambda_n == 1 else ""
    return f"{hurts}{over} **{name_b}** finds the anomalies worse than **{name_a}**: {figures}. {cause}"


def conditions_line(a: RunConfig, b: RunConfig, counts: Mapping[str, int], seeds: Sequence[int]) -> str:
    """Return one line with the conditions that A and B share: data set, pool, labels, seeds and split.

    The pool or the labels are left out if A and B differ in them; a random split is named beside other ways to split.

    Parameters
    ----------
    a, b : RunConfig
        The two runs of the first seed.
    counts : mapping of str to int
        Row counts by kind of B's first split, as in `RunResult.counts`.
    seeds : sequence of int
        The finished seeds; at least one.
    """
    parts = [dataset_text(b.dataset)]
    if (a.contamination, a.normal_ratio) == (b.contamination, b.normal_ratio):
        pool = counts["pool_normal"] + counts["pool_anomalies"] + counts.get("pool_unlabelled", 0)
        share = counts["pool_anomalies"] / max(pool, 1)
        left_in = "as found" if b.contamination == "natural" else "as set"
        kind = "clean" if not counts["pool_anomalies"] else f"{share:.1%} of them hidden anomalies, {left_in}"
        parts.append(f"pool of {pool:,} rows, {kind}")
    if (a.labeled_ratio, a.labeled_anomalies) == (b.labeled_ratio, b.labeled_anomalies):
        of_all = f" ({b.labeled_ratio:.0%} of those in training)" if b.labeled_anomalies is None else ""
        parts.append(f"{labeled_anomalies(counts)}{of_all}")
    parts.append(seeds_text(seeds))
    return " · ".join(filter(None, [*parts, split_text(b)]))
