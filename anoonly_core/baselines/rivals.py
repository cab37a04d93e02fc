"""Systems of other packages to compare with: classifiers that take the pool as normal, and detectors without labels."""

from anoonly_core.baselines.baseline import Baseline, TrainingSettings

__all__ = ["RIVALS"]

_NO_TRAINING_SETTINGS = TrainingSettings(epochs=None, batch_size=None, learning_rate=None)
_AS_NORMAL = "It takes every pool row as normal, and has no network and no λₙ."
_PRETRAINED = "It takes every pool row as normal, keeps its weights as they are, and has no λₙ."
_NO_LABELS = "It sees no label at all: a reference for what labels add."


def _rival(
    implementation: str,
    summary: str,
    hidden: str,
    name: str = "",
    is_tuned: bool = True,
    extra: str = "comparators",
    weights: str = "",
) -> Baseline:
    """Describe a system of another package.

    Parameters
    ----------
    implementation
        Import path of the class that implements it.
    summary
        Two sentences for pages.
    hidden
        Name of the features that the maps of a run show.
    name
        Name of the system; "" for that of the class.
    is_tuned
        True if the system has the preset "tuned" beside "default".
    extra, weights
        See `Baseline`.
    """
    presets = ("default", "tuned") if is_tuned else ("default",)
    return Baseline(
        name=name or implementation.rpartition(".")[2],
        summary=summary,
        revision=1,
        settings=dict.fromkeys(presets, _NO_TRAINING_SETTINGS),
        implementation=implementation,
        extra=extra,
        weights=weights,
        hidden=hidden,
    )


RIVALS = (
    _rival(
        "sklearn.linear_model.LogisticRegression",
        "Draws one plane between the labeled anomalies and the pool, both with equal weight in total. " + _AS_NORMAL,
        "weighted columns",
    ),
    _rival(
        "sklearn.ensemble.RandomForestClassifier",
        "Lets 100 decision trees vote on the labels, both classes with equal weight in total. " + _AS_NORMAL,
        "votes of the trees",
        name="RandomForest",
    ),
    _rival(
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "Adds 100 small decision trees, each of which mends the errors of those before. " + _AS_NORMAL,
        "scores of the trees",
        name="HistGradientBoosting",
    ),
    _rival(
        "xgboost.XGBClassifier",
        "Adds 100 boosted trees in the way of XGBoost, which penalizes large leaves. " + _AS_NORMAL,
        "contributions of the columns",
        name="XGBoost",
    ),
    _rival(
        "catboost.CatBoostClassifier",
        "Adds 200 boosted trees in the way of CatBoost, whose trees ask one question per level. " + _AS_NORMAL,
        "contributions of the columns",
        name="CatBoost",
    ),
    _rival(
        "tabicl.TabICLClassifier",
        "Reads the training rows as the context of a transformer, pretrained on made-up tables. " + _PRETRAINED,
        "scaled columns",
        name="TabICL",
        extra="pretrained",
        weights="ANOONLY_TABICL",
    ),
    _rival(
        "tabpfn.TabPFNClassifier",
        "Reads the training rows as the context of a transformer in the way of TabPFN. " + _PRETRAINED,
        "scaled columns",
        name="TabPFN",
        extra="pretrained",
        weights="ANOONLY_TABPFN",
    ),
    _rival(
        "sklearn.ensemble.IsolationForest",
        "Scores a row by how few random cuts set it apart from the other training rows. " + _NO_LABELS,
        "path lengths in the trees",
        is_tuned=False,
    ),
    _rival(
        "sklearn.neighbors.NearestNeighbors",
        "Scores a row by its mean distance to the five nearest training rows. " + _NO_LABELS,
        "distances to the neighbors",
        name="KNN",
        is_tuned=False,
    ),
    _rival(
        "pyod.models.ecod.ECOD",
        "Scores a row by how far out in the tails of the columns its values lie. " + _NO_LABELS,
        "scaled columns",
        is_tuned=False,
    ),
)
