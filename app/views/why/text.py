"""The story of the page Why it works: five sentences, made from the AUCPR of the six columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...text.labels import format_value
from .outcomes import Outcome

__all__ = ["Sentence", "format_outcome", "outcome_note", "story"]


@dataclass(frozen=True)
class Sentence:
    """One step of the story.

    Attributes
    ----------
    text : str
        The sentence, plain text.
    columns : tuple of str
        Names of the columns that it speaks of.
    """

    text: str
    columns: tuple[str, ...]


def story(outcomes: Mapping[str, Outcome], lambda_n: float, head: str) -> list[Sentence]:
    """Return the five steps of the story, which compare the columns with batch norm one by one.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        AUCPR by the name of the column.
    lambda_n : float
        Weight of the loss on the pool.
    head : str
        Name of the system.
    """
    whole, no_norm = outcomes["whole"], outcomes["none"]
    layer, both = outcomes["layer"], outcomes["without_both"]
    if lambda_n == 0:
        loss = "no row of the pool has a loss" if head != "PReNet" else "no pair of pool rows has a loss"
    else:
        loss = f"every row of the pool has a loss, with weight λₙ = {format_value(lambda_n)}"
    return [
        Sentence(
            f"Six networks begin with the same weights and see the same batches, and {loss}: with batch norm "
            f"{head} reaches AUCPR {format_outcome(whole)}.",
            tuple(outcomes),
        ),
        Sentence(
            f"Take batch norm away, and the AUCPR is {format_outcome(no_norm)}: {_change(no_norm)}.", ("whole", "none")
        ),
        Sentence(
            "Is it normalizing as such? Layer norm normalizes each row alone: "
            f"{format_outcome(layer)}, {_change(layer)}. Batch norm that passes no gradient from row to row: "
            f"{format_outcome(both)}, {_change(both)}.",
            ("whole", "without_both", "layer"),
        ),
        Sentence(
            f"Cut only the gradient through the batch's variance: {format_outcome(outcomes['without_variance'])}, "
            f"{_change(outcomes['without_variance'])}.",
            ("whole", "without_variance"),
        ),
        Sentence(
            f"Cut only the gradient through the batch's mean: {format_outcome(outcomes['without_mean'])}, "
            f"{_change(outcomes['without_mean'])}. {_conclusion(outcomes)}",
            ("whole", "without_mean"),
        ),
    ]


def format_outcome(outcome: Outcome) -> str:
    """Format the mean AUCPR with half the width of its interval: "0.87 ± 0.11", or "0.87" with one seed."""
    return f"{outcome.mean:.2f}" + ("" if outcome.margin is None else f" ± {outcome.margin:.2f}")


def _change(outcome: Outcome) -> str:
    """Return the difference from batch norm in points of AUCPR as a phrase, such as "12 points less (± 5)".

    It says "not clear" if the difference is not, after the correction.
    """
    delta, margin = 100 * outcome.difference.delta, outcome.difference.margin
    size = f"{abs(delta):.0f} point{'' if round(abs(delta)) == 1 else 's'} {'less' if delta < 0 else 'more'}"
    if margin is None:
        return f"{size} on one seed"
    doubt = f"± {100 * margin:.0f}"
    return f"{size} ({doubt})" if outcome.is_clear else f"{size} ({doubt}, not clear)"


def _conclusion(outcomes: Mapping[str, Outcome]) -> str:
    """Return the closing sentence: if batch norm clearly supervises through the batch's variance, its mean, or both.

    With one seed it says that the spread is unknown. `outcomes` holds the AUCPR by the name of the column.
    """
    variance, mean = outcomes["without_variance"], outcomes["without_mean"]
    costs = {
        "the variance": -variance.difference.delta if variance.is_clear else 0.0,
        "the mean": -mean.difference.delta if mean.is_clear else 0.0,
    }
    costly = [name for name, cost in costs.items() if cost > 0]
    if mean.seeds == 1:
        return "One seed shows no spread: open a column in Compare for more."
    if len(costly) == 1:
        return f"Here batch norm supervises mostly through {costly[0]} of the batch."
    if costly:
        larger = max(costs, key=lambda name: costs[name])
        return f"Here both parts supervise, and {larger} more on average."
    return "Here neither part alone makes a clear difference."


def outcome_note(outcomes: Mapping[str, Outcome]) -> str:
    """Return a sentence on the AUCPR in the story: their number of seeds, intervals and correction.

    `outcomes` holds the AUCPR by the name of the column.
    """
    seeds = outcomes["whole"].seeds
    if seeds == 1:
        return "AUCPR of one seed, without an interval: the shipped experiment does not hold these settings."
    return (
        f"AUCPR: mean over {seeds} seeds, ± half its 95 % interval; differences are paired over the seeds, and clear "
        f"after Holm's correction for {len(outcomes) - 1} comparisons."
    )
