"""A film: packed for the player, and as one file for any browser."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from app.charts.animation import Animation, TraceChange, export_html, pack_changes


@pytest.fixture
def film() -> Animation:
    figure = go.Figure([go.Scatter(x=[1.0], y=[2.0]), go.Scatter(x=[0, 0], y=[0, 1], text=["a", "b"])])
    figure.update_layout(height=300)
    return Animation(
        figure=figure,
        changes=(
            TraceChange(0, "x", [np.array([1.5]), np.array([2.5, 3.5]), np.array([])]),
            TraceChange(0, "customdata", [np.array([7]), np.array([8, 9]), np.array([], dtype=int)]),
            TraceChange(1, "text", [["a", "b"], ["c", "d"], ["e", "f"]]),
        ),
        captions=("one", "two", "three"),
        clock=1,
        times=(0.0, 5.0, 10.0),
        start=2,
    )


def unpacked(coded: dict[str, str]) -> list[float]:
    kinds = {"f4": "<f4", "i4": "<i4"}
    return np.frombuffer(base64.b64decode(coded["base64"]), dtype=kinds[coded["dtype"]]).tolist()


def test_packed_holds_every_moment(film: Animation) -> None:
    x, rows, words = pack_changes(film)
    assert (x["trace"], x["attribute"], unpacked(x["values"])) == (0, "x", [1.5, 2.5, 3.5])
    assert unpacked(x["offsets"]) == [0, 1, 3, 3]
    assert rows["values"]["dtype"] == "i4" and unpacked(rows["values"]) == [7, 8, 9]
    assert words["words"] == [["a", "b"], ["c", "d"], ["e", "f"]]
    json.dumps(pack_changes(film))


def test_a_frame_is_what_plotly_changes(film: Animation) -> None:
    frame = film.frame(1)
    assert frame["name"] == "1" and frame["traces"] == [0, 1]
    assert film.frame(2)["data"][0]["x"] == [None]  # no marks: the old ones must go
    assert frame["data"][0]["x"].tolist() == [2.5, 3.5] and frame["data"][1] == {"type": "scatter", "text": ["c", "d"]}


def test_as_a_file_it_moves_without_a_network(film: Animation) -> None:
    page = export_html(film).decode()
    assert not re.search(r"<script[^>]+src=", page)
    assert '"label":"10"' in page.replace(" ", "") and page.count('"method":"animate"') == 5
    assert film.figure.frames == ()  # the one on the page stays as it is
