"""One sentence of advice, made from the figures of a ranking, with its doubt."""

from __future__ import annotations

from anoonly_core.which.result import Rank, WhichResult

__all__ = ["advice", "crossover_sentence"]

MIN_SPEED_UP = 2.0
MAX_NAMED = 3
WIDE_GAP = 0.1  # of AUCPR, which a few seeds may not show to be clear
ONE_SEED = "One seed shows no spread: use more seeds before you choose."


def advice(result: WhichResult) -> str:
    """Return the advice for the number of labels of the plan, in a few sentences; "" without a finished run.

    It names the first three systems that the corrected tests cannot tell from the best one, and compares the fastest of
    these with the slowest.
    """
    if not result.ranking:
        return ""
    best, *others = result.ranking
    labels = result.plan.labels
    with_labels = f"With {labels} labeled {'anomaly' if labels == 1 else 'anomalies'}"
    if not others:
        return f"{with_labels} only {_named(best)} has finished runs, so there is nothing to compare it with."
    if len(result.plan.seeds) == 1:
        return f"{with_labels} {_named(best)} ranks first. {ONE_SEED}"
    tied = [rank for rank in others if rank.is_tied]
    if not tied:
        second = others[0]
        return (
            f"{with_labels} {_named(best)} ranks first, clearly ahead of {_figure(second)}{_time(best, second)}. "
            f"{_doubt(result)}"
        )
    sentence = f"{with_labels} {_names([best, *tied])} cannot be told apart{_speed([best, *tied])}."
    more_seeds = f"More seeds may tell: {_figure(tied[-1])}." if tied[-1].behind >= WIDE_GAP else ""
    return " ".join(filter(None, [sentence, _unsupervised([best, *tied]), more_seeds, _doubt(result)]))


def crossover_sentence(result: WhichResult) -> str:
    """Return where AnoOnly and the best classifier change places over the number of labels; "" without both."""
    crossover = result.crossover
    if crossover is None:
        return ""
    anoonly, classifier = crossover.anoonly, crossover.classifier
    last_leads = crossover.differences[-1] > 0
    clear = [
        f"{labels} ({difference:+.2f})"
        for labels, difference, is_clear in zip(
            crossover.labels, crossover.differences, crossover.is_clear, strict=True
        )
        if is_clear
    ]
    doubt = f"Clear at {', '.join(clear)} labels." if clear else "At no number of labels is the difference clear."
    if crossover.between is None:
        leader, other = (anoonly, classifier) if last_leads else (classifier, anoonly)
        return f"{leader} lies above {other} at every number of labels. {doubt}"
    before, after = crossover.between
    first, then = (classifier, anoonly) if last_leads else (anoonly, classifier)
    return f"{first} leads up to {before} label{'s' * (before > 1)}, {then} from {after} on. {doubt}"


def _named(rank: Rank) -> str:
    spread = "" if rank.point.margin is None else f" ± {rank.point.margin:.2f}"
    return f"{rank.point.system} (AUCPR {rank.point.mean:.2f}{spread})"


def _figure(rank: Rank) -> str:
    spread = "" if rank.margin is None else f" ± {rank.margin:.2f}"
    return f"{rank.point.system}, which lies {rank.behind:.2f}{spread} behind"


def _names(ranks: list[Rank]) -> str:
    """Join the first MAX_NAMED systems, each with its figure, and the number of the others."""
    shown = [_named(rank) for rank in ranks[:MAX_NAMED]]
    left = len(ranks) - len(shown)
    if left:
        shown.append(f"{left} other{'s' if left > 1 else ''}")
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _ratio(slow: Rank, fast: Rank) -> str:
    """Return "40 times as fast", or "" for less than MIN_SPEED_UP."""
    ratio = slow.point.seconds / max(fast.point.seconds, 1e-9)
    return f"{ratio:.0f} times as fast" if ratio >= MIN_SPEED_UP else ""


def _speed(tied: list[Rank]) -> str:
    """Compare the fastest of the named systems with the slowest."""
    named = sorted(tied[:MAX_NAMED], key=lambda rank: rank.point.seconds)
    words = _ratio(named[-1], named[0])
    return f"; {named[0].point.system} is {words} as {named[-1].point.system}" if words else ""


def _time(best: Rank, second: Rank) -> str:
    words = _ratio(best, second)
    return f" and is {words}" if words else ""


def _unsupervised(tied: list[Rank]) -> str:
    free = [rank.point.system for rank in tied if rank.kind == "unsupervised"]
    return f"{free[0]} uses no label at all, so labels do not show an effect yet." if free else ""


def _doubt(result: WhichResult) -> str:
    comparisons = len(result.ranking) - 1
    correction = f", corrected for {comparisons} comparisons with the best" if comparisons > 1 else ""
    return f"({len(result.plan.seeds)} seeds; paired t tests{correction}.)"
