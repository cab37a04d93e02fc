"""Command `fit`: trained on all rows and labels, a file that scores, and invalid input that is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.cli import main as cli
from anoonly_core.data.catalogue import load_cached
from anoonly_core.detector.estimator import AnoOnlyDetector

QUICK = ("--epochs", "2", "--batch-size", "32")


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Write rows.csv with 100 rows, 8 of them labeled anomalies and 12 without a label, and return it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    X = np.random.default_rng(0).normal(size=(100, 3))
    label = np.where(np.arange(100) < 8, "fraud", "fine").astype(object)
    label[-12:] = ""
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=label)
    frame.to_csv("rows.csv", index=False)
    return frame


def fit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["fit", *arguments])
    return (code, *capsys.readouterr())


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    code, out, err = fit(capsys, *arguments, "--json")
    assert code == 0, err
    loaded: dict[str, object] = json.loads(out)
    return loaded


def test_all_rows_and_labels_are_trained_on(capsys: pytest.CaptureFixture[str], table: pd.DataFrame) -> None:
    source = ("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--anomaly-only", *QUICK)
    made = report(capsys, *source, "--flagged-share", "0.1")
    assert made["counts"] == {
        "rows": 100,
        "labelled_anomalies": 8,
        "labelled_anomalies_distinct": 8,
        "pool_normal": 80,
        "pool_unlabelled": 12,
    }
    X = table[["a", "b", "c"]].to_numpy()
    estimator = AnoOnlyDetector("DeepSAD", lambda_n=0.0, epochs=2, batch_size=32, random_state=0)
    loaded = AnoOnlyDetector.load("d.safetensors")
    assert np.array_equal(loaded.decision_scores_, estimator.fit(X, np.arange(100) < 8).decision_scores_)
    assert loaded.threshold_ == made["threshold"] == estimator.threshold_


@pytest.mark.parametrize("share", ["0.01", "0.1", "0.5"])
def test_the_share_moves_the_threshold_only(capsys: pytest.CaptureFixture[str], share: str) -> None:
    source = ("rows.csv?label=label&anomaly=fraud", *QUICK)
    report(capsys, *source, "--out", "usual.safetensors", "--flagged-share", "0.2")
    made = report(capsys, *source, "--out", "other.safetensors", "--flagged-share", share)
    usual, other = (AnoOnlyDetector.load(f"{name}.safetensors") for name in ("usual", "other"))
    usual.contamination = 0.1
    assert np.array_equal(usual.decision_scores_, other.decision_scores_)
    assert made["flagged_share"] == float(share)
    assert np.sign(usual.threshold_ - other.threshold_) == np.sign(float(share) - 0.1)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(slice(0, None), "best balanced accuracy"), (slice(0, 88), "best F1"), (slice(4, None), "About 10 %")],
)
def test_the_threshold_is_chosen_from_what_is_known(
    capsys: pytest.CaptureFixture[str], table: pd.DataFrame, rows: slice, reason: str
) -> None:
    """Twelve rows without a label hide the prevalence; four labeled anomalies are too few to hold back."""
    table.iloc[rows].to_csv("some.csv", index=False)
    made = report(capsys, "some.csv?label=label&anomaly=fraud", "--out", "d.safetensors", *QUICK)
    assert made["flagged_share"] is None and reason in str(made["threshold_reason"])
    assert cli.main(["score", "d.safetensors", "some.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["threshold_reason"] == made["threshold_reason"] and reason in err
    assert json.loads(out)["threshold"] == made["threshold"]


def test_a_few_marked_rows_and_blanks_are_enough_to_fit_and_not_to_test(
    capsys: pytest.CaptureFixture[str], table: pd.DataFrame
) -> None:
    table.assign(label=table["label"].where(table["label"] == "fraud")).to_csv("home.csv", index=False)
    source = "home.csv?label=label&anomaly=fraud"
    code, out, _ = fit(capsys, source, "--out", "d.safetensors", *QUICK)
    assert code == 0 and "8 labeled anomalies, pool of 92 unlabeled rows, 3 features" in out
    assert "best balanced accuracy" in out
    assert cli.main(["score", "d.safetensors", "home.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 101
    assert cli.main(["run", "--dataset", source, *QUICK]) == 2
    assert "no row that is known to be normal, so no run can be tested" in capsys.readouterr().err


def test_a_bundled_set_and_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = fit(capsys, "digits_3", "--out", "d.safetensors", "--epochs", "1", "--seed", "7")
    dataset = load_cached("digits_3")
    assert code == 0
    assert f"trained on all {dataset.rows} rows: {dataset.y.sum()} labeled anomalies" in out
    assert "It has the best F1 on held-back rows: " in out
    assert out.endswith("Written to d.safetensors.\n")
    assert AnoOnlyDetector.load("d.safetensors").config_["seed"] == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rows.csv", "--out", "d.bin"), "must end in .safetensors"),
        (("rows.csv", "--out", "nowhere/d.safetensors"), "no folder"),
        (("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--flagged-share", "0.6"), "up to 0.5"),
        (("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--flagged-share", "x"), "up to 0.5"),
        (("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--epochs", "0"), "epochs"),
        (("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--cost", "0"), "--cost must be"),
        (("rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", "--prevalence", "0.1"), "goes with --cost"),
        (("digits_3", "--out", "d.safetensors", "--epochs", "1", "--false-alarms", "0.0001"), "held-back rows"),
        (("none.csv", "--out", "d.safetensors"), "none.csv"),
        (("digits_3", "--out", "d.safetensors", "--baseline", "XGBOD"), "XGBOD"),
        (("digits_only_3", "--out", "d.safetensors", "--baseline", "Nothing"), "baseline"),
    ],
)
def test_invalid_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = fit(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err and err.count("\n") == 1
    assert not Path("d.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "rule", "level", "hold_back"),
    [
        (("--false-alarms", "0.1"), "false_alarms", 0.1, "folds"),
        (("--false-alarms", "0.1", "--hold-back", "split"), "false_alarms", 0.1, "split"),
        (("--fdr", "0.4"), "fdr", 0.4, "folds"),
        (("--cost", "20", "--prevalence", "0.04"), "cost", 20.0, "folds"),
        (("--hold-back", "split"), None, None, "split"),
    ],
)
def test_a_rule_goes_with_the_detector(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], rule: str | None, level: float, hold_back: str
) -> None:
    made = report(capsys, "rows.csv?label=label&anomaly=fraud", "--out", "d.safetensors", *QUICK, *options)
    assert (made["rule"], made["level"], made["hold_back"]) == (rule, level, hold_back)
    loaded = AnoOnlyDetector.load("d.safetensors")
    assert (loaded.rule, loaded.level, loaded.hold_back) == (rule, level, hold_back)
    assert cli.main(["score", "d.safetensors", "rows.csv", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    if rule == "fdr":
        assert made["threshold"] is None and "flags the rows of a file together" in str(made["threshold_reason"])
        assert "100 rows" in scored["threshold_reason"]
    else:
        assert scored["threshold"] == made["threshold"] and scored["threshold_reason"] == made["threshold_reason"]


@pytest.mark.parametrize("option", ["--labeled-ratio", "--contamination", "--protocol", "--normal-ratio"])
def test_settings_of_a_split_do_not_exist(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fit", "digits_3", "--out", "d.safetensors", option, "0.1"])
    assert "unrecognized arguments" in capsys.readouterr().err.lower()
