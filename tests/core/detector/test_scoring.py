"""The network of a run as a detector: equal scores to the bit, in any process and for rows of a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import SPLIT_FIELDS, make_split
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.decision.conformal import conformal_p_values
from anoonly_core.detector.estimator import SETTINGS as TRAINING_SETTINGS
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.result import DetectorResult
from anoonly_core.detector.scoring import detector_for_run, detector_result, score_table
from anoonly_core.detector.serialization import read_model, write_model
from anoonly_core.errors import BadDataFile, BadModelFile, InvalidInput
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.runs.run import run

ROOT = Path(__file__).parents[3]
KINDS = ["saloon", "estate", "coupé"]


@pytest.fixture(autouse=True)
def quick_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 1)


@pytest.fixture
def cars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URI of a table with words, missing values and rows without a label."""
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    drawn = np.random.default_rng(0)
    faulty = np.arange(240) % 8 == 0
    table = pd.DataFrame(
        {
            "id": np.arange(240),
            "weight": drawn.normal(size=240) + 3 * faulty,
            "kind": np.where(faulty, KINDS[2], drawn.choice(KINDS[:2], 240)),
            "power": np.where(np.arange(240) % 20 == 7, np.nan, drawn.normal(size=240)),
            "state": np.where(np.arange(240) % 9 == 5, "", np.where(faulty, "faulty", "sound")),
        }
    )
    table.to_csv("cars.csv", index=False)
    return "cars.csv?label=state&anomaly=faulty&without=id&categories=one_hot&missing=impute"


SETTINGS: list[dict[str, Any]] = [
    *({"baseline": name, "dataset": "digits_3"} for name in METHODS),
    # Under 1000 rows a split is resampled, for every head in the same way.
    *({"baseline": name, "dataset": "breast_cancer"} for name in ("DeepSAD", "PReNet", "REPEN")),
    *({"baseline": name, "dataset": "breast_cancer", "protocol": "published"} for name in ("DevNet", "FEAWAD", "nnPU")),
    {"baseline": "DeepSAD", "dataset": "digits_3", "protocol": "published", "normal_ratio": 0.3},
    {"baseline": "DeepSAD", "lambda_n": 1.0, "norm": "layer", "dataset": "digits_only_3", "contamination": 0.2},
    {"baseline": "DevNet", "lambda_n": 1.0, "norm": "batch", "contamination": 0.0, "protocol": "published"},
    {"baseline": "FEAWAD", "lambda_n": 1.0, "norm": "none", "epochs": 3},
    {
        "baseline": "PReNet",
        "lambda_n": 1.0,
        "norm": "bn_loss",
        "epochs": 2,
        "preset": "published_code",
        "labeled_ratio": 0.5,
    },
    {"baseline": "DevNet", "lambda_n": 0.01, "preset": "published_code", "batch_size": 33, "learning_rate": 0.01},
    {"baseline": "DeepSAD", "grad_mean": 0.0},
    {"baseline": "DevNet", "norm": "ghost", "norm_strength": 8},
    {"baseline": "FEAWAD", "grad_direct": 0.5, "grad_variance": 0.25},
]


def test_a_detector_has_every_setting_that_does_not_select_rows() -> None:
    assert set(TRAINING_SETTINGS) == (set(RunConfig.model_fields) - set(SPLIT_FIELDS)) | {"seed"}
    assert set(TRAINING_SETTINGS) - {"seed"} <= set(AnoOnlyDetector().get_params())


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_detector_scores_equal_those_of_the_run_to_the_bit(settings: dict[str, Any]) -> None:
    lambda_n = 0.0 if BASELINES[settings["baseline"]].has("lambda_n") else None
    config = make_config(**{"lambda_n": lambda_n, "seed": 7, "epochs": 1, **settings})
    result = run(config, "cpu")
    told: list[tuple[int, int]] = []
    fitted = detector_for_run(config, lambda done, total: told.append((done, total)))
    assert np.array_equal(
        fitted.decision_function(load_cached(config.dataset).X[result.test_rows]).astype(np.float32), result.scores
    )
    assert config.epochs is not None
    # The networks of the threshold, which train without some rows, take as many epochs again.
    total = 2 * (config.epochs + getattr(METHODS[config.baseline], "pretraining_epochs", 0))
    assert told == [(epoch, total) for epoch in range(1, total + 1)]
    assert fitted.config_ == {name: value for name, value in config.model_dump().items() if name in fitted.config_}


def test_the_published_protocol_scales_with_more_rows_than_it_trains_on() -> None:
    """A detector therefore needs the scaling of the split; its training rows do not determine it."""
    config = make_config(dataset="breast_cancer", protocol="published", normal_ratio=0.3, epochs=1)
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    alone = AnoOnlyDetector(lambda_n=1.0, epochs=1, random_state=0).fit(dataset.X[split.train], split.labeled)
    scores = [one.decision_function(dataset.X[split.test]) for one in (alone, detector_for_run(config))]
    assert not np.array_equal(*scores)


def test_an_exception_of_the_report_stops_the_fit() -> None:
    class Stop(Exception):
        pass

    def report(done: int, total: int) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        detector_for_run(make_config(epochs=5), report)


def test_xgbod_has_no_detector() -> None:
    with pytest.raises(InvalidInput, match=r"^XGBOD does not train in this engine: use pyod.*instead\.$"):
        detector_for_run(make_config(baseline="XGBOD"))


def test_only_files_have_a_preparation(cars: str) -> None:
    assert detector_for_run(make_config(epochs=1)).preparation_ is None
    prepared = detector_for_run(make_config(dataset=cars, epochs=1)).preparation_
    assert prepared is not None
    assert prepared.features == ("weight", "kind = coupé", "kind = estate", "kind = saloon", "power")


# Export of a run


def taken(config: Any, folder: Path) -> tuple[DetectorResult, Path]:
    found = detector_result(config)
    path = folder / "detector.safetensors"
    path.write_bytes(found.file)
    return found, path


def test_all_rows_are_scored_with_their_roles(cars: str, tmp_path: Path) -> None:
    config = make_config(dataset=cars, epochs=2, lambda_n=0.0, labeled_ratio=0.4, normal_ratio=0.9)
    found, path = taken(config, tmp_path)
    dataset, result = load_cached(cars), run(config, "cpu")
    table = found.table(dataset)
    assert table["row"].tolist() == list(range(240))
    assert (table["label"] == "").sum() == (~dataset.known).sum() == 27
    parts = table["part"].value_counts()
    assert parts["tested"] == result.counts["test"] and parts["left out"] == result.counts["dropped"]
    assert parts["labeled anomaly"] == result.counts["labelled_anomalies_distinct"]
    assert parts.sum() == 240 and set(parts.index) == {"tested", "left out", "labeled anomaly", "pool"}
    tested = table.set_index("row").loc[dataset.row_ids[result.test_rows]]
    assert np.array_equal(tested["score"].astype(np.float32), result.scores)
    assert (tested["part"] == "tested").all()
    assert table["flagged"].tolist() == (table["score"] > AnoOnlyDetector.load(path).threshold_).tolist()


@pytest.mark.parametrize("all_rows", [False, True])
@pytest.mark.parametrize("threshold", [-3.25, 0.0, 1e-7])
def test_a_file_with_another_threshold_is_as_if_saved_with_it(all_rows: bool, threshold: float, tmp_path: Path) -> None:
    found = detector_result(make_config(dataset="digits_only_3", epochs=1), all_rows=all_rows)
    (tmp_path / "d.safetensors").write_bytes(found.at(threshold).file)
    moved = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    (tmp_path / "d.safetensors").write_bytes(found.file)
    assigned = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    assigned.threshold_ = threshold
    assert moved.threshold_ == threshold and np.array_equal(moved.labels_, assigned.labels_)
    assert np.array_equal(moved.decision_scores_, assigned.decision_scores_)
    assert found.at(threshold).table(load_cached("digits_only_3"))["flagged"].sum() == (found.scores > threshold).sum()
    assert found.calibration.at_share(0.1) == found.threshold


def test_a_row_in_training_and_test_has_both_roles(tmp_path: Path) -> None:
    config = make_config(dataset="breast_cancer", protocol="published", epochs=1)
    parts = set(detector_result(config).table(load_cached(config.dataset))["part"])
    assert "pool and tested" in parts


def test_page_and_command_line_give_equal_scores_to_the_bit(cars: str, tmp_path: Path) -> None:
    """Compare the uploaded table, its URI, and the command in a new process."""
    address_scores = detector_result(make_config(dataset=cars, epochs=2)).scores
    with Path("cars.csv").open("rb") as source:
        table = uploads.add("cars.csv", source, "me", "here")
    said = {"label": "state", "anomaly": ("faulty",), "without": ("id",)}
    uploads.apply_schema(table, make_schema({**said, "categories": "one_hot", "missing": "impute"}))
    found, path = taken(make_config(dataset=table.name, epochs=2), tmp_path)
    assert np.array_equal(found.scores, address_scores)
    command = [sys.executable, "-m", "anoonly_core", "score", "--quiet", str(path), str(tmp_path / "cars.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    expected = found.table(load_cached(table.name))[["row", "score", "flagged"]]
    expected.insert(2, "p_value", conformal_p_values(found.calibration.reference.scores, found.scores))
    assert done.stdout == expected.to_csv(index=False)


# Rows of a file


@pytest.mark.parametrize("baseline", METHODS)
def test_a_loaded_detector_scores_a_table_like_the_saved_one(baseline: str, cars: str, tmp_path: Path) -> None:
    lambda_n = 0.0 if BASELINES[baseline].has("lambda_n") else None
    fitted = detector_for_run(make_config(dataset=cars, baseline=baseline, lambda_n=lambda_n, epochs=1))
    fitted.save(tmp_path / "model")
    loaded = AnoOnlyDetector.load(tmp_path / "model")
    table = read_table(Path("cars.csv"))
    assert loaded.preparation_ == fitted.preparation_
    assert np.array_equal(score_table(loaded, table, "cars").scores, score_table(fitted, table, "cars").scores)


def test_columns_may_be_reordered_and_labels_missing(cars: str) -> None:
    fitted, table = detector_for_run(make_config(dataset=cars, epochs=1)), read_table(Path("cars.csv"))
    scores = score_table(fitted, table, "cars").scores
    other = table.drop(columns=["state", "id"]).assign(more="x")[["power", "more", "kind", "weight"]]
    assert np.array_equal(score_table(fitted, other, "cars").scores, scores)


def test_words_unknown_at_the_fit_are_counted(cars: str) -> None:
    fitted, table = detector_for_run(make_config(dataset=cars, epochs=1)), read_table(Path("cars.csv"))
    table.loc[[3, 5], "kind"] = ["rocket", np.nan]
    found = score_table(fitted, table, "cars")
    assert found.unknown == {"kind": 1} and found.left_out == 0 and len(found.scores) == 240


def test_rows_with_missing_values_are_left_out_as_at_the_fit(cars: str) -> None:
    fitted = detector_for_run(make_config(dataset=cars.replace("impute", "drop"), epochs=1))
    table = read_table(Path("cars.csv"))
    table.loc[0, "weight"] = np.nan
    found = score_table(fitted, table, "cars")
    missing = [row for row in range(240) if row % 20 == 7 or row == 0]
    assert found.left_out == 13 and found.rows.tolist() == [row for row in range(240) if row not in missing]
    with pytest.raises(BadDataFile, match="every row has a missing value"):
        score_table(fitted, table.iloc[[0, 7]].reset_index(drop=True), "cars")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("weight", np.inf, "column weight holds an infinite value"),
        ("weight", 1e300, "column weight holds an infinite value"),
        ("weight", "heavy", "column weight holds numbers, but in row 4 'heavy'"),
    ],
)
def test_a_cell_that_gives_no_score_is_named(cars: str, column: str, value: object, words: str) -> None:
    fitted = detector_for_run(make_config(dataset=cars, epochs=1))
    table = read_table(Path("cars.csv"))
    table[column] = table[column].astype(object)
    table.loc[4, column] = value
    with pytest.raises(BadDataFile) as caught:
        score_table(fitted, table, "cars")
    assert words in str(caught.value) and str(caught.value).endswith(".")


def test_a_row_without_a_finite_score_is_named_by_its_number_in_the_file(cars: str) -> None:
    fitted = detector_for_run(make_config(dataset=cars.replace("impute", "drop"), epochs=1))
    table = read_table(Path("cars.csv"))
    table.loc[9, "weight"] = "9e37"  # row 7 is left out, so that this is the ninth that is scored
    fitted.network_.scale[0] = 1e-3
    with pytest.raises(BadDataFile, match=r"^cars: row 9 is so far outside the range .* infinite\.$"):
        score_table(fitted, table, "cars")


def test_unnamed_columns_are_taken_in_order() -> None:
    fitted, dataset = detector_for_run(make_config(epochs=1)), load_cached("digits_3")
    table = pd.DataFrame(dataset.X[:50]).rename(columns=str)
    scores = fitted.decision_function(dataset.X[:50])
    named = table.assign(name="a digit", Label=1)
    for own_table in (table, named[["name", "Label", *table.columns]]):
        assert np.array_equal(score_table(fitted, own_table, "digits").scores, scores)
    with pytest.raises(BadDataFile, match="has 63 columns of numbers, and the detector was fitted on 64 features"):
        score_table(fitted, table.drop(columns=["7"]), "digits")
    with pytest.raises(BadDataFile, match=r"^digits, its label column Label aside, has 65 columns of numbers"):
        score_table(fitted, named.assign(more=1), "digits")
    table.loc[8, "3"] = np.nan
    with pytest.raises(BadDataFile, match="row 8 has a missing value"):
        score_table(fitted, table, "digits")


def test_a_detector_fitted_to_a_frame_takes_columns_by_name() -> None:
    drawn = np.random.default_rng(0).normal(size=(60, 3))
    frame = pd.DataFrame(drawn, columns=["a", "b", "c"])
    fitted = AnoOnlyDetector(epochs=1, random_state=0).fit(frame, np.arange(60) < 5)
    found = score_table(fitted, frame.assign(d=1)[["d", "c", "b", "a"]], "frame")
    assert np.array_equal(found.scores, fitted.decision_scores_)
    with pytest.raises(BadDataFile, match="lacks columns that the features are made of: b"):
        score_table(fitted, frame.drop(columns=["b"]), "frame")


PREPARATIONS: dict[str, Any] = {
    "one feature less": {"columns": [{"name": "weight"}], "drops": False},
    "no columns": {"drops": False},
    "another field": {"columns": [{"name": f"c{place}"} for place in range(5)], "command": "rm"},
    "a list": [],
    "a word": "x",
    "a fill that is no number": {"columns": [{"name": f"c{place}", "fill": "x"} for place in range(5)]},
}


@pytest.mark.parametrize("prepared", PREPARATIONS.values(), ids=PREPARATIONS)
def test_an_unsuitable_preparation_is_refused(prepared: Any, cars: str, tmp_path: Path) -> None:
    path = taken(make_config(dataset=cars, epochs=1), tmp_path)[1]
    document, tensors = read_model(path)
    write_model(path, document, tensors)
    AnoOnlyDetector.load(path)
    write_model(path, {**document, "preparation_": prepared}, tensors)
    with pytest.raises(BadModelFile, match="does not hold what a saved AnoOnlyDetector holds"):
        AnoOnlyDetector.load(path)
