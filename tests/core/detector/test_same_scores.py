"""The same line scores the same to the bit in any file that holds it: other rows, order, format, columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anoonly_core.config import make_config
from anoonly_core.data.tables.readers import read_table
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import detector_for_run, score_table

ROWS = 80
DRAWN = np.random.default_rng(0)
TEXT = pd.DataFrame(
    {
        "weight": [f"{value:.3f}" for value in DRAWN.normal(size=ROWS)],
        "power": ["" if row % 7 == 3 else f"{value:.4g}" for row, value in enumerate(DRAWN.normal(size=ROWS))],
        "code": [("00501", "10001", "K1A")[row % 3] for row in range(ROWS)],
        "flag": [("True", "False", "")[row % 5 % 3] for row in range(ROWS)],
        "country": [("DE", "None", "NA", "FR")[row % 4] for row in range(ROWS)],
    }
)
STAMPS = [str(1_700_000_000 + int(second)) for second in DRAWN.integers(0, 5000, ROWS)]
TABLES = {"float32": TEXT, "float64": TEXT.assign(stamp=STAMPS)}


@pytest.fixture(
    scope="module", params=[(kind, head) for kind in TABLES for head in ("DeepSAD", "PReNet")], ids="-".join
)
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AnoOnlyDetector, pd.DataFrame, np.ndarray]:
    """Return a detector as its file holds it, its table and the scores of all rows in one file."""
    kind, head = request.param
    folder = tmp_path_factory.mktemp("same")
    table = TABLES[kind]
    table.assign(label=(np.arange(ROWS) % 8 == 0).astype(int)).to_csv(folder / "t.csv", index=False)
    config = make_config(dataset=f"{folder / 't.csv'}?categories=one_hot&missing=impute", baseline=head, epochs=1)
    detector_for_run(config).save(folder / "d.safetensors")
    detector = AnoOnlyDetector.load(folder / "d.safetensors")
    assert detector.network_.minimum.dtype == kind
    return detector, table, score_table(detector, read_table(folder / "t.csv"), "t.csv").scores


@given(
    rows=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=40),
    file=st.sampled_from(["t.csv", "semicolon.csv", "t.csv.gz", "t.parquet"]),
    data=st.data(),
)
@settings(deadline=None, max_examples=40)
def test_a_line_scores_the_same_in_any_file(
    trained: tuple[AnoOnlyDetector, pd.DataFrame, np.ndarray], rows: list[int], file: str, data: st.DataObject
) -> None:
    detector, table, scores = trained
    names = data.draw(st.permutations([*table.columns, "surplus"]))
    other = table.assign(surplus="x").iloc[rows].reset_index(drop=True)[names]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        if file.endswith("parquet"):
            other.to_parquet(path)
        else:
            other.to_csv(path, index=False, sep=";" if "semicolon" in file else ",")
        found = score_table(detector, read_table(path), file)
    assert found.rows.tolist() == [*range(len(rows))]
    assert found.scores.tobytes() == scores[rows].tobytes()
