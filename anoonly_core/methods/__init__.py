"""The systems that train in our loop, by name; XGBOD, which does not, stands beside them in `xgbod`."""

from anoonly_core.methods.deepsad import DeepSAD
from anoonly_core.methods.devnet import DevNet
from anoonly_core.methods.feawad import FEAWAD
from anoonly_core.methods.ganomaly import GANomaly
from anoonly_core.methods.head import Head, Pretraining, TrainingRows
from anoonly_core.methods.prenet import PReNet
from anoonly_core.methods.repen import REPEN
from anoonly_core.methods.trained import Trained
from anoonly_core.methods.xgbod import XGBOD

__all__ = ["METHODS", "XGBOD", "Head", "Pretraining", "Trained", "TrainingRows"]

METHODS: dict[str, type[Head]] = {head.name: head for head in (DeepSAD, DevNet, FEAWAD, PReNet, REPEN, GANomaly)}
