"""Player of an animation in the browser: buttons and a slider for mouse, touch and keyboard."""

from __future__ import annotations

from ..charts.animation import Animation, pack_changes, pack_pictures
from .component import component

__all__ = ["draw_player"]


def draw_player(
    animation: Animation,
    key: str,
    chart: str,
    label: str,
    jump: int = 1,
    jump_label: str = "",
    target_label: str = "",
    address: str = "",
) -> None:
    """Draw buttons and a slider that play an animation in a chart, which is drawn separately.

    The browser changes the chart by itself, without the server.

    Parameters
    ----------
    animation : Animation
        The animation.
    key : str
        Identifies the animation; the player starts again when it changes.
    chart : str
        Widget key of the chart.
    label : str
        Label of the slider.
    jump : int
        Number of moments by which a further button jumps; 1 leaves the button out.
    jump_label : str
        Label of that button.
    target_label : str
        Label of the button that goes to the next one of `animation.targets`.
    address : str
        URL parameter that holds the time of the moment on show; "" for none. The browser reads and writes it.
    """
    component("player")(
        key=f"player_{chart}",
        data={
            "key": key,
            "chart": chart,
            "captions": list(animation.captions),
            "changes": pack_changes(animation),
            "pictures": pack_pictures(animation.pictures),
            "clock": animation.clock,
            "times": list(animation.times),
            "start": animation.start,
            "jump": jump,
            "jump_label": jump_label,
            "played": list(animation.played),
            "targets": list(animation.targets),
            "target_label": target_label,
            "address": address,
            "label": label,
        },
    )
