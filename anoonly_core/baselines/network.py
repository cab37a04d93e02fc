"""Descriptions of networks, from which heads are built and pages draw diagrams; does not import torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Linear", "NetworkBuilder", "Operation", "Subnetwork"]


@dataclass(frozen=True)
class Linear:
    """Linear layer of a network: its number of outputs, and True if it adds a bias."""

    outputs: int
    bias: bool = True


class Operation(Enum):
    """An operation between linear layers; JOIN concatenates the extra input to the features."""

    NORM = "norm"
    RELU = "ReLU"
    LEAKY_RELU = "leaky ReLU"
    TANH = "tanh"
    JOIN = "join"


@dataclass(frozen=True)
class Subnetwork:
    """A part of a network: a chain of layers.

    Attributes
    ----------
    input_label
        Name of the input, shown in diagrams.
    input_width
        Features of the input.
    layers
        Linear layers and operations, input side first.
    output_label
        Name of the output, shown in diagrams.
    joined_width
        Features that each JOIN adds.
    joined_label
        Name of what each JOIN adds, shown in diagrams.
    """

    input_label: str
    input_width: int
    layers: tuple[Linear | Operation, ...]
    output_label: str
    joined_width: int = 0
    joined_label: str = ""

    def widths(self) -> tuple[int, ...]:
        """Return the number of features in front of each layer, input side first, and behind the last one."""
        widths = [self.input_width]
        for layer in self.layers:
            if isinstance(layer, Linear):
                widths.append(layer.outputs)
            else:
                widths.append(widths[-1] + (self.joined_width if layer is Operation.JOIN else 0))
        return tuple(widths)


# Takes the number of columns and a preset; returns the parts by name, in the order of the forward pass.
NetworkBuilder = Callable[[int, str], dict[str, Subnetwork]]
