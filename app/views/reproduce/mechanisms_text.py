"""Sentences about the ranking of mechanisms across data sets, made from its figures."""

from __future__ import annotations

from collections.abc import Sequence

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.reproduction.grid import join_words
from anoonly_core.weak_supervision.across import AcrossPoint, AcrossRanking

from ...text.labels import format_value

__all__ = ["across_sentence", "describe", "failed_sentences", "single_sets_sentence"]

REACHED = 0.005  # a smaller share of the gradient counts as none
NAMED = 4  # mechanisms that a sentence names at most


def describe(point: AcrossPoint) -> str:
    """Return the mechanism and its strength in words, such as "ghost batch norm, 32"."""
    label = NORM_LABELS[point.norm]
    return label if point.strength is None else f"{label}, {format_value(point.strength)}"


def across_sentence(ranking: AcrossRanking) -> str:
    """Return the headline: which mechanism is clearly better than batch norm over the data sets, if any."""
    best, count = ranking.best, len(ranking.base)
    where = f"for {ranking.baseline} at λₙ = {format_value(ranking.lambda_n)}"
    if not best:
        return f"No mechanism was measured {where}."
    if count == 1:
        (only,) = ranking.base
        return (
            f"One data set was measured {where}, {only}, so a mean over data sets cannot be tested: the best of "
            f"{len(best)} mechanisms, {describe(best[0])}, is {_against(best[0])}."
        )
    better = [point for point in best if point.is_clear and point.delta > 0]
    worse = sum(point.is_clear and point.delta < 0 for point in best)
    if better:
        further = len(better) - 1
        more = f", and so {_are(further)} {further} more of {len(best)}" if further else ""
        start = (
            f"Over {count} data sets, {describe(better[0])} is clearly better than batch norm {where}{more}: "
            f"{_against(better[0])}, ahead on {better[0].ahead} of {len(better[0].deltas)}"
        )
    else:
        start = (
            f"Over {count} data sets, no mechanism is clearly better than batch norm {where}: the best of {len(best)}, "
            f"{describe(best[0])}, is {_against(best[0])}"
        )
    return f"{start}; {worse} {_are(worse)} clearly worse, each at its best strength."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _against(point: AcrossPoint) -> str:
    """Return the mean difference in words, such as "0.3 points ahead (± 0.5)"."""
    size = f"{abs(100 * point.delta):.1f} points {'ahead' if point.delta > 0 else 'behind'}"
    return size if point.margin is None else f"{size} (± {100 * point.margin:.1f})"


def single_sets_sentence(ranking: AcrossRanking) -> str:
    """Return a sentence about the mechanisms that are clearly better on single data sets, at any strength."""
    sets: dict[str, list[str]] = {}
    for point in ranking.points:
        known = sets.setdefault(point.norm, [])
        known += [dataset for dataset in point.better_on if dataset not in known]
    found = {norm: datasets for norm, datasets in sets.items() if datasets}
    if not found:
        return "**For whom:** on no single data set is a mechanism clearly better, at any strength."
    widest = sorted(found, key=lambda norm: -len(found[norm]))
    named = [f"{NORM_LABELS[norm]} on {join_words(found[norm])}" for norm in widest[:NAMED]]
    others = f"; {len(widest) - NAMED} more mechanisms on some" if len(widest) > NAMED else ""
    return f"**For whom:** clearly better on single data sets, at some strength, are {'; '.join(named)}{others}."


def failed_sentences(ranking: AcrossRanking) -> list[str]:
    """Return sentences about what did not work: mechanisms without a gradient to the pool, and losses with one.

    Empty at λ_n above 0, where the loss on the pool gives every row a gradient.
    """
    best = ranking.best
    if ranking.lambda_n:
        return []
    cut = [point for point in best if point.reach < REACHED]
    losses = [point for point in best if NORM_LABELS[point.norm].startswith("no norm, ") and point.reach >= REACHED]
    sentences = []
    if cut:
        sentences.append(
            f"**What did not work:** with no gradient to the pool ({_names(cut)}): {_range(cut)} on average."
        )
    if losses:
        shares = sorted({f"{100 * point.reach:.0f}" for point in losses}, key=float)
        sentences.append(
            f"With a loss on the features in its place ({_names(losses)}): {_range(losses)}, although "
            f"{' to '.join(dict.fromkeys((shares[0], shares[-1])))} % of the gradient reaches the pool."
        )
    return sentences


def _names(points: Sequence[AcrossPoint]) -> str:
    return "; ".join(NORM_LABELS[point.norm].removeprefix("no norm, ") for point in points)


def _range(points: Sequence[AcrossPoint]) -> str:
    """Return the smallest and the largest mean difference in words, such as "18.1 to 74.0 points behind"."""
    deltas = sorted(-100 * point.delta for point in points)
    if deltas[0] < 0:
        return f"between {-deltas[0]:.1f} points ahead and {deltas[-1]:.1f} behind"
    if len(deltas) == 1:
        return f"{deltas[0]:.1f} points behind"
    return f"{deltas[0]:.1f} to {deltas[-1]:.1f} points behind"
