"""Results as a notebook shows them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from anoonly_core import make_config, run, run_many, sweep
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.html import run_html
from anoonly_core.results.result import RunList

QUICK = {"dataset": "breast_cancer", "epochs": 1, "batch_size": 64}


def cells(html: str) -> list[list[str]]:
    """The texts of the rows of a table."""
    return [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def test_a_result_shows_settings_metrics_and_charts() -> None:
    result = run(make_config(**QUICK, lambda_n=0))
    html = result._repr_html_()
    document = ElementTree.fromstring(html)  # well-formed, hence closed and escaped
    assert "breast_cancer" in html and "lambda_n 0" in html
    assert cells(html)[1] == [f"{value:.3f}" for value in result.metrics.as_dict().values()]
    curves = document.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(curves) == 2
    ends = curves[0].attrib["points"].split()
    assert ends[-1] == "260.0,0.0", "a ROC curve ends at (1, 1)"
    assert not re.search(r"<script|href|url\(", html)


@pytest.mark.parametrize("name", ["<b>mine</b>.csv", "a&b.csv", 'quo"te.csv', "λ ü.csv"])
def test_the_name_of_a_file_stays_text(name: str) -> None:
    result = run(make_config(**QUICK))
    html = run_html(result.config.model_copy(update={"dataset": name}), result.metrics, result.y_test, result.scores)
    text = "".join(ElementTree.fromstring(html).itertext())
    assert name in text


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [3.0, 2.0, -1e30]])
def test_few_and_equal_scores_have_charts(scores: list[float]) -> None:
    result = run(make_config(**QUICK))
    html = run_html(result.config, result.metrics, np.array([0, 0, 1]), np.array(scores, np.float32))
    assert ElementTree.fromstring(html) is not None and "nan" not in html


def test_a_list_of_results_shows_a_row_per_setting() -> None:
    plain = make_config(**QUICK, lambda_n=1)
    results = run_many([plain.with_(lambda_n=value, seed=seed) for value in (1.0, 0.0) for seed in range(3)])
    head, *rows = cells(results._repr_html_())
    assert head[:2] == ["lambda_n", "runs"]
    values = [[r.metrics.aucroc for r in results[:3]], [r.metrics.aucroc for r in results[3:]]]
    for row, lambda_n, own in zip(rows, ("1", "0"), values, strict=True):
        assert row[:3] == [lambda_n, "3", f"{np.mean(own):.3f} ± {np.std(own, ddof=1):.3f}"]
    assert cells(results._repr_html_()) == cells(RunList(results)._repr_html_())
    assert cells(RunList(results[:1])._repr_html_())[1][:3] == ["breast_cancer", "1", f"{values[0][0]:.3f}"]
    assert len(cells(RunList()._repr_html_())) == 1


def test_a_sweep_shows_a_row_per_point() -> None:
    table = sweep(**QUICK, norm=["none", "layer"], lambda_n=[1, 0], seeds=2)
    head, *rows = cells(table._repr_html_())
    assert head[:3] == ["lambda_n", "norm", "runs"] and len(rows) == 4
    first = table[table["point"] == 0]
    assert rows[0][3] == f"{first['aucroc'].mean():.3f} ± {first['aucroc'].std():.3f}"
    table.loc[0, ["failure", *METRICS]] = ["It <failed>.", *[np.nan] * len(METRICS)]
    assert cells(table._repr_html_())[1][2] == "1 (1 failed)"
    table.loc[2, list(METRICS)] = np.nan  # not trained yet
    table.loc[[4, 5], list(METRICS)] = np.nan
    assert "nan" not in table._repr_html_()
    assert [row[2:4] for row in cells(table._repr_html_())[2:4]] == [
        ["1", f"{table['aucroc'][3]:.3f}"],
        ["0", "–"],
    ]
    assert type(table[["norm"]]).__name__ == "DataFrame", "a part of the table is no sweep"
