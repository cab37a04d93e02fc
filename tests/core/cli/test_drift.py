"""Command `drift`: output, table, a user's table with a time column, and refused values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.cli import main as cli
from anoonly_core.drift.ways import WAYS

QUICK = ["drift", "--epochs", "1", "--batches", "4", "--rows", "16"]


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.main([*arguments, "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def days(path: Path, jump: float) -> str:
    """Write a table of 1800 days in random order, whose sensors rise by `jump` at day 1608; return its URI."""
    rng = np.random.default_rng(0)
    day = rng.permutation(1800)
    broken = rng.random(1800) < 0.1
    sensors = rng.normal(size=(1800, 5)) + 4 * broken[:, None] + jump * (day >= 1608)[:, None]
    table = pd.DataFrame(sensors, columns=list("abcde"))
    table["day"] = (pd.Timestamp("2021-01-01") + pd.to_timedelta(day, "D")).strftime("%Y-%m-%d")
    table["state"] = np.where(broken, "broken", "fine")
    table.to_csv(path, index=False)
    return f"{path}?label=state&anomaly=broken&time=day"


def test_the_text_has_each_way_and_the_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*QUICK, "--absorption", "--detector", "adwin", "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert "digits_3, DeepSAD: 4 batches of 16 rows, 2 seeds" in out
    for way in list(WAYS)[:5]:
        assert f"\n{WAYS[way].label} " in out and f"changes in {WAYS[way].label}: " in out
    assert WAYS["retrained"].label not in out
    assert "Under a sudden shift (mean, random direction, 1), running statistics" in out
    assert "At least 0.05 AUCROC below running statistics" in out


def test_the_table_has_a_row_for_each_seed_way_and_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = report(
        capsys,
        *QUICK,
        "--anomaly-share",
        "0.2",
        "--seeds",
        "2",
        "--guard",
        "none",
        "--out",
        str(tmp_path / "figures.csv"),
    )
    table = pd.read_csv(tmp_path / "figures.csv")
    assert len(table) == 2 * 4 * 4 and set(table["way"]) == {"running", "batch", "mixed", "moving"} == set(
        figures["ways"]
    )
    assert table["intensity"].tolist()[:4] == [0, 1, 1, 1]
    for way, own in figures["ways"].items():
        curve = table[table["way"] == way].groupby("batch")["missed"].mean()
        np.testing.assert_allclose(curve, own["curves"]["missed"])
        assert own["missed"]["after"]["mean"] == pytest.approx(curve[1:].mean())


@pytest.mark.parametrize("jump", [0.0, 2.0])
def test_a_table_with_a_time_column_goes_from_file_to_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], jump: float
) -> None:
    dataset = days(tmp_path / "days.csv", jump)
    asked = ["drift", "--dataset", dataset, "--shift", "order", "--rows", "24", "--epochs", "20", "--rate", "0.5"]
    figures = report(capsys, *asked, "--start", "7", "--detector", "adwin", "--signal", "alarms")
    assert figures["config"]["run"]["protocol"] == "by_time" and figures["config"]["schedule"] == "none"
    assert figures["headline"].startswith("In real order") and not figures["rows_return"]
    assert figures["batches"] == 15  # of the latest 30 % of the days, the last two thirds: days 1440 to 1799
    ways = figures["ways"]
    alarms = {way: np.array(ways[way]["curves"]["false_alarms"]) for way in ways}
    assert alarms["running"][:7].mean() < 0.2
    if jump:  # day 1608 is the first of batch 7
        assert alarms["running"][7:].mean() > 0.6 and alarms["moving"][-3:].mean() < 0.4
        assert min(ways["running"]["changes"]) >= 7 and ways["moving"]["curves"]["path"][-1] > 0.5
    else:
        assert alarms["running"].mean() < 0.2 and ways["running"]["changes"] == []
    assert max(ways["running"]["curves"]["path"]) == 0


def test_without_a_time_column_real_order_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*QUICK, "--shift", "order"]) == 2
    assert "needs the protocol by_time" in capsys.readouterr().err
    assert cli.main([*QUICK, "--shift", "order", "--protocol", "by_time"]) == 2
    assert "digits_3 has no time column" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--shift", "storm"], "shift must be one of"),
        (["--amount", "-1"], "amount must be a number from 0 to 10"),
        (["--batches", "ten"], "batches must be a whole number from 2 to 1000"),
        (["--shift", "new_type"], "does not fit digits_3: it needs several types of anomaly"),
        (["--detector", "nose"], "detector must be one of adwin, page_hinkley"),
        (["--signal", "smoke"], "signal must be one of scores, alarms"),
        (["--baseline", "KNN"], "KNN has no network whose statistics could follow"),
        (["--out", "figures.xls"], "--out must end in .csv or .parquet"),
        (["--dataset", "breast_cancer", "--shift", "contrast"], "it needs rows that are pictures"),
        (["--level", "0.01", "--dataset", "digits_only_3"], "raise level"),
        (["--batches", "30", "--retrain-every", "1"], "retrain_every must be 0 or at least 2 for 30 batches"),
    ],
)
def test_refused_values_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drift", *arguments]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and out == ""
