"""Systems by name: networks, settings and texts; does not import torch.

"The paper" is arXiv 2305.18798 throughout. The computations are in `anoonly_core.models`.
"""

from anoonly_core.baselines.baseline import (
    BATCH_NORMS,
    GRADIENT_PLACE,
    GRADIENT_SHARES,
    NORM_SETTINGS,
    Baseline,
    TrainingSettings,
)
from anoonly_core.baselines.classifier import CLASSIFIER
from anoonly_core.baselines.deepsad import DEEPSAD
from anoonly_core.baselines.devnet import DEVNET
from anoonly_core.baselines.feawad import FEAWAD
from anoonly_core.baselines.ganomaly import GANOMALY
from anoonly_core.baselines.mechanisms import MECHANISMS, NORM_LABELS, PAPER_NORMS, Dial, Mechanism
from anoonly_core.baselines.nnpu import NNPU
from anoonly_core.baselines.prenet import PRENET
from anoonly_core.baselines.repen import REPEN
from anoonly_core.baselines.rivals import RIVALS
from anoonly_core.baselines.rosas import ROSAS
from anoonly_core.baselines.xgbod import XGBOD

__all__ = [
    "BASELINES",
    "BATCH_NORMS",
    "GRADIENT_PLACE",
    "GRADIENT_SHARES",
    "MECHANISMS",
    "NORM_LABELS",
    "NORM_SETTINGS",
    "PAPER_NORMS",
    "PRESETS",
    "Baseline",
    "Dial",
    "Mechanism",
    "TrainingSettings",
]

_SYSTEMS = (DEEPSAD, DEVNET, FEAWAD, PRENET, CLASSIFIER, XGBOD, REPEN, GANOMALY, ROSAS, NNPU, *RIVALS)
BASELINES = {baseline.name: baseline for baseline in _SYSTEMS}
# The presets of all systems; each system has those in its `settings`.
PRESETS = tuple(dict.fromkeys(preset for baseline in BASELINES.values() for preset in baseline.settings))
