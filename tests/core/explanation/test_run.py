"""Explanations of the rows of a run: its scores, its system kept for further rows, and the names of its columns."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split, medians
from anoonly_core.explanation import run as explanation_run
from anoonly_core.explanation.result import GRADIENTS, OCCLUSION
from anoonly_core.explanation.run import columns_of, explain_run
from anoonly_core.models.rivals import Rivals
from anoonly_core.runs.run import run


@pytest.fixture(autouse=True)
def nothing_trained() -> None:
    explanation_run._trained.clear()


def test_the_scores_are_those_of_the_run_and_further_rows_need_no_training() -> None:
    config = make_config(dataset="breast_cancer", baseline="DeepSAD", epochs=2)
    split = make_split(load_cached("breast_cancer"), config)
    steps: list[tuple[int, int | None]] = []
    first = explain_run(config, split.test[:3], lambda done, total: steps.append((done, total)), draws=5)
    assert steps == [(1, 2), (2, 2), (1, 3), (2, 3), (3, 3)]
    steps.clear()
    second = explain_run(config, split.test[3:5], lambda done, total: steps.append((done, total)), draws=5)
    assert steps == [(1, 2), (2, 2)]  # the rows of the test only
    stored = run(config)
    assert np.array_equal(np.concatenate([first.scores, second.scores]), stored.scores[:5].astype(np.float64))
    assert first.method == GRADIENTS and first.columns[0] == "mean radius"


def test_contributions_of_a_logistic_regression_are_its_terms() -> None:
    config = make_config(dataset="breast_cancer", baseline="LogisticRegression")
    dataset = load_cached("breast_cancer")
    split = make_split(dataset, config)
    found = explain_run(config, split.test[:4], draws=5)
    fitted = Rivals(dataset, [config], [split])._models[0]
    reference = (medians(dataset.X, split.train[~split.labeled]) - split.minimum) / split.scale
    expected = fitted.coef_[0] * (split.scaled(dataset, split.test[:4]) - reference)
    assert found.method == OCCLUSION
    np.testing.assert_allclose(found.contributions, expected, atol=2e-5)
    assert np.nanmax(found.completeness_gap) < 0.01


def test_columns_have_names_that_a_reader_knows() -> None:
    assert columns_of("digits_3", load_cached("digits_3")).names[:9:8] == ("pixel 0, 0", "pixel 1, 0")
    names = columns_of("breast_cancer", load_cached("breast_cancer")).names
    assert len(names) == 30 and names[-1] == "worst fractal dimension"
