"""The page Drift: its controls and link, what ships, and a user's table in the order of its time column."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.cli import main as cli
from anoonly_core.cli.options import parse_configs
from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.drift.config import RULES, make_drift_config
from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.run import run_drift
from anoonly_core.drift.summary import before_and_after, headline
from anoonly_core.snippets import drift_command
from app.server.shipped_streams import STREAMS, pack_results, shipped_streams, unpack_results
from app.views.drift.controls import ADDRESS, AMOUNT, FURTHER, OWN, SHARE, default_drift
from app.views.drift.text import threshold_sentence
from app.views.drift.view import StreamView, way_index
from app.views.your_table import page as your_table
from tests.app.conftest import opened
from tests.app.uploading import TABLE, upload
from tests.core.drift.made import made_absorption, made_result

STALE = "the shipped streams are not those of the default page: run `python -m app.bundled_results --only drift`"
CELLS = "cells.csv?label=target&anomaly=malignant&time=day"
VIEW = StreamView(ways=("running", "batch", "moving"), way="moving")


# The shipped streams


def test_the_shipped_streams_are_those_of_the_default_page() -> None:
    choice = default_drift()
    names = {f"{key}.npz.xz" for key in (choice.stream_key, choice.absorption_key)}
    assert {path.name for path in STREAMS.iterdir()} == names, STALE
    assert sum(path.stat().st_size for path in STREAMS.iterdir()) < 400_000
    assert shipped_streams("../drift/x") is None and shipped_streams("0" * 64) is None


def test_a_stream_scored_again_agrees() -> None:
    choice = default_drift()
    shipped = shipped_streams(choice.stream_key)
    assert shipped is not None and len(shipped) == len(choice.configs) == 5
    (again,) = run_drift([choice.configs[1]])
    before = shipped[1]
    assert isinstance(before, DriftResult)
    np.testing.assert_array_equal(before.rows, again.rows, STALE)
    np.testing.assert_allclose(before.scores, again.scores, rtol=5e-3, err_msg=STALE)
    np.testing.assert_allclose(before.promised, again.promised, rtol=5e-3, err_msg=STALE)


def test_packed_results_keep_three_digits() -> None:
    rng = np.random.default_rng(0)
    made = [made_result(rng.normal(size=(6, 3, 4)) * 1e6, rng.random((3, 4)) < 0.5) for _ in range(2)]
    made = [replace(each, plane=rng.normal(size=(6, 3, 4, 2)).astype(np.float32)) for each in made]
    back = unpack_results(pack_results(made))
    assert back is not None and len(back) == 2
    for one, other in zip(made, back, strict=True):
        assert isinstance(other, DriftResult)
        np.testing.assert_allclose(other.scores, one.scores, rtol=1e-3)
        np.testing.assert_array_equal(other.promised, one.promised)
        np.testing.assert_array_equal(other.anomalous, one.anomalous)
        assert other.plane.shape == one.plane.shape
    assert isinstance(back[0], DriftResult) and back[0].plane.any()
    absorptions = [made_absorption({"running": [0.9, 0.8]}, [0.1, 0.2])]
    (absorption,) = unpack_results(pack_results(absorptions)) or ()
    np.testing.assert_array_equal(absorption.arrays()["figures"], absorptions[0].figures)
    other_ways = [replace(each, scores=each.scores[:2]) for each in made]
    assert unpack_results(pack_results(other_ways)) is None, "of a version with other ways"


# The sentence of the thresholds


def a_shifted(seed: int, extra: float) -> DriftResult:
    """Return a stream in which running statistics flag 30 % of the normal rows after batch 2, and moving ones 10 %."""
    anomalous = np.tile(np.arange(20) < 10, (4, 1))
    scores = np.zeros((6, 4, 20))
    scores[:, :, :5] = 1  # half of the anomalies are found
    scores[way_index("running"), 2:, 10:13] = 1
    scores[way_index("moving"), 2:, 10] = 1
    scores[way_index("moving"), 2:, 5 : 5 + round(extra)] = 1
    return made_result(scores, anomalous)


def test_the_sentence_of_the_thresholds_says_what_the_figures_say() -> None:
    config = make_drift_config(make_config(), batches=4, start=2)
    clear = [a_shifted(seed, extra) for seed, extra in enumerate((1, 2, 1, 2, 1))]
    words = threshold_sentence(config, clear, VIEW)
    assert words.startswith(
        "At thresholds that promise 5% of false alarms, running statistics flag 30% of the normal rows and miss 50% of "
        "the anomalies; moving statistics 10% and 36% (flagged \u221220 ± 0 points, missed \u221214 ±"
    )
    assert "not clear" not in words
    lead = before_and_after(clear, 2, "missed")["moving"].lead  # the same figures in another way
    assert lead.margin is not None and f"missed \u221214 ± {100 * lead.margin:.0f} points" in words
    unclear = [a_shifted(seed, extra) for seed, extra in enumerate((0, 3, 0))]
    assert "not clear" in threshold_sentence(config, unclear, VIEW)
    assert "±" not in threshold_sentence(config, clear[:1], VIEW), "one seed has no interval"
    alone = threshold_sentence(config, clear, replace(VIEW, ways=("running",), way="running"))
    assert alone.endswith("miss 50% of the anomalies.")
    assert "thresholds set anew for 5%" in threshold_sentence(config, clear, replace(VIEW, recalibrated=True))


# Controls and link


def test_every_option_makes_a_stream() -> None:
    run = make_config()
    for control in (AMOUNT, SHARE, *FURTHER):
        assert control.default in control.options
        for option in control.options:
            if control.name != "scores" and option != "usual":
                longest = {"batches": 200} if control.name == "start" else {}
                make_drift_config(run, **longest, **{control.name: option})


@pytest.mark.parametrize(
    ("parameters", "values", "words"),
    [
        ({"shift": "noise", "amount": "2", "rows": "16"}, {"shift": "noise", "amount": 2.0, "rows": 16}, []),
        ({"amount": "usual", "start": "100"}, {"amount": "usual", "start": 100}, []),
        ({"amount": "0.37", "rate": "0.03"}, {"amount": 0.37, "rate": 0.03}, []),
        ({"shift": "earthquake"}, {}, ["The link's shift must be one of mean"]),
        ({"rows": "3"}, {}, ["The link's rows must be a whole number from 8"]),
        ({"scores": "standardized", "alpha": "2"}, {"scores": "standardized"}, ["The link's alpha must be a number"]),
    ],
)
def test_a_link_is_read_as_far_as_it_can_be(
    parameters: dict[str, str], values: dict[str, object], words: list[str]
) -> None:
    read, notices = ADDRESS.read({name: [text] for name, text in parameters.items()})
    assert read == values and len(notices) == len(words)
    assert all(notice.startswith(word) for notice, word in zip(notices, words, strict=True))


def test_all_settings_of_a_stream_are_in_the_address() -> None:
    of_stream = {*type(default_drift().first).model_fields} - {"run", "standardize"}
    assert {control.name for control in OWN} >= of_stream | {"scores"}


@pytest.mark.parametrize(
    ("run", "settings"),
    [
        ({}, {}),
        ({"dataset": "digits_8", "lambda_n": 0.0, "epochs": 3}, {"shift": "noise", "amount": 2.0}),
        ({"seed": 4}, {"schedule": "recurring", "period": 3, "batches": 30, "start": 7}),
        ({"norm": "layer"}, {"alpha": 0.1, "rate": 0.5, "guard": "threshold", "level": 0.1, "rows": 16}),
        ({"contamination": 0.1}, {"standardize": True, "retrain_every": 10, "anomaly_share": 0.2}),
        (
            {"dataset": "cells.csv?label=target&anomaly=malignant&time=day", "protocol": "by_time"},
            {"shift": "order", "batches": 200},
        ),
    ],
)
def test_the_command_of_the_page_scores_the_same_streams(
    run: dict[str, Any], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    TABLE.assign(day=np.arange(len(TABLE))).to_csv("cells.csv", index=False)
    config = make_drift_config(make_config(**run), **settings)
    words = shlex.split(drift_command(config, 3))
    assert words[:4] == ["python", "-m", "anoonly_core", "drift"]
    options = cli._parser().parse_args(words[3:])
    given = {name: getattr(options, name) for name in RULES}
    configs = [make_drift_config(each, **given) for each in parse_configs(options)]
    assert configs == [config.with_(run=config.run.with_(seed=config.run.seed + number)) for number in range(3)]


# The page


@pytest.mark.usefixtures("server")
def test_the_page_opens_with_what_ships_and_draws_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = default_drift()
    shipped = [each for each in shipped_streams(choice.stream_key) or () if isinstance(each, DriftResult)]
    page = opened("drift")
    texts = [text.value for text in page.markdown]
    assert f"##### {headline(choice.first, shipped)}" in texts
    assert any("How many anomalies until following is surrender?" in text for text in texts)
    way = next(box for box in page.selectbox if box.label == "Way on show")
    assert way.value == "guarded"
    page = way.set_value("batch").run()
    assert any("anoonly_core drift --dataset digits_low" in code.value for code in page.code)
    assert not page.exception and not page.error
    assert any("batch statistics 4%" in text.value for text in page.markdown), "the sentence follows the way"


@pytest.mark.usefixtures("server")
def test_changes_are_found_by_a_detector() -> None:
    page = opened("drift", detector="adwin")
    assert not page.error
    legends = [str(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert "change found" in legends[0]


@pytest.mark.usefixtures("one_browser")
def test_a_table_with_a_time_column_goes_from_upload_to_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    when = pd.date_range("2024-01-01", periods=len(TABLE)).strftime("%Y-%m-%d")
    page = upload(TABLE.assign(when=when).to_csv(index=False).encode())
    (table,) = uploads.list_uploads("me")
    page.selectbox(key=f"{table.name} time").set_value("when").run()
    links: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(your_table, "open_page", lambda name, parameters: links.append((name, parameters)))
    next(button for button in page.button if button.label == "Drift").click().run()
    assert links == [("drift", {"dataset": table.name, "shift": "order"})]
    page = opened("drift", **links[0][1], epochs="1", seeds="1", rows="8", level="0.1")
    assert [error.value for error in page.error] == []
    text = " ".join(each.value for each in page.markdown)
    assert "In real order, running statistics go from AUCROC" in text
    captions = " ".join(each.value for each in page.caption)
    assert "Real order: Rows come in the order of their time column" in captions
    shift = next(box for box in page.selectbox if box.label == "Shift")
    assert shift.value == "order" and not any("contrast" in option for option in shift.options)


@pytest.mark.usefixtures("server")
def test_a_shift_that_does_not_fit_is_one_sentence() -> None:
    page = opened("drift", dataset="breast_cancer", shift="contrast", epochs="1", seeds="1", batches="30", start="5")
    assert any("shift must be one of mean, principal" in warning.value for warning in page.warning)
    for parameters, words in (
        ({"start": "60"}, "start must be below batches, 60, not 60."),
        ({"batches": "1000", "rows": "256"}, "at most 64,000 rows, and 1000 batches of 256 are more"),
        ({"baseline": "XGBOD"}, "XGBOD has no network whose statistics could follow"),
    ):
        page = opened("drift", epochs="1", seeds="1", **parameters)
        assert [words in error.value.replace("\\", "") for error in page.error] == [True]
