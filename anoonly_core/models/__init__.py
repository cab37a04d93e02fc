"""Implementations of the systems; METHODS holds those that train in the training loop, by name."""

from anoonly_core.models.classifier import Classifier
from anoonly_core.models.deepsad import DeepSAD
from anoonly_core.models.devnet import DevNet
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.models.ganomaly import GANomaly
from anoonly_core.models.model import Head, Pretraining, TrainingRows
from anoonly_core.models.prenet import PReNet
from anoonly_core.models.protocol import TrainedRuns
from anoonly_core.models.repen import REPEN
from anoonly_core.models.xgbod import XGBOD

__all__ = ["METHODS", "XGBOD", "Head", "Pretraining", "TrainedRuns", "TrainingRows"]

METHODS: dict[str, type[Head]] = {
    head.name: head for head in (DeepSAD, DevNet, FEAWAD, PReNet, Classifier, REPEN, GANomaly)
}
