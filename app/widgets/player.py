"""Player of an animation in the browser: buttons and a slider for mouse, touch and keyboard."""

from __future__ import annotations

from ..charts.animation import Animation, pack_changes
from .component import component

__all__ = ["draw_player"]


def draw_player(animation: Animation, key: str, chart: str, label: str, jump: int = 1, jump_label: str = "") -> None:
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
    """
    component("player")(
        key=f"player_{chart}",
        data={
            "key": key,
            "chart": chart,
            "captions": list(animation.captions),
            "changes": pack_changes(animation),
            "clock": animation.clock,
            "times": list(animation.times),
            "start": animation.start,
            "jump": jump,
            "jump_label": jump_label,
            "label": label,
        },
    )
