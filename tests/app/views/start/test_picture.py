"""The picture of the method: which arrows act at which λ_n and norm."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from app.controls.registry import CONTROL_OF
from app.views.start.picture import HIDDEN, LABELED, POOL, explain, method_picture

STOPS = CONTROL_OF["lambda_n"].options
SETTINGS = [(lambda_n, batch_norm) for lambda_n in STOPS for batch_norm in (True, False)]


def acting(svg: str) -> dict[str, list[float]]:
    """Return the widths of the visible arrows by the part of the method that they stand for."""
    found: dict[str, list[float]] = {}
    for group in ElementTree.fromstring(svg).iter("g"):
        if group.get("opacity") == "1":
            line = group.find("line")
            assert line is not None
            found.setdefault(group.get("class") or "", []).append(float(line.get("stroke-width") or 0))
    return found


@pytest.mark.parametrize(("lambda_n", "batch_norm"), SETTINGS)
def test_the_arrows_are_the_supervision_that_remains(lambda_n: float, batch_norm: bool) -> None:
    arrows = acting(method_picture(lambda_n, batch_norm))
    assert len(arrows["anomaly-loss"]) == len(LABELED)
    assert len(arrows.get("pool-loss", ())) == (len(POOL) + len(HIDDEN) if lambda_n else 0)
    assert ("norm-out" in arrows) == ("norm-in" in arrows) == batch_norm


def test_a_smaller_weight_has_thinner_arrows() -> None:
    widths = [acting(method_picture(lambda_n, True))["pool-loss"][0] for lambda_n in STOPS if lambda_n]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == len(widths)
    assert min(widths) >= 1


def test_all_pictures_have_the_same_elements_so_that_one_can_move_to_the_next() -> None:
    def elements(svg: str) -> list[tuple[str, frozenset[str]]]:
        return [(element.tag, frozenset(element.keys())) for element in ElementTree.fromstring(svg).iter()]

    first, *others = (elements(method_picture(*setting)) for setting in SETTINGS)
    assert all(other == first for other in others)


@pytest.mark.parametrize(("lambda_n", "batch_norm"), SETTINGS)
def test_what_is_said_is_what_is_drawn(lambda_n: float, batch_norm: bool) -> None:
    words = explain(lambda_n, batch_norm)
    assert ("No row of the pool has a loss" in words) == (lambda_n == 0)
    assert ("The published baseline" in words) == (lambda_n == 1)
    assert ("still gets a gradient" in words) == (lambda_n == 0 and batch_norm)
    assert ("no gradient" in words) == (lambda_n == 0 and not batch_norm)
    label = ElementTree.fromstring(method_picture(lambda_n, batch_norm)).get("aria-label") or ""
    assert re.sub(r"[*$\n ]", "", words) == label.replace(" ", "")
