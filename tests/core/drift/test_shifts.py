"""One contract over all shifts, and the right rows of each."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.data.catalogue import load_cached
from anoonly_core.drift.shifts import SHIFTS, Population, ShiftContext, fitting_shifts
from anoonly_core.errors import InvalidConfig
from anoonly_core.rng import numpy_generator

DIGITS = load_cached("digits_3")
CONTEXT = ShiftContext(DIGITS.X[:800], seed=0, image_shape=(8, 8))
X = DIGITS.X[800:864]


def shifted(name: str, intensity: float, rows: np.ndarray = X, seed: int = 0) -> np.ndarray:
    context = ShiftContext(CONTEXT.rows, seed, CONTEXT.image_shape)
    return SHIFTS[name].apply(rows, intensity, context, numpy_generator(seed, "batch"))


def amount(name: str) -> float:
    return SHIFTS[name].default


@pytest.mark.parametrize("name", SHIFTS)
class TestContract:
    def test_intensity_0_keeps_every_bit(self, name: str) -> None:
        assert shifted(name, 0.0).tobytes() == X.tobytes()
        assert SHIFTS[name].population(0.05, 0.0) == Population(0.05)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_shape_and_dtype_stay(self, name: str, dtype: type) -> None:
        rows = X.astype(dtype)
        before = rows.copy()
        result = shifted(name, amount(name), rows)
        assert (result.shape, result.dtype) == (rows.shape, rows.dtype)
        assert np.isfinite(result).all() and (rows == before).all()

    def test_it_is_seeded(self, name: str) -> None:
        assert (shifted(name, amount(name)) == shifted(name, amount(name))).all()

    def test_a_small_intensity_is_a_small_change(self, name: str) -> None:
        assert abs(shifted(name, 1e-5) - X).max() < 1e-2

    def test_it_changes_the_rows_or_their_choice(self, name: str) -> None:
        moves = bool((shifted(name, amount(name)) != X).any())
        chooses = SHIFTS[name].population(0.05, amount(name)) != Population(0.05)
        assert moves + chooses == (name != "order")

    def test_it_has_words_and_a_valid_amount(self, name: str) -> None:
        shift = SHIFTS[name]
        assert len(shift.label.split()) <= 4 and shift.summary.endswith(".")
        assert 0 <= shift.default <= shift.most <= 10
        share = SHIFTS[name].population(0.9, shift.most).anomaly_share
        assert 0 <= share <= 0.9


def test_the_mean_moves_by_deviations_in_root_mean_square() -> None:
    moved = (shifted("mean", 2.0, X.astype(np.float64)) - X).mean(axis=0)
    varying = CONTEXT.deviation > 0
    direction = CONTEXT.generator("mean").normal(size=64)
    expected = 2 * direction * np.sqrt(64) / np.linalg.norm(direction)
    np.testing.assert_allclose(moved[varying] / CONTEXT.deviation[varying], expected[varying], rtol=1e-6)
    assert (moved[~varying] == 0).all()
    assert not np.allclose(shifted("mean", 2.0, seed=1), shifted("mean", 2.0))


def test_the_principal_direction_is_that_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    pca = PCA(1, svd_solver="full").fit(CONTEXT.standardize(CONTEXT.rows))
    expected = pca.components_[0] * np.sqrt(pca.explained_variance_[0])
    expected *= np.sign(expected[np.abs(expected).argmax()])
    np.testing.assert_allclose(CONTEXT.principal, expected, rtol=2e-3, atol=1e-4)  # 1/n, not 1/(n − 1)


def test_the_scale_doubles_half_of_the_deviations() -> None:
    spread = shifted("scale", 1.0, CONTEXT.rows.astype(np.float64)).std(axis=0)
    varying = CONTEXT.deviation > 0
    factors = spread[varying] / CONTEXT.deviation[varying]
    assert set(factors.round(6)) == {0.5, 2.0}


def test_a_full_turn_restores_the_rows_and_keeps_lengths() -> None:
    rows = X.astype(np.float64)
    np.testing.assert_allclose(shifted("rotation", 4.0, rows), rows, atol=1e-9)
    lengths = [np.linalg.norm(CONTEXT.standardize(part), axis=1) for part in (rows, shifted("rotation", 0.7, rows))]
    np.testing.assert_allclose(*lengths, rtol=1e-9)


def test_failed_sensors_read_their_median() -> None:
    result = shifted("missing", 0.25, X.astype(np.float64))
    failed = CONTEXT.generator("missing").permutation(64)[:16]
    assert (result[:, failed] == CONTEXT.median[failed]).all()
    others = np.setdiff1d(np.arange(64), failed)
    assert (result[:, others] == X[:, others]).all()


def test_a_picture_moves_by_whole_pixels() -> None:
    pictures, moved = X.reshape(-1, 8, 8), shifted("picture_shift", 2.0).reshape(-1, 8, 8)
    np.testing.assert_allclose(moved[:, :, 2:], pictures[:, :, :-2], atol=1e-5)
    assert (moved[:, :, :2] == 0).all()


def test_three_turns_of_thirty_degrees_are_a_right_angle() -> None:
    moved = shifted("picture_rotation", 3.0).reshape(-1, 8, 8)
    np.testing.assert_allclose(moved, np.rot90(X.reshape(-1, 8, 8), 1, axes=(1, 2)), atol=1e-4)


def test_contrast_halves_the_distance_from_the_middle() -> None:
    np.testing.assert_allclose(shifted("contrast", 1.0) - 8, (X - 8) / 2, atol=1e-6)


def test_the_share_of_anomalies_goes_to_half() -> None:
    assert SHIFTS["share"].population(0.1, 0.5).anomaly_share == pytest.approx(0.3)
    assert SHIFTS["share"].population(0.1, 1.0).anomaly_share == pytest.approx(0.5)
    assert SHIFTS["share"].population(0.8, 1.0).anomaly_share == 0.8


@pytest.mark.parametrize(
    ("dataset", "lacking"),
    [
        ("digits_3", {"new_type", "order"}),
        ("digits_low", {"order"}),
        ("digits_only_3", {"order"}),
        ("breast_cancer", {"mixture", "new_type", "order", "picture_shift", "picture_rotation", "contrast"}),
    ],
)
def test_a_data_set_has_the_shifts_that_fit(dataset: str, lacking: set[str]) -> None:
    loaded = load_cached(dataset)
    assert set(SHIFTS) - set(fitting_shifts(loaded)) == lacking
    for name in lacking:
        with pytest.raises(InvalidConfig, match=f"does not fit {dataset}: it needs"):
            SHIFTS[name].check(loaded)
    for name in set(SHIFTS) - lacking:
        SHIFTS[name].check(loaded)
