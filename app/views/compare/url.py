"""The URL parameters of Compare."""

from __future__ import annotations

from anoonly_core.decision.rules import RULES

from ...charts.promise import format_number
from ...charts.style import DEFAULT_FLAGGED, FLAGGED
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...controls.registry import CONTROLS
from ...text.labels import PROJECTION_LABELS
from .rules import NUMBERS, RULE_LABELS, format_flagged, number_parameter
from .tabs import TABS

__all__ = ["ADDRESS", "VIEWS"]

VIEWS = {"trained": "when trained", "learn": "watch it learn"}

PINNED_RUN = Parameter("a", parser=any_text)
FIGURES = (
    Parameter(
        "threshold",
        FLAGGED,
        DEFAULT_FLAGGED,
        rule=f"a percentage of the test rows that the page offers, {FLAGGED[0]:g} to {FLAGGED[-1]:g}",
        labels={percent: format_flagged(percent) for percent in FLAGGED},
    ),
    Parameter("threshold_rule", tuple(RULE_LABELS), next(iter(RULE_LABELS)), labels=RULE_LABELS),
    *(
        Parameter(
            number_parameter(rule.name),
            NUMBERS[rule.name],
            rule.default,
            labels={number: format_number(rule, number) for number in NUMBERS[rule.name]},
        )
        for rule in RULES.values()
    ),
    Parameter("view", tuple(VIEWS), "trained", labels=VIEWS),
    Parameter("projection", tuple(PROJECTION_LABELS), "pca", labels=PROJECTION_LABELS),
    Parameter("tab", tuple(TABS), next(iter(TABS)), labels=TABS),
)
ADDRESS = register(PageAddress("compare", (*CONTROLS, PINNED_RUN, *FIGURES, *LOCKS)))
