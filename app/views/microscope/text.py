"""What the microscope's figures say, in a sentence made from them."""

from __future__ import annotations

from collections.abc import Sequence

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.config import RunConfig
from anoonly_core.microscope.result import Observation, RowKind
from app.text.labels import format_value

__all__ = ["gradient_sentence", "observation_note"]

# Whose statistics they are that carry the gradient from row to row.
CARRIERS = {
    "batch": "the batch's",
    "batch_no_affine": "the batch's",
    "bn_loss": "the loss on the batch's",
    "layer": "their own",
}


def gradient_sentence(config: RunConfig, seen: Observation) -> str:
    """Where the gradient of the normal rows comes from, at one place, over all the steps that were seen."""
    assert config.norm is not None and config.lambda_n is not None
    shares = seen.shares(RowKind.NORMAL)
    setting = f"λₙ = {format_value(config.lambda_n)}, {NORM_LABELS[config.norm]}"
    steps = f"Over {len(seen.epoch)} steps"
    if seen.kind.shape[1] == 1 and config.norm.startswith("batch"):
        return f"{setting}: **nothing moves.** A row alone is its own mean, and batch norm makes it 0 whatever it was."
    if not (seen.kind == RowKind.LABELED_ANOMALY).any() and shares is None:
        return f"{setting}: **nothing moves**, for none of these batches holds a labeled anomaly."
    if shares is None:
        return f"{setting}: **no gradient reaches the normal rows.** Only the labeled anomalies move the network."
    direct, variance, mean = (_percent(share) for share in shares)
    if config.norm == "none":
        return f"{setting}: all that reaches the normal rows is their own loss, {direct} of it directly."
    through = f"{variance} through {CARRIERS[config.norm]} variance, {mean} through {CARRIERS[config.norm]} mean"
    if shares[0] == 0:
        return (
            f"{setting}: the normal rows have no loss of their own, and yet a gradient. {steps}: **{through}**, "
            "nothing directly."
        )
    return f"{setting}: {steps.lower()} the normal rows get **{direct} of their gradient directly**, {through}."


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def observation_note(config: RunConfig, seen: Sequence[Observation], place: int) -> str:
    """What must be known to read this place; "" where nothing must."""
    notes = []
    one = seen[place]
    if len(one.epoch) < one.all_steps:
        notes.append(f"These are the first {len(one.epoch)} of the {one.all_steps} steps of this training.")
    labeled = float((one.kind == RowKind.LABELED_ANOMALY).mean())
    without = float((one.kind != RowKind.LABELED_ANOMALY).all(axis=1).mean())
    if without:
        digits = 1 if 0.99 < without < 1 else 0
        notes.append(f"{without:.{digits}%} of these batches hold no labeled anomaly.")
    if labeled > 0.2:
        notes.append(f"{labeled:.0%} of a batch are labeled anomalies: the paper's § 3.3 takes it to be mostly normal.")
    is_pair = BASELINES[config.baseline].name == "PReNet"
    if is_pair and config.lambda_n == 0:
        notes.append("A pool row beside a labeled anomaly has a loss even at λₙ = 0: the pair's.")
    elif place < len(seen) - 1 and not is_pair and config.lambda_n == 0 and config.norm != "none":
        notes.append("What is direct here has come through the statistics of the norm behind it.")
    return " ".join(notes)
