"""Tests of the network diagrams against the description that the networks are built from."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from xml.etree import ElementTree

import pytest

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.baselines.network import Linear, Operation, Subnetwork
from app.charts.network_diagram import NORM, network_dot

NETWORKS = [
    (name, preset)
    for name, baseline in BASELINES.items()
    if baseline.network is not None
    for preset in baseline.settings
]
COLUMNS = 37
each_network = pytest.mark.parametrize(("name", "preset"), NETWORKS)


def norms(name: str) -> tuple[str | None, ...]:
    return tuple(NORM_LABELS) if BASELINES[name].has("norm") else (None,)


def diagram(name: str, preset: str, norm: str | None) -> tuple[str, dict[str, Subnetwork]]:
    network = BASELINES[name].network
    assert network is not None
    dot = network_dot(name, COLUMNS, preset, norm)
    assert dot is not None
    return dot, network(COLUMNS, preset)


def cells(dot: str, box: str) -> list[ElementTree.Element]:
    """Parse the label of a box and return its cells; the label must be valid markup."""
    (label,) = re.findall(rf'^"{re.escape(box)}" \[label=<(.*)>\]$', dot, re.MULTILINE)
    return ElementTree.fromstring(label).findall("TR/TD")


def head_and_steps(dot: str, box: str) -> tuple[str, list[ElementTree.Element]]:
    """Return the text above the steps of a part, and one cell a step."""
    all_cells = cells(dot, box)
    lines = [cell for cell in all_cells if cell.get("BORDER") == "0"]
    assert all_cells[: len(lines)] == lines, "a line of text stands among the steps"
    return " ".join(map(text_of, lines)), all_cells[len(lines) :]


def text_of(cell: ElementTree.Element) -> str:
    return " ".join(cell.itertext())


def arrows(dot: str) -> list[tuple[str, str]]:
    return re.findall(r'^"([^"]+)" -> "([^"]+)"', dot, re.MULTILINE)


@each_network
def test_every_step_of_every_part_is_drawn(name: str, preset: str) -> None:
    for norm in norms(name):
        dot, parts = diagram(name, preset, norm)
        for title, part in parts.items():
            head, steps = head_and_steps(dot, title)
            assert head.replace("\N{NO-BREAK SPACE}", " ") == f"{title} {part.input_label}, {part.input_width} in"
            for cell, step, width in zip(steps, part.layers, part.widths()[1:], strict=True):
                if isinstance(step, Linear):
                    assert f"linear, {width}" in text_of(cell)
                    assert ("no bias" in text_of(cell)) == (not step.bias)
                elif step is Operation.JOIN:
                    assert text_of(cell) == f"concat {part.joined_label}, {width}"
                elif step is not Operation.NORM:
                    assert text_of(cell) == step.value


@each_network
def test_the_norm_stands_at_its_place(name: str, preset: str) -> None:
    for norm in norms(name):
        dot, parts = diagram(name, preset, norm)
        norm_cells = [
            cell
            for title, part in parts.items()
            for cell, step in zip(head_and_steps(dot, title)[1], part.layers, strict=True)
            if step is Operation.NORM
        ]
        assert len(norm_cells) == sum(step is Operation.NORM for part in parts.values() for step in part.layers)
        assert bool(norm_cells) == (norm is not None), "a comparator has no norm to choose"
        for cell in norm_cells:
            if norm is not None and NORM_LABELS[norm].startswith("no norm"):
                assert cell.get("STYLE") == "dashed"
                assert cell.get("BGCOLOR") is None
                assert text_of(cell) == NORM_LABELS[norm].removeprefix("no norm, ")
                assert (cell.get("COLOR") == NORM) == (norm != "none")
            else:
                assert cell.get("BGCOLOR") == NORM
                assert cell.get("STYLE") is None
                assert norm is not None
                assert text_of(cell) == NORM_LABELS[norm]
        assert dot.count(NORM) == (0 if norm in ("none", None) else len(norm_cells)), "only the norm has its color"


@each_network
def test_every_part_is_connected(name: str, preset: str) -> None:
    """Every part has an input and an output, and the final outputs are labeled."""
    for norm in norms(name):
        dot, parts = diagram(name, preset, norm)
        wires = arrows(dot)
        starts, ends = {start for start, _ in wires}, {end for _, end in wires}
        assert parts.keys() <= starts & ends
        sources = starts - ends
        assert all(unescape(source).endswith(f"{COLUMNS}\N{NO-BREAK SPACE}columns") for source in sources)
        sinks = ends - starts
        assert sinks <= {part.output_label for part in parts.values()}
        assert sinks


def test_a_chain_is_a_chain() -> None:
    dot, parts = diagram("DeepSAD", "paper", "batch")
    row = f"row x, {COLUMNS}\N{NO-BREAK SPACE}columns"
    assert arrows(dot) == [(row, "features"), ("features", "code"), ("code", parts["code"].output_label)]


def test_feawads_scorer_sees_code_and_residual() -> None:
    dot, _ = diagram("FEAWAD", "paper", "batch")
    feeding = {start for start, end in arrows(dot) if end == "features"}
    (residual,) = feeding - {"encoder"}
    assert residual.startswith("residual r")
    assert "decoder" in {start for start, end in arrows(dot) if end == residual}
    assert len([1 for _, end in arrows(dot) if end == residual]) == 2, "of the row and its reconstruction"


def test_prenet_sends_two_rows_through_one_layer() -> None:
    dot, _ = diagram("PReNet", "paper", "batch")
    wires = arrows(dot)
    assert len([1 for _, end in wires if end == "features"]) == 2
    assert Counter(wires)["features", "score"] == 2


def test_ganomalys_judge_sees_rows_and_reconstructions() -> None:
    dot, parts = diagram("GANomaly", "paper", None)
    wires = arrows(dot)
    assert len([1 for _, end in wires if end == "judge's features"]) == 2
    assert ("decoder", "judge's features") in wires
    assert {start for start, end in wires if end == parts["second encoder"].output_label} == {
        "encoder",
        "second encoder",
    }


def test_no_network_no_diagram() -> None:
    assert network_dot("XGBOD", COLUMNS, "paper", None) is None
