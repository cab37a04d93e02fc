"""A diagram shows the network that is built: every width, every step, the norm at its place."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from xml.etree import ElementTree

import pytest

from anoonly_core.baselines import BASELINES, NORM_LABELS, PRESETS
from anoonly_core.baselines.network import Linear, Operation, Subnetwork
from app.charts.network_diagram import NORM, network_dot

NETWORKS = [
    (name, preset, norm)
    for name, baseline in BASELINES.items()
    if baseline.network is not None
    for preset in PRESETS
    if preset in baseline.settings
    for norm in (NORM_LABELS if baseline.has("norm") else (None,))
]
COLUMNS = 37
each_network = pytest.mark.parametrize(("name", "preset", "norm"), NETWORKS)


def drawn(name: str, preset: str, norm: str | None) -> tuple[str, dict[str, Subnetwork]]:
    network = BASELINES[name].network
    assert network is not None
    dot = network_dot(name, COLUMNS, preset, norm)
    assert dot is not None
    return dot, network(COLUMNS, preset)


def cells(dot: str, box: str) -> list[ElementTree.Element]:
    """The cells of one box; its label has to be sound markup."""
    (label,) = re.findall(rf'^"{re.escape(box)}" \[label=<(.*)>\]$', dot, re.MULTILINE)
    return ElementTree.fromstring(label).findall("TR/TD")


def head_and_steps(dot: str, box: str) -> tuple[str, list[ElementTree.Element]]:
    """What stands above a part's steps, line by line, and a cell for each step."""
    own = cells(dot, box)
    lines = [cell for cell in own if cell.get("BORDER") == "0"]
    assert own[: len(lines)] == lines, "a line stands among the steps"
    return " ".join(map(said, lines)), own[len(lines) :]


def said(cell: ElementTree.Element) -> str:
    return " ".join(cell.itertext())


def arrows(dot: str) -> list[tuple[str, str]]:
    return re.findall(r'^"([^"]+)" -> "([^"]+)"', dot, re.MULTILINE)


@each_network
def test_every_step_of_every_part_is_there(name: str, preset: str, norm: str | None) -> None:
    dot, parts = drawn(name, preset, norm)
    for title, part in parts.items():
        head, steps = head_and_steps(dot, title)
        assert head.replace("\N{NO-BREAK SPACE}", " ") == f"{title} {part.input_label}, {part.input_width} in"
        for cell, step, width in zip(steps, part.steps, part.widths()[1:], strict=True):
            if isinstance(step, Linear):
                assert f"linear, {width}" in said(cell)
                assert ("no bias" in said(cell)) == (not step.bias)
            elif step is Operation.JOIN:
                assert said(cell) == f"{part.joined_label} beside it, {width}"
            elif step is not Operation.NORM:
                assert said(cell) == step.value


@each_network
def test_the_norm_stands_at_its_place(name: str, preset: str, norm: str | None) -> None:
    dot, parts = drawn(name, preset, norm)
    places = [
        cell
        for title, part in parts.items()
        for cell, step in zip(head_and_steps(dot, title)[1], part.steps, strict=True)
        if step is Operation.NORM
    ]
    assert len(places) == sum(step is Operation.NORM for part in parts.values() for step in part.steps)
    assert bool(places) == (norm is not None), "a comparator has no norm to choose"
    for cell in places:
        if norm in ("none", "bn_loss"):
            assert cell.get("STYLE") == "dashed"
            assert cell.get("BGCOLOR") is None
            assert said(cell) == {"none": "no norm", "bn_loss": "batch-norm loss"}[norm]
            assert (cell.get("COLOR") == NORM) == (norm == "bn_loss")
        else:
            assert cell.get("BGCOLOR") == NORM
            assert cell.get("STYLE") is None
            assert norm is not None
            assert said(cell) == NORM_LABELS[norm]
    assert dot.count(NORM) == (0 if norm in ("none", None) else len(places)), "only the norm bears its color"


@each_network
def test_the_parts_hang_together(name: str, preset: str, norm: str | None) -> None:
    """Every part is fed and gives something, and what comes out at the end is said."""
    dot, parts = drawn(name, preset, norm)
    found = arrows(dot)
    starts, ends = {start for start, _ in found}, {end for _, end in found}
    assert parts.keys() <= starts & ends
    sources = starts - ends
    assert all(unescape(source).endswith(f"{COLUMNS}\N{NO-BREAK SPACE}columns") for source in sources)
    sinks = ends - starts
    assert sinks <= {part.output_label for part in parts.values()}
    assert sinks


def test_a_chain_is_a_chain() -> None:
    dot, parts = drawn("DeepSAD", "paper", "batch")
    row = f"row x, {COLUMNS}\N{NO-BREAK SPACE}columns"
    assert arrows(dot) == [(row, "features"), ("features", "code"), ("code", parts["code"].output_label)]


def test_feawads_scorer_sees_code_and_residual() -> None:
    dot, _ = drawn("FEAWAD", "paper", "batch")
    feeding = {start for start, end in arrows(dot) if end == "features"}
    (residual,) = feeding - {"encoder"}
    assert residual.startswith("residual r")
    assert "decoder" in {start for start, end in arrows(dot) if end == residual}
    assert len([1 for _, end in arrows(dot) if end == residual]) == 2, "of the row and its reconstruction"


def test_prenet_sends_two_rows_through_one_layer() -> None:
    dot, _ = drawn("PReNet", "paper", "batch")
    found = arrows(dot)
    assert len([1 for _, end in found if end == "features"]) == 2
    assert Counter(found)["features", "score"] == 2


def test_ganomalys_judge_sees_rows_and_reconstructions() -> None:
    dot, parts = drawn("GANomaly", "paper", None)
    found = arrows(dot)
    assert len([1 for _, end in found if end == "judge's features"]) == 2
    assert ("decoder", "judge's features") in found
    assert {start for start, end in found if end == parts["second encoder"].output_label} == {
        "encoder",
        "second encoder",
    }


def test_no_network_no_diagram() -> None:
    assert network_dot("XGBOD", COLUMNS, "paper", None) is None
