"""The ways of scoring a stream: what the statistics of the norms do; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["GUARDS", "NORMS_THAT_FOLLOW", "WAYS", "Way"]

# Norms with running statistics over rows, which can follow a stream; under any other norm the ways coincide.
NORMS_THAT_FOLLOW = frozenset(
    ("batch", "batch_no_affine", "ghost", "renorm", "running", "pool_only", "weighted", "whiten")
)


@dataclass(frozen=True)
class Way:
    """A way of scoring a stream with a trained network.

    Attributes
    ----------
    label : str
        Name on pages and the command line, of at most four words.
    summary : str
        One sentence: the statistics that it uses for a batch.
    """

    label: str
    summary: str


# The order is that of the first axis of the arrays of DriftResult.
WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "running": Way("running statistics", "The statistics at the end of the training, for all batches."),
        "batch": Way("batch statistics", "The statistics of the batch itself."),
        "mixed": Way("mixed statistics", "α times the statistics of the batch plus 1 − α times the running ones."),
        "moving": Way(
            "moving statistics", "Statistics that move towards those of each batch by the rate, after its scores."
        ),
        "guarded": Way("guarded statistics", "Moving statistics that keep out what looks anomalous, by the guard."),
        "retrained": Way(
            "retrained network", "A network trained again every few batches with all labels so far, then as trained."
        ),
    }
)

GUARDS: Mapping[str, str] = MappingProxyType(
    {
        "none": "every row of the batch counts",
        "threshold": "only rows that are not flagged by the promised threshold count",
        "trimmed": "the tenth of the rows with the highest scores in the batch does not count",
    }
)
