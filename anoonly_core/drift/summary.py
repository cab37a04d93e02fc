"""Figures of a stream by way and batch, before and after a shift, and over the share of anomalies; free of torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.ways import WAYS
from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean

__all__ = [
    "BREAKING_LOSS",
    "FIGURE_LABELS",
    "BeforeAfter",
    "Estimate",
    "StreamFigures",
    "absorption_sentence",
    "before_and_after",
    "breaking_share",
    "headline",
    "mean_over_batches",
    "moving_mean",
    "stream_figures",
]

BREAKING_LOSS = 0.05  # AUCROC below running statistics at which a way counts as broken
FIGURE_LABELS = dict(zip(ABSORPTION_FIGURES, ("AUCROC", "AUCPR", "False-alarm rate", "Missed anomalies"), strict=True))


@dataclass(frozen=True, eq=False)
class StreamFigures:
    """Figures of each batch of B by each way of W, float64 [W, B]; NaN where a batch lacks a class that it needs.

    Attributes
    ----------
    aucroc, aucpr : float64 [W, B]
        Ranking of the rows within the batch.
    false_alarms : float64 [W, B]
        Share of the normal rows above the threshold.
    missed : float64 [W, B]
        Share of the anomalies that are not above the threshold.
    """

    aucroc: np.ndarray
    aucpr: np.ndarray
    false_alarms: np.ndarray
    missed: np.ndarray

    def of(self, figure: str) -> np.ndarray:
        """Return a figure by name, one of ABSORPTION_FIGURES, float64 [W, B]."""
        return np.asarray(getattr(self, figure))


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds, half of its 95 % interval and the p value that it is zero; NaN if undefined.

    A single seed has neither margin nor p value: they are None.
    """

    mean: float
    margin: float | None
    p: float | None


@dataclass(frozen=True)
class BeforeAfter:
    """A figure of one way before and from the start of the shift, over seeds.

    Attributes
    ----------
    way, figure : str
        Key of WAYS, and one of ABSORPTION_FIGURES.
    before, after : Estimate
        Mean over the batches on either side.
    lead : Estimate
        After less that of running statistics, paired by seed.
    """

    way: str
    figure: str
    before: Estimate
    after: Estimate
    lead: Estimate


def stream_figures(result: DriftResult, recalibrated: bool = False) -> StreamFigures:
    """Compute the figures of each batch by each way.

    Parameters
    ----------
    result : DriftResult
        Scores of one stream.
    recalibrated : bool
        True to flag by the thresholds that follow, False by the promised ones; see `DriftResult.thresholds`.
    """
    thresholds = result.thresholds(recalibrated)
    rankings = [_ranking(result.scores[:, batch], marks) for batch, marks in enumerate(result.anomalous)]
    aucroc, aucpr = (np.stack(values, axis=1) for values in zip(*rankings, strict=True))
    flagged = result.scores > thresholds[:, :, None]
    anomalies, normals = result.anomalous.sum(axis=1), (~result.anomalous).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        false_alarms = (flagged & ~result.anomalous).sum(axis=2) / normals
        missed = (~flagged & result.anomalous).sum(axis=2) / anomalies
    return StreamFigures(aucroc, aucpr, false_alarms, missed)


def _ranking(scores: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCROC and average precision of one batch by each way, float64 [W] each; NaN if it lacks a class.

    `scores` are [W, n] and `anomalous` is the mask of the anomalies, bool [n]. Rows of equal score are flagged
    together. Source: docs/methods.md § 4.
    """
    normals = int((~anomalous).sum())
    if not normals or normals == len(anomalous):
        return np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    of_anomalies = scores[:, anomalous, None]
    at_least = scores[:, None] >= of_anomalies  # [W, anomalies, n]
    normals_at_least = (at_least & ~anomalous).sum(axis=2)
    ties = ((scores[:, None] == of_anomalies) & ~anomalous).sum(axis=2)
    aucroc = 1 - (normals_at_least - ties / 2).mean(axis=1) / normals
    hits = (at_least & anomalous).sum(axis=2)
    return aucroc, (hits / (hits + normals_at_least)).mean(axis=1)


def moving_mean(values: np.ndarray, batches: int) -> np.ndarray:
    """Return the mean over each batch and up to `batches` − 1 before it, of the shape of `values` [..., B].

    NaN values do not count; the result is NaN where none is left.
    """
    there = np.isfinite(values)
    sums, counts = (np.cumsum(part, axis=-1) for part in (np.where(there, values, 0.0), there.astype(np.int64)))
    for total in (sums, counts):
        total[..., batches:] -= total[..., :-batches].copy()
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def before_and_after(
    results: Sequence[DriftResult], start: int, figure: str = "aucroc", recalibrated: bool = False
) -> dict[str, BeforeAfter]:
    """Return a figure before and from the start of the shift for each way, by name, with intervals over seeds.

    Parameters
    ----------
    results : sequence of DriftResult
        One result a seed, of the same settings.
    start : int
        First batch that counts as after; a third of the stream if it is shorter than that.
    figure : str
        One of ABSORPTION_FIGURES.
    recalibrated : bool
        As in `stream_figures`.
    """
    values = np.stack([stream_figures(result, recalibrated).of(figure) for result in results])  # [seeds, W, B]
    if start >= values.shape[2]:  # a stream in real order may be shorter than was asked for
        start = max(1, values.shape[2] // 3)
    before, after = mean_over_batches(values[:, :, :start]), mean_over_batches(values[:, :, start:])
    return {
        way: BeforeAfter(
            way,
            figure,
            _estimate(before[:, index]),
            _estimate(after[:, index]),
            _estimate(after[:, index] - after[:, 0]),
        )
        for index, way in enumerate(WAYS)
    }


def mean_over_batches(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis without NaN; NaN where nothing else is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of a mean of nothing
        return np.asarray(np.nanmean(values, axis=-1))


def _estimate(values: np.ndarray) -> Estimate:
    if not np.isfinite(values).all():
        return Estimate(float(values.mean()), None, None)
    return Estimate(float(values.mean()), margin_of_error(values.tolist()), p_of_mean(values.tolist()))


def breaking_share(absorptions: Sequence[Absorption], way: str) -> float | None:
    """Return the smallest share of anomalies at which a way is broken; None if it never is.

    A way is broken from a share on if its AUCROC is below that of running statistics there and at all larger shares:
    by BREAKING_LOSS or more on average over seeds, with a 95 % interval of the difference that excludes 0 if there
    are several seeds.

    Parameters
    ----------
    absorptions : sequence of Absorption
        One a seed, of the same shares.
    way : str
        A key of WAYS.
    """
    areas = np.stack([absorption.of("aucroc") for absorption in absorptions]).astype(np.float64)  # [seeds, S, W]
    losses = areas[:, :, 0] - areas[:, :, list(WAYS).index(way)]
    breaking = None
    for share, of_share in reversed(list(zip(absorptions[0].shares.tolist(), losses.T, strict=True))):
        loss = _estimate(of_share)
        if not (loss.mean >= BREAKING_LOSS and loss.mean > (loss.margin or 0.0)):
            break
        breaking = float(share)
    return breaking


def headline(config: DriftConfig, results: Sequence[DriftResult]) -> str:
    """Return one sentence on AUCROC from the start of the shift: the best way that follows against running statistics.

    It claims a difference only if it is clear after Holm's correction for all ways that it chose the best of. `results`
    holds one result a seed.
    """
    figures = before_and_after(results, config.start)
    running = figures["running"]
    if np.isnan(running.after.mean):
        return "No batch has rows of both classes, so there is no AUCROC: raise the share of anomalies."
    what = _course(config)
    stand = f"running statistics go from AUCROC {_show(running.before)} to {_show(running.after)}"
    others = [figures[way] for way in config.distinct_ways if way != "running"]
    if not others:
        return f"{what}, {stand}; under this norm no statistics can follow."
    clear = dict(zip(others, clear_together([other.lead.p for other in others]), strict=True))
    best = max(others, key=lambda other: other.after.mean)
    lead = best.lead
    name, is_one = WAYS[best.way].label, best.way == "retrained"
    subject = f"a {name}" if is_one else name
    if lead.margin is None:
        reach = "reaches" if is_one else "reach"
        return f"{what}, {stand}; {subject} {reach} {best.after.mean:.3f}. One seed carries no interval."
    by = f"{abs(lead.mean):.3f} ± {lead.margin:.3f} over {len(results)} seeds"
    if not clear[best]:
        return f"{what}, {stand}; no way that follows differs clearly ({name}: {lead.mean:+.3f} ± {lead.margin:.3f})."
    if lead.mean > 0:
        return f"{what}, {stand}; {subject} {'is' if is_one else 'are'} better by {by}."
    return f"{what}, {stand}; following hurts: the best way that follows, {name}, is worse by {by}."


def _course(config: DriftConfig) -> str:
    if config.shift == "order":
        return "In real order"
    if config.schedule == "none" or not config.amount:
        return "Without a shift"
    return f"Under a {config.schedule} shift ({SHIFTS[config.shift].label.lower()}, {config.amount:g})"


def _show(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f}" + ("" if estimate.margin is None else f" ± {estimate.margin:.3f}")


def absorption_sentence(config: DriftConfig, absorptions: Sequence[Absorption]) -> str:
    """Return one sentence: the share of anomalies at which each way that follows is broken, without a shift."""
    ways = [way for way in config.distinct_ways if way not in ("running", "retrained")]
    if not ways:
        return "Under this norm no statistics follow, so none can absorb anomalies."
    parts = []
    for way in ways:
        share = breaking_share(absorptions, way)
        parts.append(f"{WAYS[way].label} {'never' if share is None else f'from {share:.0%}'}")
    return (
        f"At least {BREAKING_LOSS:g} AUCROC below running statistics, by share of anomalies in the stream: "
        f"{', '.join(parts)}."
    )
