"""Player of an animation in the browser: buttons and a slider for mouse, touch and keyboard."""

from __future__ import annotations

from ..charts.animation import Animation, pack_changes
from .component import component

__all__ = ["draw_player"]


def draw_player(animation: Animation, key: str, chart: str, label: str, jump: int = 1, jump_label: str = "") -> None:
    """Draw buttons and a slider for the animation in a chart.

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
        Moments that a fifth button skips; 1 leaves the button out.
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
