"""The published systems by name: what the page and a config know of them, without torch.

P = the paper (arXiv 2305.18798). What each computes is in `methods`, one file of the same name each.
"""

from anoonly_core.baselines.baseline import NORM_LABELS, PRESETS, Baseline, TrainingSettings
from anoonly_core.baselines.deepsad import DEEPSAD
from anoonly_core.baselines.devnet import DEVNET
from anoonly_core.baselines.feawad import FEAWAD
from anoonly_core.baselines.ganomaly import GANOMALY
from anoonly_core.baselines.prenet import PRENET
from anoonly_core.baselines.repen import REPEN
from anoonly_core.baselines.xgbod import XGBOD

__all__ = ["BASELINES", "NORM_LABELS", "PRESETS", "Baseline", "TrainingSettings"]

BASELINES = {baseline.name: baseline for baseline in (DEEPSAD, DEVNET, FEAWAD, PRENET, XGBOD, REPEN, GANOMALY)}
