"""Columns on a large offset: no value is blurred by the cast to float32, from the file to the score of a new row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import as_features, needs_float64
from anoonly_core.data.split import make_split, min_max
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.uri import file_identity
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import detector_for_run, detector_result, score_table
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.runs.run import run
from anoonly_core.training.gpu_rows import GpuRows
from anoonly_core.zero_shot.class_table import load_class_table
from anoonly_core.zero_shot.config import make_zero_shot_config
from anoonly_core.zero_shot.run import run_zero_shot

# Offset and unit of a column, and whether float64 holds offset + count · unit exactly.
OFFSETS: dict[str, tuple[float, float, bool]] = {
    "Unix time in seconds": (1_700_000_000, 1, True),
    "Unix time in milliseconds": (1_700_000_000_000, 1, True),
    "Unix time in nanoseconds": (1_700_000_000_000_000_000, 256, True),
    "UTM northing with millimeters": (5_412_345, 0.001, False),
    "UTM easting with millimeters": (-691_607, 0.001, False),
    "ten-digit id": (4_000_000_000, 1, True),
    "constant plus tiny noise": (1e6, 2.0**-30, True),
    "pressure in pascal": (101_325, 2.0**-8, True),
}
ORDINARY = ("digits_3", "digits_low", "breast_cancer")


def counts(rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A column of whole numbers whose anomalies lie 250 higher, and an ordinary column; then the labels."""
    drawn = np.random.default_rng(seed)
    y = (np.arange(rows) % 6 == 0).astype(np.int64)
    return np.stack([drawn.integers(0, 100, rows) + 250 * y, drawn.integers(-64, 64, rows) / 32], axis=1), y


def shifted(offset: float, unit: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X, y = counts(seed=seed)
    return np.stack([offset + X[:, 0] * unit, X[:, 1]], axis=1), y


def write(path: Path, offset: float, unit: float) -> str:
    X, y = shifted(offset, unit)
    pd.DataFrame({"stamp": X[:, 0], "other": X[:, 1], "y": y}).to_csv(path, index=False)
    return str(path)


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 1)


# Every offset with one baseline, and every baseline with one offset that float64 holds exactly and one that it rounds.
RUNS = [
    *(("DeepSAD", name) for name in OFFSETS),
    *(
        (baseline, name)
        for baseline in ("DevNet", "FEAWAD", "PReNet", "Classifier")
        for name in ("Unix time in milliseconds", "UTM northing with millimeters")
    ),
]


@pytest.mark.parametrize(("baseline", "name"), RUNS)
def test_a_run_detects_as_without_the_offset(baseline: str, name: str, tmp_path: Path) -> None:
    offset, unit, is_exact = OFFSETS[name]
    names = [write(tmp_path / "plain.csv", 0, unit), write(tmp_path / "offset.csv", offset, unit)]
    # DevNet learns slowly: it needs the 50 epochs of its publication, and so does the classifier with its settings.
    settings = {"baseline": baseline, "lambda_n": 1.0, "epochs": 50 if baseline in ("DevNet", "Classifier") else 10}
    settings["labeled_ratio"] = 0.5
    plain, on_offset = (run(make_config(dataset=dataset, **settings)) for dataset in names)
    assert plain.metrics.aucroc > 0.98 and on_offset.metrics.aucroc > 0.98
    datasets = [load_cached(dataset) for dataset in names]
    split = make_split(datasets[0], plain.config)
    minimum, scale = min_max(datasets[1].X, split.train)
    assert datasets[1].X.dtype == minimum.dtype == scale.dtype == np.float64
    scaled = replace(split, minimum=minimum, scale=scale).scaled(datasets[1], split.test)
    np.testing.assert_allclose(scaled, split.scaled(datasets[0], split.test), rtol=0, atol=0 if is_exact else 1e-5)


@pytest.mark.parametrize("name", OFFSETS)
def test_the_estimator_and_its_file_score_new_rows_as_without_the_offset(name: str, tmp_path: Path) -> None:
    offset, unit, is_exact = OFFSETS[name]
    expected = np.empty(0)
    for shift in (0.0, offset):
        X, y = shifted(shift, unit)
        new, y_new = shifted(shift, unit, seed=1)
        fitted = AnoOnlyDetector("DeepSAD", lambda_n=1.0, epochs=20, random_state=0).fit(
            pd.DataFrame(X, columns=["a", "b"]), y
        )
        fitted.save(tmp_path / "detector.safetensors")
        pd.DataFrame(new, columns=["a", "b"]).to_csv(tmp_path / "new.csv", index=False)
        loaded = AnoOnlyDetector.load(tmp_path / "detector.safetensors")
        scores = score_table(loaded, read_table(tmp_path / "new.csv"), "new.csv").scores
        np.testing.assert_array_equal(scores, fitted.decision_function(pd.DataFrame(new, columns=["a", "b"])))
        assert roc_auc_score(y_new, scores) > 0.99
        if shift and is_exact:
            np.testing.assert_array_equal(scores, expected)
        elif shift:
            np.testing.assert_allclose(scores, expected, atol=1e-3)
        expected = scores


@settings(max_examples=20)
@given(offset=st.integers(-(10**12), 10**12), baseline=st.sampled_from(list(METHODS)))
def test_no_shift_of_a_column_changes_a_score(offset: int, baseline: str) -> None:
    X, y = counts()
    lambda_n = 0.0 if BASELINES[baseline].has("lambda_n") else None

    def scores(shift: int) -> np.ndarray:
        detector = AnoOnlyDetector(baseline, lambda_n=lambda_n, epochs=1, batch_size=16, random_state=0)
        moved = X + np.array([shift, 0])
        return detector.fit(moved, y).decision_function(moved)

    expected, found = scores(0), scores(offset)
    assert roc_auc_score(y, found) == pytest.approx(roc_auc_score(y, expected), abs=0.002)
    if needs_float64(X + np.array([offset, 0])):
        np.testing.assert_array_equal(found, expected)


def test_a_detector_of_a_run_scores_its_rows_as_the_run(tmp_path: Path) -> None:
    config = make_config(dataset=write(tmp_path / "t.csv", 1.7e9, 1), epochs=2)
    split = make_split(load_cached(config.dataset), config)
    result, taken = run(config), detector_result(config)
    np.testing.assert_array_equal(taken.scores[split.test].astype(np.float32), result.scores)
    scored = score_table(detector_for_run(config), read_table(tmp_path / "t.csv"), "t.csv")
    np.testing.assert_array_equal(scored.scores, taken.scores)


def test_rows_on_a_gpu_are_scaled_to_the_same_bits(tmp_path: Path) -> None:
    config = make_config(dataset=write(tmp_path / "t.csv", 1.7e12, 1))
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    expected = split.scaled(dataset, split.train)
    rows = GpuRows(dataset, [split], torch.device("cpu"))
    out = torch.empty(len(split.train), dataset.columns)
    rows.scale_into(out, split, split.train)
    np.testing.assert_array_equal(out.numpy(), expected)
    mapped = rows.map_rows(lambda x: x, [split, split], [split.train, split.train])
    assert mapped.dtype == torch.float32
    np.testing.assert_array_equal(mapped[1].numpy(), expected)
    assert expected.min() == 0 and expected.max() == 1 and len(np.unique(expected[:, 0])) > 100


def test_zero_shot_detects_as_without_the_offset(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    kind = np.repeat(np.arange(6), 60)
    X = drawn.integers(0, 40, (360, 3)) + 60 * kind[:, None]
    results: list[Any] = []
    for offset in (0, 1_700_000_000):
        path = tmp_path / f"{offset}.csv"
        pd.DataFrame(X + offset, columns=list("abc")).assign(kind=[f"k{k}" for k in kind]).to_csv(path, index=False)
        meta, held_out = tuple(f"k{k}" for k in range(4)), ("k4", "k5")
        settings: dict[str, Any] = {"steps": 5, "tasks": 2, "test_rows": 20, "meta": meta, "held_out": held_out}
        results += run_zero_shot([make_zero_shot_config(table=str(path), column="kind", **settings)])
    assert load_class_table(str(path), "kind").X.dtype == np.float64
    for name, array in results[0].arrays().items():
        np.testing.assert_array_equal(results[1].arrays()[name], array, err_msg=name)


@pytest.mark.parametrize("name", OFFSETS)
def test_the_identity_of_an_affected_file_changes(name: str, tmp_path: Path) -> None:
    offset, unit, _ = OFFSETS[name]
    assert resolve(write(tmp_path / "a.csv", offset, unit)).identity.endswith(":float64")
    assert not resolve(write(tmp_path / "b.csv", 0, unit)).identity.endswith(":float64")


def test_a_column_that_is_left_out_changes_no_identity(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 1.7e9, 1)
    entry = resolve(f"{path}?without=stamp")
    assert not entry.identity.endswith(":float64") and entry.load().X.dtype == np.float32
    (tmp_path / "broken.csv").write_text('a,b\n"1,2\n')
    assert file_identity(tmp_path / "broken.csv", resolve(f"{path}?without=stamp").schema)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_data_sets_stay_in_float32(name: str) -> None:
    assert resolve(name).load().X.dtype == np.float32


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([0.1] * 4, False),  # constant
        ([0.1, 0.2, 0.3, 0.7], False),
        ([1e30, 1.0, 2.0, 3.0], False),  # no precision separates the small values within this range
        ([1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3], True),
        ([-1e9, -1e9 + 1, -1e9 + 2, -1e9 + 3], True),
        ([16_777_216, 16_777_217, 16_777_218, 16_777_219], True),
        ([1000, 1001, 1002, 1003], False),  # float32 holds whole numbers of this size
        ([np.nan, 1e9, 1e9 + 1, 1e9 + 2], True),
        ([np.nan] * 4, False),
        ([1e300, 1.0, 2.0, 3.0], False),
    ],
)
def test_a_column_needs_float64_if_float32_blurs_it(column: list[float], expected: bool) -> None:
    X = np.array([column, [1.0, 2.0, 3.0, 4.0]]).T
    assert needs_float64(X) is expected
    assert as_features(X).dtype == (np.float64 if expected else np.float32)
