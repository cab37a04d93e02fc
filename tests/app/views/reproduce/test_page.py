"""The Reproduce page: full from what ships, its sentences, its cells, and a cell run again."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from anoonly_core.reproduction.boxes import boxes_sentence, make_boxes
from anoonly_core.reproduction.cells import signed
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import shipped_evidence
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.significance import Gain, claimed_gain, count_gains, gains
from anoonly_core.reproduction.tables import ALL, Table, make_table
from anoonly_core.reproduction.which.runs import FILE as WHICH_FILE
from anoonly_core.results.result import RunResult
from anoonly_core.results.store import Store
from app.server import evidence_cache
from app.server.devices import Devices
from app.server.evidence_cache import cell_runs, server_evidence
from app.views.reproduce import page as views_reproduce
from app.views.reproduce.charts import boxes_figure, table_figure
from app.views.reproduce.page import SHOWN
from app.views.reproduce.table import cell_sentence, cells_data, file_table
from app.views.reproduce.text import figure_sentence, gains_sentence, norms_sentence
from tests.app.conftest import opened
from tests.core.reproduction.made import has, runs_of


def shown(name: str, **more: str) -> AppTest:
    return opened("reproduce", show=name, **more)


@pytest.mark.parametrize("name", [name for name in SHOWN if name != "which" or WHICH_FILE.exists()])
def test_everything_is_there_on_first_opening(name: str, server: None) -> None:
    page = shown(name)
    assert not page.exception and not page.error and not page.warning
    sentence = page.markdown[0].value
    assert sentence.startswith("##### ") and re.search(r"\d", sentence) and "Nothing of this" not in sentence
    assert not re.search(r"\bnan\b", " ".join(own.value for own in page.markdown))
    if name == "points":
        assert all(any(point.title in own.value for own in page.markdown) for point in DISCREPANCIES.values())
        assert all(any(point.command in own.value for own in page.markdown) for point in DISCREPANCIES.values())


def test_the_address_says_what_is_shown_and_a_wrong_one_is_said(server: None) -> None:
    page = shown("table4", ours="code", sign="right")
    assert page.radio[0].value == "table4" and "AUCPR of the normal rows in" in page.markdown[0].value
    page.radio[0].set_value("fig7").run()
    assert page.query_params["show"] in ("fig7", ["fig7"]) and not page.exception
    wrong = shown("<b>table9</b>")
    assert len(wrong.warning) == 1 and wrong.radio[0].value == "table1" and not wrong.exception


def test_a_choice_that_the_view_lacks_is_named_and_kept_for_other_views(server: None) -> None:
    page = shown("points", sign="right")
    (warning,) = page.warning
    assert "The link sets sign to 'right'" in warning.value.replace("\\", "") and page.query_params["sign"] == "right"
    page.radio[0].set_value("table4").run()
    assert not page.warning and page.segmented_control(key="sign").value == "right"
    page.segmented_control(key="sign").set_value("published").run()
    assert "sign" not in page.query_params and page.query_params["show"] == "table4"


@pytest.mark.parametrize(
    ("gpu", "row", "words"),
    [
        ("", "DeepSAD", []),
        ("NVIDIA _Paper", "DeepSAD", ["It trains on this machine's NVIDIA \\_Paper."]),
        ("NVIDIA _Paper", "XGBOD", []),
    ],
)
def test_a_cell_says_what_will_train_it(
    server: None, monkeypatch: pytest.MonkeyPatch, gpu: str, row: str, words: list[str]
) -> None:
    monkeypatch.setattr(Devices, "gpus", lambda machine, wait=False: {"0": gpu} if gpu else {})
    monkeypatch.setattr(views_reproduce, "draw_cells", lambda table, reference, key, gains: (row, "20news"))
    monkeypatch.setattr(views_reproduce, "DATASETS", {"20news_3": SimpleNamespace(is_local=lambda: True)})
    page = shown("table1")
    assert page.button(key="again").label == "Run it on this machine, 5 runs" and not page.exception
    assert [own.value for own in page.caption if "It trains on" in own.value] == words


def test_a_cell_is_in_the_address_and_a_wrong_one_is_said(server: None) -> None:
    page = shown("table1", cell="DeepSAD~MVTec-AD")
    assert any("It is the mean over 10 of 15 files" in text.value for text in page.markdown) and not page.warning
    assert page.query_params["cell"] in ("DeepSAD~MVTec-AD", ["DeepSAD~MVTec-AD"])
    page.radio[0].set_value("fig7").run()
    assert "cell" not in page.query_params and not page.exception and not page.warning
    wrong = shown("table1", cell="DeepSAD~Mars")
    assert len(wrong.warning) == 1 and "cell" in wrong.warning[0].value and not wrong.exception


def made(name: str = "table1", place: str = "") -> Table:
    return make_table(name, runs_of(name, lambda run: 0.6 + 0.2 * has(run, lambda_n=0.0)), "text", place)


def test_cells_carry_their_difference_in_words_and_color() -> None:
    table = made()
    found = cells_data(table, "paper")
    column = table.columns.index("SVHN")
    cells = {row["name"]: row["cells"][column] for row in found["rows"]}
    assert cells["DeepSAD"]["difference"] == "(+4.6)" and "+4.6 to the paper" in cells["DeepSAD"]["label"]
    red, green, blue = map(int, re.findall(r"\d+", cells["DeepSAD"]["ground"]))
    assert green > red and green > blue  # ours is higher
    red, green, blue = map(int, re.findall(r"\d+", cells["DevNet"]["ground"]))
    assert green < red and green < blue
    assert (
        "ground"
        not in next(row for row in cells_data(table, "authors")["rows"] if row["name"] == "XGBOD")["cells"][column]
    )


def test_a_cell_in_words_and_by_file() -> None:
    table, frame = made(), runs_of("table1", lambda run: 0.6 + 0.2 * has(run, lambda_n=0.0))
    words = cell_sentence(table, "DeepSAD", "CIFAR10", 3, table.cells["DevNet", "CIFAR10"])
    assert "ours 60.0 ± 0.0; the paper 68.7 (−8.7)" in words and "2 of 10 files and 5 seeds, 10 runs" in words
    assert "3 of which were trained on this machine; the shipped value is 60.0" in words
    files = file_table(table, "DeepSAD", "CIFAR10", frame)
    assert list(files.index) == ["CIFAR10_0", "CIFAR10_4"] and files["mean"].tolist() == pytest.approx([60.0, 60.0])


def test_figures_have_a_line_a_system_and_a_mark_a_cell() -> None:
    table = made("fig5", ALL)
    figure = table_figure(table, "share")
    assert [trace.name for trace in figure.data] == list(table.rows)
    assert all(len(trace.x) == len(table.columns) for trace in figure.data)
    dashes = {trace.name: trace.line.dash for trace in figure.data}
    assert dashes["DeepSAD"] == "dash" and dashes["DeepSAD + AnoOnly"] == "solid"


@pytest.mark.parametrize(
    ("p_values", "raised", "uncorrected"),
    [
        ([0.001] * 4, 4, 4),
        ([0.04] * 4, 0, 4),  # each clear by itself, none of four
        ([0.012, 0.016, 0.024, 0.04], 4, 4),
        ([0.012, 0.02, 0.024, 0.04], 1, 4),
        ([0.2, 0.3, 0.4, 0.6], 0, 0),
        ([0.03, 0.5, 0.5, 0.5], 0, 1),
    ],
)
def test_gains_are_counted_after_correction(p_values: list[float], raised: int, uncorrected: int) -> None:
    gains = [
        Gain("DevNet", "SVHN", 2.0 + number, 1.0 if p < 0.05 else 9.0, 5, 1, 10, 0, None, None, p, 9.0)
        for number, p in enumerate(p_values)
    ]
    sentence = gains_sentence(gains, "AUCROC", "code")
    assert f"clearly raises the AUCROC in {raised} of 4 pairs" in sentence
    assert f"(uncorrected: {uncorrected} and 0; 0 and 0 with Nadeau" in sentence
    assert ("gains most" in sentence) == (raised > 0)


@pytest.mark.parametrize(
    ("reading", "corrected", "uncorrected", "over_splits"), [("code", 2, 12, 5), ("text", 1, 3, 2)]
)
def test_what_ships_is_counted_before_and_after(
    reading: str, corrected: int, uncorrected: int, over_splits: int
) -> None:
    found = gains(shipped_evidence().frame("table1"), reading, "aucroc")
    counts = count_gains([gain for gain in found if gain.scope in PAPER_FAMILIES])
    assert counts.of == 16 and counts.better + counts.worse == corrected
    assert counts.better_alone + counts.worse_alone == uncorrected
    assert counts.better_splits + counts.worse_splits == over_splits


def test_sentences_follow_the_figures() -> None:
    assert (
        "clearly ahead of DeepSAD at 8 of 8 values and clearly behind at 0 (uncorrected: 8 and 0); the largest "
        "difference, +20.0 ± 0.0, is at"
    ) in figure_sentence("fig5", made("fig5", ALL))
    assert "**DeepSAD** 0.0 ± 0.0 alone, 0.0 ± 0.0 with AnoOnly (0.0 ± 0.0)" in figure_sentence(
        "fig8", made("fig8", ALL)
    )
    assert (
        "**DeepSAD** has its highest mean at λₙ = 0, 80.0 ± 0.0, +20.0 ± 0.0 against λₙ = 1, a clear difference"
        in figure_sentence("fig7", made("fig7", ALL))
    )
    assert "+20.0 ± 0.0 points for AnoOnly" in norms_sentence(made("table2", ALL))
    assert "Nothing" in figure_sentence("fig5", make_table("fig5", runs_of("fig5", lambda run: 0.6).iloc[:0], "text"))
    gain = Gain("DevNet", "SVHN", -3.0, 1.0, 5, 1, 10, 0, 0.06, None, 0.001, 1.8)
    sentence = gains_sentence([gain], "AUCROC", "text")
    assert "clearly lowers it in 1, after Holm's correction (uncorrected: 0 and 1; 0 and 1 with Nadeau" in sentence
    assert "; **DevNet** loses most, −3.0 ± 1.0 points on SVHN (1 of 10 files)" in sentence
    assert "Nothing" in gains_sentence([], "AUCROC", "text")


def test_the_server_reads_the_evidence_anew_when_one_of_its_runs_comes_and_not_for_others(
    tmp_path: Path, shipped: tuple[list[RunResult], list[RunResult]]
) -> None:
    store, another = Store(tmp_path / "runs.sqlite"), shipped[0][0]
    first = server_evidence(store)
    assert server_evidence(store) is first
    store.put(another)  # of digits, which no table has
    assert server_evidence(store) is first
    run = next(own for own in first.planned("table1") if own.config.dataset == "20news_3")
    assert not first.frame("table1").set_index("key").loc[run.key, "is_local"]
    store.put(replace(another, key=run.key, config=run.config))
    anew = server_evidence(store)
    assert anew is not first and anew.frame("table1").set_index("key").loc[run.key, "is_local"]
    evidence_cache._known.clear()


def test_what_is_read_ahead_is_not_made_again_and_leaves_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    clock = SimpleNamespace(perf_counter=time.perf_counter, sleep=rests.append)
    monkeypatch.setattr(evidence_cache, "time", clock)
    store = Store(tmp_path / "store.sqlite")
    evidence_cache.preload_evidence(store)
    assert len(rests) == 1 + len(DISCREPANCIES) and all(rest > 0 for rest in rests)
    monkeypatch.setattr(
        evidence_cache, "DISCREPANCIES", dict.fromkeys(DISCREPANCIES)
    )  # what would be asked again breaks
    found = evidence_cache.read_findings(server_evidence(store))
    assert set(found) == set(DISCREPANCIES) and any(found.values())


def test_a_cell_s_runs_are_those_of_its_data_sets_and_seeds() -> None:
    evidence = shipped_evidence()
    table = make_table("table1", evidence.frame("table1"), "text")
    runs = cell_runs("table1", table.cells["DevNet", "20news"], evidence)
    assert {(own.dataset, own.seed) for own in runs.configs.values()} == {("20news_3", seed) for seed in range(5)}
    assert {own.baseline for own in runs.configs.values()} == {"DevNet"}


def test_a_cell_of_anoonly_has_its_gain_beside_the_claimed_one() -> None:
    frame = runs_of("table1", lambda run: 0.6 + 0.01 * run.config.seed + 0.02 * has(run, lambda_n=0.0))
    table = make_table("table1", frame, "text")
    found = cells_data(table, "paper", gains(frame, "text", "aucroc"))
    cells = {row["name"]: dict(zip(table.columns, row["cells"], strict=True)) for row in found["rows"]}
    for row, by_column in cells.items():
        for column, cell in by_column.items():
            assert ("gain" in cell) == row.endswith("AnoOnly"), (row, column)
    svhn = cells["DeepSAD + AnoOnly"]["SVHN"]
    before, after = (cells[name]["SVHN"]["label"] for name in ("DeepSAD", "DeepSAD + AnoOnly"))
    claimed = claimed_gain("DeepSAD", "aucroc", ["SVHN"])
    assert claimed is not None and svhn["gain"] == f"gain +2.0 ± 0.0, claimed {signed(claimed)}"
    assert svhn["gain"] in after and "gain" not in before


@pytest.mark.parametrize(("reading", "heads"), [("text", "FEAWAD, PReNet and DevNet"), ("code", "PReNet and DevNet")])
def test_heads_whose_norm_changes_too_are_named_with_the_settings(server: None, reading: str, heads: str) -> None:
    page = shown("table1", ours=reading)
    headline = page.markdown[0].value
    assert "along with λₙ" not in headline
    words = f"With {heads} the norm changes along with λₙ (no norm → batch norm): the gap may come from either."
    assert words in [caption.value for caption in page.caption]
    assert headline.startswith("##### Measured as the p")
    assert any("Leak: the published loader copies rows" in caption.value for caption in page.caption)
    page.button(key=next(own.key for own in page.button if own.label == "Separate norm and λₙ")).click().run()
    assert page.radio[0].value == "points" and not page.exception


def test_of_deepsad_alone_only_lambda_n_changes(server: None) -> None:
    page = shown("table2")
    assert not any("along with" in caption.value for caption in [page.markdown[0], *page.caption])


def test_the_box_plot_has_a_box_a_system_and_a_mark_a_data_set(server: None) -> None:
    boxes = make_boxes(shipped_evidence().frame("fig4"), "code", "aucpr_anomaly")
    figure = boxes_figure(boxes, "AUCPR")
    assert [trace.name for trace in figure.data] == [box.system for box in boxes]
    assert all(tuple(trace.y) == tuple(box.values.values()) for trace, box in zip(figure.data, boxes, strict=True))
    colors = {trace.name: trace.line.color for trace in figure.data}
    assert colors["DeepSAD"] == colors["DeepSAD + AnoOnly"] != colors["DevNet"]
    page = shown("fig4", ours="code")
    assert boxes_sentence(boxes, "aucpr_anomaly") in page.markdown[0].value and not page.exception
    assert any(each.value.startswith("**Spread over the data sets") for each in page.markdown)
