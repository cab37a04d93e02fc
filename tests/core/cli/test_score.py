"""Command `score`: output, files, and invalid input that is refused in one sentence."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from anoonly_core import __version__
from anoonly_core.cli import main as cli
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.serialization import _digest, read_model, write_model

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fitted() -> tuple[AnoOnlyDetector, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    return AnoOnlyDetector("DevNet", epochs=1, random_state=0).fit(X, np.arange(80) < 8), X


@pytest.fixture(autouse=True)
def files(fitted: tuple[AnoOnlyDetector, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a folder with the model and its rows in each format, and return it."""
    monkeypatch.chdir(tmp_path)
    detector, X = fitted
    detector.save("model.safetensors")
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=1)
    frame.to_csv("rows.csv", index=False)
    frame.to_csv("rows.csv.gz", index=False)
    frame.to_parquet("rows.parquet")
    np.savez("rows.npz", X=X, y=np.zeros(80))
    return tmp_path


def score(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["score", *arguments])
    return (code, *capsys.readouterr())


def flagging(detector: AnoOnlyDetector) -> str:
    """Return the note on the threshold."""
    return f"Flagged: scores above {detector.threshold_:.6g}. About 10 % of new rows like the pool exceed it.\n"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code, out, err = score(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.endswith(".\n") and err[:-1].isprintable() and len(err) < 300
    return err


# Output


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet", "rows.npz"])
def test_each_row_has_its_score(
    name: str, capsys: pytest.CaptureFixture[str], fitted: tuple[AnoOnlyDetector, np.ndarray]
) -> None:
    detector, X = fitted
    code, out, err = score(capsys, "model.safetensors", name)
    assert (code, err) == (0, flagging(detector))
    lines = out.splitlines()
    assert lines[0] == "row,score,p_value,flagged" and len(lines) == 81
    found = [line.split(",") for line in lines[1:]]
    assert [int(row) for row, *_ in found] == list(range(80))
    assert [float(value) for _, value, _, _ in found] == detector.decision_function(X).tolist()
    assert [float(value) for _, _, value, _ in found] == detector.p_value(X).tolist()
    assert [flagged == "True" for *_, flagged in found] == (detector.predict(X) == 1).tolist()


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_the_scores_go_to_a_file(name: str, capsys: pytest.CaptureFixture[str], files: Path) -> None:
    _, printed, _ = score(capsys, "model.safetensors", "rows.csv")
    before = {path.name for path in files.iterdir()}
    assert score(capsys, "model.safetensors", "rows.csv", "--out", name, "--quiet") == (0, "", "")
    assert {path.name for path in files.iterdir()} - before == {name}
    table = pd.read_csv(name) if name.endswith(".csv") else pd.read_parquet(name)
    assert table.to_csv(index=False) == printed


def test_json_is_one_object(capsys: pytest.CaptureFixture[str], fitted: tuple[AnoOnlyDetector, np.ndarray]) -> None:
    detector, X = fitted
    code, out, err = score(capsys, "model.safetensors", "rows.csv", "--json", "--out", "scores.csv")
    assert (code, err) == (0, flagging(detector))
    found = json.loads(out)
    assert list(found) == ["model", "threshold", "threshold_reason", "rows", "flagged", "left_out", "scores"]
    assert found["model"] == {**detector.config_, "saved_by": f"anoonly {__version__}"}
    assert (found["threshold"], found["rows"], found["left_out"]) == (detector.threshold_, 80, 0)
    assert found["flagged"] == detector.predict(X).sum() == sum(one["flagged"] for one in found["scores"])
    assert [one["score"] for one in found["scores"]] == detector.decision_function(X).tolist()
    assert list(found["scores"][0]) == ["row", "score", "p_value", "flagged"]
    assert Path("scores.csv").read_text().startswith("row,score,p_value,flagged\n0,")


def test_omitted_rows_and_unknown_words_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    document, tensors = read_model("model.safetensors")
    words = [{"name": "b"}, {"name": "kind", "words": ["x", "y"]}]
    write_model("model.safetensors", {**document, "preparation_": {"columns": words, "drops": True}}, tensors)
    lines = ["b,kind", "1,x", ",y", "2,z", "3,", "4, y ", "5,w"]
    Path("few.csv").write_text("\n".join(lines))
    code, out, err = score(capsys, "model.safetensors", "few.csv")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["row", "0", "2", "4", "5"]
    assert err.splitlines()[1:] == [
        "2 of 6 rows lack a value and are not scored.",
        "2 cells hold words that the detector does not know, in kind: treated as no word.",
    ]
    Path("few.csv").write_text("b,kind\n1,z\n")
    (_, note) = score(capsys, "model.safetensors", "few.csv")[2].splitlines()
    assert note.startswith("1 cell holds a word that the detector does not know")


# Invalid input


def changed(**columns: object) -> Callable[[], None]:
    return lambda: pd.read_csv("rows.csv").astype(object).assign(**columns).to_csv("rows.csv", index=False)


def model_of(format: str) -> Callable[[], None]:
    return lambda: save_file({"weight": torch.zeros(3)}, "model.safetensors", metadata={"format": format})


def model_with(text: str) -> Callable[[], None]:
    """Return a function that writes a model file with a valid checksum and this document."""
    tensors = {"minimum": torch.zeros(3)}
    metadata = {"format": "anoonly-detector/1", "detector": text, "sha256": _digest(text, tensors)}
    return lambda: save_file(tensors, "model.safetensors", metadata=metadata)


NO_DETECTOR = "model.safetensors does not hold what a saved AnoOnlyDetector holds."

BAD: dict[str, tuple[Callable[[], object], list[str], str]] = {
    "no model": (lambda: None, ["absent.safetensors", "rows.csv"], "There is no file absent.safetensors."),
    "model is a folder": (lambda: None, [".", "rows.csv"], "There is no file .."),
    "model with an odd name": (lambda: None, ["two\nlines", "rows.csv"], r"'two\nlines'"),
    "no file": (lambda: None, ["model.safetensors", "absent.csv"], "There is no file absent.csv."),
    "a file of another kind": (lambda: None, ["model.safetensors", "model.safetensors"], "neither a data set nor"),
    "model is a table": (lambda: None, ["rows.csv", "rows.csv"], "is no .safetensors file"),
    "an empty file": (lambda: Path("rows.csv").write_text(""), [], "rows.csv is empty"),
    "no archive": (lambda: Path("rows.npz").write_text("x"), ["model.safetensors", "rows.npz"], "as an .npz file"),
    "newer": (model_of("anoonly-detector/2"), [], "has the format anoonly-detector/2, not anoonly-detector/1"),
    "somebody else's": (model_of("pt"), [], "holds no AnoOnlyDetector"),
    "a pickle": (lambda: Path("model.safetensors").write_bytes(pickle.dumps(print)), [], "no .safetensors file"),
    "nested deep": (model_with("[" * 200_000), [], NO_DETECTOR),
    "objects nested deep": (model_with('{"config_":' * 200_000), [], NO_DETECTOR),
    "a long number": (model_with(f'{{"revision": {"9" * 100_000}}}'), [], NO_DETECTOR),
    "many lists": (model_with(f"[{'[],' * 1_000_000}[]]"), [], NO_DETECTOR),
    "no document": (model_with("{"), [], NO_DETECTOR),
    "a column more": (changed(d=1.5), [], "has 4 columns of numbers, and the detector was fitted on 3 features"),
    "a column less": (changed(a="word"), [], "has 2 columns of numbers"),
    "infinity": (changed(a=np.inf), [], "column a holds an infinite value or one over 1e+38 in row 0"),
    "beyond float32": (changed(a=1e300), [], "column a holds an infinite value or one over 1e+38 in row 0"),
    "a missing value": (changed(a=np.nan), [], "row 0 has a missing value, and nothing stands in for it"),
    "out is no table": (lambda: None, ["model.safetensors", "rows.csv", "--out", "x.txt"], "must end in .csv or .parq"),
    "out has no folder": (lambda: None, ["model.safetensors", "rows.csv", "--out", "no/x.csv"], "There is no folder"),
    "out is the rows": (lambda: None, ["model.safetensors", "rows.csv", "--out", "./rows.csv"], "another file than"),
}


@pytest.mark.parametrize(("make", "arguments", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], make: Callable[[], object], arguments: list[str], words: str
) -> None:
    make()
    assert words in refused(capsys, *(arguments or ["model.safetensors", "rows.csv"]))


def test_a_model_with_any_byte_changed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("model.safetensors")
    parse_int = path.read_bytes()
    for place in range(0, len(parse_int), max(1, len(parse_int) // 150)):
        path.write_bytes(parse_int[:place] + bytes([parse_int[place] ^ 1]) + parse_int[place + 1 :])
        refused(capsys, "model.safetensors", "rows.csv")
    path.write_bytes(parse_int[: len(parse_int) // 2])
    refused(capsys, "model.safetensors", "rows.csv")


def test_the_columns_of_the_training_table_must_exist(capsys: pytest.CaptureFixture[str]) -> None:
    document, tensors = read_model("model.safetensors")
    names = [{"name": "a"}, {"name": "b"}, {"name": "size\n"}]
    write_model("model.safetensors", {**document, "preparation_": {"columns": names, "drops": False}}, tensors)
    assert r"lacks columns that the features are made of: 'size\n'" in refused(capsys, "model.safetensors", "rows.csv")


def test_bad_paths_are_refused_without_torch() -> None:
    script = (
        "import sys\n"
        "from anoonly_core.cli.main import main\n"
        "assert main(['score', 'absent', 'rows.csv']) == 2 and main(['score', 'cli.py', 'absent.csv']) == 2\n"
        "assert main(['score', 'cli.py', 'cli.py', '--out', 'x.txt']) == 2\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT / "anoonly_core", check=True, env={"PYTHONPATH": str(ROOT)})


# Options that choose the flagged rows and the columns of the output


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> pd.DataFrame:
    code, out, err = score(capsys, "model.safetensors", *arguments)
    assert code == 0, err
    return pd.read_csv(io.StringIO(out), dtype={"order": str})


@pytest.mark.parametrize(
    ("option", "number", "flagged"),
    [("--top", "7", 7), ("--top", "1000", 80), ("--share", "0.1", 8), ("--share", "1", 80), ("--share", "0.001", 0)],
)
def test_the_highest_scores_are_flagged(
    capsys: pytest.CaptureFixture[str], option: str, number: str, flagged: int
) -> None:
    table = lines(capsys, "rows.csv", option, number)
    assert table["flagged"].sum() == flagged
    assert set(table["row"][table["flagged"]]) == set(np.argsort(-table["score"], kind="stable")[:flagged])


def test_a_threshold_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    scores = lines(capsys, "rows.csv")["score"].to_numpy()
    between = np.sort(scores)[39:41].mean()
    table = lines(capsys, "rows.csv", "--threshold", repr(float(between)))
    assert np.array_equal(table["flagged"], scores > between) and table["flagged"].sum() == 40


def test_sorted_by_score_with_columns_copied(capsys: pytest.CaptureFixture[str]) -> None:
    orders = [f"{number:05d}" for number in range(80)]
    pd.read_csv("rows.csv").assign(order=orders, place="Ωmega, north").to_csv("named.csv", index=False)
    usual = lines(capsys, "rows.csv")
    table = lines(capsys, "named.csv", "--id", "order", "--id", "place", "--sort")
    assert list(table.columns) == ["row", "order", "place", "score", "p_value", "flagged"]
    assert [*table["order"]] == [orders[row] for row in table["row"]] and {*table["place"]} == {"Ωmega, north"}
    assert table["score"].is_monotonic_decreasing
    assert np.array_equal(table.sort_values("row")["score"], usual["score"])


@pytest.mark.parametrize(
    ("option", "threshold"),
    [((), None), (("--threshold", "1"), 1.0), (("--top", "3"), "null"), (("--share", "0.5"), "null")],
)
def test_the_report_says_the_threshold(
    capsys: pytest.CaptureFixture[str],
    fitted: tuple[AnoOnlyDetector, np.ndarray],
    option: tuple[str, ...],
    threshold: float | str | None,
) -> None:
    code, out, _ = score(capsys, "model.safetensors", "rows.csv", "--id", "label", "--json", *option)
    report = json.loads(out)
    expected = fitted[0].threshold_ if threshold is None else None if threshold == "null" else threshold
    assert (code, report["threshold"]) == (0, expected)
    assert report["scores"][0]["label"] == "1"


def test_an_empty_cell_of_a_copied_column_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    orders = ["", *(f"A{number}" for number in range(79))]
    pd.read_csv("rows.csv").assign(order=orders).to_csv("named.csv", index=False)
    code, out, _ = score(capsys, "model.safetensors", "named.csv", "--id", "order", "--json", "--sort")
    found = {line["row"]: line["order"] for line in json.loads(out)["scores"]}
    assert code == 0 and "NaN" not in out
    assert [found[row] for row in range(80)] == [None, *orders[1:]]


def test_rows_from_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = lines(capsys, "rows.csv")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("rows.csv").read_bytes())))
    assert lines(capsys, "-").equals(expected)


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"a,b,c\n1,2\n", b"a,b\n1,2\n"])
def test_other_bytes_on_stdin_are_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert "stdin" in refused(capsys, "model.safetensors", "-")


def test_too_many_bytes_on_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anoonly_core.cli.score.MAX_BYTES", 100)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("rows.csv").read_bytes())))
    assert "stdin holds more than" in refused(capsys, "model.safetensors", "-")


@pytest.mark.parametrize(
    ("option", "rule", "number"),
    [
        ("--false-alarms", "false_alarms", 0.05),
        ("--false-alarms", "false_alarms", 0.5),
        ("--fdr", "fdr", 0.5),
        ("--fdr-storey", "fdr_storey", 0.5),
        ("--pool-share", "pool_share", 0.3),
        ("--iqr", "iqr", 1.5),
    ],
)
def test_a_rule_of_the_user(
    capsys: pytest.CaptureFixture[str],
    fitted: tuple[AnoOnlyDetector, np.ndarray],
    option: str,
    rule: str,
    number: float,
) -> None:
    detector, X = fitted
    cut = detector.cut(detector.decision_function(X), rule, number)
    code, out, err = score(capsys, "model.safetensors", "rows.csv", "--json", option, str(number))
    report = json.loads(out)
    assert (code, report["threshold"], report["threshold_reason"]) == (0, cut.score, cut.sentence)
    assert cut.sentence in err
    assert [line["flagged"] for line in report["scores"]] == (detector.decision_function(X) > cut.score).tolist()


def test_a_share_of_hidden_anomalies_bounds_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    score_of = ("model.safetensors", "rows.csv", "--false-alarms", "0.1")
    assert "Anomalies among them lower it" in score(capsys, *score_of)[2]
    assert "If 5 % of them are anomalies, it is" in score(capsys, *score_of, "--prevalence", "0.05")[2]


def test_a_model_without_held_back_scores_has_no_p_values(capsys: pytest.CaptureFixture[str]) -> None:
    document, tensors = read_model("model.safetensors")
    write_model("model.safetensors", document, {n: t for n, t in tensors.items() if "calibration" not in n})
    code, out, _ = score(capsys, "model.safetensors", "rows.csv", "--json")
    assert code == 0 and {line["p_value"] for line in json.loads(out)["scores"]} == {None}
    assert lines(capsys, "rows.csv")["p_value"].isna().all()
    assert "has no held-back scores: fit the detector again" in refused(
        capsys, "model.safetensors", "rows.csv", "--false-alarms", "0.1"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--false-alarms", "0"), "--false-alarms must be a number above 0 and up to 0.5"),
        (("--false-alarms", "5 %"), "--false-alarms must be a number"),
        (("--false-alarms", "0.001"), "needs at least 999 held-back rows, and the detector has 72"),
        (("--fdr", "nan"), "--fdr must be"),
        (("--fdr-storey", "0.7"), "--fdr-storey must be"),
        (("--iqr", "-2"), "--iqr must be"),
        (("--cost", "10", "--prevalence", "0.1"), "No labeled anomaly was held back"),
        (("--cost", "10"), "No labeled anomaly was held back"),
        (("--fdr", "0.1", "--prevalence", "0.1"), "--prevalence goes with --false-alarms or --cost"),
        (("--cost", "10", "--prevalence", "0.6"), "--prevalence must be"),
        (("--top", "0"), "--top"),
        (("--top", "-3"), "--top"),
        (("--top", "2.5"), "--top"),
        (("--share", "0"), "--share"),
        (("--share", "1.5"), "--share"),
        (("--share", "nan"), "--share"),
        (("--threshold", "high"), "--threshold"),
        (("--threshold", "nan"), "--threshold"),
        (("--id", "nothing"), "no column nothing"),
        (("--explain", "0"), "--explain"),
        (("--explain", "few"), "--explain"),
    ],
)
def test_an_invalid_choice_is_one_sentence(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert words in refused(capsys, "model.safetensors", "rows.csv", *options)


def test_a_column_with_the_name_of_an_output_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv("rows.csv").assign(score=1).to_csv("named.csv", index=False)
    assert "has one of this name" in refused(capsys, "model.safetensors", "named.csv", "--id", "score")


# Reasons


def test_flagged_rows_have_their_reasons(
    capsys: pytest.CaptureFixture[str], fitted: tuple[AnoOnlyDetector, np.ndarray], files: Path
) -> None:
    detector, X = fitted
    options = ("model.safetensors", "rows.csv", "--top", "5", "--explain", "2")
    assert score(capsys, *options, "--out", "reasons.csv")[0] == 0
    table = pd.read_csv("reasons.csv")
    reasons = [f"{name}_{place}" for place in (1, 2) for name in ("column", "value", "contribution")]
    assert table.columns.tolist() == ["row", "score", "p_value", "flagged", *reasons, "explained"]
    assert table.loc[~table["flagged"], [*reasons, "explained"]].isna().all(axis=None)
    flagged = table[table["flagged"]]
    explanation = detector.explain(X[flagged["row"]].astype(np.float64))
    assert explanation.believed is not None
    assert flagged["explained"].astype(bool).tolist() == explanation.believed.tolist()
    for row, (_, line) in enumerate(flagged.iterrows()):
        for place, column in enumerate(explanation.order(row)[:2], 1):
            assert line[f"column_{place}"] == "abc"[column]
            assert line[f"value_{place}"] == pytest.approx(X[line["row"], column], rel=1e-5)
            assert line[f"contribution_{place}"] == pytest.approx(explanation.contributions[row, column], rel=1e-6)


def test_reasons_follow_their_rows_in_every_output(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    options = ("model.safetensors", "rows.csv", "--top", "5", "--explain", "9", "--sort", "--id", "a")
    code, out, _ = score(capsys, *options, "--out", "reasons.parquet", "--json")
    assert code == 0
    lines, table = json.loads(out)["scores"], pd.read_parquet("reasons.parquet")
    assert [line["row"] for line in lines] == table["row"].tolist()
    assert [line["flagged"] for line in lines] == [True] * 5 + [False] * 75
    assert "column_3" in table and "column_4" not in table  # the table has three columns
    assert all(line["explanation"] is None for line in lines[5:])
    for line, (_, row) in zip(lines[:5], table.iterrows(), strict=False):
        assert line["explanation"]["explained"] == row["explained"]
        assert [reason["column"] for reason in line["explanation"]["columns"]] == [
            row[f"column_{n}"] for n in (1, 2, 3)
        ]
        assert {reason["column"]: f"{reason['value']:.6g}" for reason in line["explanation"]["columns"]}["a"] in [
            row[f"value_{n}"] for n in (1, 2, 3)
        ]


def test_no_flagged_row_has_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("model.safetensors", "rows.csv", "--threshold", "1e9", "--explain", "1")
    names = "row,score,p_value,flagged,column_1,value_1,contribution_1,explained"
    assert score(capsys, *options)[1].splitlines()[0] == names
    assert {str(line["explanation"]) for line in json.loads(score(capsys, *options, "--json")[1])["scores"]} == {"None"}


@pytest.mark.parametrize("name", ["explained", "explanation", "column_1", "contribution_12", "value_3"])
def test_a_column_with_the_name_of_a_reason_is_refused_beside_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv("rows.csv").assign(**{name: "word"}).to_csv("named.csv", index=False)
    options = ("model.safetensors", "named.csv", "--id", name)
    assert score(capsys, *options)[0] == 0
    assert "has one of this name" in refused(capsys, *options, "--explain", "1")
