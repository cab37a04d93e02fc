"""Tests of the bundled sets: rows of scikit-learn, 5 % of them anomalies, always the same ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from anoonly_core.data.bundled import breast_cancer, digit_against_rest, digit_alone, digits_low
from anoonly_core.data.dataset import Dataset

DIGITS, DIGIT = load_digits(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)

# Function that makes each set, the source rows, and the anomalies among them.
SETS: dict[str, tuple[Callable[[str], Dataset], np.ndarray, np.ndarray]] = {
    **{f"digits_{d}": (partial(digit_against_rest, digit=d), DIGITS, d == DIGIT) for d in range(10)},
    "digits_low": (digits_low, DIGITS, DIGIT >= 5),
    "breast_cancer": (breast_cancer, CANCER, BENIGN == 0),
}

# The start of each set's fingerprint. Where one changes, so must the set's identity in the catalogue,
# or stored runs of the old rows would be taken for runs of the new.
FINGERPRINTS = {
    "digits_0": "3b0596af9f3e94eb",
    "digits_1": "f5409c5432206685",
    "digits_2": "739afb525e7245ea",
    "digits_3": "bcd8adfc675d8a38",
    "digits_4": "2cf08ac39a3d8fb7",
    "digits_5": "8ba7ce37e4e79d19",
    "digits_6": "ba66335418ca3fe2",
    "digits_7": "52b6c39c411207c6",
    "digits_8": "05724d185fa8b202",
    "digits_9": "ffab7f47985d1895",
    "digits_low": "54cfbc8c7d8feed2",
    "breast_cancer": "6854d900e48e7f81",
}


@pytest.fixture(params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def made(name: str) -> Dataset:
    return SETS[name][0](name)


def test_row_ids_point_to_scikit_learns_rows(name: str) -> None:
    _, X, anomalous = SETS[name]
    dataset = made(name)
    np.testing.assert_array_equal(dataset.X, X[dataset.row_ids].astype(np.float32), strict=True)
    np.testing.assert_array_equal(dataset.y, anomalous[dataset.row_ids].astype(np.int8), strict=True)
    assert (np.diff(dataset.row_ids) > 0).all(), "each row once, in its old order"


def test_all_normal_rows_and_5_percent_anomalies(name: str) -> None:
    anomalous = SETS[name][2]
    dataset = made(name)
    assert set(np.flatnonzero(~anomalous)) <= set(dataset.row_ids)
    assert dataset.rows - dataset.y.sum() == (~anomalous).sum()
    assert abs(dataset.y.sum() - 0.05 * dataset.rows) <= 0.5
    assert dataset.anomaly_share == pytest.approx(0.05, abs=0.001)


def test_sizes() -> None:
    sizes = {name: (*made(name).X.shape, int(made(name).y.sum())) for name in SETS}
    assert sizes["digits_3"] == (1699, 64, 85)
    assert sizes["digits_low"] == (948, 64, 47)
    assert sizes["breast_cancer"] == (376, 30, 19)
    assert all(sizes[f"digits_{d}"][0] in range(1690, 1710) for d in range(10))


def test_the_rows_are_the_same_on_every_call(name: str) -> None:
    np.random.seed(1)
    again = SETS[name][0](name)
    assert again is not made(name) and again.fingerprint == made(name).fingerprint
    assert again.fingerprint[:16] == FINGERPRINTS[name]


def test_the_rows_are_the_same_in_every_process() -> None:
    script = "from anoonly_core.data.bundled import digits_low; print(digits_low('digits_low').fingerprint[:16])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == FINGERPRINTS["digits_low"]


def test_each_digit_draws_different_anomalies() -> None:
    anomalies = {name: made(name) for name in SETS if name.startswith("digits_")}
    drawn = [frozenset(dataset.row_ids[dataset.y == 1]) for dataset in anomalies.values()]
    assert len(set(drawn)) == len(drawn)
    for digit in range(10):
        dataset = anomalies[f"digits_{digit}"]
        assert set(DIGIT[dataset.row_ids[dataset.y == 1]]) == {digit}


def test_provenance_and_image_shape(name: str) -> None:
    dataset = made(name)
    assert dataset.name == name
    assert dataset.provenance.source and dataset.provenance.license and dataset.provenance.note
    assert dataset.image_shape == ((8, 8) if name.startswith("digits") else None)
    assert dataset.image_shape is None or np.prod(dataset.image_shape) == dataset.columns


@pytest.mark.parametrize("digit", range(10))
def test_one_digit_alone_is_normal_and_every_other_row_an_anomaly(digit: int) -> None:
    dataset = digit_alone(f"digits_only_{digit}", digit)
    np.testing.assert_array_equal(dataset.X, DIGITS.astype(np.float32), strict=True)
    np.testing.assert_array_equal(dataset.y, (digit != DIGIT).astype(np.int8), strict=True)
    assert np.array_equal(dataset.row_ids, np.arange(1797)) and dataset.image_shape == (8, 8)
    assert f"the {digit} is normal" in dataset.provenance.note
