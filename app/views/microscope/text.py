"""Sentences of the Microscope page."""

from __future__ import annotations

from collections.abc import Sequence

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.config import RunConfig
from anoonly_core.microscope.result import Observation, RowKind

from ...text.labels import format_value

__all__ = ["gradient_sentence", "observation_note", "path_sentence"]

# Owner of the statistics that carry the gradient from row to row, by norm.
CARRIERS = {
    **dict.fromkeys(("batch", "batch_no_affine", "renorm"), "the batch's"),
    **dict.fromkeys(("layer", "group", "group_ws", "rms"), "each row's"),
    **dict.fromkeys(("bn_loss", "variance_floor", "variance_loss", "covariance_loss"), "the loss on the batch's"),
    "ghost": "the small batch's",
    "running": "the batch's share of the",
    "pool_only": "the pool's",
    "weighted": "the batch's weighted",
    "whiten": "the batch's",
}


def gradient_sentence(config: RunConfig, observation: Observation) -> str:
    """Return the headline: λ_n, the norm, and the sentence of `path_sentence`.

    Parameters
    ----------
    config : RunConfig
        The run.
    observation : Observation
        The record at the norm layer.
    """
    assert config.norm is not None and config.lambda_n is not None
    return f"λₙ = {format_value(config.lambda_n)}, {NORM_LABELS[config.norm]}: {path_sentence(config, observation)}"


def path_sentence(config: RunConfig, observation: Observation) -> str:
    """Return a sentence with the shares of the gradient of the normal rows by its path through one norm layer.

    The paths are direct, through the variance and through the mean; shares are over all recorded steps.

    Parameters
    ----------
    config : RunConfig
        The run.
    observation : Observation
        The record at the norm layer.
    """
    assert config.norm is not None
    shares = observation.shares(RowKind.NORMAL)
    steps = f"Over {len(observation.epoch)} steps"
    if observation.kind.shape[1] == 1 and config.norm.startswith("batch"):
        return "**nothing moves.** A single row equals its batch mean, so batch norm maps it to 0."
    if not (observation.kind == RowKind.LABELED_ANOMALY).any() and shares is None:
        return "**nothing moves**: none of these batches holds a labeled anomaly."
    if shares is None:
        return "**no gradient reaches the normal rows.** Only the labeled anomalies move the network."
    direct, variance, mean = (_percent(share) for share in shares)
    if config.norm == "cluster":
        return "all gradient of the normal rows is direct: a loss pulls each of them to the moving center."
    if config.norm == "none":
        return f"the normal rows get gradient only from their own loss, {direct} of it directly."
    carrier = CARRIERS[config.norm]
    through = f"{variance} through {carrier} variance, {mean} through {carrier} mean"
    if shares[0] == 0:
        return f"the normal rows have no loss, but they get a gradient. {steps}: **{through}**, nothing directly."
    return f"{steps.lower()} the normal rows get **{direct} of their gradient directly**, {through}."


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def observation_note(config: RunConfig, observations: Sequence[Observation], index: int) -> str:
    """Return sentences that qualify the record at a norm layer; "" for none.

    They say, for example, that it holds the first steps only, or that many batches have no labeled anomaly.

    Parameters
    ----------
    config : RunConfig
        The run.
    observations : sequence of Observation
        One for each norm layer.
    index : int
        Index of the layer on show.
    """
    notes = []
    observation = observations[index]
    if len(observation.epoch) < observation.all_steps:
        notes.append(
            f"These are the first {len(observation.epoch)} of the {observation.all_steps} steps of this training."
        )
    labeled = float((observation.kind == RowKind.LABELED_ANOMALY).mean())
    without = float((observation.kind != RowKind.LABELED_ANOMALY).all(axis=1).mean())
    if without:
        digits = 1 if 0.99 < without < 1 else 0
        notes.append(f"{without:.{digits}%} of these batches hold no labeled anomaly.")
    if observation.lengths.any() and not observation.lengths.any(axis=(1, 2)).all():
        notes.append("Play skips the batches without a gradient.")
    if labeled > 0.2:
        notes.append(
            f"{labeled:.0%} of a batch are labeled anomalies: § 3.3 of the paper assumes a mostly normal batch."
        )
    is_pair = BASELINES[config.baseline].name == "PReNet"
    if is_pair and config.lambda_n == 0:
        notes.append("A pool row paired with a labeled anomaly has a loss even at λₙ = 0: that of the pair.")
    elif index < len(observations) - 1 and not is_pair and config.lambda_n == 0 and config.norm != "none":
        notes.append("The direct part here has passed through the statistics of the next norm.")
    return " ".join(notes)
