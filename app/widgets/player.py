"""Buttons and a slider that move a film, without the server: they work by mouse, touch and keyboard."""

from __future__ import annotations

from functools import cache

import streamlit as st

from anoonly_core.paths import ASSETS
from app.charts.animation import Animation, pack_changes

__all__ = ["draw_player"]

PLAYER = ASSETS / "player"


@cache
def _asset(kind: str) -> str:
    return (PLAYER / f"player.{kind}").read_text(encoding="utf-8")


def draw_player(film: Animation, key: str, chart: str, label: str, jump: int = 1, jump_label: str = "") -> None:
    """The controls of the film on show as the chart with the key `chart`.

    key: names the film, so that another one is taken for another. label: what the slider is called.
    jump: how many moments a fifth button leaps; 1 leaves it out.
    """
    # Declared each time: a server that starts later than this file is loaded would not know it.
    player = st.components.v2.component("player", html=_asset("html"), css=_asset("css"), js=_asset("js"))
    player(
        key=f"player_{chart}",
        data={
            "key": key,
            "chart": chart,
            "captions": list(film.captions),
            "changes": pack_changes(film),
            "clock": film.clock,
            "times": list(film.times),
            "start": film.start,
            "jump": jump,
            "jump_label": jump_label,
            "label": label,
        },
    )
