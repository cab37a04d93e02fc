"""AnoOnlyDetector: the training engine behind the scikit-learn interface, with the conventions of PyOD."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pandas import isna
from sklearn.base import BaseEstimator
from sklearn.metrics import average_precision_score
from sklearn.utils import ClassifierTags, Tags, check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from anoonly_core.baselines import BASELINES, NORM_SETTINGS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset, needs_float64
from anoonly_core.data.feature_files import FeatureAbout
from anoonly_core.data.split import Split, min_max
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.decision.calibration import Calibration
from anoonly_core.detector.held_back import make_folds, score_folds, train_without
from anoonly_core.detector.labels import repeat_rows, to_roles
from anoonly_core.detector.network import DetectorNetwork, network_from_tensors, train_network
from anoonly_core.detector.result import HOLD_BACKS
from anoonly_core.detector.serialization import model_bytes, read_model, write_model
from anoonly_core.detector.thresholds import AUTO, DEFAULT_SHARE, ThresholdMixin, given_cut
from anoonly_core.errors import AnoOnlyError, BadModelFile, InfiniteScore, InvalidInput
from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.deletion import DRAWS
from anoonly_core.explanation.result import Explanation
from anoonly_core.progress import Report
from anoonly_core.results.keys import revision_of
from anoonly_core.runs.run import resolve_device
from anoonly_core.version import __version__

__all__ = ["AUTO", "SETTINGS", "AnoOnlyDetector"]

# Settings of a run that its network depends on; the others select the rows.
SETTINGS = (
    *("baseline", "lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset", "seed"),
    *NORM_SETTINGS,
)
LARGEST_SEED = 2**31 - 1
CALIBRATION = "calibration."  # begins the names of its tensors in a file
FITTED = ("_calibration", "_prevalence", "_fixed_cut", "_cuts")


class AnoOnlyDetector(ThresholdMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Semi-supervised anomaly detector: learns from a few labeled anomalies and many unlabeled rows.

    In `fit(X, y)`, y is 1 for labeled anomalies and 0 or NaN for unlabeled rows, among which anomalies may be. Rows
    known to be normal may have -1: they train like unlabeled rows, and help to choose the threshold. The features are
    scaled to the range of the training rows, and the same engine trains as for a run of the page or the command line.

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
    grad_place : {"all", "first", "last"}
        Batch norms of the network that these shares hold for, see `RunConfig`.
    norm_strength : float or None
        Strength of a norm with a dial, see `RunConfig`; None is the standard value.
    contamination : float or "auto"
        Share of new rows like the unlabeled training rows that `predict` flags, above 0 and up to 0.5. It moves the
        threshold only, as in PyOD, and may be set after `fit`. "auto" takes the threshold that separates held-back
        labeled anomalies best from the other held-back rows, if six distinct ones are labeled, and else 0.1.
        Elsewhere in this project the word means anomalies among the unlabeled rows.
    rule : str or None
        Rule that replaces `contamination` as the choice of the threshold, a key of RULES: "false_alarms", "fdr",
        "fdr_storey", "pool_share", "iqr" or "cost". May be set after `fit`. Source: docs/methods.md § 15.
    level : float or None
        Number of the rule, such as the rate of false alarms; None is the default of the rule.
    hold_back : {"folds", "split"}
        Unlabeled rows behind thresholds and p-values. "folds": all, scored by three further networks, each trained
        without a third; promises hold about. "split": a third, at most about 10,000, that the detector itself is not
        trained on; promises hold exactly, and the scores differ from those of a run.
    random_state : int, RandomState or None
        An int is the seed of the run; None draws a new seed. The global state of NumPy is not used.
    device : {"cpu", "cuda", "auto"}
        Device for training.
    verbose : bool
        True to print the losses of ten epochs, and the threshold with its reason.

    Attributes
    ----------
    decision_scores_ : float64 [rows]
        Scores of the training rows.
    threshold_ : float
        Score above which a row is flagged. Three networks, each trained without a third of the unlabeled rows, and with
        contamination "auto" without a third of the labeled anomalies, too, score the rows held back. From these scores
        it is computed for the present `contamination` or `rule`, see `Calibration`. Assign a number to fix it. A rule
        that judges rows together, such as "fdr", has none; then `predict` and `cut` choose.
    threshold_reason_ : str
        Reason for the threshold, in a sentence.
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
    origin_ : FeatureAbout or None
        What made the features of the training rows, for a detector of a feature file; else None. `score_rows` of
        `detector.raw` scores new images or texts with it.
    network_ : DetectorNetwork
        The trained network.
    fill_ : [n_features_in_] or None
        Values that replaced missing ones in `fit_split`; None without any, and for a detector of a file.
    loss_history_ : float32 [epochs, 2] or None
        Mean L_N, before the factor λ_n, and mean L_A of each epoch; None for a detector of a file.
    classes_ : int64 [2]
        0 and 1, for tools that ask for the values of `predict`.

    Notes
    -----
    The same settings, rows and seed give the same bits on one machine with one number of threads. A fitted detector
    stores no training rows except for those that a system scores with: 60 for PReNet, up to 400 for REPEN; and the
    median of each feature. Pickles and saved files hold the same. A detector that is loaded scores on the CPU.
    """

    network_: DetectorNetwork
    fill_: np.ndarray | None
    origin_: FeatureAbout | None

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
        grad_place: str = "all",
        norm_strength: float | None = None,
        contamination: float | str = DEFAULT_SHARE,
        rule: str | None = None,
        level: float | None = None,
        hold_back: str = "folds",
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
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
        self.grad_place = grad_place
        self.norm_strength = norm_strength
        self.contamination = contamination
        self.rule = rule
        self.level = level
        self.hold_back = hold_back
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

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

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train on labeled anomalies and unlabeled rows, and set the threshold; discards an earlier training.

        Parameters
        ----------
        X : array-like [rows, features]
            Training rows, at least two, with finite numbers.
        y : array-like [rows]
            1 for labeled anomalies, 0 or NaN for unlabeled rows, -1 for rows known to be normal, whose loss weighs 1
            where that of unlabeled rows weighs `lambda_n`. Labeled anomalies and other rows must both occur. If all
            rows are 1 or -1, the share of 1 counts as that of new rows.
        sample_weight : array-like [rows], optional
            Number of times that each row counts. Weights that are not whole numbers are scaled to a mean of 1, and
            their fractions are drawn by the seed. A labeled anomaly with a weight above 0 counts at least once.

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
                f"{type(self).__name__} requires y to be passed, but the target y is None: "
                "give 1 for labeled anomalies and 0 for all other rows."
            )
        with _as_value_errors():
            config, device = self._config(), resolve_device(self.device)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if not needs_float64(rows):
            rows = check_array(rows, dtype=np.float32, input_name="X", estimator=self)
        roles = to_roles(y, rows)
        with _as_value_errors():
            dataset = make_dataset("X", rows, (roles == 1).astype(np.int64), Provenance("given to fit", ""))
        train = np.arange(dataset.rows)
        if sample_weight is not None:
            train = repeat_rows(_check_sample_weight(sample_weight, rows), roles == 1, config.seed)
            if len(np.unique(roles[train] == 1)) < 2:
                raise InvalidInput("sample_weight leaves no labeled anomaly or no other row: give more rows a weight.")
        normal = roles[train] == -1
        known = normal if normal.any() else None
        split = Split(train, roles[train] == 1, np.arange(0), *min_max(dataset.X, train), {}, None, known)
        prevalence = float((roles == 1).mean()) if (roles != 0).all() else None
        # No pretraining stays in the cache of the process.
        self._train(dataset, split, config, device, use_cache=False, normal=normal, prevalence=prevalence)
        if sample_weight is not None:
            self.decision_scores_ = self.network_.scores(rows)
        return self

    def fit_predict(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> np.ndarray:
        """Fit and return `labels_`, int64 [rows]: 1 for a training row above the threshold, else 0, as `predict`.

        Parameters and errors are those of `fit`.
        """
        return self.fit(X, y, sample_weight).labels_

    def fit_split(
        self,
        dataset: Dataset,
        split: Split,
        report: Report = lambda done, total: None,
        normal: np.ndarray | None = None,
        prevalence: float | None = None,
    ) -> Self:
        """Train on the training rows of a split, and set the threshold; discards an earlier training.

        With the settings and the seed of a run on this split, the scores have the same bits as those of the run. The
        scaling comes from the split; under the protocol "published" it covers more than the training rows.

        Parameters
        ----------
        dataset : Dataset
            Rows and features.
        split : Split
            Training rows (`split.train`), and among them the labeled anomalies (`split.labeled`) and the rows that
            train as known to be normal (`split.known_normal`).
        report : callable
            Called after each epoch with (epochs done, all epochs), pretraining included; an exception stops training.
        normal : bool [len(split.train)], optional
            Training rows that are known to be normal, for the threshold; the training takes `split.known_normal`.
        prevalence : float, optional
            Share of anomalies among new rows, if known.

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
        self._train(dataset, split, config, device, report, normal=normal, prevalence=prevalence)
        self.n_features_in_ = dataset.columns
        if dataset.previews is not None:  # without what concerns the training rows only
            self.origin_ = dataset.previews.about.model_copy(update={"left_out": (), "notes": ()})
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

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Return the negative of `decision_function`, float64 [rows]: as in scikit-learn, lower is more anomalous.

        Raise ValueError, InfiniteScore or NotFittedError as `decision_function` does.
        """
        return -AnoOnlyDetector.decision_function(self, X)

    def explain(self, X: ArrayLike, draws: int = DRAWS) -> Explanation:
        """Explain the score of each row by contributions of its columns, and test whether they do explain it.

        The contributions are integrated gradients of the score from the median row of the pool to the row. They add up
        to the difference of both scores. The test deletes columns in their order, see `DeletionTest`. Features of one
        column of a file, such as its words, count together.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows with the features of `fit`.
        draws : int
            Number of random orders that the test compares with; 0 leaves the test out.

        Returns
        -------
        Explanation
            Contributions, float64 [rows, columns], with their check, test and verdict for each row.

        Raises
        ------
        ValueError, InfiniteScore, NotFittedError
            As `decision_function` does.
        InvalidInput
            If the detector is from a file of a version without a median row, or `draws` is negative.
        """
        AnoOnlyDetector.decision_function(self, X)
        if draws < 0:
            raise InvalidInput(f"draws must be at least 0, not {draws!r}.")
        names = getattr(self, "feature_names_in_", [f"x{number}" for number in range(self.n_features_in_)])
        columns = (
            SourceColumns.of_features([str(name) for name in names])
            if self.preparation_ is None
            else SourceColumns.of_table(self.preparation_.columns)
        )
        rows = validate_data(self, X, dtype=self.network_.minimum.dtype, reset=False)
        return self.network_.explain(rows, columns, draws)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the average precision (AUCPR) of the scores; scikit-learn's tools take it by default.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows with the features of `fit`.
        y : array-like [rows]
            1 for anomalies; all other rows but those with NaN, which are left out, count as normal.
        sample_weight : array-like [rows], optional
            Weights of the rows.

        Raises
        ------
        InvalidInput
            If y holds no anomaly.
        ValueError, InfiniteScore, NotFittedError
            As `decision_function` does.
        """
        scores = AnoOnlyDetector.decision_function(self, X)
        labels = column_or_1d(y)
        known = ~isna(labels)
        check_consistent_length(scores, labels)
        if not (labels[known] == 1).any():
            raise InvalidInput("score needs an anomaly (1) in y: in cross-validation, take LabeledKFold for the folds.")
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(average_precision_score(labels[known] == 1, scores[known], sample_weight=weights))

    def _scores(self, X: ArrayLike) -> np.ndarray:
        return AnoOnlyDetector.decision_function(self, X)  # not that of a subclass

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
            # Earlier versions know `contamination` only.
            "threshold_": self.threshold_ if self.rule is None or self._fixed_cut else self._share_cut().score,
            "is_fixed": self._fixed_cut is not None,
            "prevalence": self._prevalence,
            "feature_names_in_": list(getattr(self, "feature_names_in_", ())) or None,
            "preparation_": None if self.preparation_ is None else self.preparation_.model_dump(mode="json"),
            "origin_": None if (origin := self._origin()) is None else origin.model_dump(mode="json"),
        }
        tensors = self.network_.tensors() | {"decision_scores_": torch.from_numpy(self.decision_scores_)}
        calibration = {} if self._calibration is None else self._calibration.arrays()
        return document, tensors | {f"{CALIBRATION}{name}": torch.from_numpy(a) for name, a in calibration.items()}

    def _origin(self) -> FeatureAbout | None:
        return getattr(self, "origin_", None)  # a pickle of an earlier version has none

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
        held_back = {name.removeprefix(CALIBRATION): t for name, t in tensors.items() if name.startswith(CALIBRATION)}
        network = network_from_tensors(config, {n: t for n, t in tensors.items() if not n.startswith(CALIBRATION)})
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
        calibration = Calibration.from_arrays({n: t.numpy() for n, t in held_back.items()}) if held_back else None
        detector._set_fitted(network, calibration, document.get("prevalence"), preparation)
        if (origin := document.get("origin_")) is not None:
            detector.origin_ = FeatureAbout.model_validate(origin)
        if calibration is None or document["is_fixed"]:
            detector._fixed_cut = given_cut(float(threshold))
        return detector

    def _reset(self) -> None:
        """Delete all fitted attributes, so that a fit that fails leaves no part of an earlier training."""
        for name in [*vars(self)]:
            if name.endswith("_") or name in FITTED:
                delattr(self, name)

    def _train(
        self,
        dataset: Dataset,
        split: Split,
        config: RunConfig,
        device: str,
        report: Report = lambda done, total: None,
        use_cache: bool = True,
        normal: np.ndarray | None = None,
        prevalence: float | None = None,
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
        normal, prevalence
            As in `fit_split`.
        """
        rule = self._rule()
        holds_labels = self._share() == AUTO or (rule is not None and rule.needs_anomalies)
        folds, fill = make_folds(dataset, split, config.seed, holds_labels, normal), split.fill
        if self.hold_back == "split":
            network, calibration, fill = train_without(dataset, split, folds, config, device, report, use_cache)
        else:
            halves = 2 if folds else 1
            network = train_network(
                dataset, split, config, device, lambda done, total: report(done, halves * total), use_cache
            )
            scored = score_folds(*(dataset, folds, config, device), lambda done, total: report(total + done, 2 * total))
            calibration = Calibration(network.training_scores[~split.labeled], tuple(scored))
        self._set_fitted(network, calibration, prevalence)
        self.fill_ = fill
        if self.verbose:
            self._print_losses()

    def _print_losses(self) -> None:
        assert self.loss_history_ is not None
        epochs = len(self.loss_history_)
        for epoch in np.unique(np.linspace(1, epochs, 10).round().astype(int)):
            normal, anomaly = self.loss_history_[epoch - 1]
            print(f"Epoch {epoch} of {epochs}: L_N {normal:.4g}, L_A {anomaly:.4g}")
        cut = self._cut(self.decision_scores_)
        print(f"Threshold {cut.score:.4g}. {cut.sentence}")

    def _set_fitted(
        self,
        network: DetectorNetwork,
        calibration: Calibration | None,
        prevalence: float | None,
        preparation: Preprocessing | None = None,
    ) -> None:
        self.config_ = {name: getattr(network.config, name) for name in SETTINGS}
        self.decision_scores_ = network.training_scores
        self.loss_history_ = network.losses
        self.classes_ = np.array([0, 1])
        self.preparation_ = preparation
        self.origin_ = None
        self._calibration, self._prevalence = calibration, prevalence
        self._fixed_cut, self._cuts, self.fill_ = None, {}, None
        self.network_ = network

    def _config(self) -> RunConfig:
        """Validate the parameters and return them as a RunConfig with a dummy data set; a seed of None is drawn.

        Raise InvalidInput or InvalidConfig if a parameter is invalid.
        """
        self._share()
        self._rule()
        if self.hold_back not in HOLD_BACKS:
            raise InvalidInput(f"hold_back must be one of {', '.join(HOLD_BACKS)}, not {self.hold_back!r}.")
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
