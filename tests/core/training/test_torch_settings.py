"""Training and scoring give the same bits, whatever PyTorch was set to by the caller, and leave its settings alone."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import detector_result, score_table
from anoonly_core.microscope.run import observe
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.purify.config import make_purify_config
from anoonly_core.purify.run import purify_many
from anoonly_core.replay.run import record
from anoonly_core.runs.run import run, run_each, run_many, warm_up
from anoonly_core.training.torch_settings import default_torch_settings
from anoonly_core.zero_shot.config import make_zero_shot_config
from anoonly_core.zero_shot.run import run_zero_shot
from tests.core.detector.detectors import detector, table


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 1)


@contextmanager
def changed(read: Callable[[], Any], write: Callable[[Any], Any], value: Any) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


SETTINGS: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default dtype": lambda: changed(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "default device": lambda: changed(torch.get_default_device, torch.set_default_device, "meta"),
    "device context": lambda: torch.device("meta"),
    "matmul precision": lambda: changed(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
}


@contextmanager
def together(*settings: str) -> Iterator[None]:
    """Enter several settings."""
    with ExitStack() as stack:
        for setting in settings:
            stack.enter_context(SETTINGS[setting]())
        yield


# Of two settings that exclude each other, one in each group.
GROUPS = (
    ("no_grad", "autocast", "default dtype", "default device", "matmul precision"),
    ("inference_mode", "autocast", "default dtype", "device context", "matmul precision"),
)


def state() -> list[Any]:
    """Everything that the settings above change."""
    return [
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_float32_matmul_precision(),
    ]


def config(baseline: str = "DeepSAD", **settings: Any) -> RunConfig:
    return make_config(**{"dataset": "digits_only_3", "baseline": baseline, "epochs": 1, "lambda_n": 0.0, **settings})


def of_detector(fitted: AnoOnlyDetector) -> list[np.ndarray]:
    X, _ = table(seed=1)
    return [fitted.decision_scores_, fitted.decision_function(X), fitted.predict(X), np.array(fitted.threshold_)]


def fit(baseline: str) -> list[np.ndarray]:
    return of_detector(detector(baseline).fit(*table()))


def saved_and_loaded(folder: Path) -> list[np.ndarray]:
    fitted = detector("PReNet").fit(*table())
    fitted.save(folder / "detector.safetensors")
    return of_detector(AnoOnlyDetector.load(folder / "detector.safetensors"))


def pickled(folder: Path) -> list[np.ndarray]:
    return of_detector(pickle.loads(pickle.dumps(detector("DevNet").fit(*table()))))


def of_runs(folder: Path) -> list[np.ndarray]:
    configs = [config(baseline) for baseline in METHODS if BASELINES[baseline].has("lambda_n")]
    return [result.scores for result in run_many([*configs, config("DeepSAD", lambda_n=1.0)])]


def of_each(folder: Path) -> list[np.ndarray]:
    warm_up()
    ((_, result),) = run_each({"a": config()})
    return [result.scores, result.history.loss_anomaly]  # type: ignore[union-attr]


def of_a_table(folder: Path) -> list[np.ndarray]:
    scored = score_table(detector().fit(*table()), pd.DataFrame(table(seed=2)[0]).add_prefix("x"), "new.csv")
    return [scored.scores, scored.flagged]


def of_zero_shot(folder: Path) -> list[np.ndarray]:
    digits = tuple("0123456789")
    settings = {"meta": digits[:5], "held_out": digits[5:], "steps": 2, "tasks": 2, "test_rows": 20}
    (result,) = run_zero_shot([make_zero_shot_config(**settings)])
    return list(result.arrays().values())


def of_purify(folder: Path) -> list[np.ndarray]:
    noisy = config(contamination=0.2, labeled_ratio=0.01)
    (result,) = purify_many([make_purify_config(noisy, scorer="autoencoder", parts=2)])
    return list(result.arrays().values())


def of_microscope(folder: Path) -> list[np.ndarray]:
    return [array for seen in observe(config("PReNet")) for array in (seen.lengths, seen.error, seen.distance)]


def of_replay(folder: Path) -> list[np.ndarray]:
    (replayed,) = record([config()], "pca").runs
    return [replayed.scores, replayed.points]


def of_take_away(folder: Path) -> list[np.ndarray]:
    return [detector_result(config("FEAWAD")).scores]


ENTRIES: dict[str, Callable[[Path], list[np.ndarray]]] = {
    **{f"fit {baseline}": lambda folder, baseline=baseline: fit(baseline) for baseline in METHODS},  # type: ignore[misc]
    **{
        function.__name__: function
        for function in (
            saved_and_loaded,
            pickled,
            of_runs,
            of_each,
            of_a_table,
            of_zero_shot,
            of_purify,
            of_microscope,
            of_replay,
            of_take_away,
        )
    },
}


@lru_cache
def undisturbed(entry: str, folder: Path) -> list[np.ndarray]:
    return ENTRIES[entry](folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detectors")


# One training meets each setting alone, all meet the settings in groups.
@pytest.mark.parametrize(
    ("entry", "settings"),
    [*(("of_runs", (setting,)) for setting in SETTINGS), *((entry, group) for entry in ENTRIES for group in GROUPS)],
)
def test_settings_of_the_caller_change_no_bit_and_remain(entry: str, settings: tuple[str, ...], folder: Path) -> None:
    expected, before = undisturbed(entry, folder), state()
    with together(*settings):
        inside = state()
        assert inside != before
        arrays = ENTRIES[entry](folder)
        assert state() == inside
    assert state() == before
    assert len(arrays) == len(expected)
    for array, right in zip(arrays, expected, strict=True):
        assert array.dtype == right.dtype
        np.testing.assert_array_equal(array, right)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_settings_remain_after_an_error(setting: str) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stopped

    with SETTINGS[setting]():
        inside = state()
        with pytest.raises(Stopped):
            run_many([config()], on_progress=stop)
        assert state() == inside


def test_a_detector_fitted_under_a_setting_scores_and_saves_without_it() -> None:
    X, y = table()
    expected = detector().fit(X, y)
    for setting, enter in SETTINGS.items():
        with enter():
            fitted = detector().fit(X, y)
        tensors, right = fitted.network_.tensors(), expected.network_.tensors()
        assert all(torch.equal(tensors[name], right[name]) for name in right), setting
        np.testing.assert_array_equal(fitted.decision_function(X), expected.decision_function(X))


def test_threads_that_overlap_restore_the_default_dtype_once_all_are_done() -> None:
    entered, leave = threading.Event(), threading.Event()

    def overlap() -> None:
        with default_torch_settings():
            entered.set()
            leave.wait(90)

    with changed(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        other = threading.Thread(target=overlap)
        with default_torch_settings():
            other.start()
            assert entered.wait(90)
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32
        scores = run(config()).scores
        leave.set()
        other.join()
        assert torch.get_default_dtype() == torch.float64
    np.testing.assert_array_equal(scores, run(config()).scores)
