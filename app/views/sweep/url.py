"""The URL parameters of Sweep, read when a session comes to the page and written after each change of a control.

The controls are not bound to them: Streamlit would not let a click on a point leave the page.
"""

from __future__ import annotations

from typing import Any

from anoonly_core.errors import InvalidConfig
from anoonly_core.sweeps.presets import LAMBDA_N_AXIS, SWEEP_PRESETS
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import CONTROLS, Control
from ...text.labels import METRIC_LABELS

__all__ = ["ADDRESS", "CUSTOM", "NOTHING", "SEEDS", "SWEEP_PARAMETERS", "VARIED", "open_sweep"]

CUSTOM = "own"
NOTHING = "nothing"
SEEDS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 50)
# Controls of quantities that the page can vary.
VARIED: dict[str, Control] = {
    control.name: control for control in CONTROLS if control.name not in ("dataset", "seeds", "seed", "protocol")
}


def _axis_value(parameter: Parameter, text: str) -> Any:
    """Convert a text of the parameter `values_NAME` to a value of the setting NAME; raise InvalidConfig."""
    try:
        return VARIED[parameter.name.removeprefix("values_")].parse(text)
    except InvalidConfig as error:
        raise InvalidConfig(f"values of {error}") from error


# Without a default: the question says what is varied, and over which values.
SWEEP_PARAMETERS = (
    Parameter("question", (*SWEEP_PRESETS, CUSTOM), next(iter(SWEEP_PRESETS))),
    Parameter("vary", tuple(VARIED)),
    Parameter("also", (NOTHING, *VARIED)),
    Parameter("both", (True, False), True),
    Parameter("sweep_seeds", SEEDS, 5),
    Parameter("metric", tuple(METRIC_LABELS), next(iter(METRIC_LABELS))),
    *(
        Parameter(f"values_{name}", control.options, parser=_axis_value, many="repeated")
        for name, control in VARIED.items()
    ),
)
ADDRESS = register(PageAddress("sweep", (*SWEEP_PARAMETERS, *CONTROLS), bound=False))


def open_sweep(sweep: Sweep) -> None:
    """Set all controls to those of a given sweep; they take effect at the next run of the page."""
    axes = {axis.name: axis.values for axis in sweep.axes}
    both = sweep.axes[0].name != "lambda_n" and axes.get("lambda_n") == LAMBDA_N_AXIS[1]
    names = [name for name in axes if not (both and name == "lambda_n")]
    first, second = [*names, NOTHING][:2]
    values = {f"values_{name}": [PUBLISHED if value is None else value for value in axes[name]] for name in names}
    choices = {"question": CUSTOM, "vary": first, "also": second, "both": both, "sweep_seeds": sweep.seeds}
    ADDRESS.restore({**sweep.settings, **choices, **values})
