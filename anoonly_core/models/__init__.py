"""Implementations of all systems: METHODS holds those that train in the training loop, OTHERS the rest, by name."""

from anoonly_core.models.classifier import Classifier
from anoonly_core.models.deepsad import DeepSAD
from anoonly_core.models.devnet import DevNet
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.models.ganomaly import GANomaly
from anoonly_core.models.model import Head, ItemHead, Pretraining, TrainingRows
from anoonly_core.models.nnpu import NNPU
from anoonly_core.models.prenet import PReNet
from anoonly_core.models.protocol import TrainedRuns
from anoonly_core.models.repen import REPEN
from anoonly_core.models.rivals import ESTIMATORS, Rivals
from anoonly_core.models.rosas import RoSAS
from anoonly_core.models.xgbod import XGBOD

__all__ = ["METHODS", "OTHERS", "Head", "ItemHead", "Pretraining", "TrainedRuns", "TrainingRows"]

METHODS: dict[str, type[Head]] = {
    head.name: head
    for head in (
        DeepSAD,
        DevNet,
        FEAWAD,
        PReNet,
        Classifier,
        REPEN,
        GANomaly,
        RoSAS,
        NNPU,
    )
}
# Classes that fit at construction, of a data set, the configs and splits of all runs, and a progress callback.
OTHERS: dict[str, type[XGBOD] | type[Rivals]] = {"XGBOD": XGBOD, **dict.fromkeys(ESTIMATORS, Rivals)}
