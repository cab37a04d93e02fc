"""The row of a ranking by hand-given labels is explained by the detector of the ranking."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.labeling.reasons import explain_ranked_row
from anoonly_core.labeling.run import rank_with_labels


def test_a_ranked_row_is_explained_by_the_columns_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    drawn = np.random.default_rng(0)
    frame = pd.DataFrame(drawn.normal(size=(80, 3)), columns=["a", "b", "c"])
    frame["kind"] = [*"xyzxy"] * 16
    frame.loc[:5, "b"] += 5
    frame.loc[7, "c"] = np.nan
    added = uploads.add("rows.csv", io.BytesIO(frame.to_csv(index=False).encode()), "me", "here")
    schema = make_schema({"categories": "one_hot", "missing": "impute"})
    table = uploads.apply_schema(added, schema)[0]
    config = make_config(dataset=table.name, baseline="DevNet", epochs=2)
    ranking = rank_with_labels(config, [0, 1, 2])
    assert ranking.file is not None
    for row in (4, 7):
        explanation = explain_ranked_row(ranking.file, table.name, row)
        assert explanation.columns == ("a", "b", "c", "kind")
        assert explanation.scores[0] == pytest.approx(ranking.scores[row], rel=1e-5)
        assert explanation.values[0][3] == frame["kind"][row]
        change = explanation.scores[0] - explanation.median_score
        assert explanation.contributions.sum() == pytest.approx(change, rel=0.01)
    assert explanation.values[0][2] == pytest.approx(frame["c"].median())  # a missing number is the median
