"""The URL parameters of Which method?, and the ranking that they choose.

The controls are not bound to them: Streamlit would not let a click on a system leave the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from anoonly_core.which.plan import COUNTS, SHARED_SETTINGS, WhichPlan, plan_which
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import CONTROL_OF

__all__ = ["ADDRESS", "DEFAULT_CHOICE", "DRAWN", "FIXED", "LABELS", "WhichChoice"]

LABELS = replace(
    CONTROL_OF["labeled_anomalies"],
    options=(1, 2, 3, 5, 10, 20, 50, 100),
    default=10,
    label="Labeled anomalies",
    help="How many labels you have: the systems are ranked at this number. The curves show other numbers too.",
    expander="",
)
DRAWN = (CONTROL_OF["dataset"], LABELS, CONTROL_OF["seeds"])
FIXED = tuple(CONTROL_OF[name] for name in (*SHARED_SETTINGS, "seed"))
# Without a default: the default systems are a list, which the widget begins with.
ADDRESS = register(
    PageAddress("which", (Parameter("systems", tuple(SYSTEMS), many="repeated"), *DRAWN, *FIXED), bound=False)
)


@dataclass(frozen=True)
class WhichChoice:
    """The choice of the controls.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    systems : tuple of str
        Names of the systems to rank.
    labels : int
        Labeled anomalies at which to rank.
    seeds, seed : int
        Number of seeds, and the first one.
    settings : tuple
        Name and value of each setting that all systems share, of SHARED_SETTINGS.
    """

    dataset: str
    systems: tuple[str, ...]
    labels: int
    seeds: int
    seed: int
    settings: tuple[tuple[str, Any], ...]

    def plan(self) -> WhichPlan:
        """Return the ranking; with fewer anomalies in training than `labels`, that at the largest possible number.

        Loads and splits the data set. Raises as `plan_which`.
        """
        counts = (*COUNTS, self.labels)
        plan = plan_which(self.dataset, self.systems, counts, None, self.seeds, self.seed, dict(self.settings))
        return replace(plan, labels=max(count for count in plan.counts if count <= max(self.labels, plan.counts[0])))


DEFAULT_CHOICE = WhichChoice(
    dataset=CONTROL_OF["dataset"].default,
    systems=DEFAULT_SYSTEMS,
    labels=LABELS.default,
    seeds=CONTROL_OF["seeds"].default,
    seed=CONTROL_OF["seed"].default,
    settings=tuple((name, CONTROL_OF[name].default) for name in SHARED_SETTINGS),
)
