"""The story under the title of the page: one sentence at a time, and its columns of the chart in full color."""

from __future__ import annotations

from collections.abc import Sequence

from anoonly_core.supervision.columns import COLUMNS

from ...widgets.component import component
from .charts import column_panels
from .text import Sentence

__all__ = ["draw_story"]


def draw_story(sentences: Sequence[Sentence], key: str, chart: str) -> None:
    """Draw the story: one sentence at a time, with buttons; the arrow keys step, too.

    The browser dims the columns of the chart that a sentence does not speak of.

    Parameters
    ----------
    sentences : sequence of Sentence
        The steps of the story.
    key : str
        Identifies the story; a new one begins at its first sentence.
    chart : str
        Widget key of the chart.
    """
    names = [column.name for column in COLUMNS]
    component("story")(
        key="story",
        data={
            "key": key,
            "chart": chart,
            "panels": column_panels(),
            "sentences": [sentence.text for sentence in sentences],
            "columns": [[names.index(name) for name in sentence.columns] for sentence in sentences],
        },
    )
