"""A network in words and numbers: what a head is built from, and what the page draws.

Torch-free, so that the page can draw the very description that `layers.Chain` builds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Linear", "NetworkBuilder", "Operation", "Subnetwork"]


@dataclass(frozen=True)
class Linear:
    """A linear layer with so many outputs."""

    outputs: int
    bias: bool = True


class Operation(Enum):
    """What stands between linear layers; JOIN puts the part's extra input beside the features once more."""

    NORM = "norm"
    RELU = "ReLU"
    LEAKY_RELU = "leaky ReLU"
    TANH = "tanh"
    JOIN = "join"


@dataclass(frozen=True)
class Subnetwork:
    """A chain of steps.

    given: in words, what goes in. inputs: how many features that is. joined: how many features each
    JOIN adds, and joins: what they are. gives: in words, what comes out.
    """

    input_label: str
    input_width: int
    steps: tuple[Linear | Operation, ...]
    output_label: str
    joined_width: int = 0
    joined_label: str = ""

    def widths(self) -> tuple[int, ...]:
        """How many features go into each step, and how many come out of the last."""
        found = [self.input_width]
        for step in self.steps:
            if isinstance(step, Linear):
                found.append(step.outputs)
            else:
                found.append(found[-1] + (self.joined_width if step is Operation.JOIN else 0))
        return tuple(found)


# columns, preset -> the parts by name, in the order in which a row meets them.
NetworkBuilder = Callable[[int, str], dict[str, Subnetwork]]
