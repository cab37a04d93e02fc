"""Tests of the report: the content of the page in one file without network requests or injected markup."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import write_metadata
from anoonly_core.results.result import NO_HISTORY, RunResult
from app.charts.pair import FIGURE_DESCRIPTIONS, Pair
from app.charts.runs import RowMap
from app.controls.choice import from_pin
from app.text.citations import ANOONLY
from app.text.differences import differences
from app.text.verdict import format_difference, paired_difference
from app.views.compare.report import ReportInput, report_html
from tests.previews import HOSTILE, previews_of, write_texts

MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HARMFUL = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(2)>**b**.csv"
FIGURES = 6

Shipped = tuple[list[RunResult], list[RunResult]]


def report_input(
    a: Sequence[RunResult], b: Sequence[RunResult], title: str = "hidden", address: str = ""
) -> ReportInput:
    sample = b[0].sample
    points = np.asarray(sample.hidden[:, :2], dtype=np.float64)
    panel = RowMap(title, points, sample.role, np.arange(len(sample.rows)))
    return ReportInput(a, b, load_cached("digits_3"), Pair(a[0], b[0], 3.0), lambda: ("t-SNE", [panel] * 3), address)


def with_dataset(dataset: str, runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the same runs with another data set name."""
    return [replace(run, config=run.config.with_(dataset=dataset)) for run in runs]


def tags(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return all elements of a page in order, each with the names of its attributes."""
    elements: list[tuple[str, tuple[str, ...]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: elements.append((tag, tuple(name for name, _ in attrs)))  # type: ignore[method-assign]
    parser.feed(text)
    return elements


def without_plotly(text: str) -> str:
    """Return the report without Plotly, which names hosts that it does not contact."""
    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), "")


def test_the_report_holds_the_content_of_the_page(shipped: Shipped) -> None:
    a, b = shipped
    text = report_html(report_input(a, b), MADE)
    assert "Over 5 seeds <strong>DeepSAD + AnoOnly</strong> finds the anomalies better than" in text
    for name, label in (("aucroc", "AUCROC"), ("aucpr_anomaly", "AUCPR anomaly"), ("aucpr_normal", "AUCPR normal")):
        difference = paired_difference(
            [getattr(run.metrics, name) for run in a], [getattr(run.metrics, name) for run in b]
        )
        cells = "".join(f'<td class="number">{cell}</td>' for cell in (f"{difference.a:.3f}", f"{difference.b:.3f}"))
        assert f'<tr><td>{label}</td>{cells}<td class="number">{format_difference(difference, 3)}</td>' in text
    assert '<tr class="apart"><td>λₙ</td><td>1</td><td>0</td></tr>' in text
    norm = "<td>batch norm without scale and shift (batch_no_affine)</td>"
    assert f"<tr><td>norm</td>{norm}{norm}</tr>" in text
    preset = "<td>the paper&#x27;s text (paper)</td>"
    assert f"<tr><td>preset</td>{preset}{preset}</tr>" in text
    assert "python -m anoonly_core run --dataset digits_3 --baseline DeepSAD --lambda-n 0.0 --seeds 5" in text
    assert "scikit-learn&#x27;s digits" in text and "CC BY 4.0" in text
    assert "Training sees 6 labeled anomalies" in text
    assert ">digits_3 · pool of " in text and "· seeds 0 to 4</p>" in text
    assert "Only λₙ (1 → 0) differs." in text
    assert "Made by anoonly 0.2.0 on 2026-01-02 03:04 UTC." in text


def test_every_figure_has_a_caption_and_plotly_is_embedded_once(shipped: Shipped) -> None:
    text = report_html(report_input(*shipped), MADE)
    assert text.count("<figcaption>") == text.count('class="plotly-graph-div"') == FIGURES
    for sentence in FIGURE_DESCRIPTIONS.values():
        assert sentence.split("{")[0].replace("'", "&#x27;") in text
    assert "do not preserve distances between clusters" in text
    content = without_plotly(text)
    assert len(content) < 1_000_000 and "src=" not in content and "<link" not in content and "http://" not in content


def test_two_different_splits_are_both_drawn(shipped: Shipped) -> None:
    a, b = shipped
    other = [replace(run, counts={**run.counts, "pool_anomalies": 7}) for run in a]
    text = report_html(report_input(other, b), MADE)
    assert text.count("<figcaption>") == FIGURES + 1
    assert "<strong>A</strong>  digits_3" in text and "<strong>B</strong>  digits_3" in text


def test_one_seed_says_so_and_a_system_without_epochs_has_no_history(shipped: Shipped) -> None:
    xgbod = [replace(run, config=make_config(baseline="XGBOD"), history=NO_HISTORY) for run in shipped[0][:1]]
    text = report_html(report_input(xgbod, xgbod), MADE)
    assert "Means over 1 seed (0)." in text and text.count("<figcaption>") == FIGURES - 1
    assert "<strong>B</strong>: XGBOD has no epochs." in text
    assert BASELINES["XGBOD"].norms is None and "<tr><td>norm</td><td>–</td><td>–</td></tr>" in text


@pytest.mark.parametrize("kind", ["brought", "address"])
def test_text_from_a_user_is_escaped(
    kind: str, shipped: Shipped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file name, columns and labels of a user add no element to the page."""
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path))
    plain, harmful = (report_on_file(name, kind, shipped, tmp_path) for name in ("cells.csv", HARMFUL))
    assert tags(plain) == tags(harmful)
    seen = without_plotly(harmful)
    assert "<script>alert" not in seen and "<img" not in seen and "&lt;script&gt;alert(1)" in seen


def report_on_file(name: str, kind: str, shipped: Shipped, folder: Path) -> str:
    """Return the report on a file of this name, which is also the name of its label column and label."""
    word = name.replace("/", "|")
    address = f"{name}?label={word}&anomaly={word}".replace(",", "")
    if kind == "brought":
        path = folder / "any.csv"
        path.write_text("a,label\n" + "".join(f"{row},{int(row % 3 == 0)}\n" for row in range(30)))
        with path.open("rb") as source:
            table = uploads.add(name, source, "me", "here")
        table, _ = uploads.apply_schema(table, TableSchema(label="label", anomaly=("1",)))
        write_metadata(replace(table, schema={"label": word, "anomaly": [word]}))
        address = table.name
    return report_html(report_input(*(with_dataset(address, runs) for runs in shipped), title=name), MADE)


def test_a_file_is_listed_with_its_name_and_schema(shipped: Shipped, tmp_path: Path) -> None:
    address = "folder/cells.csv?label=diagnosis&anomaly=malignant,odd&missing=impute"
    text = report_html(report_input(*(with_dataset(address, runs) for runs in shipped)), MADE)
    for key, value in (
        ("file", "cells.csv"),
        ("read by label", "diagnosis"),
        ("read by anomaly", "malignant, odd"),
        ("read by missing", "impute"),
    ):
        assert f"<tr><td>{key}</td><td>{value}</td></tr>" in text


ADDRESS = "https://example.org/compare?norm=none&seeds=5"


def test_the_report_carries_its_link_and_the_paper(shipped: Shipped) -> None:
    text = without_plotly(report_html(report_input(*shipped, address=ADDRESS), MADE))
    link = "https://example.org/compare?norm=none&amp;seeds=5"
    assert f'<a href="{link}">{link}</a>' in text
    assert html.escape(ANOONLY.full) in text and f'<a href="{ANOONLY.url}">' in text
    assert "vary only" not in text, "only λₙ differs"
    assert "This comparison" not in report_html(report_input(*shipped), MADE)


def test_the_report_links_the_comparisons_of_one_thing(shipped: Shipped) -> None:
    a, b = shipped
    b = [replace(run, config=run.config.with_(norm="none")) for run in b]
    text = without_plotly(report_html(report_input(a, b, address=ADDRESS), MADE))
    links = dict(re.findall(r'<a href="(https://example.org/compare\?[^"]*)">(vary only [^<]*)</a>', text))
    assert sorted(links.values()) == ["vary only the norm", "vary only λₙ"]
    for link, words in links.items():
        values = dict(parse_qsl(html.unescape(link).split("?")[1]))
        pinned = from_pin(values["a"], b[0].config)
        (only,) = differences(pinned, b[0].config)
        assert words == f"vary only {only.label}"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", 'https://x/"><script>alert(1)</script>', "data:text/html,x", "//x", "https:x'y"]
)
def test_a_harmful_address_becomes_no_markup(shipped: Shipped, address: str) -> None:
    text = without_plotly(report_html(report_input(*shipped, address=address), MADE))
    assert "<script>alert" not in text and f'href="{address}' not in text


def test_rows_with_previews_are_listed_with_their_words(shipped: Shipped, tmp_path: Path) -> None:
    a, b = shipped
    path = write_texts(tmp_path / "mails.npz", [f"{HOSTILE} {row}" for row in range(1797)])
    dataset = replace(load_cached("digits_3"), previews=previews_of(path, "text"))
    made = replace(report_input(a, b), dataset=dataset)
    text = report_html(made, MADE)
    assert "The 20 test rows with the highest scores of B" in text
    highest = int(dataset.row_ids[b[0].test_rows[int(np.argmax(b[0].scores))]])
    plain = HOSTILE.replace("\u202e", "").replace("\u202c", "")
    assert f'<p dir="auto" tabindex="0">{html.escape(plain)} {highest}</p>' in text
    assert text.count('class="row-words"') == 20
    assert {tag for tag, _ in tags(text)} - {tag for tag, _ in tags(report_html(report_input(a, b), MADE))} == {"small"}
    assert "features of the texts in mails.csv by words" in text
