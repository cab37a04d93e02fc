"""Values of columns behind their features, and contributions that are summed over a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.tables.columns import profile_column
from anoonly_core.data.tables.preprocessing import FeatureChoices, fit_preprocessing
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.result import GRADIENTS

ROWS = 60


def table() -> pd.DataFrame:
    """Return a table with numbers, words, missing cells, dates and many words, in 60 rows."""
    drawn = np.random.default_rng(0)
    amount = drawn.normal(size=ROWS)
    amount[:6] += 4
    words = drawn.choice(["cash", "card", "transfer"], ROWS).astype(object)
    words[:6] = "card"
    words[7] = None
    amount[9] = np.nan
    days = pd.Timestamp("2024-03-01") + pd.to_timedelta(drawn.integers(0, 300, ROWS), unit="D")
    return pd.DataFrame(
        {
            "amount": amount,
            "paid by": words,
            "day": [day.strftime("%Y-%m-%d") for day in days],
            "shop": [f"shop {number}" for number in range(ROWS)],
            "weight": drawn.normal(size=ROWS),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> tuple[AnoOnlyDetector, np.ndarray, SourceColumns]:
    frame = table()
    profiles = [profile_column(str(name), frame[name]) for name in frame]
    steps = fit_preprocessing(frame, profiles, FeatureChoices(True, True, dates=True, hashes=True), "table")
    X, kept = steps.apply(frame, "table")
    assert kept.all()
    detector = AnoOnlyDetector("DeepSAD", epochs=3, random_state=0).fit(X, np.arange(ROWS) < 4)
    detector.preparation_ = steps
    return detector, X, SourceColumns.of_table(steps.columns)


def test_values_are_those_of_the_table(fitted: tuple[AnoOnlyDetector, np.ndarray, SourceColumns]) -> None:
    _, X, columns = fitted
    frame, values = table(), columns.values(X)
    assert columns.names == tuple(frame.columns) and len(columns.members) == X.shape[1] > 20
    assert [row[0] for row in values[:5]] == frame["amount"][:5].tolist()
    assert values[9][0] == pytest.approx(frame["amount"].median())  # a missing number is the median
    assert [row[1] for row in values[:7]] == frame["paid by"][:7].tolist()
    assert values[7][1] == "no word"
    assert str(values[0][2]).startswith("days ") and "weekday" in str(values[0][2])
    assert {str(row[3]).split()[0] for row in values} == {"hash"}


def test_contributions_are_those_of_whole_columns(fitted: tuple[AnoOnlyDetector, np.ndarray, SourceColumns]) -> None:
    detector, X, _ = fitted
    explanation = detector.explain(X[:6])
    assert explanation.columns == tuple(table().columns)
    assert explanation.method == GRADIENTS
    change = detector.decision_function(X[:6]) - explanation.median_score
    assert np.array_equal(explanation.scores, detector.decision_function(X[:6]))
    assert np.all(np.abs(explanation.contributions.sum(axis=1) - change) <= 0.01 * np.abs(change))
    assert np.nanmax(explanation.completeness_gap) <= 0.01
    assert explanation.deletion is not None and (explanation.deletion.differing <= 5).all()


def test_occlusion_replaces_a_whole_column(fitted: tuple[AnoOnlyDetector, np.ndarray, SourceColumns]) -> None:
    detector, X, columns = fitted
    explanation = detector.explain(X[:6], draws=0)
    assert explanation.deletion is None and explanation.believed is None
    assert detector.network_.median is not None
    for column in range(len(columns.names)):
        replaced = X[:6].copy()
        replaced[:, columns.members == column] = detector.network_.median[columns.members == column]
        expected = explanation.scores - detector.decision_function(replaced)
        np.testing.assert_allclose(explanation.occlusion[:, column], expected, atol=1e-4 * explanation.scores.max())
    expected = np.median(X[4:], axis=0)  # of the pool
    np.testing.assert_allclose(detector.network_.median, expected.astype(np.float32), rtol=1e-6)


def test_order_and_mean_follow_the_contributions(fitted: tuple[AnoOnlyDetector, np.ndarray, SourceColumns]) -> None:
    detector, X, _ = fitted
    explanation = detector.explain(X[:6], draws=0)
    for row, change in enumerate(explanation.scores - explanation.median_score):
        parts = explanation.contributions[row][explanation.order(row)] * np.sign(change)
        assert np.all(np.diff(parts) <= 0)
    np.testing.assert_allclose(explanation.mean_absolute(), np.abs(explanation.contributions).mean(axis=0))
