"""AnoOnlyDetector: scikit-learn's own checks, the engine's own bits, and files that can be trusted."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_classifier_data_not_an_array,
    check_dataframe_column_names_consistency,
    check_estimators_dtypes,
    check_fit2d_1feature,
    estimator_checks_generator,
    parametrize_with_checks,
)

from anoonly_core import fitted as fitted_module
from anoonly_core import keys
from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import AnoOnlyError, BadModelFile, InvalidInput, TrainingDiverged
from anoonly_core.estimator import AnoOnlyDetector
from anoonly_core.methods import METHODS
from anoonly_core.methods.feawad import FEAWAD
from anoonly_core.methods.head import BLOCK_ROWS
from anoonly_core.model_file import read_model, write_model
from anoonly_core.run import run

ROOT = Path(__file__).parents[2]

# scikit-learn's checks that this detector cannot pass, each with its reason.
CANNOT_HOLD = {
    "check_estimators_dtypes": "it gives labels 1 and 2, but y is 0 for unlabelled rows and 1 for labelled anomalies",
    "check_classifier_data_not_an_array": "it gives labels 1 and 2, as check_estimators_dtypes does",
    "check_fit2d_1feature": "it gives labels 1 and 2, as check_estimators_dtypes does",
    "check_outliers_train": "it fits without y, and wants -1 and 1 from predict and a score that falls for anomalies",
}


@pytest.fixture(autouse=True)
def quick_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 1)


def detector(baseline: str = "DeepSAD", **settings: Any) -> AnoOnlyDetector:
    lambda_n = 0.0 if BASELINES[baseline].has("lambda_n") else None
    return AnoOnlyDetector(
        baseline, **{"lambda_n": lambda_n, "epochs": 1, "batch_size": 8, "random_state": 0, **settings}
    )


def table(rows: int = 60, columns: int = 4, labels: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around 0; the labelled anomalies, and as many that are not labelled, around 3."""
    drawn = np.random.default_rng(seed)
    X = drawn.normal(size=(rows, columns))
    X[: 2 * labels] += 3
    y = np.zeros(rows, dtype=np.int64)
    y[:labels] = 1
    return X, y


def is_one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.isprintable() and text.endswith(".") and len(text) < 300


# What scikit-learn asks of an estimator


@parametrize_with_checks(
    [detector(name) for name in METHODS],
    expected_failed_checks=lambda estimator: CANNOT_HOLD,
    xfail_strict=True,
)
def test_scikit_learns_own_checks(estimator: AnoOnlyDetector, check: Callable[[AnoOnlyDetector], None]) -> None:
    check(estimator)


class FromOneAndTwo(AnoOnlyDetector):
    """Takes labels 1 and 2, as some checks give them."""

    def fit(self, X: Any, y: Any = None) -> FromOneAndTwo:
        return super().fit(X, np.asarray(y) - 1)


@pytest.mark.parametrize("baseline", METHODS)
def test_checks_that_give_labels_1_and_2_fail_for_that_alone(baseline: str) -> None:
    for check in (check_estimators_dtypes, check_classifier_data_not_an_array, check_fit2d_1feature):
        assert "labels 1 and 2" in CANNOT_HOLD[check.__name__]
        check("AnoOnlyDetector", FromOneAndTwo(**detector(baseline).get_params()))
        with pytest.raises((InvalidInput, AssertionError), match=r"nothing else|not match any of the expected"):
            check("AnoOnlyDetector", detector(baseline))


def test_the_checks_that_cannot_hold_are_scikit_learns() -> None:
    """A name that is no check would excuse nothing, and stay."""
    checks = {str(check) for _, check in estimator_checks_generator(detector())}
    assert all(any(f"function {name} " in check for check in checks) for name in CANNOT_HOLD)


@pytest.mark.parametrize("baseline", METHODS)
def test_columns_are_known_by_their_names(baseline: str) -> None:
    check_dataframe_column_names_consistency("AnoOnlyDetector", detector(baseline))


def test_it_says_what_it_is() -> None:
    assert is_outlier_detector(detector())
    tags = get_tags(detector())
    assert tags.target_tags.required and not tags.classifier_tags.multi_class and not tags.input_tags.sparse
    assert not hasattr(detector(), "fit_predict")  # scikit-learn's would say -1 and 1
    assert clone(detector(norm="layer")).get_params() == detector(norm="layer").get_params()
    assert detector().set_params(lambda_n=0.5).lambda_n == 0.5


# The engine's own results


@pytest.mark.parametrize(
    "settings",
    [
        *({"baseline": name} for name in METHODS),
        {"baseline": "DeepSAD", "lambda_n": 1.0, "norm": "bn_loss", "batch_size": 100, "learning_rate": 0.01},
        {"baseline": "PReNet", "preset": "published_code", "lambda_n": 0.5},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_scores_are_to_the_bit_those_of_a_run_on_the_same_split(settings: dict[str, Any]) -> None:
    lambda_n = 0.0 if BASELINES[settings["baseline"]].has("lambda_n") else None
    settings = {"lambda_n": lambda_n, "epochs": 2, **settings}
    config = make_config(dataset="digits_3", seed=7, **settings)
    dataset = load_cached("digits_3")
    split = make_split(dataset, config)
    fitted = AnoOnlyDetector(**settings, random_state=7).fit(dataset.X[split.train], split.labelled)
    scores = fitted.decision_function(dataset.X[split.test])
    assert np.array_equal(scores, run(config, device="cpu").scores)
    assert fitted.config_ == {name: value for name, value in config.model_dump().items() if name in fitted.config_}
    assert {"seed", "norm", "batch_size"} <= set(fitted.config_)


def test_it_finds_anomalies_that_nobody_labelled() -> None:
    X, y = table(rows=400, labels=20)
    truth = np.arange(400) < 40
    fitted = AnoOnlyDetector(epochs=20, random_state=0).fit(X, y)
    assert roc_auc_score(truth[20:], fitted.decision_scores_[20:]) > 0.95


def test_what_is_left_open_is_as_published() -> None:
    X, y = table()
    fitted = AnoOnlyDetector("DevNet", epochs=1, random_state=3).fit(X, y)
    published = make_config(baseline="DevNet", lambda_n=0.0)
    assert fitted.config_ == {
        "baseline": "DevNet",
        "lambda_n": 0.0,
        "norm": published.norm,
        "batch_size": published.batch_size,
        "epochs": 1,
        "learning_rate": published.learning_rate,
        "preset": "paper",
        "seed": 3,
    }
    assert AnoOnlyDetector("DevNet", lambda_n=None, epochs=1).fit(X, y).config_["lambda_n"] == 1


# The threshold


@pytest.mark.parametrize("contamination", [0.5, 0.1, np.float32(0.05)])
def test_the_threshold_is_a_quantile_of_the_training_scores(contamination: float) -> None:
    X, y = table(rows=200)
    fitted = detector(contamination=contamination, epochs=5).fit(X, y)
    assert fitted.threshold_ == np.quantile(fitted.decision_scores_, 1 - contamination)
    assert fitted.labels_.sum() == fitted.predict(X).sum() == round(200 * contamination)
    assert set(np.unique(fitted.predict(X))) == {0, 1}
    assert np.array_equal(fitted.decision_function(X), fitted.decision_scores_)
    assert np.array_equal(fitted.predict(X), fitted.labels_)


def test_contamination_moves_the_threshold_and_no_score() -> None:
    X, y = table()
    low, high = detector(contamination=0.05).fit(X, y), detector(contamination=0.4).fit(X, y)
    assert np.array_equal(low.decision_scores_, high.decision_scores_)
    assert low.threshold_ > high.threshold_


# What cannot be


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"baseline": "DeepSVDD"}, ["baseline", "DeepSAD", "DeepSVDD"]),
        ({"baseline": ["DeepSAD"]}, ["baseline"]),
        ({"baseline": "XGBOD"}, ["XGBOD", "pyod.models.xgbod"]),
        ({"baseline": "REPEN"}, ["REPEN", "lambda_n=None"]),
        ({"baseline": "GANomaly", "lambda_n": None, "norm": "batch"}, ["GANomaly", "norm"]),
        ({"baseline": "REPEN", "lambda_n": None, "preset": "published_code"}, ["REPEN", "preset"]),
        ({"lambda_n": -1}, ["lambda_n", "-1"]),
        ({"norm": "instance"}, ["norm", "instance"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"baseline": "PReNet", "batch_size": 3}, ["batch_size", "PReNet", "4"]),
        ({"epochs": 1.5}, ["epochs", "1.5"]),
        ({"learning_rate": float("nan")}, ["learning_rate", "nan"]),
        ({"preset": "mine"}, ["preset", "mine"]),
        ({"contamination": 0}, ["contamination", "0.5"]),
        ({"contamination": 0.6}, ["contamination", "0.6"]),
        ({"contamination": float("nan")}, ["contamination", "nan"]),
        ({"contamination": "auto"}, ["contamination", "auto"]),
        ({"random_state": -1}, ["random_state", "-1"]),
        ({"random_state": 2**31}, ["random_state", "2147483647"]),
        ({"device": "tpu"}, ["device", "tpu"]),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_told_in_one_sentence(settings: dict[str, Any], words: list[str]) -> None:
    X, y = table()
    asked = AnoOnlyDetector(**settings)  # building it checks nothing
    with pytest.raises(ValueError) as caught:
        asked.fit(X, y)
    assert isinstance(caught.value, AnoOnlyError) and is_one_sentence(caught.value)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y"),
        (np.zeros(60), "no labelled anomaly"),
        (np.ones(60), "at least one row must be 0"),
        (np.arange(60) % 3, "nothing else"),
        (np.where(np.arange(60) < 5, 1, -1), "nothing else"),
        (np.where(np.arange(60) < 5, 1.0, np.nan), "nothing else"),
        (np.where(np.arange(60) < 5, "1", "0"), "nothing else"),
    ],
    ids=["none", "zeros", "ones", "three", "minus", "nan", "words"],
)
def test_labels_that_cannot_be_are_told_in_one_sentence(y: np.ndarray | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        detector().fit(table()[0], y)
    assert is_one_sentence(caught.value)


def test_labels_may_be_of_any_kind_that_holds_0_and_1() -> None:
    X, y = table()
    scores = detector().fit(X, y).decision_scores_
    for same in (y.astype(bool), y.astype(float), y.astype(object), y.tolist(), pd.Series(y, index=y + 5)):
        assert np.array_equal(detector().fit(X, same).decision_scores_, scores)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        detector().fit(X, y[1:])


def test_rows_may_be_of_any_kind_that_holds_the_same_numbers() -> None:
    X, y = table()
    X = X.astype(np.float32)
    fitted = detector().fit(X, y)
    for same in (X.astype(np.float64), np.asfortranarray(X), X.astype(object), pd.DataFrame(X), X.tolist()):
        assert np.array_equal(clone(fitted).fit(same, y).decision_scores_, fitted.decision_scores_)
        assert np.array_equal(fitted.decision_function(same), fitted.decision_scores_)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # scikit-learn's own, before it refuses the row
def test_rows_that_cannot_be_are_refused() -> None:
    X, y = table()
    fitted = detector().fit(X, y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        detector().fit(sparse.csr_array(X), y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        fitted.predict(sparse.csr_array(X))
    for value, words in ((np.nan, "NaN"), (np.inf, "infinity"), (1e300, "too large")):
        bad = X.copy()
        bad[7, 1] = value
        with pytest.raises(ValueError, match=words):
            detector().fit(bad, y)
        with pytest.raises(ValueError, match=words):
            fitted.decision_function(bad)
    bad[7, 1] = 3e38  # a float32, but not its difference from another
    with pytest.raises(InvalidInput, match="over 1e"):
        detector().fit(bad, y)
    with pytest.raises(InvalidInput, match=r"Row 7 of X .* infinite") as caught:
        fitted.decision_function(bad)
    assert is_one_sentence(caught.value)


def test_a_fit_that_fails_leaves_no_half_fitted_detector() -> None:
    X, y = table()
    fitted = detector().fit(X, y)
    wild = fitted.set_params(baseline="REPEN", lambda_n=None, learning_rate=1.0)
    with pytest.raises(InvalidInput):
        wild.fit(X[:, :2], np.zeros(60))
    with pytest.raises(NotFittedError):
        wild.decision_function(X)


def test_a_training_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    original = fitted_module.Stack.scores
    monkeypatch.setattr(fitted_module.Stack, "scores", lambda self, rows: [s * np.nan for s in original(self, rows)])
    with pytest.raises(TrainingDiverged, match="smaller learning rate"):
        detector().fit(*table())


# Randomness


@pytest.mark.parametrize("baseline", METHODS)
def test_the_same_random_state_gives_the_same_bits(baseline: str) -> None:
    X, y = table()
    once = detector(baseline).fit(X, y)
    again = clone(once).fit(X, y)
    assert np.array_equal(once.decision_scores_, again.decision_scores_)
    assert np.array_equal(once.decision_scores_, again.fit(X, y).decision_scores_)
    assert not np.array_equal(once.decision_scores_, detector(baseline, random_state=1).fit(X, y).decision_scores_)


def test_no_random_state_is_another_one_each_time() -> None:
    X, y = table()
    fits = [detector(random_state=None).fit(X, y) for _ in range(2)]
    assert not np.array_equal(fits[0].decision_scores_, fits[1].decision_scores_)
    repeated = detector(random_state=fits[0].config_["seed"]).fit(X, y)
    assert np.array_equal(repeated.decision_scores_, fits[0].decision_scores_)


def test_a_random_state_object_is_drawn_from() -> None:
    X, y = table()
    state = np.random.RandomState(5)
    shared = detector(random_state=state)
    first = shared.fit(X, y).decision_scores_
    assert not np.array_equal(shared.fit(X, y).decision_scores_, first)
    assert np.array_equal(detector(random_state=np.random.RandomState(5)).fit(X, y).decision_scores_, first)
    assert np.array_equal(
        detector(random_state=np.int64(3)).fit(X, y).decision_scores_,
        detector(random_state=3).fit(X, y).decision_scores_,
    )


# What else goes on in the process


def test_threads_do_not_disturb_each_other() -> None:
    X, y = table()
    kinds = [(name, seed) for seed in range(2) for name in METHODS]

    def scores(kind: tuple[str, int]) -> np.ndarray:
        return detector(kind[0], random_state=kind[1]).fit(X, y).decision_function(X)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scores, kinds))
    assert all(np.array_equal(scores(kind), found) for kind, found in zip(kinds, together, strict=True))


def test_threads_can_score_with_one_detector_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread begins while another is at work, and goes on when that one is done."""
    X, y = table(rows=BLOCK_ROWS + 50)
    fitted = detector().fit(X, y)
    alone = fitted.decision_function(X)
    original = METHODS["DeepSAD"].score
    second_began, first_done = threading.Event(), threading.Event()
    found: list[np.ndarray] = []
    second = threading.Thread(target=lambda: found.append(fitted.decision_function(X)))

    def score(self, x):  # type: ignore[no-untyped-def]
        if threading.current_thread() is second:
            second_began.set()
            assert first_done.wait(10)
        elif not second_began.is_set():
            second.start()
            assert second_began.wait(10)
        return original(self, x)

    monkeypatch.setattr(METHODS["DeepSAD"], "score", score)
    assert np.array_equal(fitted.decision_function(X), alone)
    first_done.set()
    second.join()
    assert np.array_equal(found[0], alone)


def test_global_state_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> list[Any]:
        return [
            torch.get_rng_state().tolist(),
            repr(np.random.get_state()),
            random.getstate(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
        ]

    def forbidden(threads: int) -> None:
        raise AssertionError("the number of threads is the user's")

    monkeypatch.setattr(torch, "set_num_threads", forbidden)
    X, y = table()
    before = state()
    for baseline in METHODS:
        detector(baseline, random_state=None).fit(X, y).predict(X)
    assert state() == before


# Sizes


@pytest.mark.parametrize("baseline", METHODS)
def test_one_row_scores_as_it_does_among_thousands(baseline: str) -> None:
    X, y = table()
    fitted = detector(baseline).fit(X, y)
    many = np.tile(X, (70, 1))
    scores = fitted.decision_function(many)
    assert np.array_equal(scores, np.tile(fitted.decision_scores_, 70))
    assert np.array_equal(fitted.decision_function(many[17:18]), scores[17:18])
    assert fitted.predict(many[:1]).shape == (1,)


@pytest.mark.parametrize("baseline", METHODS)
def test_few_rows_one_label_and_one_feature_are_enough(baseline: str) -> None:
    X, y = table(rows=20, columns=1, labels=1)
    fitted = detector(baseline, batch_size=None).fit(X, y)
    assert np.isfinite(fitted.decision_scores_).all()
    assert fitted.n_features_in_ == 1
    both = detector(baseline, batch_size=4).fit(X[:2], y[:2])
    assert np.isfinite(both.decision_function(X)).all()


def test_a_feature_that_never_changes_does_no_harm() -> None:
    X, y = table()
    X[:, 2] = 4
    fitted = detector().fit(X, y)
    X[0, 2] = 5
    assert np.isfinite(fitted.decision_function(X)).all()


# With scikit-learn's tools


def test_it_ends_a_pipeline() -> None:
    X, y = table()
    pipeline = make_pipeline(StandardScaler(), detector()).fit(X, y)
    by_hand = StandardScaler().fit(X)
    alone = detector().fit(by_hand.transform(X), y)
    assert np.array_equal(pipeline.decision_function(X), alone.decision_scores_)
    assert np.array_equal(pipeline.predict(X), alone.labels_)


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision"])
def test_a_grid_is_searched_with_the_usual_scorers(scoring: str) -> None:
    X, y = table(rows=120, labels=20)
    folds = StratifiedKFold(3)
    search = GridSearchCV(detector(epochs=3), {"lambda_n": np.array([1.0, 0.0])}, scoring=scoring, cv=folds).fit(X, y)
    by_hand = [cross_val_score(detector(epochs=3, lambda_n=value), X, y, scoring=scoring, cv=folds) for value in (1, 0)]
    assert np.allclose(search.cv_results_["mean_test_score"], [scores.mean() for scores in by_hand])
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    assert search.best_estimator_.config_["lambda_n"] == search.best_params_["lambda_n"]


# Pickles and files


def saved(folder: Path, baseline: str = "DevNet", **settings: Any) -> tuple[AnoOnlyDetector, Path]:
    """A fitted detector, and the file that it was saved to."""
    fitted = detector(baseline, **settings).fit(*table())
    path = folder / f"{baseline}.safetensors"
    fitted.save(path)
    return fitted, path


def test_pickles_and_files_score_the_same_bits_in_a_fresh_process(tmp_path: Path) -> None:
    X, _ = table(seed=1)
    for baseline in METHODS:
        fitted, _ = saved(tmp_path, baseline)
        np.save(tmp_path / f"{baseline}.npy", fitted.decision_function(X))
        (tmp_path / f"{baseline}.pickle").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "X.npy", X)
    script = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "folder, names = Path(sys.argv[1]), sys.argv[2:]\n"
        "X = np.load(folder / 'X.npy')\n"
        "for name in names:\n"
        "    expected = np.load(folder / f'{name}.npy')\n"
        "    fitted = pickle.loads((folder / f'{name}.pickle').read_bytes())\n"
        "    assert np.array_equal(fitted.decision_function(X), expected), name\n"
        "    loaded = type(fitted).load(folder / f'{name}.safetensors')\n"
        "    assert np.array_equal(loaded.decision_function(X), expected), name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *METHODS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("baseline", METHODS)
def test_a_loaded_detector_is_the_one_that_was_saved(baseline: str, tmp_path: Path) -> None:
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "ü\n", "d"])
    fitted = detector(baseline, contamination=0.2, epochs=np.int64(2)).fit(frame, y)
    fitted.save(tmp_path / "one")
    loaded = AnoOnlyDetector.load(str(tmp_path / "one"))
    assert loaded.get_params() == fitted.get_params()
    assert vars(loaded).keys() == vars(fitted).keys()
    assert loaded.threshold_ == fitted.threshold_ and loaded.config_ == fitted.config_
    assert loaded.n_features_in_ == 4 and loaded.feature_names_in_.tolist() == frame.columns.tolist()
    assert np.array_equal(loaded.decision_scores_, fitted.decision_scores_)
    assert np.array_equal(loaded.labels_, fitted.labels_)
    assert np.array_equal(loaded.decision_function(frame), fitted.decision_function(frame))
    assert np.array_equal(loaded.predict(frame), fitted.labels_)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[["b", "a", "ü\n", "d"]])
    assert np.array_equal(clone(loaded).fit(frame, y).decision_scores_, fitted.decision_scores_)
    loaded.save(tmp_path / "one")  # over the file that it came from
    again = AnoOnlyDetector.load(tmp_path / "one")
    assert np.array_equal(again.decision_function(frame), loaded.decision_function(frame))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_seed_that_was_drawn_takes_the_place_of_what_it_was_drawn_from(tmp_path: Path) -> None:
    fitted, path = saved(tmp_path, random_state=np.random.RandomState(0))
    again = AnoOnlyDetector.load(path)
    assert again.random_state == fitted.config_["seed"]
    assert np.array_equal(clone(again).fit(*table()).decision_scores_, fitted.decision_scores_)
    assert AnoOnlyDetector.load(saved(tmp_path, random_state=None)[1]).random_state is None


@pytest.mark.parametrize("baseline", METHODS)
def test_a_file_holds_no_more_of_the_training_rows_than_it_says(baseline: str, tmp_path: Path) -> None:
    """PReNet's partners and REPEN's reference are scaled rows; no other tensor has a training row in it."""
    fitted, path = saved(tmp_path, baseline)
    X = table()[0].astype(np.float32)
    scaled = (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
    _, tensors = read_model(path)
    holding = {name for name, tensor in tensors.items() for rows in (X, scaled) if _holds_a_row(tensor.numpy(), rows)}
    rows_needed = {"PReNet": {"head.partners_anomaly", "head.partners_pool"}, "REPEN": {"head.reference"}}
    assert holding == rows_needed.get(baseline, set())
    assert fitted.n_features_in_ == 4


def _holds_a_row(tensor: np.ndarray, rows: np.ndarray) -> bool:
    flat = tensor.astype(np.float32).tobytes()
    return any(row.tobytes() in flat for row in rows)


def test_save_wants_a_fitted_detector_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        detector().save(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        detector().fit(*table()).save(tmp_path / "nowhere" / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        detector().fit(*table()).save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def refused(path: Path) -> str:
    """The one sentence that a file is refused with."""
    with pytest.raises(BadModelFile) as caught:
        AnoOnlyDetector.load(path)
    assert is_one_sentence(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "absent")
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "empty").touch()
    assert "damaged" in refused(tmp_path / "empty")
    (tmp_path / "text").write_text("y,a,b\n0,1,2\n")
    assert "no .safetensors file" in refused(tmp_path / "text")
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "other", metadata={"format": "pt"})
    assert "holds no AnoOnlyDetector" in refused(tmp_path / "other")
    save_file({"weight": torch.zeros(3)}, tmp_path / "later", metadata={"format": "anoonly-detector/2"})
    assert "anoonly-detector/2" in refused(tmp_path / "later")


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "pickle").write_bytes(pickle.dumps(_Payload(trace)))
    torch.save(_Payload(trace), tmp_path / "torch")
    for name in ("pickle", "torch"):
        refused(tmp_path / name)
    assert not trace.exists()
    pickle.loads((tmp_path / "pickle").read_bytes())
    assert trace.exists()  # the payload is one


def test_a_file_with_any_byte_changed_or_missing_is_refused(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    places = [*range(header), *range(header, len(whole), 23)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(path)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole + b"\0")
    refused(path)


def test_a_file_of_another_version_of_the_head_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(BASELINES, "DevNet", replace(BASELINES["DevNet"], revision=99))
        assert "DevNet scores otherwise" in refused(path)
    with monkeypatch.context() as patch:
        patch.setattr(keys, "ENGINE_REVISION", 99)
        assert "fit it anew" in refused(path)
    AnoOnlyDetector.load(path)


Contents = tuple[dict[str, Any], dict[str, torch.Tensor]]


def _without(kind: int, name: str) -> Callable[[Contents], None]:
    return lambda contents: contents[kind].pop(name)  # type: ignore[call-overload]


def _with(kind: int, name: str, value: Any) -> Callable[[Contents], None]:
    return lambda contents: contents[kind].update({name: value})  # type: ignore[call-overload]


MADE_UP: dict[str, Callable[[Contents], None]] = {
    "no settings": _without(0, "config_"),
    "no parameters": _without(0, "params"),
    "no threshold": _without(0, "threshold_"),
    "threshold is no number": _with(0, "threshold_", float("nan")),
    "threshold is a list": _with(0, "threshold_", [1]),
    "threshold is huge": _with(0, "threshold_", 10**400),
    "unknown parameter": _with(0, "params", {"command": "rm"}),
    "unknown baseline": _with(0, "config_", {"baseline": "os"}),
    "a comparator that is not ours": _with(0, "config_", {"baseline": "XGBOD"}),
    "too few names": _with(0, "feature_names_in_", ["a"]),
    "names of another kind": _with(0, "feature_names_in_", [1, 2, 3, 4]),
    "no weight": _without(1, "head.parts.score.steps.0.weight"),
    "no range": _without(1, "minimum"),
    "another tensor": _with(1, "head.more", torch.zeros(1)),
    "another name": _with(1, "more", torch.zeros(1)),
    "weight of another type": _with(1, "head.parts.score.steps.0.bias", torch.zeros(1, 1, 1, dtype=torch.float64)),
    "weight of another shape": _with(1, "head.parts.score.steps.0.bias", torch.zeros(1, 1, 2)),
    "range of another type": _with(1, "minimum", torch.zeros(4, dtype=torch.float64)),
    "range of another shape": _with(1, "scale", torch.ones(4, 1)),
    "range that is not finite": _with(1, "scale", torch.full((4,), torch.nan)),
    "range of far more columns": _with(1, "minimum", torch.zeros(3_000_000)),
    "no rows' scores": _with(1, "decision_scores_", torch.zeros(())),
}


@pytest.mark.parametrize("change", MADE_UP.values(), ids=MADE_UP)
def test_a_file_made_up_to_look_like_a_detector_is_refused(change: Callable[[Contents], None], tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    contents = read_model(path)
    write_model(path, *contents)
    AnoOnlyDetector.load(path)
    change(contents)
    write_model(path, *contents)
    refused(path)


def test_a_file_takes_no_more_memory_than_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEAWAD's first layer is columns × columns: a small file could ask for terabytes."""
    places = []

    class Watched(FEAWAD):
        def __init__(self, *shape: Any) -> None:
            super().__init__(*shape)
            places.append({parameter.device.type for parameter in self.parameters()})

    _, path = saved(tmp_path, "FEAWAD")
    contents = read_model(path)
    contents[1].update(minimum=torch.zeros(1000), scale=torch.ones(1000))
    write_model(path, *contents)
    monkeypatch.setitem(METHODS, "FEAWAD", Watched)
    refused(path)
    assert places == [{"meta"}]


def test_a_fit_that_fails_leaves_nothing_of_the_one_before() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 2)), (np.arange(40) % 8 == 0).astype(int)
    fitted = AnoOnlyDetector(epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="no labelled anomaly"):
        fitted.fit(X[:, :1], np.zeros(40))
    assert not any(
        name.endswith("_") and not name.startswith("__") for name in vars(fitted) if name != "n_features_in_"
    )
    with pytest.raises(NotFittedError):
        fitted.decision_function(X)
