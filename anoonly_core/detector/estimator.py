"""AnoOnlyDetector: the engine behind scikit-learn's interface, with PyOD's habits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split, min_max
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.readers import printable
from anoonly_core.detector.network import DetectorNetwork, Report, network_from_tensors, train_network
from anoonly_core.detector.serialization import model_bytes, read_model, write_model
from anoonly_core.errors import AnoOnlyError, BadModelFile, InfiniteScore, InvalidInput
from anoonly_core.results.keys import revision_of
from anoonly_core.runs.run import resolve_device
from anoonly_core.version import __version__

__all__ = ["AnoOnlyDetector"]

# Of a run's settings, those that a fitted network depends on; the others say where its rows came from.
SETTINGS = ("baseline", "lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset", "seed")
LARGEST_SEED = 2**31 - 1


class AnoOnlyDetector(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Semi-supervised anomaly detector: learns from a few labeled anomalies and many unlabeled rows.

    In `fit(X, y)`, y is 1 for labeled anomalies and 0 for every other row: those are unlabeled,
    not normal, and may hide anomalies. Rows are used as they are given, scaled to the training
    rows' range, and trained on by the same engine as a run of the page or the command line.

    Parameters: baseline: DeepSAD, DevNet, FEAWAD, PReNet, or a comparator, REPEN or GANomaly.
    lambda_n: the weight of the loss on the unlabeled rows, from 0 (AnoOnly) to 1 (the baseline);
    None for a comparator, which has none, and elsewhere as published, 1. norm, batch_size, epochs,
    learning_rate: None is as published for the baseline, under this preset ("paper" or
    "published_code"). contamination: above 0 and up to 0.5, the share of the training rows that
    `predict` would call anomalous. It moves the threshold only, as in PyOD; elsewhere in this
    project the word means anomalies among the unlabeled rows. random_state: a whole number is a
    run's seed; None draws one anew, and leaves NumPy's global state alone. device: "cpu", "cuda" or
    "auto".

    Attributes after fit: decision_scores_ float64 [rows], the training rows' scores. threshold_, their
    (1 - contamination) quantile. labels_ int64 [rows], 1 where the score is above it.
    n_features_in_; feature_names_in_, where X had names. config_, the settings that were trained
    with, those filled in and the seed among them. preparation_, how a file's columns become the
    features (data.preparation.Preparation), or None where nobody said: fit is given features.

    The same settings, rows and seed give the same bits, on one machine with one number of threads.
    A fitted detector holds no training rows as such, but the range of each feature, and some heads
    need a few rows to score with: PReNet 60 of them, REPEN up to 400. Pickles and saved files hold
    what the detector holds. Both score on the CPU when they are read back.
    """

    def __init__(
        self,
        baseline: str = "DeepSAD",
        *,
        lambda_n: float | None = 0.0,
        norm: str | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        preset: str = "paper",
        contamination: float = 0.1,
        random_state: Any = None,
        device: str = "cpu",
    ) -> None:
        self.baseline = baseline
        self.lambda_n = lambda_n
        self.norm = norm
        self.batch_size = batch_size
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.preset = preset
        self.contamination = contamination
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "outlier_detector"
        tags.target_tags.required = True
        # No classifier, but this is how scikit-learn is told that y has two values.
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:  # a pickle is read where there is no GPU, too
            state["network_"] = self.network_.on_cpu()
        return state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Train on rows X [rows, features]; y [rows] is 1 for labeled anomalies and 0 for all other rows.

        Raises ValueError (InvalidInput) with one sentence for settings, rows or labels that cannot
        be, and TrainingDiverged where the scores stop being finite numbers.
        """
        self._forget()
        if y is None:
            raise InvalidInput(
                "AnoOnlyDetector requires y to be passed, but the target y is None: "
                "give 1 for labeled anomalies and 0 for all other rows."
            )
        with _as_value_errors():
            config, device = self._config(), resolve_device(self.device)
        rows = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        labels = _labels(y, rows)
        with _as_value_errors():
            dataset = make_dataset("X", rows, labels, Provenance("given to fit", ""))
        everything = np.arange(dataset.rows)
        split = Split(everything, labels == 1, np.arange(0), *min_max(dataset.X, everything), {})
        # Nothing that is learned from the rows stays in the process.
        self._keep(train_network(dataset, split, config, device, use_cache=False))
        return self

    def fit_split(self, dataset: Dataset, split: Split, report: Report = lambda done, total: None) -> Self:
        """Train on a split of a data set, as a run of the page does: with the run's settings and seed, its bits.

        It is `fit` on dataset.X[split.train], where split.labeled says which rows are labeled, but that the
        split's own scaling holds, which under the protocol "published" is that of more rows. report: called
        after each epoch with the epochs done and all of them; what it raises stops the training. Errors as fit.
        """
        self._forget()
        with _as_value_errors():
            config, device = self._config(), resolve_device(self.device)
        network = train_network(dataset, split, config, device, report)
        self.n_features_in_ = dataset.columns
        self._keep(network)
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Anomaly scores of rows X [rows, features], higher is more anomalous, float64 [rows].

        A row's score does not depend on the rows beside it. Raises ValueError for rows unlike those
        of fit, and where a score would not be a finite number; NotFittedError before fit.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        scores = self.network_.scores(rows)
        if not (finite := np.isfinite(scores)).all():
            row = int(np.flatnonzero(~finite)[0])
            sentence = f"Row {row} of X is so far out of the training rows' range that its score is infinite."
            raise InfiniteScore(sentence, row)
        return scores

    def predict(self, X: ArrayLike) -> np.ndarray:
        """1 for rows of X whose score is above threshold_, else 0, int64 [rows]; errors as decision_function."""
        return self._above(self.decision_function(X))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector as one .safetensors file: tensors, and JSON in its metadata; no pickle.

        A random_state that is no number is kept as the seed that it drew. Raises NotFittedError and OSError.
        """
        write_model(path, *self._contents())

    def to_bytes(self) -> bytes:
        """The content of the file that `save` writes; raises NotFittedError."""
        return model_bytes(*self._contents())

    def _contents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        check_is_fitted(self)
        params = self.get_params(deep=False)
        if not isinstance(self.random_state, (int, np.integer, type(None))):
            params["random_state"] = self.config_["seed"]
        document = {
            "saved_by": f"anoonly {__version__}",
            "revision": revision_of(self.config_["baseline"]),
            "params": params,
            "config_": self.config_,
            "threshold_": self.threshold_,
            "feature_names_in_": list(getattr(self, "feature_names_in_", ())) or None,
            "preparation_": None if self.preparation_ is None else self.preparation_.model_dump(mode="json"),
        }
        return document, self.network_.tensors()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The detector that `save` wrote: it scores the same bits, and can be cloned and fitted anew.

        Nothing in the file is executed. Raises BadModelFile with one sentence for a file that cannot
        be read, is damaged or not ours, or holds a network that this version would score otherwise.
        """
        shown = printable(os.fspath(path))
        document, tensors = read_model(path)
        try:
            return cls._restored(document, tensors, shown)
        except BadModelFile:
            raise
        except Exception as error:  # what was made up to look like a detector fails wherever it is unlike one
            raise BadModelFile(f"{shown} does not hold what a saved AnoOnlyDetector holds.") from error

    @classmethod
    def _restored(cls, document: dict[str, Any], tensors: dict[str, Tensor], shown: str) -> Self:
        baseline = document["config_"]["baseline"]
        if document["revision"] != revision_of(baseline):
            raise BadModelFile(
                f"{shown} was saved by {printable(document['saved_by'])}, whose {baseline} scores otherwise "
                f"than that of anoonly {__version__}: fit it anew."
            )
        detector, config = cls(**document["params"]), make_config(dataset="X", **document["config_"])
        network = network_from_tensors(config, tensors)
        threshold, names, prepared = (document[name] for name in ("threshold_", "feature_names_in_", "preparation_"))
        if not np.isfinite(float(threshold)):
            raise ValueError("a threshold that is no number")
        if names is not None:
            if len(names) != network.columns or not all(isinstance(name, str) for name in names):
                raise ValueError("feature names that do not fit")
            detector.feature_names_in_ = np.array(names, dtype=object)
        preparation = None if prepared is None else Preprocessing.model_validate(prepared)
        if preparation is not None and len(preparation.features) != network.columns:
            raise ValueError("a preparation that makes other features")
        detector.n_features_in_ = network.columns
        detector._keep(network, float(threshold), preparation)
        return detector

    def _forget(self) -> None:
        """A fit that fails leaves no detector made of two halves."""
        for name in [*vars(self)]:
            if name.endswith("_"):
                delattr(self, name)

    def _keep(
        self, network: DetectorNetwork, threshold: float | None = None, preparation: Preprocessing | None = None
    ) -> None:
        scores = network.training_scores
        self.config_ = {name: getattr(network.config, name) for name in SETTINGS}
        self.threshold_ = float(np.quantile(scores, 1 - self.contamination)) if threshold is None else threshold
        self.decision_scores_ = scores
        self.labels_ = self._above(scores)
        self.preparation_ = preparation
        self.network_ = network

    def _above(self, scores: np.ndarray) -> np.ndarray:
        labels: np.ndarray = (scores > self.threshold_).astype(np.int64)
        return labels

    def _config(self) -> RunConfig:
        """What the parameters make of a run; raises InvalidInput, or InvalidConfig as make_config does."""
        share: object = self.contamination
        if not (isinstance(share, Real) and 0 < float(share) <= 0.5):
            raise InvalidInput(f"contamination must be a number above 0 and up to 0.5, not {share!r}.")
        if self.baseline == "XGBOD":
            raise InvalidInput("XGBOD does not train in this engine: use PyOD's own, pyod.models.xgbod.XGBOD.")
        known = BASELINES.get(self.baseline) if isinstance(self.baseline, str) else None
        if known is not None and not known.has("lambda_n") and self.lambda_n is not None:
            raise InvalidInput(f"{self.baseline} has no lambda_n: set lambda_n=None.")
        given = {name: getattr(self, name) for name in SETTINGS if name != "seed"}
        return make_config(dataset="X", seed=self._seed(), **given)

    def _seed(self) -> int:
        if self.random_state is None:
            return int(np.random.default_rng().integers(LARGEST_SEED))
        if not isinstance(self.random_state, (int, np.integer)):
            return int(check_random_state(self.random_state).randint(LARGEST_SEED))
        if not 0 <= self.random_state <= LARGEST_SEED:
            raise InvalidInput(f"random_state must be from 0 to {LARGEST_SEED}, not {self.random_state}.")
        return int(self.random_state)


def _labels(y: ArrayLike, rows: np.ndarray) -> np.ndarray:
    """y as int64 [rows], checked: both kinds of rows are needed."""
    labels = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput("y must hold 1 for labeled anomalies and 0 for all other rows, and nothing else.")
    if not (labels == 1).any():
        raise InvalidInput("y holds no labeled anomaly: at least one row must be 1.")
    if not (labels == 0).any():
        raise InvalidInput("y holds labeled anomalies only: at least one row must be 0, unlabeled.")
    found: np.ndarray = labels.astype(np.int64)
    return found


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """The core's errors as the ValueErrors that scikit-learn's tools expect, with the same sentence."""
    try:
        yield
    except InvalidInput:
        raise
    except AnoOnlyError as error:
        raise InvalidInput(str(error)) from error
