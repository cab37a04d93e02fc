"""Sentences of the page Weak supervision, made from its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anoonly_core.baselines import MECHANISMS, NORM_LABELS
from anoonly_core.weak_supervision.ranking import RankedPoint, best_of_each

from ...text.labels import format_value

__all__ = ["PART_LABELS", "describe_point", "detail_line", "headline", "point_id", "point_note", "shipped_sentence"]

# Each part of the gradient by its measure, in the order of `PART_COLORS`.
PART_LABELS = {"direct": "direct", "through_variance": "through the variance", "through_mean": "through the mean"}
REACHED = 0.005  # a smaller share of the gradient counts as none


def point_id(point: RankedPoint) -> str:
    """Return a text that names a point of the ranking, such as "ghost 32"."""
    return point.norm if point.strength is None else f"{point.norm} {format_value(point.strength)}"


def describe_point(point: RankedPoint) -> str:
    """Return the mechanism and its strength in words, such as "ghost batch norm, 32"."""
    label = NORM_LABELS[point.norm]
    return label if point.strength is None else f"{label}, {format_value(point.strength)}"


def _in_sentence(point: RankedPoint) -> str:
    """Return a point in words that read well beside "no mechanism"."""
    words = describe_point(point)
    if point.norm == "none":
        return "the network without a norm"
    return f"{words.removeprefix('no norm, ')}, without a norm" if words.startswith("no norm, ") else words


def headline(points: Sequence[RankedPoint], reference: str, lambda_n: float) -> str:
    """Return the sentence about a ranking.

    Parameters
    ----------
    points : sequence of RankedPoint
        All points at this λ_n, the best first.
    reference : str
        The batch norm that they are compared with.
    lambda_n : float
        Weight of the loss on the pool.
    """
    base = next(point for point in points if point.norm == reference)
    others = [point for point in best_of_each(list(points)) if point.norm != reference and point.seeds]
    better = [point for point in others if point.is_clear and (point.delta or 0) > 0]
    worse = [point for point in others if point.is_clear and (point.delta or 0) < 0]
    if not others:
        return f"At λₙ = {format_value(lambda_n)} batch norm reaches AUCPR {_figure(base)}."
    best = others[0]
    if better:
        first = f"{_capital(_in_sentence(better[0]))} is clearly better than batch norm"
        rest = f", and so are {len(better) - 1} more of {len(others)}" if len(better) > 1 else ""
        start = f"{first}{rest}: AUCPR {_figure(better[0])} against {_figure(base)}."
    else:
        start = (
            f"No mechanism is clearly better than batch norm, {_figure(base)}. The best of {len(others)} others is "
            f"{_in_sentence(best)}, {_figure(best)}."
        )
    count = f"{len(worse)} of {len(others)} are clearly worse, each at its best strength"
    return f"**At λₙ = {format_value(lambda_n)}: {start}** {count}.{_without_gradient(others, lambda_n)}"


def _without_gradient(others: Sequence[RankedPoint], lambda_n: float) -> str:
    """Return a sentence about the mechanisms through which no gradient reaches the pool; "" if a loss does that."""
    cut = [point for point in others if point.means["reach"] < REACHED]
    if lambda_n or not cut:
        return ""
    at_most = max(point.aucpr for point in cut)
    if len(cut) == 1:
        return f" The one that passes no gradient to the pool reaches {at_most:.2f}."
    return f" Of the {len(cut)} that pass no gradient to the pool, the best reaches {at_most:.2f}."


def _figure(point: RankedPoint) -> str:
    return f"{point.aucpr:.2f}" + ("" if point.margin is None else f" ± {point.margin:.2f}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def detail_line(point: RankedPoint, reference: str) -> str:
    """Return what a point measured: AUCPR, difference, paths of the gradient to the pool, and collapse."""
    mechanism = MECHANISMS[point.norm]
    parts = [f"**{_capital(describe_point(point))}**: {mechanism.summary}"]
    if mechanism.dial is not None:
        parts.append(f"Strength: {mechanism.dial.meaning}.")
    if not point.seeds:
        return f"{' '.join(parts)} All its runs diverged. ({mechanism.source})"
    parts.append(f"AUCPR {_figure(point)}{_difference(point, reference)}.")
    reach, values = point.means["reach"], point.means
    if reach < REACHED or math.isnan(values["direct"]):
        parts.append("No gradient reaches the pool.")
    else:
        shares = ", ".join(f"{values[name]:.0%} {words}".replace("%", " %") for name, words in PART_LABELS.items())
        parts.append(f"{reach:.0%} of the gradient reaches the pool: {shares}.".replace("% of", " % of"))
    parts.append(
        f"Pool: effective rank {values['effective_rank']:.1f}, spread of scores {values['score_spread']:.2f}, "
        f"of features {values['feature_spread']:.2f}. ({mechanism.source})"
    )
    return " ".join(parts)


def _difference(point: RankedPoint, reference: str) -> str:
    if point.delta is None:
        return "; the reference" if point.norm == reference else ""
    points = f"{abs(100 * point.delta):.0f}"
    size = f"{points} point{'s' * (points != '1')} {'less' if point.delta < 0 else 'more'} than batch norm"
    if point.delta_margin is None:
        return f", {size} on one seed"
    doubt = "" if point.is_clear else ", not clear"
    return f", {size} (± {100 * point.delta_margin:.0f}{doubt})"


def point_note(points: Sequence[RankedPoint], reference: str) -> str:
    """Return what the chart shows and how the differences were tested."""
    seeds = max(point.seeds for point in points)
    failed = sum(point.failures for point in points)
    diverged = f" {failed} runs diverged and are left out." if failed else ""
    return (
        f"**AUCPR** of the anomalies: large marks are the best strength of each mechanism, means over {seeds} seeds "
        "with 95 % intervals; pale marks are other strengths; the line is batch norm. Filled marks differ clearly from "
        f"{NORM_LABELS[reference]}: paired over the seeds, after Holm's correction for {len(points) - 1} points.  \n"
        "**Reach**: share of the gradient in front of the last norm that reaches pool rows, in a batch with labeled "
        "anomalies, and its three parts.  \n"
        "**Effective rank** of the pool's hidden features after training: the smaller, the further collapsed."
        f"{diverged}"
    )


def shipped_sentence(tasks: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence that lists the data sets with shipped results, which need no training; `tasks` by system."""
    parts = [f"{baseline} on {', '.join(datasets)}" for baseline, datasets in tasks.items()]
    return f"Results with published settings ship for {'; '.join(parts)}."
