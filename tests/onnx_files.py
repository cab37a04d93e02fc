"""Small models in the format of ONNX, written by hand: the package onnx is not needed to test how they are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

KINDS = {"float32": 1, "int64": 7, "int32": 6}


def text_model(
    table: np.ndarray,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    location: Mapping[str, str] | None = None,
    kind: str = "int64",
    flat: bool = False,
) -> bytes:
    """A model whose outputs are the rows of a table at the tokens of a text.

    Parameters
    ----------
    table
        Features of each token, float32 [tokens, features].
    inputs
        Names of the inputs; the first is used.
    location
        Where the table lies outside of the model; None for inside.
    kind
        Type of the inputs.
    flat
        True for an output of [texts, features] of the first token, False for one of [texts, tokens, features].
    """
    nodes = [_node("Gather", ["table", inputs[0]], ["tokens"])]
    if flat:
        nodes.append(_node("ReduceMax", ["tokens", "axis"], ["out"], _integer("keepdims", 0)))
    else:
        nodes.append(_node("Identity", ["tokens"], ["out"]))
    shape: list[str | int] = ["batch", table.shape[1]] if flat else ["batch", "sequence", table.shape[1]]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "graph")
    graph += _field(5, _tensor("table", table, location)) + _field(5, _tensor("axis", np.array([1])))
    graph += b"".join(_field(11, _value(name, KINDS[kind], ["batch", "sequence"])) for name in inputs)
    return _field(1, 8) + _field(7, graph + _field(12, _value("out", 1, shape))) + _field(8, _field(2, 18))


def image_model(shape: list[str | int], operator: str = "Identity", kind: str = "float32") -> bytes:
    """A model whose output is its picture after one operator, such as "Identity" or "ReduceMean"."""
    nodes = [_node(operator, ["picture"], ["out"])]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "graph")
    graph += _field(11, _value("picture", KINDS[kind], shape)) + _field(12, _value("out", KINDS[kind], shape))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 18))


def _varint(number: int) -> bytes:
    encoded = b""
    while True:
        number, low = number >> 7, number & 127
        encoded += bytes([low | (128 if number else 0)])
        if not number:
            return encoded


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, array: np.ndarray, location: Mapping[str, str] | None = None) -> bytes:
    body = b"".join(_field(1, size) for size in array.shape) + _field(2, KINDS[array.dtype.name]) + _field(8, name)
    if location is None:
        return body + _field(9, array.tobytes())
    return (
        body + b"".join(_field(13, _field(1, key) + _field(2, text)) for key, text in location.items()) + _field(14, 1)
    )


def _value(name: str, kind: int, shape: list[str | int]) -> bytes:
    sizes = b"".join(_field(1, _field(2 if isinstance(size, str) else 1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def _node(operator: str, inputs: list[str], outputs: list[str], attribute: bytes = b"") -> bytes:
    names = b"".join(_field(1, name) for name in inputs) + b"".join(_field(2, name) for name in outputs)
    return names + _field(4, operator) + (_field(5, attribute) if attribute else b"")


def _integer(name: str, value: int) -> bytes:
    return _field(1, name) + _field(3, value) + _field(20, 2)
