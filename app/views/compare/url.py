"""The URL parameters of Compare."""

from __future__ import annotations

from ...charts.style import DEFAULT_FLAGGED, FLAGGED
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...controls.registry import CONTROLS
from ...text.labels import PROJECTION_LABELS
from .tabs import TABS

__all__ = ["ADDRESS", "VIEWS", "format_flagged"]


def format_flagged(percent: float) -> str:
    """Format a percentage of flagged rows as the threshold's slider and the address show it, such as "10 %"."""
    return f"{percent:g} %"


VIEWS = {"trained": "when trained", "learn": "watch it learn"}

PINNED_RUN = Parameter("a", parser=any_text)
# Texts as Streamlit writes the widgets' options.
FIGURES = (
    Parameter(
        "threshold",
        tuple(map(format_flagged, FLAGGED)),
        format_flagged(DEFAULT_FLAGGED),
        rule=f"a share of the test rows, {format_flagged(FLAGGED[0])} to {format_flagged(FLAGGED[-1])}",
    ),
    Parameter("view", tuple(VIEWS.values()), VIEWS["trained"]),
    Parameter("projection", tuple(PROJECTION_LABELS.values()), PROJECTION_LABELS["pca"]),
    Parameter("tab", TABS, TABS[0]),
)
ADDRESS = register(PageAddress("compare", (*CONTROLS, PINNED_RUN, *FIGURES, *LOCKS)))
