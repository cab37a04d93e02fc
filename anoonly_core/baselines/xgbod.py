"""XGBOD (Zhao and Hryniewicki, IJCNN 2018), a comparator in the tables of the paper; from PyOD."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings

__all__ = ["XGBOD"]

XGBOD = Baseline(
    name="XGBOD",
    summary=(
        "Adds the scores of about forty unsupervised detectors to a row's features and lets boosted trees learn the "
        "labels from them. It is PyOD's, with PyOD's settings; it has no network, no epochs and no λₙ."
    ),
    revision=1,
    settings={"paper": TrainingSettings(epochs=None, batch_size=None, learning_rate=None)},
    implementation="pyod.models.xgbod.XGBOD",
    hidden="unsupervised scores",
)
