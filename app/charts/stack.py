"""Charts for a narrow window, such as a phone's: panels one below another, with wrapped titles."""

from __future__ import annotations

import re

import plotly.graph_objects as go

__all__ = ["panel_legends", "stack", "wrap"]

GAP, LINE = 60, 18  # pixels between two panels: the labels of one, and each line of the title of the next
LEGEND = 60  # pixels below the plot for the labels of its axis, and again for a legend that stood beside the plot
EDGE = 12  # pixels right of the plot
TITLE_CHARACTERS, TICK_CHARACTERS = 42, 12  # of a title and of a name on an axis in a window of 390 pixels


def stack(figure: go.Figure) -> go.Figure:
    """Return a copy of a chart for a narrow window: its panels stand one below another at full width.

    Panels come row by row, each row from the left, and keep their height in pixels, so that the figure grows.
    Annotations, lines and legends of a panel move with it. Titles and long names on an axis are wrapped. The legend of
    the figure moves above or below the plot.
    A chart with one panel is only copied.

    Parameters
    ----------
    figure : go.Figure
        A chart of `Panels` with a height; not changed.
    """
    stacked = go.Figure(figure)
    layout = stacked.layout
    across = {axis.anchor: axis for axis in stacked.select_xaxes() if axis.domain}
    panels = [
        (down, across[name])
        for down in stacked.select_yaxes()
        if down.domain and (name := down.plotly_name.replace("axis", "")) in across
    ]
    if len(panels) < 2:
        return stacked
    panels.sort(key=lambda panel: (-panel[0].domain[1], panel[1].domain[0]))
    plot = layout.height - layout.margin.t - layout.margin.b
    titles = [
        annotation
        for annotation in layout.annotations
        if str(annotation.yref).endswith("domain") and annotation.y is not None and annotation.y > 1
    ]
    for title in titles:
        title.text = wrap(title.text)
    lines = max((title.text.count("<br>") + 1 for title in titles), default=2)
    gap = GAP + LINE * max(lines, 2) + max((title.yshift or 0 for title in titles), default=0)
    legends = panel_legends(stacked, plot)
    layout.margin.t += LINE * max(lines - 2, 0)
    heights = [plot * (down.domain[1] - down.domain[0]) for down, _ in panels]
    total = sum(heights) + gap * (len(panels) - 1)
    top = total
    for (down, right), height in zip(panels, heights, strict=True):
        down.domain = (max((top - height) / total, 0.0), min(top / total, 1.0))
        right.domain = (0.0, 1.0)
        if right.ticktext and (wrapped := [wrap(text, TICK_CHARACTERS) for text in right.ticktext]) != [
            *right.ticktext
        ]:
            right.update(ticktext=wrapped, tickangle=0)  # Plotly would turn them and drop some
        top -= height + gap
    for legend, (axis, above) in legends.items():
        layout[legend].update(x=0.0, y=layout[axis].domain[1] + above / total)
    y = layout.legend.y
    if layout.legend.yref == "container":  # at an edge of the figure, where it takes several lines on a phone
        layout.margin["t" if y else "b"] += 4 * LINE
    elif y is not None and y > 1 and layout.legend.yanchor == "top":  # whose entries take several lines on a phone
        layout.legend.update(y=1 + 4 / total, yanchor="bottom")
        layout.margin.t += 2 * LINE
    elif y is not None and not 0 <= y <= 1:  # above or below the plot, at the same distance in pixels
        layout.legend.y = y * plot / total if y < 0 else 1 + (y - 1) * plot / total
    elif layout.showlegend is not False:  # beside the plot
        layout.legend.update(orientation="h", x=0, xanchor="left", y=-LEGEND / total, yanchor="top")
        layout.margin.b += LEGEND
        layout.margin.r = min(layout.margin.r or 0, EDGE)
    layout.height = round(total + layout.margin.t + layout.margin.b)
    return stacked


def panel_legends(figure: go.Figure, plot: float) -> dict[str, tuple[str, float]]:
    """Return the y axis of the panel of each further legend, and its distance above that panel.

    `plot` is the height of the plot in the unit of that distance. The first legend, that of the figure, is left out.
    """
    legends = {}
    for trace in figure.data:
        name = getattr(trace, "legend", None)
        if name is not None and name != "legend":
            axis = trace.yaxis.replace("y", "yaxis")
            legends[name] = (axis, plot * (figure.layout[name].y - figure.layout[axis].domain[1]))
    return legends


def wrap(text: str, characters: int = TITLE_CHARACTERS) -> str:
    """Insert `<br>` between words so that no line is longer than `characters`, HTML tags not counted.

    A word that is longer by itself stays whole. Existing line breaks stay.
    """
    lines: list[str] = []
    for part in text.split("<br>"):
        line = ""
        for word in part.split(" "):
            longer = f"{line} {word}" if line else word
            if line and len(re.sub(r"<[^>]*>", "", longer)) > characters:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return "<br>".join(lines)
