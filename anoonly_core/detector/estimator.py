"""AnoOnlyDetector: the training engine behind the scikit-learn interface, with the conventions of PyOD."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, Tags, check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from anoonly_core.baselines import BASELINES, NORM_SETTINGS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset, needs_float64
from anoonly_core.data.split import Split, min_max
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.detector.network import DetectorNetwork, network_from_tensors, train_network
from anoonly_core.detector.serialization import model_bytes, read_model, write_model
from anoonly_core.detector.threshold import held_back_threshold, make_folds
from anoonly_core.errors import AnoOnlyError, BadModelFile, InfiniteScore, InvalidInput
from anoonly_core.progress import Report
from anoonly_core.results.keys import revision_of
from anoonly_core.runs.run import resolve_device
from anoonly_core.version import __version__

__all__ = ["AnoOnlyDetector"]

# Settings of a run that its network depends on; the others select the rows.
SETTINGS = (
    *("baseline", "lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset", "seed"),
    *NORM_SETTINGS,
)
LARGEST_SEED = 2**31 - 1


class AnoOnlyDetector(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Semi-supervised anomaly detector: learns from a few labeled anomalies and many unlabeled rows.

    In `fit(X, y)`, y is 1 for labeled anomalies and 0 for all other rows. Rows with 0 are unlabeled, not normal:
    anomalies may be among them. The features are scaled to the range of the training rows, and the same engine trains
    as for a run of the page or the command line.

    Parameters
    ----------
    baseline : {"DeepSAD", "DevNet", "FEAWAD", "PReNet", "Classifier", "REPEN", "GANomaly", "RoSAS", "nnPU"}
        System to train; REPEN, GANomaly, RoSAS and nnPU are comparators without `lambda_n`.
    lambda_n : float or None
        Weight λ_n of the loss on unlabeled rows, from 0 (AnoOnly) to 1 (the published baseline). None means 1, and
        is required for a comparator. Source: paper eq. 7; docs/methods.md § 1.
    norm : str or None
        Normalization layer, see `make_config`; None is the published one for the baseline and λ_n.
    batch_size, epochs : int or None
        None is the published value.
    learning_rate : float or None
        None is the published value.
    preset : {"paper", "published_code", "paper_printed"}
        Source of the published values: the text of the paper or the code of its authors. "paper_printed" is for FEAWAD
        only: |F| as printed, where "paper" trains and scores F.
    grad_direct, grad_variance, grad_mean : float
        Shares, 0 to 1, of the parts of batch norm's gradient that the training lets through, see `RunConfig`; 1 each
        is the true gradient.
    norm_strength : float or None
        Strength of a norm with a dial, see `RunConfig`; None is the standard value.
    contamination : float
        Share of new rows like the unlabeled training rows that `predict` flags, above 0 and up to 0.5. It moves the
        threshold only, as in PyOD. Elsewhere in this project the word means anomalies among the unlabeled rows.
    random_state : int, RandomState or None
        An int is the seed of the run; None draws a new seed. The global state of NumPy is not used.
    device : {"cpu", "cuda", "auto"}
        Device for training.

    Attributes
    ----------
    decision_scores_ : float64 [rows]
        Scores of the training rows.
    threshold_ : float
        Score that a share `contamination` of new rows exceeds, if they are like the unlabeled training rows. Three
        networks, each trained without a third of these rows, estimate it from the rows held back, see
        `held_back_threshold`. At least the (1 - contamination) quantile of decision_scores_ of the unlabeled rows.
    labels_ : int64 [rows]
        1 for training rows with a score above threshold_, else 0; fewer than the share `contamination` if the network
        fits its training rows closely.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had names.
    config_ : dict
        Settings of the training, with all defaults filled in and the seed.
    preparation_ : Preprocessing or None
        Steps that turn the columns of a file into the features; None after `fit`, which is given features.
    network_ : DetectorNetwork
        The trained network.

    Notes
    -----
    The same settings, rows and seed give the same bits on one machine with one number of threads. A fitted detector
    stores no training rows except for those that a system scores with: 60 for PReNet, up to 400 for REPEN. Pickles and
    saved files hold the same. A detector that is loaded scores on the CPU.
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
        grad_direct: float = 1.0,
        grad_variance: float = 1.0,
        grad_mean: float = 1.0,
        norm_strength: float | None = None,
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
        self.grad_direct = grad_direct
        self.grad_variance = grad_variance
        self.grad_mean = grad_mean
        self.norm_strength = norm_strength
        self.contamination = contamination
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "outlier_detector"
        tags.target_tags.required = True
        # Not a classifier, but scikit-learn reads from this tag that y has two values.
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:  # a pickle may be read on a machine without a GPU
            state["network_"] = self.network_.on_cpu()
        return state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Train on labeled anomalies and unlabeled rows, and set the threshold; discards an earlier training.

        Parameters
        ----------
        X : array-like [rows, features]
            Training rows, at least two, with finite numbers.
        y : array-like [rows]
            1 for labeled anomalies, 0 for all other rows, which are unlabeled; both must occur.

        Returns
        -------
        AnoOnlyDetector
            The detector itself.

        Raises
        ------
        InvalidInput
            If a setting, the rows or the labels are invalid; it is a ValueError.
        TrainingDiverged
            If a score is not a finite number.
        """
        self._reset()
        if y is None:
            raise InvalidInput(
                "AnoOnlyDetector requires y to be passed, but the target y is None: "
                "give 1 for labeled anomalies and 0 for all other rows."
            )
        with _as_value_errors():
            config, device = self._config(), resolve_device(self.device)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if not needs_float64(rows):
            rows = check_array(rows, dtype=np.float32, input_name="X", estimator=self)
        labels = _labels(y, rows)
        with _as_value_errors():
            dataset = make_dataset("X", rows, labels, Provenance("given to fit", ""))
        all_rows = np.arange(dataset.rows)
        split = Split(all_rows, labels == 1, np.arange(0), *min_max(dataset.X, all_rows), {})
        # No pretraining stays in the cache of the process.
        self._train(dataset, split, config, device, use_cache=False)
        return self

    def fit_split(self, dataset: Dataset, split: Split, report: Report = lambda done, total: None) -> Self:
        """Train on the training rows of a split, and set the threshold; discards an earlier training.

        With the settings and the seed of a run on this split, the scores have the same bits as those of the run. The
        scaling comes from the split; under the protocol "published" it covers more than the training rows.

        Parameters
        ----------
        dataset : Dataset
            Rows and features.
        split : Split
            Training rows (`split.train`) and the labeled anomalies among them (`split.labeled`).
        report : callable
            Called after each epoch with (epochs done, all epochs), pretraining included; an exception stops training.

        Returns
        -------
        AnoOnlyDetector
            The detector itself.

        Raises
        ------
        InvalidInput
            If a setting is invalid.
        TrainingDiverged
            If a score is not a finite number.
        """
        self._reset()
        with _as_value_errors():
            config, device = self._config(), resolve_device(self.device)
        self._train(dataset, split, config, device, report)
        self.n_features_in_ = dataset.columns
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the anomaly score of each row; it does not depend on the other rows.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows with the features of `fit`.

        Returns
        -------
        float64 [rows]
            Scores; higher is more anomalous.

        Raises
        ------
        ValueError
            If the features differ from those of `fit`.
        InfiniteScore
            If the score of a row is not a finite number.
        NotFittedError
            If the detector is not fitted.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=self.network_.minimum.dtype, reset=False)
        scores = self.network_.scores(rows)
        if not (finite := np.isfinite(scores)).all():
            row = int(np.flatnonzero(~finite)[0])
            sentence = f"Row {row} of X is so far outside the range of the training rows that its score is infinite."
            raise InfiniteScore(sentence, row)
        return scores

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return 1 for each row of X [rows, features] whose score exceeds threshold_, else 0, int64 [rows].

        Raise ValueError, InfiniteScore or NotFittedError as `decision_function` does.
        """
        return self._above(self.decision_function(X))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to a .safetensors file, replacing an existing one, for `load`.

        The file holds tensors, and JSON in the metadata; no pickle. A `random_state` that is a generator is saved as
        the seed that it drew.

        Parameters
        ----------
        path : str or path-like
            File to write; its folder must exist.

        Raises
        ------
        NotFittedError
            If the detector is not fitted.
        InvalidInput
            If the file would be too large to be loaded.
        OSError
            If the file cannot be written.
        """
        write_model(path, *self._serialized())

    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` would write; raise NotFittedError before `fit`."""
        return model_bytes(*self._serialized())

    def _serialized(self) -> tuple[dict[str, Any], dict[str, Any]]:
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
        """Read a detector from a file that `save` wrote; nothing in the file is executed.

        It scores the same bits on the CPU, and can be cloned and fitted again.

        Parameters
        ----------
        path : str or path-like
            A .safetensors file.

        Raises
        ------
        BadModelFile
            If the file cannot be read, is damaged, is no detector, or holds a network that this version would score
            differently.
        """
        shown = printable(os.fspath(path))
        document, tensors = read_model(path)
        try:
            return cls._restored(document, tensors, shown)
        except BadModelFile:
            raise
        except Exception as error:  # a forged file can fail anywhere
            raise BadModelFile(f"{shown} does not hold what a saved AnoOnlyDetector holds.") from error

    @classmethod
    def _restored(cls, document: dict[str, Any], tensors: dict[str, Tensor], shown: str) -> Self:
        baseline = document["config_"]["baseline"]
        if document["revision"] != revision_of(baseline):
            raise BadModelFile(
                f"{shown} was saved by {printable(document['saved_by'])}, whose {baseline} scores differently "
                f"from that of anoonly {__version__}: fit it again."
            )
        detector, config = cls(**document["params"]), make_config(dataset="X", **document["config_"])
        network = network_from_tensors(config, tensors)
        threshold, names, prepared = (document[name] for name in ("threshold_", "feature_names_in_", "preparation_"))
        if not np.isfinite(float(threshold)):
            raise ValueError("threshold is not finite")
        if names is not None:
            if len(names) != network.columns or not all(isinstance(name, str) for name in names):
                raise ValueError("feature names do not match")
            detector.feature_names_in_ = np.array(names, dtype=object)
        preparation = None if prepared is None else Preprocessing.model_validate(prepared)
        if preparation is not None and len(preparation.features) != network.columns:
            raise ValueError("preparation makes other features")
        detector.n_features_in_ = network.columns
        detector._set_fitted(network, float(threshold), preparation)
        return detector

    def _reset(self) -> None:
        """Delete all fitted attributes, so that a fit that fails leaves no part of an earlier training."""
        for name in [*vars(self)]:
            if name.endswith("_"):
                delattr(self, name)

    def _train(
        self,
        dataset: Dataset,
        split: Split,
        config: RunConfig,
        device: str,
        report: Report = lambda done, total: None,
        use_cache: bool = True,
    ) -> None:
        """Train the network of a run and those of the folds for its threshold, and set the fitted attributes.

        Parameters
        ----------
        dataset, split : Dataset, Split
            Rows to train on.
        config : RunConfig
            Settings of the run.
        device : {"cpu", "cuda"}
            Device for training.
        report : callable
            Called after each epoch with (epochs done, all epochs); the folds are the second half.
        use_cache : bool
            True if a pretraining may be read from and written to the cache of this process.
        """
        folds = make_folds(dataset, split, config.seed)
        halves = 2 if folds else 1
        network = train_network(
            dataset, split, config, device, lambda done, total: report(done, halves * total), use_cache
        )
        share = float(self.contamination)
        pool_scores = network.training_scores[~split.labeled]
        threshold = held_back_threshold(
            *(pool_scores, dataset, folds, config, share, device),
            report=lambda done, total: report(total + done, 2 * total),
        )
        self._set_fitted(network, threshold)

    def _set_fitted(self, network: DetectorNetwork, threshold: float, preparation: Preprocessing | None = None) -> None:
        scores = network.training_scores
        self.config_ = {name: getattr(network.config, name) for name in SETTINGS}
        self.threshold_ = threshold
        self.decision_scores_ = scores
        self.labels_ = self._above(scores)
        self.preparation_ = preparation
        self.network_ = network

    def _above(self, scores: np.ndarray) -> np.ndarray:
        labels: np.ndarray = (scores > self.threshold_).astype(np.int64)
        return labels

    def _config(self) -> RunConfig:
        """Validate the parameters and return them as a RunConfig with a dummy data set; a seed of None is drawn.

        Raise InvalidInput or InvalidConfig if a parameter is invalid.
        """
        share: object = self.contamination
        if not (isinstance(share, Real) and 0 < float(share) <= 0.5):
            raise InvalidInput(f"contamination must be a number above 0 and up to 0.5, not {share!r}.")
        baseline = BASELINES.get(self.baseline) if isinstance(self.baseline, str) else None
        if baseline is not None and baseline.implementation:
            raise InvalidInput(f"{self.baseline} does not train in this engine: use {baseline.implementation} instead.")
        if baseline is not None and not baseline.has("lambda_n") and self.lambda_n is not None:
            raise InvalidInput(f"{self.baseline} has no lambda_n: set lambda_n=None.")
        settings = {name: getattr(self, name) for name in SETTINGS if name != "seed"}
        return make_config(dataset="X", seed=self._seed(), **settings)

    def _seed(self) -> int:
        if self.random_state is None:
            return int(np.random.default_rng().integers(LARGEST_SEED))
        if not isinstance(self.random_state, (int, np.integer)):
            return int(check_random_state(self.random_state).randint(LARGEST_SEED))
        if not 0 <= self.random_state <= LARGEST_SEED:
            raise InvalidInput(f"random_state must be from 0 to {LARGEST_SEED}, not {self.random_state}.")
        return int(self.random_state)


def _labels(y: ArrayLike, rows: np.ndarray) -> np.ndarray:
    """Validate the labels y for `rows` [rows, features] and return them as int64 [rows].

    Raise InvalidInput unless y holds only zeros and ones, and both; ValueError if it has another length.
    """
    labels = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput("y must hold 1 for labeled anomalies and 0 for all other rows, and nothing else.")
    if not (labels == 1).any():
        raise InvalidInput("y holds no labeled anomaly: at least one row must be 1.")
    if not (labels == 0).any():
        raise InvalidInput("y holds labeled anomalies only: at least one row must be 0, unlabeled.")
    checked: np.ndarray = labels.astype(np.int64)
    return checked


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """Context that turns an AnoOnlyError into an InvalidInput with the same text.

    InvalidInput is a ValueError, as scikit-learn expects.
    """
    try:
        yield
    except InvalidInput:
        raise
    except AnoOnlyError as error:
        raise InvalidInput(str(error)) from error
