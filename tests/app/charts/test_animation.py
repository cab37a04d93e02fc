"""Tests of animations: serialized for the player, and exported as one HTML file."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from app.charts.animation import Animation, Pictures, RowPreviews, TraceChange, export_html, pack_changes, pack_pictures


@pytest.fixture
def animation() -> Animation:
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


def decode(encoded: dict[str, str]) -> list[float]:
    dtypes = {"f4": "<f4", "i4": "<i4"}
    return np.frombuffer(base64.b64decode(encoded["base64"]), dtype=dtypes[encoded["dtype"]]).tolist()


def test_packed_changes_hold_every_moment(animation: Animation) -> None:
    x, rows, words = pack_changes(animation)
    assert (x["trace"], x["attribute"], decode(x["values"])) == (0, "x", [1.5, 2.5, 3.5])
    assert decode(x["offsets"]) == [0, 1, 3, 3]
    assert rows["values"]["dtype"] == "i4" and decode(rows["values"]) == [7, 8, 9]
    assert words["words"] == [["a", "b"], ["c", "d"], ["e", "f"]]
    json.dumps(pack_changes(animation))


def test_a_frame_holds_the_changes_of_its_moment(animation: Animation) -> None:
    frame = animation.frame(1)
    assert frame["name"] == "1" and frame["traces"] == [0, 1]
    assert animation.frame(2)["data"][0]["x"] == [None]  # no points: the old ones must disappear
    assert frame["data"][0]["x"].tolist() == [2.5, 3.5] and frame["data"][1] == {"type": "scatter", "text": ["c", "d"]}


def test_an_exported_animation_needs_no_network(animation: Animation) -> None:
    page = export_html(animation).decode()
    assert not re.search(r"<script[^>]+src=", page)
    assert '"label":"10"' in page.replace(" ", "") and page.count('"method":"animate"') == 5
    assert animation.figure.frames == ()  # the figure itself is unchanged


def test_packed_pictures_hold_every_moment() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    framed = np.array([[True, False, False], [False, True, True]])
    pale = np.array([[False, False, True], [True, True, False]])
    packed = pack_pictures(Pictures(pixels, framed, pale, ("first", "second")))
    assert packed is not None and packed["shape"] == [3, 4, 5] and packed["texts"] == ["first", "second"]
    assert np.frombuffer(base64.b64decode(packed["pixels"]["base64"]), np.uint8).tolist() == pixels.ravel().tolist()
    assert np.frombuffer(base64.b64decode(packed["marks"]["base64"]), np.uint8).tolist() == [1, 0, 2, 2, 3, 1]
    assert packed["marks"]["dtype"] == "u1" and json.dumps(packed)
    assert pack_pictures(None) is None


def test_packed_previews_hold_every_moment() -> None:
    framed = np.array([[True, False], [False, True]])
    rows = RowPreviews(
        "text", {4: "four", 7: "seven"}, np.array([[4, 7], [7, 9]]), framed, ~framed, ("first", "second")
    )
    packed = pack_pictures(rows)
    assert packed is not None and packed["kind"] == "text" and packed["shape"][0] == 2
    assert packed["rows"] == {"4": "four", "7": "seven"} and packed["moments"] == [[4, 7], [7, 9]]
    assert np.frombuffer(base64.b64decode(packed["marks"]["base64"]), np.uint8).tolist() == [1, 2, 2, 1]
    assert json.dumps(packed)
