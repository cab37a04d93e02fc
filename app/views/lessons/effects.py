"""Measured effect of each claim of the lessons, over 20 seeds that readers do not train; read from a shipped table."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from ...text.verdict import PairedDifference, format_difference, paired_difference
from .lessons import FOLDER, LESSONS, Comparison, Step
from .measures import MEASURES

__all__ = [
    "COLUMNS",
    "EFFECTS_FILE",
    "MEASURED_SEEDS",
    "claim_key",
    "claims",
    "effect_of",
    "effect_sentence",
    "further_claims",
]

EFFECTS_FILE = FOLDER / "effects.csv"
COLUMNS = ("claim", "metric", "key", "seed", "a", "b")
MEASURED_SEEDS = range(1000, 1020)  # readers train seeds 0 to 4

Values = tuple[tuple[float, ...], tuple[float, ...]]  # of A and of B, one a seed


def claims() -> Iterator[tuple[str, Comparison]]:
    """Yield the name and content of each claim of all lessons.

    Names are like "norms 2", or "norms 2 also 1" for a further claim of a step.
    """
    for name, lesson in LESSONS.items():
        for number, step in enumerate(lesson.steps, start=1):
            yield f"{name} {number}", step
            for further, claim in enumerate(step.also, start=1):
                yield f"{name} {number} also {further}", claim


def claim_key(claim: Comparison) -> str:
    """Return a hash that identifies a claim by its metric and all settings of A and B; its outcome does not count."""
    return hashlib.sha256((claim.metric + claim.canonical()).encode()).hexdigest()[:16]


@cache
def _measured() -> Mapping[str, Values]:
    """Read the shipped table: the values of A and of B over the seeds, by the key of the claim."""
    by_key: dict[str, dict[int, tuple[float, float]]] = {}
    with EFFECTS_FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            by_key.setdefault(row["key"], {})[int(row["seed"])] = (float(row["a"]), float(row["b"]))
    return MappingProxyType({key: tuple(zip(*seeds.values(), strict=True)) for key, seeds in by_key.items()})  # type: ignore[misc]


def effect_of(claim: Comparison) -> PairedDifference | None:
    """Return the paired difference of a claim over the measured seeds; None if the shipped table lacks its settings."""
    values = _measured().get(claim_key(claim))
    return None if values is None else paired_difference(*values)


def effect_sentence(claim: Comparison) -> str:
    """Return a sentence with the difference of a claim over the measured seeds; "" if it was not measured."""
    effect = effect_of(claim)
    if effect is None:
        return ""
    verdict = "a clear difference" if effect.is_clear else "no clear difference"
    return (
        f"Over {len(MEASURED_SEEDS)} other seeds, {MEASURES[claim.metric].label}: {effect.a:.3f} → {effect.b:.3f} "
        f"({format_difference(effect, 3)}), {verdict}. Five seeds can come out otherwise."
    )


def further_claims(step: Step) -> list[Comparison]:
    """Return the further claims of a step on other runs than its A and B, which its tiles and figure do not show."""
    return [claim for claim in step.also if (claim.a, claim.b) != (step.a, step.b)]
